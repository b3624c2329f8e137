"""Compiles an integer graph for a design: who runs what, memory plan, fastest command of each stage, model image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeVar

from hw.spec.design import DesignPoint
from hw.spec.image import ENGINE_WORDS, Call, pack_calls, unpack_header
from hw.spec.timing import table_words
from sw.compiler.bands import MemoryPlan, fit_memory
from sw.compiler.cycles import LayerCycles, layer_cycles, layer_words, program_cycles
from sw.compiler.errors import CompileError
from sw.compiler.image import Commands, Outline, cut_image, pack_image, place_weights
from sw.compiler.plan import peak_bytes
from sw.compiler.proof import Placement, prove
from sw.compiler.schedule import Stage
from sw.compiler.stages import KernelPlan, Work, stage_work
from sw.compiler.variants import Variant
from sw.graph.graph import Graph

Planned = TypeVar("Planned")

__all__ = ["CompileError", "KernelPlan", "LayerPlan", "Placement", "Program", "compile_graph"]


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
    plans: tuple[LayerPlan | KernelPlan, ...]   # who runs what, in order: neighbouring layers are a run of the engine
    streamed_bytes: int                 # weights that come from outside the weight scratchpad in every inference
    stream_address: int                 # where these lie in the activation scratchpad (memory="spram")

    @property
    def output(self) -> Placement:
        return self.plans[-1].output

    @property
    def layers(self) -> tuple[LayerPlan, ...]:
        """What the engine runs."""
        return tuple(plan for plan in self.plans if isinstance(plan, LayerPlan))

    @property
    def kernels(self) -> tuple[KernelPlan, ...]:
        """What the CPU runs."""
        return tuple(plan for plan in self.plans if isinstance(plan, KernelPlan))

    @property
    def cycles(self) -> int:
        """Engine cycles of one inference, as its counter will show; of all its runs."""
        return sum(program_cycles(self.design, (layer.cycle_terms for layer in run)) for run in _runs(self.plans))

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers)

    @property
    def utilization(self) -> float:
        """Multiply-accumulates per cycle over the array's peak, 0 to 1."""
        return self.macs / (self.cycles * self.design.macs_per_cycle) if self.cycles else 0.0

    @property
    def resident_bytes(self) -> int:
        """What of the image lies in the weight scratchpad."""
        return unpack_header(self.image)["stream_offset"]

    def prefix(self, plans: int) -> "Program":
        """The program of its first ``plans`` plans, whose output is that of the last one; all lies where it lay."""
        kept = self.plans[:plans]
        last = [len(list(group)) for _, group in groupby(kept, key=_runner)]
        image = cut_image(self.image, self.design, calls=len(last), layers=last[-1], output=kept[-1].output)
        return replace(self, image=image, plans=kept)


def compile_graph(graph: Graph, design: DesignPoint) -> Program:
    """Compile ``graph`` for ``design``.

    Raises
    ------
    GraphError
        If the graph is inconsistent.
    CompileError
        If a layer exceeds a limit of the design, or the network its memories.
    """
    _check_supported(graph.check())
    plan = fit_memory(graph, capacity=design.act_bytes)
    placements = _even_reads(plan, graph, design)
    works = stage_work(plan.stages, placements, graph, design)
    outline = Outline(runs=tuple(map(len, _runs(works))), calls_bytes=_calls_bytes(works))
    commands = _choose(graph.name, [work for work in works if isinstance(work, Work)], design, outline)
    stream_address = 0
    if design.memory == "spram" and commands.stream_bytes:
        outside = commands.stream_bytes + outline.calls_bytes
        stream_address = design.act_bytes - outside & ~7
        if (peak := peak_bytes(placements)) > stream_address:
            raise CompileError(f"{graph.name}: activations take {peak} bytes and weights {outside}, "
                               f"act_bytes={design.act_bytes} holds both; narrow the weights or the network")
    plans = _plans(works, commands, design)
    source = Placement(address=placements[0].address, size=graph.input.size)
    image = pack_image(commands, _calls(works, commands), design, source=source, output=plans[-1].output,
                       act_bytes=peak_bytes(placements), stream_address=stream_address)
    return Program(graph=graph, design=design, image=image, input=source, plans=plans,
                   streamed_bytes=commands.stream_bytes, stream_address=stream_address)


def _check_supported(graph: Graph) -> None:
    """Raises CompileError where the graph has what no program can hold."""
    if graph.first != 1 or graph.outputs or any(layer.views for layer in graph.layers):
        raise CompileError(f"{graph.name}: several inputs or outputs, states, constants or reshapes; compiled are "
                           f"networks from one input to the output of the last layer")
    for index, layer in enumerate(graph.layers):
        if layer.dilation != (1, 1) or layer.op == "conv" and layer.weights.shape[-1] != graph.taken(index)[0].shape[2]:
            raise CompileError(f"layer {index} {layer.name} ({layer.op}): dilation or groups are not compiled")


def _runner(plan: LayerPlan | Work | KernelPlan) -> object:
    """Equal for neighbours that are one call: all of the engine, or one of the CPU."""
    return plan if isinstance(plan, KernelPlan) else None


def _runs(plans: Sequence[Planned | KernelPlan]) -> list[list[Planned]]:
    """What the engine runs without the CPU between."""
    return [[plan for plan in group if not isinstance(plan, KernelPlan)]
            for is_kernel, group in groupby(plans, key=lambda plan: isinstance(plan, KernelPlan)) if not is_kernel]


def _calls(works: Sequence[Work | KernelPlan], commands: Commands) -> list[Call]:
    runs = iter(commands.runs)
    return [runner.call if isinstance(runner, KernelPlan) else next(runs).call
            for runner, _ in groupby(works, key=_runner)]


def _calls_bytes(works: Sequence[Work | KernelPlan]) -> int:
    engine = Call(runner=0, words=(0,) * len(ENGINE_WORDS))
    return len(pack_calls(runner.call if isinstance(runner, KernelPlan) else engine
                          for runner, _ in groupby(works, key=_runner)))


def _plans(works: Sequence[Work | KernelPlan], commands: Commands,
           design: DesignPoint) -> tuple[LayerPlan | KernelPlan, ...]:
    made = iter(zip(commands.layers, commands.timeline(design), commands.words, strict=True))
    plans: list[LayerPlan | KernelPlan] = []
    for work in works:
        if isinstance(work, KernelPlan):
            plans.append(work)
            continue
        command, terms, words = next(made)
        plans.append(LayerPlan(name=work.name, op=work.op, macs=work.macs, command=command, cycle_terms=terms,
                               weight_words=len(words) + command["table"] * table_words(design), tensor=work.tensor,
                               output=work.output, stage=work.stage))
    return tuple(plans)


def _choose(name: str, works: Sequence[Work], design: DesignPoint, outline: Outline) -> Commands:
    """The fastest command for each work; where they do not all stay in the scratchpad, perhaps some of fewer words."""
    names = [work.name for work in works]
    every = [_options(work, design) for work in works]
    fastest, fewest = ([options[end] for options in every] for end in (0, -1))
    found, refused = [], None
    for chosen in (fastest, _fitting(every, design, outline), fewest):
        try:
            commands = place_weights(name, chosen, design, layers=names, outline=outline)
        except CompileError as error:
            refused = error
            continue
        if not commands.stream_bytes or design.memory == "spram":
            return commands
        found.append(commands)
    if refused is not None and not found:
        raise refused
    return min(found, key=lambda commands: sum(terms.total for terms in commands.timeline(design)))


def _options(work: Work, design: DesignPoint) -> list[Variant]:
    """The best command for a work, then those of fewer and fewer words."""
    options: list[Variant] = []
    for variant in sorted(work.variants, key=lambda variant: _preference(design, variant)):
        if not options or layer_words(design, variant.command) < layer_words(design, options[-1].command):
            options.append(variant)
    return options


def _fitting(every: Sequence[Sequence[Variant]], design: DesignPoint, outline: Outline) -> list[Variant]:
    """One of each, so that all fit the scratchpad if they can: down where a word saved costs the fewest cycles."""
    def costs(variant: Variant) -> tuple[int, int]:
        return layer_words(design, variant.command), layer_cycles(design, variant.command).total

    left = [[(variant, *costs(variant)) for variant in options] for options in every]
    while outline.resident_bytes(sum(options[0][1] for options in left), design) > design.weight_bytes:
        steps = [((options[1][2] - options[0][2]) / (options[0][1] - options[1][1]), index)
                 for index, options in enumerate(left) if len(options) > 1]
        if not steps:
            break
        del left[min(steps)[1]][0]
    return [options[0][0] for options in left]


def _preference(design: DesignPoint, variant: Variant) -> tuple[bool, int]:
    """Of two commands for the same, the smaller one: as the design's dataflow wants it, then the faster one."""
    moves_weights = design.dataflow == "weight" and not variant.command["local"]
    return moves_weights, layer_cycles(design, variant.command).total


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
