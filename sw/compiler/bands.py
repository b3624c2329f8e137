"""Tiling of activations that do not fit: parts of the network run band by band of rows.

A chain of stages ``first`` to ``last``, each reading what the one before it writes, is cut at rows of its last output.
For each band all its stages run, on the rows that this band takes; what lies between them exists one band at a time,
as a tensor of its own number. Rows of the chain's input make room once no band to come reads them, so its output may
grow into the place of its input, which helps even a chain of one stage. Chains take turns in running from the top row
down and from the bottom row up, because an output that grows downwards must lie below its input and is then itself in
the way of the next one. Rows where the windows of two bands overlap are computed twice, all but those of the chain's
input and output.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from math import inf, prod

from hw.spec.design import DesignPoint
from hw.spec.image import MOST_LAYERS
from sw.compiler.apart import schedule_apart
from sw.compiler.errors import CompileError
from sw.compiler.plan import Placement, areas, live_bytes, place, plan_memory
from sw.compiler.proof import window_rows
from sw.compiler.schedule import RowRange, Schedule, Stage, Tables, schedule
from sw.graph.graph import Graph

__all__ = ["Chain", "MemoryPlan", "band_stages", "executed_macs", "fit_memory"]

SLACKS = (0, 64, 32, 20, 16, 12, 8, 6, 4)     # 1/n of the scratchpad is kept free for gaps between tensors; 0: nothing
TURNS = 2                      # groups of neighbouring chains, from the end, whose directions are tried


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """Commands in order and where their tensors lie; proven."""

    stages: tuple[Stage, ...]
    placements: Mapping[int, Placement]
    outputs: tuple[int, ...]       # numbers of the tensors that are the answers


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Stages that run band by band."""

    first: int                          # stages of the schedule, both included
    last: int
    bands: tuple[tuple[int, int], ...]  # rows of the last output, end excluded, in the order in which they are computed
    upward: bool = False                # the bottom band comes first

    @property
    def added(self) -> int:
        """Commands beyond one per stage."""
        return (len(self.bands) - 1) * (self.last - self.first + 1)


def fit_memory(graph: Graph, *, capacity: int, alignment: int = 4, keep_input: bool = False,
               commands: int = MOST_LAYERS, share_alignment: int = 1, tables: Tables = None,
               design: DesignPoint | None = None, channels: bool = False) -> MemoryPlan:
    """Schedule ``graph`` and place its tensors; in bands where, and only where, they do not fit otherwise.

    Of the ways to cut the network into chains, that with the fewest multiply-accumulates done twice is taken, then
    that with the fewest commands; each chain has the fewest bands that fit. With ``channels`` those are places that can
    be, see :func:`sw.compiler.apart.schedule_apart`.

    Raises
    ------
    CompileError
        If it does not fit in bands either, or takes more than ``commands`` commands.
    """
    scheduled = partial(schedule, graph, keep_input=keep_input, alignment=share_alignment, tables=tables, design=design)
    plan = schedule_apart(scheduled, graph, design) if channels and design else scheduled()
    stages = plan.stages
    if len(stages) > commands:
        raise CompileError(f"{graph.name}: {len(stages)} layers; a program holds {commands}; "
                           f"use a network of fewer layers")
    try:
        return MemoryPlan(stages=stages, outputs=plan.outputs, placements=plan_memory(
            plan, graph, capacity=capacity, alignment=alignment, keep_input=keep_input))
    except CompileError as error:
        whole = error
    tried: list[list[Chain]] = []
    ends = [sum(graph.types()[number].bytes for number in numbers) for numbers in (range(len(graph.inputs)),
                                                                                   graph.answers)]
    if max(ends) > capacity:
        raise CompileError(f"{graph.name}: input and output take {ends[0]} and {ends[1]} bytes, and they lie whole in "
                           f"the scratchpad; act_bytes={capacity}; raise act_bytes or narrow the network")
    for slack in SLACKS:
        target = capacity - (capacity // slack if slack else 0)
        tiler = _Tiler(graph, plan, keep_input, capacity, target)
        for cheapest, turns in product((0, 1), range(1 << TURNS)):
            chains = tiler.chains(cheapest=cheapest, turns=turns)
            if chains is None or chains in tried or len(stages) + sum(chain.added for chain in chains) > commands:
                continue
            tried.append(chains)
            banded = replace(plan, stages=band_stages(stages, graph, chains))
            if place(areas(banded, graph, keep_input=keep_input), capacity=capacity, alignment=alignment) is not None:
                return MemoryPlan(stages=banded.stages, outputs=plan.outputs, placements=plan_memory(
                    banded, graph, capacity=capacity, alignment=alignment, keep_input=keep_input))
    raise CompileError(f"{whole}; it does not fit band by band in {commands} commands either") from whole


def executed_macs(stages: Sequence[Stage], graph: Graph) -> int:
    """Multiply-accumulates of ``stages``: with those that bands repeat, without those of rows that nothing reads."""
    return sum(_macs(stage.layer, stage.rows.out_rows if stage.rows else None, graph) for stage in stages
               if stage.layer is not None)


def _macs(layer: int, rows: int | None, graph: Graph) -> int:
    height = graph.layers[layer].output.shape[0]
    return graph.macs(layer) * (height if rows is None else rows) // height


def band_stages(stages: Sequence[Stage], graph: Graph, chains: Sequence[Chain]) -> tuple[Stage, ...]:
    """``stages`` with those of ``chains`` (in order, apart from each other) run band by band."""
    number = 1 + max(graph.first + len(graph.layers) - 1, *(stage.output for stage in stages))
    found: list[Stage] = []
    at = 0
    for chain in chains:
        found += stages[at:chain.first]
        part = stages[chain.first:chain.last + 1]
        for start, stop in chain.bands:
            found += _band(part, graph, start, stop, number)
            number += len(part) - 1
        at = chain.last + 1
    return (*found, *stages[at:])


def _heights(part: Sequence[Stage], graph: Graph) -> list[tuple[int, int]]:
    """Rows and bytes per row of the tensor before the first stage and after each one; ``part`` is a chain."""
    types = graph.types()
    shapes = [types[part[0].source].shape, *(types[stage.output].shape for stage in part)]
    return [(shape[0], prod(shape[1:])) for shape in shapes]


def _windows(part: Sequence[Stage], graph: Graph, start: int, stop: int) -> list[tuple[int, int, int, int]]:
    """For each stage, what it reads (see :func:`window_rows`) for the last one's rows from ``start`` to ``stop``."""
    shapes, windows, first, rows = _heights(part, graph), [], start, stop - start
    for stage, (height, _) in zip(reversed(part), reversed(shapes[:-1]), strict=True):
        window = window_rows(None if stage.layer is None else graph.layers[stage.layer], height, first, rows)
        windows.append(window)
        first, rows = window[:2]
    return windows[::-1]


def _band(part: Sequence[Stage], graph: Graph, start: int, stop: int, number: int) -> Iterator[Stage]:
    """The stages of one band; tensors between them are numbered from ``number`` on."""
    shapes, windows = _heights(part, graph), _windows(part, graph, start, stop)
    written = [window[:2] for window in windows[1:]] + [(start, stop - start)]
    for index, (stage, window, (out_first, out_rows)) in enumerate(zip(part, windows, written, strict=True)):
        inner_in, inner_out = index > 0, index < len(part) - 1
        rows = RowRange(
            out_first=out_first, out_rows=out_rows, out_offset=0 if inner_out else out_first * shapes[index + 1][1],
            in_first=window[0], in_rows=window[1], in_offset=0 if inner_in else window[0] * shapes[index][1],
            top=window[2], bottom=window[3])
        yield replace(stage, rows=rows, source=number + index - 1 if inner_in else stage.source,
                      output=number + index if inner_out else stage.output)


class _Tiler:
    """Chooses the chains: every stage that takes more than ``capacity`` is in one, and they take ``target``."""

    def __init__(self, graph: Graph, plan: Schedule, keep_input: bool, capacity: int, target: int):
        self.graph, self.capacity, self.target = graph, capacity, target
        self.stages = stages = plan.stages
        self.pinned = plan.shared.pinned
        self.areas = areas(plan, graph, keep_input=keep_input)
        self.live = live_bytes(self.areas, len(stages))
        self.known: dict[tuple[int, int, bool], tuple[Chain | None, int]] = {}
        self.readers: dict[int, int] = {}
        for stage in stages:
            for tensor in {stage.source, *stage.others, stage.source if stage.residual is None else stage.residual}:
                self.readers[tensor] = self.readers.get(tensor, 0) + 1

    def chains(self, *, cheapest: int, turns: int) -> list[Chain] | None:
        """None where no chains fit the target.

        ``cheapest`` 0: of the fewest products, then of the fewest commands; 1: the other way round. Neighbouring
        chains take turns; bit ``n`` of ``turns`` says whether the last chain of the ``n``-th group of neighbours from
        the end runs from the bottom up.
        """
        best: dict[int, tuple[tuple[int, int], list[Chain]] | None] = {len(self.stages): ((0, 0), [])}
        for start in reversed(range(len(self.stages))):
            options = [best[start + 1]] if self.live[start] <= self.capacity else []
            for last in self.lasts(start):
                rest = best[last + 1]
                if rest is None:
                    continue
                chain, repeated = self.option(start, last, _turn(last, rest[1], turns))
                if chain is not None:
                    cost = (repeated, chain.added)[::-1 if cheapest else 1]
                    options.append(((cost[0] + rest[0][0], cost[1] + rest[0][1]), [chain, *rest[1]]))
            best[start] = min((option for option in options if option is not None), key=lambda option: option[0],
                              default=None)
        return None if (answer := best[0]) is None else answer[1]

    def option(self, first: int, last: int, upward: bool) -> tuple[Chain | None, int]:
        """A chain and the multiply-accumulates that it repeats."""
        key = first, last, upward
        if key not in self.known:
            chain = self.cut(*key)
            self.known[key] = chain, 0 if chain is None else self.repeated(chain)
        return self.known[key]

    def lasts(self, first: int) -> Iterator[int]:
        """Where a chain from ``first`` on may end; it holds a stage that does not fit otherwise."""
        too_large = False
        for last in range(first, len(self.stages)):
            stage, before = self.stages[last], self.stages[last - 1]
            if last > first and (stage.source != before.output or before.residual is not None
                                 or self.readers[before.output] != 1):
                return
            if stage.cpu or stage.layer is None or not self.free(stage):
                return
            too_large |= self.live[last] > self.capacity
            if too_large and stage.residual != self.stages[first].source:
                yield last

    def free(self, stage: Stage) -> bool:
        """Whether rows of what a stage reads and writes are rows of tensors that have a place of their own."""
        return (not self.pinned & {stage.source, stage.output} and stage.layer is not None
                and self.graph.layers[stage.layer].op not in ("dense", "resize")
                and not self.graph.layers[stage.layer].views)

    def cut(self, first: int, last: int, upward: bool) -> Chain | None:
        """The fewest bands that fit the target; None where even one row is too much."""
        part = self.stages[first:last + 1]
        height = self.graph.types()[part[-1].output].shape[0]
        source, sink = (next(area for area in self.areas if tensor in area.tensors)
                        for tensor in (part[0].source, part[-1].output))
        inside = {source.tensors, sink.tensors, *((stage.output,) for stage in part)}
        others = sum(area.size for area in self.areas
                     if area.tensors not in inside and area.first <= last and area.last >= first)
        room, bands, done = _Room(part, self.graph, source.last <= last, sink.first >= first), [], 0
        while done < height:
            sizes = range(height - done, 0, -1)
            spans = ((height - done - size, height - done) if upward else (done, done + size) for size in sizes)
            band = next((span for span in spans if others + room.needed(*span, upward) <= self.target), None)
            if band is None:
                return None
            bands.append(band)
            done += band[1] - band[0]
        return Chain(first=first, last=last, bands=tuple(bands), upward=upward)

    def repeated(self, chain: Chain) -> int:
        part = self.stages[chain.first:chain.last + 1]
        bands = band_stages(part, self.graph, [replace(chain, first=0, last=len(part) - 1)])
        return executed_macs(bands, self.graph) - executed_macs(part, self.graph)


def _turn(last: int, rest: Sequence[Chain], turns: int) -> bool:
    """Whether a chain that ends at ``last``, with the chains ``rest`` behind it, runs from the bottom up."""
    if rest and rest[0].first == last + 1:
        return not rest[0].upward
    groups = sum(before.last + 1 != after.first for before, after in zip(rest, rest[1:], strict=False)) + bool(rest)
    return bool(turns >> groups % TURNS & 1)


class _Room:
    """What a chain's tensors take while one of its bands runs."""

    def __init__(self, part: Sequence[Stage], graph: Graph, dies: bool, grows: bool):
        self.part, self.graph, self.dies, self.grows = part, graph, dies, grows
        self.shapes = _heights(part, graph)

    def needed(self, start: int, stop: int, upward: bool) -> float:
        """Most bytes at any of its stages; ``dies``, ``grows``: whether the input ends and the output begins here."""
        windows = _windows(self.part, self.graph, start, stop)
        if min(window[1] for window in windows) < 1:
            return inf       # a band of padding alone
        (in_height, in_bytes), (height, out_bytes) = self.shapes[0], self.shapes[-1]
        left = (0, start) if upward else (stop, height)
        rest = range(0)      # rows of the input that later bands read
        if left[0] < left[1]:
            begin, rows = _windows(self.part, self.graph, *left)[0][:2]
            rest = range(begin, begin + rows)
        most = 0
        for index, window in enumerate(windows):
            now = {*rest, *(range(window[0], window[0] + window[1]) if index == 0 else ())}
            held = (len(now) if self.dies else in_height) * in_bytes
            done = height - stop if upward else start
            done += stop - start if index == len(windows) - 1 else 0
            held += (done if self.grows else height) * out_bytes
            if index:
                held += window[1] * self.shapes[index][1]
            if index < len(windows) - 1:
                held += windows[index + 1][1] * self.shapes[index + 1][1]
            most = max(most, held)
        return most
