"""Neighbouring stages that run band by band: which rows each of them computes in a band, and where these lie.

A chain is cut at rows of its last output. In each band every stage computes the rows that the band takes of it.
Tensors that nobody reads behind the chain are *inner*: they exist one band at a time, as tensors of their own numbers,
and rows where the windows of two bands overlap are computed twice. Others that it writes are *kept*: they have their
places and grow, no row of them is computed twice. What it reads that is there before it is *outside*; rows of that make
room once no band to come reads them.

A sum takes the place of its residual where both are inner, or where one is outside, the other kept and nothing else in
the chain reads the former; anywhere else the residual's rows are copied to where the sum will be.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from sw.compiler.proof import window_rows
from sw.compiler.schedule import RowRange, Schedule, Stage
from sw.graph.graph import Graph

__all__ = ["Chain", "Flow", "Rows", "State", "band_stages", "last_reads"]

Rows = tuple[int, int]      # first row, and the one behind the last
State = Mapping[int, int]   # of each kept tensor, how many rows are there: from the top, or from the bottom


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Stages that run band by band."""

    first: int                          # stages of the schedule, both included
    last: int
    bands: tuple[Rows, ...]             # of the last output, in the order in which they are computed
    upward: bool = False                # the bottom band comes first

    @property
    def added(self) -> int:
        """Commands beyond one per stage; copies, and stages without rows in a band, aside."""
        return (len(self.bands) - 1) * (self.last - self.first + 1)


def last_reads(plan: Schedule, graph: Graph, *, keep_input: bool = False) -> dict[int, int]:
    """The last stage that reads each tensor; what is there at the end is read behind the last stage."""
    found = {number: at for at, stage in enumerate(plan.stages)
             for number in (stage.source, *stage.others, *(() if stage.residual is None else (stage.residual,)))}
    states = range(len(graph.inputs), len(graph.inputs) + len(graph.states))
    kept = {*plan.outputs, *plan.shared.pinned, *states, *(range(len(graph.inputs)) if keep_input else ())}
    return found | dict.fromkeys(kept, len(plan.stages))


def band_stages(plan: Schedule, graph: Graph, chains: Sequence[Chain], *,
                keep_input: bool = False) -> tuple[Stage, ...]:
    """The stages of ``plan`` with those of ``chains`` (in order, apart from each other) run band by band."""
    reads = last_reads(plan, graph, keep_input=keep_input)
    numbers = iter(range(1 + max([graph.first + len(graph.layers) - 1, *(stage.output for stage in plan.stages)]),
                         1 << 30))
    found: list[Stage] = []
    at = 0
    for chain in chains:
        found += plan.stages[at:chain.first]
        found += Flow(plan, graph, chain.first, chain.last, reads).stages(chain, numbers)
        at = chain.last + 1
    return (*found, *plan.stages[at:])


@dataclass(kw_only=True)
class _Numbers:
    """What tensors are called in one band, and the row that lies first in each."""

    numbers: Iterator[int]
    bases: dict[int, tuple[int, int]] = field(default_factory=dict)

    def of(self, tensor: int) -> tuple[int, int]:
        return self.bases.get(tensor, (tensor, 0))


class Flow:
    """How rows flow through a chain of stages ``first`` to ``last``."""

    def __init__(self, plan: Schedule, graph: Graph, first: int, last: int, reads: Mapping[int, int]):
        self.graph, self.last = graph, last
        self.known: dict[tuple[int, int, bool, bool], float] = {}
        everything = plan.stages[first:last + 1]
        self.loads = tuple(stage for stage in everything if stage.loads)
        self.part = tuple(stage for stage in everything if not stage.loads)
        held = {stage.output: stage.source for stage in plan.stages if not stage.layers}
        self.heights, self.row_bytes = dict[int, int](), dict[int, int]()
        made = {stage.output for stage in self.part}
        self.kept = {tensor for tensor in made if reads.get(tensor, last + 1) > last}
        self.inner = made - self.kept
        read = [number for stage in self.part for number in self.taken(stage)]
        self.outside = tuple(dict.fromkeys(number for number in read if number not in made))
        #: outside tensors of which rows make room
        self.dying = {number for number in self.outside if reads[number] <= last}
        for number in {*made, *self.outside}:
            kind = graph.types()[number] if number < len(graph.types()) else graph.types()[held[number]]
            self.heights[number], self.row_bytes[number] = kind.shape[0], kind.bytes // kind.shape[0]
        counts = {number: read.count(number) for number in read}
        #: stages whose output takes the place of another tensor: that of the plan, or of a copy
        self.in_place = {stage.output for stage in self.part if stage.residual is not None and (
            {stage.residual, stage.output} <= self.inner
            or stage.residual in self.dying and stage.output in self.kept and counts[stage.residual] == 1)}
        self.copied = {stage.output for stage in self.part
                       if stage.residual is not None and stage.output not in self.in_place and not stage.cpu}
        under = {stage.residual for stage in self.part if stage.output in self.in_place & self.kept}
        #: what :meth:`needed` counts, beside the inner ones; the others have a place all the time
        self.counted_outside = self.dying - under
        self.counted_kept = self.kept - plan.shared.pinned - {stage.output for stage in self.part
                                                              if stage.residual in under}

    @property
    def counted(self) -> set[int]:
        return self.inner | self.counted_kept | self.counted_outside

    @property
    def touched(self) -> set[int]:
        return self.inner | self.kept | {*self.outside}

    @staticmethod
    def taken(stage: Stage) -> tuple[int, ...]:
        """What a stage reads, each tensor once."""
        residual = () if stage.residual is None else (stage.residual,)
        return tuple(dict.fromkeys((stage.source, *stage.others, *residual)))

    @property
    def sink(self) -> int:
        """The tensor at whose rows the bands are cut."""
        return self.part[-1].output

    def window(self, stage: Stage, tensor: int, rows: Rows) -> tuple[int, int, int, int]:
        """What ``rows`` of a stage's output read of ``tensor``: see :func:`window_rows`."""
        operator = stage.layer is not None and tensor in (stage.source, *stage.others)
        return window_rows(self.graph.layers[stage.layer] if operator and stage.layer is not None else None,
                           self.heights[tensor], rows[0], rows[1] - rows[0])

    def demand(self, state: State, stop: int, upward: bool) -> tuple[list[Rows | None], dict[int, Rows]]:
        """The rows that each stage computes in the band up to ``stop`` (from it on), and those read of each tensor."""
        wanted: dict[int, Rows] = {}
        found: list[Rows | None] = []
        height = self.heights[self.sink]
        for stage in reversed(self.part):
            rows = wanted.get(stage.output)
            if stage.output in self.kept:
                rows = self.grown(stage.output, state, rows, stop, height, upward)
            found.append(rows)
            if rows is None:
                continue
            for tensor in self.taken(stage):
                first, count = self.window(stage, tensor, rows)[:2]
                before = wanted.get(tensor, (first, first + count))
                wanted[tensor] = min(before[0], first), max(before[1], first + count)
        return found[::-1], wanted

    def grown(self, tensor: int, state: State, wanted: Rows | None, stop: int, sink: int, upward: bool) -> Rows | None:
        """The rows by which a kept tensor grows."""
        height, done = self.heights[tensor], state[tensor]
        if upward:
            target = stop * height // sink
            top = min([target, *(wanted[:1] if wanted else ())])
            return (top, height - done) if top < height - done else None
        target = -(-stop * height // sink)
        bottom = max([target, *(wanted[1:] if wanted else ())])
        return (done, bottom) if done < bottom else None

    def start(self) -> dict[int, int]:
        return dict.fromkeys(self.kept, 0)

    def empty(self, rows: Sequence[Rows | None]) -> bool:
        """Whether a stage would read padding alone, which no command does."""
        return any(part is not None and self.window(stage, stage.source, part)[1] < 1
                   for stage, part in zip(self.part, rows, strict=True))

    def needed(self, state: State, start: int, stop: int, upward: bool, *, apart: bool = False) -> float:
        key = start, stop, upward, apart      # what is there in front of a band is what the rows before it have asked
        if key not in self.known:
            self.known[key] = self.most(state, start, stop, upward, apart)
        return self.known[key]

    def bytes(self, tensor: int) -> int:
        return self.heights[tensor] * self.row_bytes[tensor]

    def largest(self, tensors: Iterable[int]) -> int | None:
        return max(tensors, key=lambda tensor: (self.bytes(tensor), tensor), default=None)

    def most(self, state: State, start: int, stop: int, upward: bool, apart: bool) -> float:
        """Most bytes of inner, kept and dying tensors that live at any stage of a band; see :attr:`counted`.

        ``apart``: as much as it takes if the inner ones lie between the one that grows and the one that dies, in
        nobody's place; where several do, the others take their places all the time.
        """
        rows, _ = self.demand(state, start if upward else stop, upward)
        if self.empty(rows):
            return inf
        rest: dict[int, Rows] = {}
        if start if upward else self.heights[self.sink] - stop:
            rest = self.demand(self.after(state, rows), 0 if upward else self.heights[self.sink], upward)[1]
        total = [0] * len(self.part)
        roots: dict[int, int] = {}
        sizes, ends = dict[int, int](), dict[int, tuple[int, int]]()
        reads = dict(rest)
        for at in reversed(range(len(self.part))):
            stage, part = self.part[at], rows[at]
            if part is not None:
                for tensor in self.taken(stage):
                    if tensor in self.counted_outside:
                        first, count = self.window(stage, tensor, part)[:2]
                        before = reads.get(tensor, (first, first + count))
                        reads[tensor] = min(before[0], first), max(before[1], first + count)
            total[at] += sum((reads[tensor][1] - reads[tensor][0]) * self.row_bytes[tensor]
                             for tensor in self.counted_outside if tensor in reads)
        if apart:
            total = [sum(self.bytes(tensor) if tensor != self.largest(self.counted_outside) else
                         (rows[1] - rows[0]) * self.row_bytes[tensor]
                         for tensor, rows in reads.items() if tensor in self.counted_outside)] * len(total)
        for at, (stage, part) in enumerate(zip(self.part, rows, strict=True)):
            tensor = stage.output
            if tensor in self.counted_kept:
                there = state[tensor] * self.row_bytes[tensor]
                if apart and tensor != self.largest(self.counted_kept):
                    there = self.bytes(tensor)
                    part = None
                new = 0 if part is None else (part[1] - part[0]) * self.row_bytes[tensor]
                for each in range(len(total)):
                    total[each] += there + (new if each >= at or apart else 0)
            elif tensor in self.inner and part is not None:
                inside = tensor in self.in_place
                roots[tensor] = roots[stage.residual] if inside and stage.residual is not None else tensor
                if not inside:
                    sizes[tensor] = (part[1] - part[0]) * self.row_bytes[tensor]
                    ends[tensor] = at, at
                ends[roots[tensor]] = ends[roots[tensor]][0], at
            if part is not None:
                for read in self.taken(stage):
                    if read in roots:
                        ends[roots[read]] = ends[roots[read]][0], at
        for tensor, (begin, end) in ends.items():
            for each in range(begin, end + 1):
                total[each] += sizes[tensor]
        return max(total)

    def after(self, state: State, rows: Sequence[Rows | None]) -> dict[int, int]:
        """What is there of the kept tensors behind a band."""
        grown = {stage.output: part[1] - part[0] for stage, part in zip(self.part, rows, strict=True)
                 if part is not None and stage.output in self.kept}
        return {tensor: done + grown.get(tensor, 0) for tensor, done in state.items()}

    def stages(self, chain: Chain, numbers: Iterator[int]) -> Iterator[Stage]:
        """The chain's stages, band by band; new tensors take the next of ``numbers``."""
        yield from self.loads
        copies = {tensor: (next(numbers), 0) for stage in self.part
                  if (tensor := stage.output) in self.copied and tensor in self.kept}
        state = self.start()
        for start, stop in chain.bands:
            rows, wanted = self.demand(state, start if chain.upward else stop, chain.upward)
            names = _Numbers(numbers=numbers)
            for stage, part in zip(self.part, rows, strict=True):
                if part is not None:
                    yield from self.banded(stage, part, wanted, names, copies)
            state = self.after(state, rows)

    def banded(self, stage: Stage, rows: Rows, wanted: Mapping[int, Rows], names: _Numbers,
               copies: Mapping[int, tuple[int, int]]) -> Iterator[Stage]:
        output, residual = stage.output, stage.residual
        if output in self.inner:
            base = names.of(residual)[1] if residual is not None and output in self.in_place else rows[0]
            names.bases[output] = next(names.numbers), base
        number, base = names.of(output)
        if residual is not None and output in self.copied:
            source, held = names.of(residual)
            copy = copies[output] if output in copies else (next(names.numbers), base)
            yield Stage(layer=None, source=source, output=copy[0], rows=RowRange(
                out_first=rows[0], out_rows=rows[1] - rows[0], out_offset=(rows[0] - base) * self.row_bytes[output],
                in_first=rows[0], in_rows=rows[1] - rows[0], in_offset=(rows[0] - held) * self.row_bytes[output],
                top=0, bottom=0))
            residual = copy[0]
        elif residual is not None:
            residual = names.of(residual)[0] if output in self.in_place else None
        first, count, top, bottom = self.window(stage, stage.source, rows)
        yield replace(stage, source=names.of(stage.source)[0], output=number, residual=residual,
                      others=tuple(names.of(other)[0] for other in stage.others),
                      rows=RowRange(out_first=rows[0], out_rows=rows[1] - rows[0],
                                    out_offset=(rows[0] - base) * self.row_bytes[output], in_first=first,
                                    in_rows=count, in_offset=self.offset(stage.source, first, names), top=top,
                                    bottom=bottom, others=tuple(
                                        self.offset(other, self.window(stage, other, rows)[0], names)
                                        for other in stage.others)))

    def offset(self, tensor: int, first: int, names: _Numbers) -> int:
        return (first - names.of(tensor)[1]) * self.row_bytes[tensor]
