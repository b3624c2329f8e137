"""What a network takes on many designs at once, equal to what its compiled program takes on each.

Designs that differ only in what decides how long a command takes, not in which commands there are, are one group: their
commands are made once, and asked for all designs together.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import ceil
from typing import Any

import numpy as np

from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.multipliers import MULTIPLIERS
from hw.spec.timing import LOG_CYCLES, drain_cycles
from sw.compiler.compile import KernelPlan, compile_graph, parts, works_of
from sw.compiler.cycles import command_cycles, layer_cycles, layer_words, slot_wait
from sw.compiler.designs import Designs, of_each
from sw.compiler.errors import CompileError
from sw.compiler.image import Outline
from sw.compiler.rewrite import BINARY
from sw.compiler.stages import Work
from sw.compiler.variants import keeps_columns, keeps_weights
from sw.golden.kernels import TABLES, call_cycles
from sw.graph.graph import Graph

__all__ = ["FAILED", "Costs", "network_costs"]

FAILED = -1
#: Memories that hold what they can, and what is around the engine, which takes no cycle.
ROOMY: dict[str, Any] = {"act_bytes": 131072, "weight_bytes": 524288, "stream_bytes": 0, "cpu": "vexriscv",
                         "board": "ulx3s-25"}
#: What designs of a group may differ in beside that.
VARIED = ("requantizers", "requantizer_cycles", "requantizer_dsps", "depthwise_taps", "dataflow", "table_unit")
#: Flags of a command that decide which lines of the cycle model are for it, and the other fields that it reads.
FLAGS = ("depthwise", "add", "window", "broadcast", "local", "uniform", "table")
COUNTED = ("blocks", "bands", "groups", "kernel_rows", "segments", "segment_steps", "tail_steps", "first_segments",
           "tile_rows", "tile_cols", "local_words", "port_cycles")
TABLED = {*TABLES, *BINARY}      # what a table may be made of
NEVER = np.iinfo(np.int64).max // 4

Commands = Sequence[Mapping[str, int]]


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """What a layer takes, each an int64 array ``(designs,)``."""

    variants: np.ndarray        # number of the command that the compiler takes
    cycles: np.ndarray
    words: np.ndarray           # of the weight scratchpad


Known = dict[Any, _Layer]       # of layers that were asked for


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Of a network on designs, an entry for each; all :data:`FAILED` where a design does not run it."""

    cycles: np.ndarray          # int64 (designs,): of the engine, for one inference
    cpu_cycles: np.ndarray      # int64 (designs,): of a VexRiscv beside it, estimated (``sw.golden.costs``)
    image_bytes: np.ndarray     # int64 (designs,): of program, parameters and weights in the weight scratchpad


def network_costs(graph: Graph, designs: Sequence[DesignPoint]) -> Costs:
    """Of an inference on each design, with memories that hold the network.

    Weights that stream, tensors in bands and the single-port memory take a compilation for each design.

    Raises
    ------
    GraphError
        If the graph is inconsistent.
    """
    found = np.full((len(fields(Costs)), len(designs)), FAILED, np.int64)
    tables = any(layer.op in TABLED for layer in graph.layers)
    groups: dict[DesignPoint, list[int]] = {}
    for index, design in enumerate(designs):
        groups.setdefault(_group(design, tables=tables), []).append(index)
    for members in groups.values():
        points = [designs[index] for index in members]
        unique = {key: number for number, key in enumerate(dict.fromkeys(map(_shape, points)))}
        first = {_shape(point): point for point in reversed(points)}
        costs = _group_costs(graph, [first[key] for key in unique])
        found[:, members] = costs[:, [unique[_shape(point)] for point in points]]
    return Costs(cycles=found[0], cpu_cycles=found[1], image_bytes=found[2])


def _shape(design: DesignPoint) -> tuple[Any, ...]:
    """What of a design its group does not say."""
    return tuple(getattr(design, name) for name in VARIED)


def _group(design: DesignPoint, *, tables: bool) -> Any:
    """Equal for designs that have the same commands, but for those of local memories; ``tables`` says whether there is
    what may become one.
    """
    same = [value for name, value in vars(design).items() if name not in ROOMY and name not in VARIED]
    kind = MULTIPLIERS[design.multiplier]
    if kind.magnitude is None and kind.exact(design.weight_bits):      # exact products are all alike
        same[same.index(design.multiplier)] = kind.ways, kind.digits
    # a binary weight is never 0, so a window as wide as the element's is another command
    return (*same, design.depthwise_taps if design.weight_bits == 1 else 0, tables and design.table_unit)


def _group_costs(graph: Graph, points: Sequence[DesignPoint]) -> np.ndarray:
    """Costs, int64 ``(3, points)`` in the order of their fields."""
    most = replace(points[0], **ROOMY, depthwise_taps=max(point.depthwise_taps for point in points),
                   dataflow=max(point.dataflow for point in points))
    try:
        lowered = works_of(graph, most)
    except CompileError:      # that of its commands, which the others have too
        return np.full((len(fields(Costs)), len(points)), FAILED)
    total = np.full((len(fields(Costs)), len(points)), NEVER)
    if lowered is not None:
        works, outline = lowered
        total = _summed(works, outline, most, Designs(points))
    for index in np.flatnonzero(total[0] >= NEVER).tolist():
        total[:, index] = _alone(graph, points[index])
    return total


def _summed(works: Sequence[Work | KernelPlan], outline: Outline, most: DesignPoint, designs: Designs) -> np.ndarray:
    """Of all commands; cycles are :data:`NEVER` where no way to run one is the design's, or their weights do not all
    stay.
    """
    known: Known = {}
    run = [work for work in works if isinstance(work, Work)]
    layers = [_layer(designs, [variant.command for variant in work.variants], known) for work in run]
    runs = sum(not isinstance(part[0], KernelPlan) for part in parts(works))
    cycles = sum((layer.cycles for layer in layers), np.zeros(len(designs), np.int64))
    total = cycles + len(layers) * LOG_CYCLES + runs * command_cycles(most)
    image = np.array([outline.resident_bytes(int(count), most) for count in _words(run, layers, len(designs))])
    beside = np.full(len(designs), _cpu_cycles(work for work in works if isinstance(work, KernelPlan)))
    return np.stack([np.where(image <= most.weight_bytes, total, NEVER), beside, image])


def _cpu_cycles(kernels: Iterable[KernelPlan]) -> int:
    return ceil(sum(call_cycles(call) for kernel in kernels for call in kernel.calls))


def _words(works: Sequence[Work], layers: Sequence["_Layer"], designs: int) -> np.ndarray:
    """Weight words of all commands, int64 ``(designs,)``; commands of the same content share them, as two copies do."""
    total = np.zeros(designs, np.int64)
    for number, (work, layer) in enumerate(zip(works, layers, strict=True)):
        there = np.zeros(designs, bool)
        for other, before in zip(works[:number], layers[:number], strict=True):
            for index in np.flatnonzero((layer.words == before.words) & ~there).tolist():
                one, two = work.variants[layer.variants[index]], other.variants[before.variants[index]]
                there[index] = one.content == two.content
        total += np.where(there, 0, layer.words)
    return total


def _alone(graph: Graph, point: DesignPoint) -> tuple[int, int, int]:
    """Compiled; with what the memories hold, and with weights that stream in the design's own way if they do not."""
    try:
        found = compile_graph(graph, replace(point, **{**ROOMY, "stream_bytes": point.stream_bytes}))
    except HeddleError:
        return FAILED, FAILED, FAILED
    return found.cycles, _cpu_cycles(found.kernels), len(found.image)


def _layer(designs: Designs, commands: Commands, known: Known) -> _Layer:
    """Of the command that the compiler takes of these; layers that are alike are asked once."""
    key = tuple(tuple(command[name] for name in (*FLAGS, *COUNTED)) for command in commands)
    if key not in known:
        known[key] = _fastest(designs, commands)
    return known[key]


def _fastest(designs: Designs, commands: Commands) -> _Layer:
    totals, waits, words, moves = np.empty((4, len(commands), len(designs)), np.int64)
    for places, terms in _by_flags(designs, commands):
        totals[places], waits[places], words[places], moves[places] = terms
    # as the design's dataflow wants it, then the faster one
    variants = (totals + moves * (NEVER // 2)).argmin(0)
    first = variants, np.arange(len(designs))
    return _Layer(variants=variants, cycles=totals[first] + waits[first], words=words[first])


def _by_flags(designs: Designs, commands: Commands) -> Iterator[tuple[list[int], tuple[Any, ...]]]:
    """The numbers of the commands of each set of flags, and what they take."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, command in enumerate(commands):
        groups.setdefault(tuple(command[name] for name in FLAGS), []).append(number)
    for numbers in groups.values():
        first = commands[numbers[0]]
        counted: dict[str, Any] = {name: np.array([commands[number][name] for number in numbers])[:, None]
                                  for name in COUNTED}
        yield numbers, _terms(designs, {**counted, **{name: first[name] for name in FLAGS}})


def _terms(designs: Any, command: dict[str, Any]) -> tuple[Any, ...]:
    """Cycles, cycles that the last tile waits, weight words, and whether weights move where they might stay; each an
    array ``(commands, designs)``, or one that stands for such.
    """
    command["spacing"] = of_each(drain_cycles, designs, depthwise=bool(command["depthwise"]),
                                 add=bool(command["add"]), rows=command["tile_rows"], cols=command["tile_cols"])
    terms = layer_cycles(designs, command)
    possible: Any = True
    if command["window"]:
        possible = keeps_columns(designs, command["first_segments"])
    elif command["local"]:
        possible = keeps_weights(designs)
    return (np.where(possible, terms.total, NEVER), slot_wait(designs, command, terms), layer_words(designs, command),
            keeps_weights(designs) & (not command["local"]))
