"""Compiles an integer graph for a design: who runs what, memory plan, fastest command of each stage, model image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np

from hw.spec.commands import LAYER_LOG_ENTRIES
from hw.spec.design import FIRMWARE_BYTES, SPRAM_ROW_BYTES, DesignPoint
from hw.spec.image import ENGINE_WORDS, MOST_LAYERS, Call, pack_calls, unpack_header
from hw.spec.timing import table_words
from sw.compiler.bands import MemoryPlan, fit_memory
from sw.compiler.cycles import LayerCycles, layer_cycles, layer_words, program_cycles
from sw.compiler.errors import CompileError
from sw.compiler.image import Commands, Outline, cut_image, pack_image, place_weights
from sw.compiler.plan import peak_bytes
from sw.compiler.proof import Placement, prove
from sw.compiler.rewrite import rewrite
from sw.compiler.schedule import Stage, Tables
from sw.compiler.shared import has_channels
from sw.compiler.stages import KernelPlan, Work, looks_up, stage_work, state_resets
from sw.compiler.variants import Variant
from sw.golden.kernels import call_cycles
from sw.graph.graph import Graph

Planned = TypeVar("Planned")      # a plan, or the work that becomes one

__all__ = ["CompileError", "KernelPlan", "LayerPlan", "Placement", "Program", "compile_graph", "parts", "works_of"]


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

    graph: Graph                        # as it runs, perhaps in other layers than it was given in
    design: DesignPoint
    image: bytes                        # header and what lies in the weight scratchpad, then the stream
    inputs: tuple[Placement, ...]       # in a row, as the outputs are
    outputs: tuple[Placement, ...]
    plans: tuple[LayerPlan | KernelPlan, ...]   # who runs what, in order: neighbouring layers are a run of the engine
    streamed_bytes: int                 # weights that come from outside the weight scratchpad in every inference
    stream_address: int                 # where these lie in the activation scratchpad (memory="spram")

    @property
    def input(self) -> Placement:
        """The place of all inputs."""
        return _together(self.inputs)

    @property
    def output(self) -> Placement:
        """The place of all outputs."""
        return _together(self.outputs)

    @property
    def streams_outside(self) -> bool:
        """Whether weights come from a memory beside the device."""
        return self.streamed_bytes > 0 and not self.stream_address

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
        return sum(program_cycles(self.design, (layer.cycle_terms for layer in run if isinstance(layer, LayerPlan)))
                   for run in _runs(self.plans))

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers)

    @property
    def utilization(self) -> float:
        """Multiply-accumulates per cycle over the array's peak with weights of each layer's width, 0 to 1."""
        least = sum(layer.macs / (self.design.macs_per_cycle << layer.command["split"]) for layer in self.layers)
        return least / self.cycles if self.cycles else 0.0

    @property
    def resident_bytes(self) -> int:
        """What of the image lies in the weight scratchpad."""
        return unpack_header(self.image)["stream_offset"]

    def pack_inputs(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Each inference's inputs as they lie in memory: int8 ``(N, input.size)``."""
        count, start = len(inputs[0]), self.input.address
        packed = np.zeros((count, self.input.size), np.int8)
        for place, values in zip(self.inputs, inputs, strict=True):
            content = np.ascontiguousarray(values).reshape(count, -1).view(np.int8)
            packed[:, place.address - start:place.address - start + place.size] = content
        return packed

    def unpack_outputs(self, packed: np.ndarray) -> list[np.ndarray]:
        """The outputs, ``(N, *shape)`` of their own dtypes, from int8 ``(N, output.size)``."""
        types, start = self.graph.types(), self.output.address
        parts = [packed[:, place.address - start:place.address - start + place.size] for place in self.outputs]
        return [np.ascontiguousarray(part).view(types[number].dtype).reshape(len(packed), *types[number].shape)
                for number, part in zip(self.graph.answers, parts, strict=True)]

    def prefix(self, plans: int) -> "Program":
        """The program of its first ``plans`` plans, whose output is that of the last one; all lies where it lay."""
        kept = self.plans[:plans]
        calls = [1 if isinstance(part[0], LayerPlan) else len(part[0].calls) for part in parts(kept)]
        image = cut_image(self.image, self.design, calls=sum(calls), layers=len(parts(kept)[-1]),
                          output=kept[-1].output)
        return replace(self, image=image, plans=kept, outputs=(kept[-1].output,))


def compile_graph(graph: Graph, design: DesignPoint) -> Program:
    """Compile ``graph`` for ``design``.

    The engine's tables lie in the weight scratchpad; where they leave too little room there, the CPU has all of them.

    Raises
    ------
    GraphError
        If the graph is inconsistent.
    CompileError
        If a layer exceeds a limit of the design, or the network its memories.
    """
    graph = rewrite(graph.check(), design)
    if not design.table_unit:
        return _compiled(graph, design, tables=None)
    try:
        return _compiled(graph, design, tables=partial(looks_up, design))
    except CompileError:      # the same without tables says so again, where they were not in the way
        return _compiled(graph, design, tables=None)


def _compiled(graph: Graph, design: DesignPoint, *, tables: Tables) -> Program:
    """With channels as places, if there are any; where tensors do not fit whole with them, what takes fewer cycles."""
    found, refused = list[tuple[float, Program]](), None
    for channels in (True, False) if has_channels(graph) else (False,):
        try:
            plan = fit_memory(graph, capacity=design.network_bytes, tables=tables, design=design, channels=channels,
                              share_alignment=SPRAM_ROW_BYTES if design.memory == "spram" else 1)
            program = _programmed(plan, graph, design)
        except CompileError as error:
            refused = error
            continue
        found.append((program.cycles + sum(call_cycles(call) for kernel in program.kernels for call in kernel.calls),
                      program))
        if not any(stage.rows for stage in plan.stages):
            break
    if not found and refused:
        raise _without_firmware(refused, design)
    return min(found, key=lambda pair: pair[0])[1]


def _without_firmware(refused: CompileError, design: DesignPoint) -> CompileError:
    """The error, with why there is less room than the design says."""
    if f"act_bytes={design.network_bytes}" not in str(refused) or design.network_bytes == design.act_bytes:
        return refused
    return CompileError(f"{refused} (of act_bytes={design.act_bytes}, {FIRMWARE_BYTES} are the firmware's)")


def works_of(graph: Graph, design: DesignPoint) -> tuple[list[Work | KernelPlan], Outline] | None:
    """What ``design`` does, in order, each command in every way that it can run, and what else its image holds.

    Where all weights stay in the scratchpad each command runs in its fastest way. None where more than that decides:
    where weights always stream, tensors lie in bands, or channels may be places.

    Raises
    ------
    CompileError, GraphError
        As :func:`compile_graph`.
    """
    graph = rewrite(graph.check(), design)
    if has_channels(graph) or design.memory == "spram":
        return None
    if not design.table_unit:
        return _works(graph, design, tables=None)
    try:
        return _works(graph, design, tables=partial(looks_up, design))
    except CompileError:
        return _works(graph, design, tables=None)


def _works(graph: Graph, design: DesignPoint, *, tables: Tables) -> tuple[list[Work | KernelPlan], Outline] | None:
    plan = fit_memory(graph, capacity=design.network_bytes, design=design, tables=tables)
    if any(stage.rows for stage in plan.stages):
        return None
    works = stage_work(plan.stages, plan.placements, graph, design)
    _check_length(graph.name, works)
    return works, _outline(works, state_resets(plan.placements, graph))


def _outline(works: Sequence[Work | KernelPlan], resets: Sequence[Call]) -> Outline:
    return Outline(runs=tuple(map(len, _runs(works))), calls_bytes=_calls_bytes(works) + len(pack_calls(resets)))


def _programmed(plan: MemoryPlan, graph: Graph, design: DesignPoint) -> Program:
    placements = _even_reads(plan, graph, design)
    works = stage_work(plan.stages, placements, graph, design)
    _check_length(graph.name, works)
    resets = state_resets(placements, graph)
    outline = _outline(works, resets)
    commands = _choose(graph.name, [work for work in works if isinstance(work, Work)], design, outline)
    stream_address = 0
    if design.memory == "spram" and commands.stream_bytes:
        outside = commands.stream_bytes + outline.calls_bytes
        stream_address = design.network_bytes - outside & ~7
        if (peak := peak_bytes(placements)) > stream_address:
            raise CompileError(f"{graph.name}: activations take {peak} bytes and weights {outside}, "
                               f"act_bytes={design.act_bytes} holds both and {FIRMWARE_BYTES} of the firmware; narrow "
                               f"the weights or the network")
    plans = _plans(works, commands, design)
    inputs, outputs = ([placements[number] for number in numbers] for numbers in (range(len(graph.inputs)),
                                                                                  plan.outputs))
    image = pack_image(commands, _calls(works, commands), design, source=_together(inputs), output=_together(outputs),
                       act_bytes=peak_bytes(placements), stream_address=stream_address, resets=resets)
    return Program(graph=graph, design=design, image=image, inputs=tuple(inputs), outputs=tuple(outputs), plans=plans,
                   streamed_bytes=commands.stream_bytes, stream_address=stream_address)


def _together(placements: Sequence[Placement]) -> Placement:
    """The place of tensors that lie in a row."""
    start, last = placements[0].address, placements[-1]
    return Placement(address=start, size=last.address + last.size - start)


def _check_length(name: str, works: Sequence[Work | KernelPlan]) -> None:
    count = sum(len(work.calls) if isinstance(work, KernelPlan) else 1 for work in works)
    if count > MOST_LAYERS:
        raise CompileError(f"{name}: {count} commands of the engine and calls of the CPU; a program holds "
                           f"{MOST_LAYERS}; use a network of fewer layers")


def parts(plans: Sequence[Planned]) -> list[list[Planned]]:
    """What belongs together, in order: the layers of each run of the engine, each layer of the CPU alone.

    A run has as many layers as the engine counts.
    """
    found: list[list[Planned]] = []
    for plan in plans:
        more = found and not isinstance(plan, KernelPlan) and not isinstance(found[-1][0], KernelPlan)
        if more and len(found[-1]) < LAYER_LOG_ENTRIES:
            found[-1].append(plan)
        else:
            found.append([plan])
    return found


def _runs(plans: Sequence[Planned]) -> list[list[Planned]]:
    """What the engine runs without the CPU between."""
    return [part for part in parts(plans) if not isinstance(part[0], KernelPlan)]


def _calls(works: Sequence[Work | KernelPlan], commands: Commands) -> list[Call]:
    runs = iter(commands.runs)
    return [call for first, *_ in parts(works)
            for call in (first.calls if isinstance(first, KernelPlan) else [next(runs).call])]


def _calls_bytes(works: Sequence[Work | KernelPlan]) -> int:
    engine = Call(runner=0, words=(0,) * len(ENGINE_WORDS))
    return len(pack_calls(call for first, *_ in parts(works)
                          for call in (first.calls if isinstance(first, KernelPlan) else [engine])))


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
    placements = dict(plan.placements)
    if not plan.stages:
        return placements
    first = plan.stages[0]
    simple = len(graph.inputs) == 1 and not graph.states and first.source == 0
    if design.memory != "spram" or not simple or first.layer is None or graph.layers[first.layer].op != "conv":
        return placements
    source, layer = placements[0], graph.layers[first.layer]
    channels = graph.taken(first.layer)[0].image[2]
    odd = layer.padding[1] * channels % 2
    moved = Placement(address=source.address + 1, size=source.size)
    alone = sum(0 in (stage.source, *stage.others, stage.residual) for stage in plan.stages) == 1
    made = {0, *(stage.output for stage in plan.stages)}      # what else is read lies in the input
    alone = alone and all({stage.source, *stage.others} <= made for stage in plan.stages)
    alone = alone and first.rows is None and sum(place == source for place in placements.values()) == 1
    if not odd or not alone or moved.overlaps(placements[first.output]) or first.residual is not None:
        return placements
    placements[0] = moved
    prove(plan.stages, placements, graph, capacity=design.network_bytes, outputs=plan.outputs)
    return placements
