"""Compiles an integer graph for a design: schedule, memory plan, the fastest command of each stage, model image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hw.spec.design import DesignPoint
from sw.compiler.bands import MemoryPlan, fit_memory
from sw.compiler.cycles import LayerCycles, layer_cycles, layer_words, program_cycles, timeline
from sw.compiler.errors import CompileError
from sw.compiler.image import Commands, end_image, pack_image, place_weights, resident_bytes
from sw.compiler.lower import Lowered
from sw.compiler.plan import peak_bytes
from sw.compiler.proof import Placement, prove
from sw.compiler.schedule import Stage
from sw.compiler.stages import Work, lower_stages
from sw.graph.graph import Graph

__all__ = ["CompileError", "LayerPlan", "Placement", "Program", "compile_graph"]


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """One LAYER command: a layer of the graph with what is fused into it, or a part of it."""

    name: str
    op: str
    macs: int
    command: Mapping[str, int]
    cycle_terms: LayerCycles
    weight_words: int
    tensor: int | None        # number of the graph's tensor that is complete behind this command
    output: Placement         # of the tensor that it writes to
    stage: Stage              # of the schedule, that it is or is a part of

    @property
    def cycles(self) -> int:
        return self.cycle_terms.total


@dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """A compiled network: the model image for one design, and what it will do, exactly."""

    graph: Graph
    design: DesignPoint
    image: bytes                        # header and what lies in the weight scratchpad, then the stream
    input: Placement
    layers: tuple[LayerPlan, ...]
    streamed_bytes: int                 # weights that come from outside the weight scratchpad in every inference
    stream_address: int                 # where these lie in the activation scratchpad (memory="spram")

    @property
    def output(self) -> Placement:
        return self.layers[-1].output

    @property
    def cycles(self) -> int:
        """Engine cycles of one inference, as its counter will show."""
        return program_cycles(self.design, (layer.cycle_terms for layer in self.layers))

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers)

    @property
    def utilization(self) -> float:
        """Multiply-accumulates per cycle over the array's peak, 0 to 1."""
        return self.macs / (self.cycles * self.design.macs_per_cycle)

    def prefix(self, layers: int) -> "Program":
        """The same program, with the same image but for its end: after ``layers`` LAYER commands."""
        image = end_image(self.image, self.design, after=layers + bool(self.streamed_bytes),
                          layers=layers, output=self.layers[layers - 1].output)
        return replace(self, image=image, layers=self.layers[:layers])


def compile_graph(graph: Graph, design: DesignPoint) -> Program:
    """Compile ``graph`` for ``design``; a softmax at its end is left to the CPU.

    Raises
    ------
    GraphError
        If the graph is inconsistent.
    CompileError
        If a layer exceeds a limit of the design, or the network its memories.
    """
    graph.check()
    plan = fit_memory(graph, capacity=design.act_bytes)
    placements = _even_reads(plan, graph, design)
    works = lower_stages(plan.stages, placements, graph, design)
    commands = _choose(graph.name, works, design)
    stream_address = 0
    if design.memory == "spram":
        stream_address = design.act_bytes - commands.stream_bytes & ~7
        if (peak := peak_bytes(placements)) > stream_address:
            raise CompileError(f"{graph.name}: activations take {peak} bytes and weights {commands.stream_bytes}, "
                               f"act_bytes={design.act_bytes} holds both; narrow the weights or the network")
    layers = tuple(
        LayerPlan(name=work.name, op=work.op, macs=work.macs, command=command, cycle_terms=terms,
                  weight_words=len(words), tensor=work.tensor, output=work.output, stage=work.stage)
        for work, command, terms, words in zip(works, commands.layers, timeline(design, commands.all), commands.words,
                                               strict=True))
    source = Placement(address=placements[0].address, size=graph.input.size)
    image = pack_image(commands, design, source=source, output=layers[-1].output, stream_address=stream_address)
    return Program(graph=graph, design=design, image=image, input=source, layers=layers,
                   streamed_bytes=commands.stream_bytes, stream_address=stream_address)


def _choose(name: str, works: Sequence[Work], design: DesignPoint) -> Commands:
    """The fastest command for each work; where they do not all stay in the scratchpad, perhaps some of fewer words."""
    names = [work.name for work in works]
    ladders = [_ladder(work, design) for work in works]
    fastest, fewest = ([ladder[end] for ladder in ladders] for end in (0, -1))
    found, refused = [], None
    for chosen in (fastest, _fitting_rungs(ladders, design), fewest):
        try:
            commands = place_weights(name, chosen, design, layers=names)
        except CompileError as error:
            refused = error
            continue
        if not commands.stream_bytes or design.memory == "spram":
            return commands
        found.append(commands)
    if refused is not None and not found:
        raise refused
    return min(found, key=lambda commands: sum(terms.total for terms in timeline(design, commands.all)))


def _ladder(work: Work, design: DesignPoint) -> list[Lowered]:
    """The best command for a work, then those of fewer and fewer words."""
    rungs: list[Lowered] = []
    for lowered in sorted(work.choices, key=lambda lowered: _preference(design, lowered)):
        if not rungs or layer_words(design, lowered.command) < layer_words(design, rungs[-1].command):
            rungs.append(lowered)
    return rungs


def _fitting_rungs(ladders: Sequence[Sequence[Lowered]], design: DesignPoint) -> list[Lowered]:
    """One of each, so that all fit the scratchpad if they can: down where a word saved costs the fewest cycles."""
    def costs(lowered: Lowered) -> tuple[int, int]:
        return layer_words(design, lowered.command), layer_cycles(design, lowered.command).total

    left = [[(lowered, *costs(lowered)) for lowered in ladder] for ladder in ladders]
    while resident_bytes(sum(ladder[0][1] for ladder in left), len(left), design) > design.weight_bytes:
        steps = [((ladder[1][2] - ladder[0][2]) / (ladder[0][1] - ladder[1][1]), index)
                 for index, ladder in enumerate(left) if len(ladder) > 1]
        if not steps:
            break
        del left[min(steps)[1]][0]
    return [ladder[0][0] for ladder in left]


def _preference(design: DesignPoint, lowered: Lowered) -> tuple[bool, int]:
    """Of two commands for the same, the smaller one: as the design's dataflow wants it, then the faster one."""
    moves_weights = design.dataflow == "weight" and not lowered.command["local"]
    return moves_weights, layer_cycles(design, lowered.command).total


def _even_reads(plan: MemoryPlan, graph: Graph, design: DesignPoint) -> Mapping[int, Placement]:
    """The placements; on a memory that reads at even addresses only, with the input where its first read is even."""
    first, placements = plan.stages[0], dict(plan.placements)
    if design.memory != "spram" or first.layer is None or graph.layers[first.layer].op != "conv":
        return placements
    source, layer = placements[0], graph.layers[first.layer]
    channels = graph.input.shape[2]
    odd = layer.padding[1] * channels % 2
    moved = Placement(address=source.address + 1, size=source.size)
    alone = sum(0 in (stage.source, stage.residual) for stage in plan.stages) == 1 and first.rows is None
    if not odd or not alone or moved.overlaps(placements[first.output]) or first.residual is not None:
        return placements
    placements[0] = moved
    prove(plan.stages, placements, graph, capacity=design.act_bytes)
    return placements
