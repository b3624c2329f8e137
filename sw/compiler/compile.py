"""Compiles an integer graph for a design: schedule, memory plan, the fastest command of each stage, model image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hw.spec.commands import COMMAND_BITS
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from sw.compiler.bands import fit_memory
from sw.compiler.cycles import LayerCycles, layer_cycles, program_cycles, timeline
from sw.compiler.errors import CompileError
from sw.compiler.image import Commands, Residence, pack_image, place_weights
from sw.compiler.lower import Lowered, lower_stage
from sw.compiler.proof import Placement
from sw.compiler.schedule import Stage, held_tensors, stage_name
from sw.graph.graph import Graph

__all__ = ["CompileError", "LayerPlan", "Placement", "Program", "compile_graph"]


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """One LAYER command: a layer of the graph with what is fused into it, or a band of it."""

    name: str
    op: str
    macs: int
    command: Mapping[str, int]
    cycle_terms: LayerCycles
    weight_words: int
    tensor: int | None        # number of the graph's tensor that is complete behind this command
    output: Placement         # of the tensor that it writes

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
    commands: Commands                  # what the image was packed from

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

    @property
    def streamed_bytes(self) -> int:
        """Weights that come from the memory outside in every inference."""
        return self.commands.stream_bytes

    def prefix(self, layers: int) -> "Program":
        """The same program stopped after ``layers`` commands, so that the tensor it writes last is the output."""
        commands = self.commands.prefix(layers)
        image = pack_image(commands, self.design, input=self.input, output=self.layers[layers - 1].output)
        return replace(self, image=image, layers=self.layers[:layers], commands=commands)


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
    plan = fit_memory(graph, capacity=design.act_bytes - _streamed_bytes_reserve(design))
    chosen: list[tuple[Stage, Lowered, bool]] = []
    for stage in plan.stages:
        for number, choices in enumerate(steps := _lower(stage, plan.placements, graph, design)):
            fastest = min(choices, key=lambda lowered: layer_cycles(design, lowered.command).total)
            chosen.append((stage, fastest, number == len(steps) - 1))
    commands = place_weights(graph.name, [lowered for _, lowered, _ in chosen], design)
    terms = timeline(design, commands.decoded)
    held = held_tensors(plan.stages, graph)
    done = _completed(plan.stages, graph)
    layers = tuple(
        _plan(graph, stage, lowered, command, cycles, plan.placements[stage.output],
              held[stage.output] if ends and index_of in done else None)
        for (stage, lowered, ends), command, cycles, index_of in zip(
            chosen, commands.layers, terms, _stage_numbers(chosen), strict=True))
    source = plan.placements[0]
    image = pack_image(commands, design, input=Placement(address=source.address, size=graph.input.size),
                       output=layers[-1].output)
    return Program(graph=graph, design=design, image=image, layers=layers, commands=commands,
                   input=Placement(address=source.address, size=graph.input.size))
