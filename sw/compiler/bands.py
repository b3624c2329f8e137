"""Tiling of activations that do not fit: parts of the network run band by band of rows.

Which stages are a chain (:mod:`sw.compiler.chains`), and how many bands it has, is chosen here. Rows of what a chain
reads make room once no band to come reads them, so its output may grow into the place of its input, which helps even a
chain of one stage. Chains take turns in running from the top row down and from the bottom row up, because an output
that grows downwards must lie below its input and is then itself in the way of the next one.

The search is a list of attempts, the first that finds places for all tensors wins; none of them looks at a clock.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.image import MOST_LAYERS
from sw.compiler.apart import schedule_apart
from sw.compiler.chains import Chain, Flow, Rows, band_stages, last_reads
from sw.compiler.errors import CompileError
from sw.compiler.plan import NARROWER, Placement, areas, live_bytes, place, plan_memory
from sw.compiler.proof import runs_in_rows
from sw.compiler.schedule import Schedule, Stage, Tables, schedule
from sw.graph.graph import Graph

__all__ = ["Cutter", "MemoryPlan", "executed_macs", "fit_memory"]

#: What is tried, in order: whether inner tensors lie apart, which 1/n of the scratchpad is kept free for gaps between
#: tensors (0: nothing), and what is the least: work, commands, or work where each chain counts as 1/n of the network's.
ATTEMPTS: tuple[tuple[bool, tuple[int, ...], tuple[str | int, ...]], ...] = (
    (False, (0, 64, 32, 20, 16, 12, 8, 6, 4), ("work", "commands")),
    (True, (0, 32, 12, 6, 4, 3, 2), ("work", "commands", 32, 8)))
MOST_STAGES = 24               # of a chain
CPU_WORK = 1280                # multiply-accumulates in the time in which the CPU makes a byte
COPY_WORK = 16                 # and the engine copies one
TURNS = 2                      # groups of neighbouring chains, from the end, whose directions are tried


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """Commands in order and where their tensors lie; proven."""

    stages: tuple[Stage, ...]
    placements: Mapping[int, Placement]
    outputs: tuple[int, ...]       # numbers of the tensors that are the answers


def fit_memory(graph: Graph, *, capacity: int, alignment: int = 4, keep_input: bool = False,
               commands: int = MOST_LAYERS, share_alignment: int = 1, tables: Tables = None,
               design: DesignPoint | None = None, channels: bool = False) -> MemoryPlan:
    """Schedule ``graph`` and place its tensors; in bands where, and only where, they do not fit otherwise.

    Of the ways to cut the network into chains, that with the fewest multiply-accumulates done twice is taken (see
    ``ATTEMPTS`` for others, where its tensors find no places), then that with the fewest commands; each chain has the
    fewest bands that fit. With ``channels`` those are places that can be, see
    :func:`sw.compiler.apart.schedule_apart`, unless it fits only where they are not.

    Raises
    ------
    CompileError
        If it does not fit in bands either, or takes more than ``commands`` commands.
    """
    scheduled = partial(schedule, graph, keep_input=keep_input, alignment=share_alignment, tables=tables, design=design)
    plain = scheduled()
    plans = [schedule_apart(scheduled, graph, design), plain] if channels and design else [plain]
    if len(plans[0].stages) > commands:
        raise CompileError(f"{graph.name}: {len(plans[0].stages)} layers; a program holds {commands}; "
                           f"use a network of fewer layers")
    placed = partial(plan_memory, graph=graph, capacity=capacity, alignment=alignment, keep_input=keep_input)
    refused: list[CompileError] = []
    for plan in plans:
        try:
            return MemoryPlan(stages=plan.stages, outputs=plan.outputs, placements=placed(plan))
        except CompileError as error:
            refused.append(error)
    ends = [sum(graph.types()[number].bytes for number in numbers) for numbers in (range(len(graph.inputs)),
                                                                                   graph.answers)]
    if max(ends) > capacity:
        raise CompileError(f"{graph.name}: input and output take {ends[0]} and {ends[1]} bytes, and they lie whole in "
                           f"the scratchpad; act_bytes={capacity}; {_way_out(graph, max(ends), design)}")
    for plan in plans:
        banded = _banded(graph, plan, capacity=capacity, alignment=alignment, keep_input=keep_input, commands=commands)
        if banded is not None:
            return MemoryPlan(stages=banded.stages, outputs=plan.outputs, placements=placed(banded))
    peak = max(live_bytes(areas(plain, graph, keep_input=keep_input), len(plain.stages)))
    raise CompileError(f"{str(refused[-1]).removesuffix(f'; {NARROWER}')}; it does not fit band by band in {commands} "
                       f"commands either; {_way_out(graph, peak, design)}") from refused[-1]


def _banded(graph: Graph, plan: Schedule, *, capacity: int, alignment: int, keep_input: bool,
            commands: int) -> Schedule | None:
    """The schedule in bands, of the first way of cutting it whose tensors find places."""
    cutter = Cutter(graph, plan, keep_input)
    tried: list[list[Chain]] = []
    for apart, slacks, aims in ATTEMPTS:
        for slack in slacks:
            tiler = _Tiler(cutter, capacity, capacity - (capacity // slack if slack else 0), apart=apart)
            for aim, turns in product(aims, range(1 << TURNS)):
                chains = tiler.chains(aim=aim, turns=turns)
                if chains is None or chains in tried:
                    continue
                tried.append(chains)
                banded = replace(plan, stages=band_stages(plan, graph, chains, keep_input=keep_input))
                found = areas(banded, graph, keep_input=keep_input)
                fits = len(banded.stages) <= commands and max(live_bytes(found, len(banded.stages))) <= capacity
                if fits and place(found, capacity=capacity, alignment=alignment) is not None:
                    return banded
    return None


def _way_out(graph: Graph, size: int, design: DesignPoint | None) -> str:
    """What would do where ``size`` activations do not fit."""
    if design is None:
        return NARROWER
    types = graph.types()
    wide = any(types[number].dtype == "float32" for number in (*range(len(graph.inputs)), *graph.answers))
    if wide and size // 4 < design.network_bytes:
        return "convert the network with int8 inputs and outputs, which take a quarter of float32"
    while design.network_bytes < size:
        try:
            design = replace(design, act_bytes=2 * design.act_bytes)
        except SpecError:
            return f"no design has act_bytes={2 * design.act_bytes}: use a smaller input"
    return f"raise act_bytes to {design.act_bytes}, or narrow the network"


def executed_macs(stages: Sequence[Stage], graph: Graph) -> int:
    """Multiply-accumulates of ``stages``: with those that bands repeat, without those of rows that nothing reads."""
    return sum(_macs(stage.layer, stage.rows.out_rows if stage.rows else None, graph) for stage in stages
               if stage.layer is not None)


def _macs(layer: int, rows: int | None, graph: Graph) -> int:
    height = graph.layers[layer].output.shape[0]
    return graph.macs(layer) * (height if rows is None else rows) // height


class Cutter:
    """What of the search does not depend on how much memory a chain may take."""

    def __init__(self, graph: Graph, plan: Schedule, keep_input: bool):
        self.graph, self.plan, self.stages = graph, plan, plan.stages
        self.areas = areas(plan, graph, keep_input=keep_input)
        self.live = live_bytes(self.areas, len(plan.stages))
        self.bandable = [self.runs_in_bands(stage) for stage in plan.stages]
        self.reads = last_reads(plan, graph, keep_input=keep_input)
        self.flows: dict[tuple[int, int], tuple[Flow, int]] = {}
        self.work = executed_macs(plan.stages, graph)

    def runs_in_bands(self, stage: Stage) -> bool:
        if stage.joins or any(map(self.plan.shared.groups.pitch, (stage.source, *stage.others, stage.output))):
            return False
        if stage.layer is None:
            return stage.loads or not stage.cpu
        layer = self.graph.layers[stage.layer]
        return layer.op != "dense" and runs_in_rows(layer, self.graph.taken(stage.layer))

    def flow(self, first: int, last: int) -> tuple[Flow, int]:
        """Stages as a chain, and the bytes of what lives meanwhile and is not the chain's to count."""
        if (first, last) not in self.flows:
            flow = Flow(self.plan, self.graph, first, last, self.reads)
            others = sum(area.size for area in self.areas if area.first <= last and area.last >= first
                         and not (flow.touched & {*area.tensors} and flow.touched & {*area.tensors} <= flow.counted))
            self.flows[first, last] = flow, others
        return self.flows[first, last]


class _Tiler:
    """Chooses the chains: every stage that takes more than ``capacity`` is in one, and they take ``target``."""

    def __init__(self, cutter: Cutter, capacity: int, target: int, *, apart: bool):
        self.cutter, self.graph, self.stages = cutter, cutter.graph, cutter.stages
        self.capacity, self.target, self.apart = capacity, target, apart
        self.known: dict[tuple[int, int, bool], tuple[Chain | None, int]] = {}

    def chains(self, *, aim: str | int, turns: int) -> list[Chain] | None:
        """None where no chains fit the target.

        ``aim``: see ``ATTEMPTS``. Neighbouring chains take turns; bit ``n`` of ``turns`` says whether the last chain of
        the ``n``-th group of neighbours from the end runs from the bottom up.
        """
        best: dict[int, tuple[tuple[int, int], list[Chain]] | None] = {len(self.stages): ((0, 0), [])}
        each = self.cutter.work // aim if isinstance(aim, int) else 0
        for start in reversed(range(len(self.stages))):
            options = [best[start + 1]] if self.cutter.live[start] <= self.capacity else []
            for last in self.lasts(start):
                rest = best[last + 1]
                if rest is None:
                    continue
                chain, repeated = self.option(start, last, _turn(last, rest[1], turns))
                if chain is not None:
                    cost = (repeated + each, chain.added)[::-1 if aim == "commands" else 1]
                    options.append(((cost[0] + rest[0][0], cost[1] + rest[0][1]), [chain, *rest[1]]))
            best[start] = min((option for option in options if option is not None), key=lambda option: option[0],
                              default=None)
        return None if (answer := best[0]) is None else answer[1]

    def option(self, first: int, last: int, upward: bool) -> tuple[Chain | None, int]:
        """A chain and the multiply-accumulates that it repeats."""
        key = first, last, upward
        if key not in self.known:
            self.known[key] = self.cut(*key)
        return self.known[key]

    def lasts(self, first: int) -> Iterator[int]:
        """Where a chain from ``first`` on may end; it holds a stage that does not fit otherwise."""
        too_large = False
        for last in range(first, min(first + MOST_STAGES, len(self.stages))):
            if not self.cutter.bandable[last]:
                return
            too_large |= self.cutter.live[last] > self.capacity
            if too_large and not self.stages[first].loads and not self.stages[last].loads:
                yield last

    def cut(self, first: int, last: int, upward: bool) -> tuple[Chain | None, int]:
        """The fewest bands that fit the target, and what they compute twice; None where even one row is too much."""
        if self.apart:      # as free as may be
            found = (self.bands(first, last, upward, target)
                     for target in (*range(self.target, self.capacity, max(1, self.capacity // 16)), self.capacity))
            return next((pair for pair in found if pair[0] is not None), (None, 0))
        return self.bands(first, last, upward, self.target)

    def bands(self, first: int, last: int, upward: bool, target: int) -> tuple[Chain | None, int]:
        flow, others = self.cutter.flow(first, last)
        height = flow.heights[flow.sink]
        state, bands, done, work = flow.start(), list[Rows](), 0, -self.work(flow, None)
        while done < height:
            def span(size: int, done: int = done) -> Rows:
                return (height - done - size, height - done) if upward else (done, done + size)

            def fits(size: int, state: Mapping[int, int] = state) -> bool:
                return others + flow.needed(state, *span(size), upward, apart=self.apart) <= target

            size = _largest(height - done, fits)
            if not size:
                return None, 0
            bands.append(span(size))
            done += size
            rows = flow.demand(state, bands[-1][0 if upward else 1], upward)[0]
            work += self.work(flow, rows)
            state = flow.after(state, rows)
        return Chain(first=first, last=last, bands=tuple(bands), upward=upward), work

    def work(self, flow: Flow, rows: Sequence[Rows | None] | None) -> int:
        """What the stages of a band cost, in multiply-accumulates; None: of the whole tensors, without copies."""
        total = 0
        for index, stage in enumerate(flow.part):
            height = flow.heights[stage.output]
            part = (0, height) if rows is None else rows[index]
            if part is None:
                continue
            count = part[1] - part[0]
            if stage.cpu:
                total += count * flow.row_bytes[stage.output] * CPU_WORK
            elif stage.layer is not None:
                total += self.graph.macs(stage.layer) * count // height
            if rows is not None and stage.output in flow.copied:
                total += count * flow.row_bytes[stage.output] * COPY_WORK
        return total


def _largest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest size up to ``most`` that fits, if each smaller one fits as well; 0 where none does."""
    if fits(most):
        return most
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2 if low else min(high - 1, 1)
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _turn(last: int, rest: Sequence[Chain], turns: int) -> bool:
    """Whether a chain that ends at ``last``, with the chains ``rest`` behind it, runs from the bottom up."""
    if rest and rest[0].first == last + 1:
        return not rest[0].upward
    groups = sum(before.last + 1 != after.first for before, after in zip(rest, rest[1:], strict=False)) + bool(rest)
    return bool(turns >> groups % TURNS & 1)
