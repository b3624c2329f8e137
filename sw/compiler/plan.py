"""Where each tensor lies in the activation scratchpad, and when: liveness, placement, and the search for a small one.

Sizes and addresses are in activations, as ``DesignPoint.act_bytes`` counts them: bytes, unless they are narrower.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sw.compiler.errors import CompileError, PlanError
from sw.compiler.proof import Placement, prove
from sw.compiler.schedule import Schedule, Stage, held_tensors, stage_name
from sw.graph.graph import Graph

__all__ = ["NARROWER", "Area", "Piece", "Placement", "PlanError", "areas", "live_bytes", "peak_bytes", "place",
           "plan_memory", "prove"]

NARROWER = "raise act_bytes or narrow the network"
REPAIRS = 60   # times that an area which found no room goes to the front of the queue


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Rows of an area that are needed from stage ``first`` to stage ``last``, both included."""

    offset: int
    size: int
    first: int
    last: int

    def meets(self, other: "Piece") -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, kw_only=True)
class Area:
    """Tensors that share one place: one tensor, the sums that are written over it, what lies inside it."""

    tensors: tuple[int, ...]
    pieces: tuple[Piece, ...]
    offsets: tuple[int, ...] = ()      # of each tensor from the beginning; (): all begin there

    @property
    def size(self) -> int:
        return self.pieces[-1].offset + self.pieces[-1].size

    @property
    def top(self) -> bool:
        """Whether something may follow this from below row by row: it ends, or begins last, at its first rows."""
        ends = [(before.first, -before.last) > (after.first, -after.last)
                for before, after in zip(self.pieces, self.pieces[1:], strict=False)]
        return any(ends)

    @property
    def first(self) -> int:
        return min(piece.first for piece in self.pieces)

    @property
    def last(self) -> int:
        return max(piece.last for piece in self.pieces)


def areas(plan: Schedule, graph: Graph, *, keep_input: bool = False) -> list[Area]:
    """What has to be placed, by first tensor: the graph's inputs, every output and every copy, with its rows' lives.

    The inputs live from the first stage on (``keep_input``: to the last one), the outputs to the end, states always.
    """
    stages = plan.stages
    sizes, lives = _lives(stages, graph)
    states = range(len(graph.inputs), len(graph.inputs) + len(graph.states))
    for tensor in {*plan.outputs, *states} | (set(range(len(graph.inputs))) if keep_input else set()):
        if tensor not in lives:        # nobody touches what is a part of another
            sizes[tensor], lives[tensor] = graph.types()[tensor].bytes, _never(1, len(stages))
        lives[tensor][1][:] = len(stages) - 1
        if tensor in states or tensor < len(graph.inputs):
            lives[tensor][0][:] = 0
    places = {tensor: _root(tensor, plan, _sums(stages)) for tensor in lives}
    found = []
    for root in sorted({root for root, _ in places.values()}):
        tensors = tuple(tensor for tensor in lives if places[tensor][0] == root)
        offsets = tuple(places[tensor][1] for tensor in tensors)
        plain = not any(offsets) and len({len(lives[tensor][0]) for tensor in tensors}) == 1 and root >= 0
        plain = plain and not any(map(plan.shared.groups.pitch, tensors))
        if plain and len({sizes[tensor] for tensor in tensors}) == 1:
            first = np.min([lives[tensor][0] for tensor in tensors], axis=0)
            last = np.max([lives[tensor][1] for tensor in tensors], axis=0)
            found.append(Area(tensors=tensors, pieces=_pieces(first, last, sizes[tensors[0]] // len(first))))
        else:
            whole = Piece(offset=0, size=max(offset + _reach(tensor, plan, graph, sizes[tensor])
                                             for tensor, offset in zip(tensors, offsets, strict=True)),
                          first=min(int(lives[tensor][0].min()) for tensor in tensors),
                          last=max(int(lives[tensor][1].max()) for tensor in tensors))
            found.append(Area(tensors=tensors, pieces=(whole,), offsets=offsets))
    return found


def _sums(stages: Sequence[Stage]) -> Mapping[int, int]:
    """For each sum the tensor that it takes the place of."""
    return {stage.output: stage.residual for stage in stages if stage.residual is not None}


def _root(tensor: int, plan: Schedule, sums: Mapping[int, int]) -> tuple[int, int]:
    """Root and offset of a tensor, through sums and groups."""
    root, offset = plan.shared.groups.place(tensor)
    if root not in sums:
        return root, offset
    below, step = _root(sums[root], plan, sums)
    return below, offset + step


def _reach(tensor: int, plan: Schedule, graph: Graph, size: int) -> int:
    """Bytes from the first to the last of a tensor of so many, and those between its pixels."""
    pitch = plan.shared.groups.pitch(tensor)
    return (size // (channels := _channels(tensor, plan, graph)) - 1) * pitch + channels if pitch else size


def _channels(tensor: int, plan: Schedule, graph: Graph) -> int:
    """Bytes of a pixel."""
    kind = graph.types()[held_tensors(plan.stages, graph)[tensor]]
    return kind.shape[-1] * kind.element_bytes


def _never(rows: int, stages: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full(rows, stages), np.full(rows, -1)


def _lives(stages: Sequence[Stage], graph: Graph) -> tuple[dict[int, int],
                                                           dict[int, tuple[np.ndarray, np.ndarray]]]:
    """Bytes of each tensor, and first and last stage that touches each stored row of it."""
    held, types = held_tensors(stages, graph), graph.types()
    used = {number for stage in stages for number in (stage.source, *stage.others, stage.output)}
    used |= set(range(len(graph.inputs)))
    heights = {tensor: types[held[tensor]].shape[0] for tensor in used}
    sizes = {tensor: types[held[tensor]].bytes for tensor in used}
    for tensor, size in _band_sizes(stages, len(types), {tensor: sizes[tensor] // heights[tensor] for tensor in used}):
        heights[tensor], sizes[tensor] = size * heights[tensor] // sizes[tensor], size
    lives = {tensor: _never(height, len(stages)) for tensor, height in heights.items()}
    for tensor in range(len(graph.inputs)):
        lives[tensor][0][:] = lives[tensor][1][:] = 0

    def touch(tensor: int, at: int, offset: int, rows: int | None) -> None:
        start = offset // (sizes[tensor] // heights[tensor])
        span = slice(start, None if rows is None else start + rows)
        for array, choose in zip(lives[tensor], (np.minimum, np.maximum), strict=True):
            array[span] = choose(array[span], at)

    for at, stage in enumerate(stages):
        rows = stage.rows
        touch(stage.source, at, rows.in_offset if rows else 0, rows.in_rows if rows else None)
        for index, other in enumerate(stage.others):
            touch(other, at, rows.others[index] if rows else 0,
                  rows.out_rows if rows and types[held[other]].shape[0] > 1 else None)
        for target in (stage.output, stage.residual):
            if target is not None:
                touch(target, at, rows.out_offset if rows else 0, rows.out_rows if rows else None)
    for tensor, at in {stage.output: at for at, stage in enumerate(stages) if stage.rows}.items():
        if tensor < len(types):      # complete once: somebody may look at it
            lives[tensor][1][:] = np.maximum(lives[tensor][1], at)
    return sizes, lives


def _band_sizes(stages: Sequence[Stage], tensors: int, row_bytes: Mapping[int, int]) -> Iterable[tuple[int, int]]:
    """What the tensors of bands take, the graph's own ``tensors`` aside: their rows and no more."""
    found: dict[int, int] = {}
    for stage in stages:
        if stage.rows and stage.output >= tensors:
            end = stage.rows.out_offset + stage.rows.out_rows * row_bytes[stage.output]
            found[stage.output] = max(end, found.get(stage.output, 0))
    for tensor, below in _sums(stages).items():      # in the place of one that may have more rows
        if tensor in found and below in found:
            found[tensor] = found[below]
    return found.items()


def _pieces(first: np.ndarray, last: np.ndarray, row_bytes: int) -> tuple[Piece, ...]:
    """Neighbouring rows of equal lives, put together."""
    cuts = [0, *(np.flatnonzero((np.diff(first) != 0) | (np.diff(last) != 0)) + 1).tolist(), len(first)]
    return tuple(Piece(offset=start * row_bytes, size=(stop - start) * row_bytes, first=int(first[start]),
                       last=int(last[start]))
                 for start, stop in zip(cuts, cuts[1:], strict=False))


def live_bytes(found: Iterable[Area], stages: int) -> list[int]:
    """Activations that live at each of so many stages: no plan takes less than the largest.

    A network that only moves inputs to where they are already has no stage; what lives then is the first number.
    """
    change = np.zeros(max(1, stages) + 1, np.int64)
    for area in found:
        for piece in area.pieces:
            if piece.first <= piece.last:
                change[piece.first] += piece.size
                change[piece.last + 1] -= piece.size
    total: list[int] = np.cumsum(change)[:-1].tolist()
    return total


def peak_bytes(placements: Mapping[int, Placement]) -> int:
    """The end of the highest tensor."""
    return max(placement.address + placement.size for placement in placements.values())


def plan_memory(plan: Schedule, graph: Graph, *, capacity: int, alignment: int = 4,
                keep_input: bool = False) -> Mapping[int, Placement]:
    """Place every tensor of a schedule, inputs, outputs and copies included; sums take their residual's place.

    The plan is proven by :func:`sw.compiler.proof.prove` before it is returned, and depends on nothing but the
    arguments.

    Raises
    ------
    CompileError
        If the tensors do not fit; the message names the stage that needs most.
    PlanError
        If the stages do not compute the graph in place, or the plan is wrong.
    """
    stages = plan.stages
    found = areas(plan, graph, keep_input=keep_input)
    live = live_bytes(found, len(stages))
    worst = max(range(len(live)), key=live.__getitem__)
    addresses = place(found, capacity=capacity, alignment=alignment) if live[worst] <= capacity else None
    if addresses is None:
        what = (f"the tensors that live there take {live[worst]} bytes" if live[worst] > capacity else
                f"the tensors that live there take {live[worst]} bytes, and with the gaps between them they do not fit")
        where = stage_name(stages[worst], graph) if stages else graph.name
        raise CompileError(f"{where}: {what}; act_bytes={capacity}; {NARROWER}")
    placements = _placements(found, addresses, plan, graph)
    prove(stages, placements, graph, capacity=capacity, keep_input=keep_input, outputs=plan.outputs)
    return placements


def _placements(found: Sequence[Area], addresses: Sequence[int], plan: Schedule,
                graph: Graph) -> Mapping[int, Placement]:
    """By tensor; sums and their residuals have one place, what lies inside another has its own bytes there."""
    types, held = graph.types(), held_tensors(plan.stages, graph)
    placements = {}
    for area, address in zip(found, addresses, strict=True):
        for tensor, offset in zip(area.tensors, area.offsets or (0,) * len(area.tensors), strict=True):
            size = types[held[tensor]].bytes if area.offsets else area.size
            placements[tensor] = Placement(address=address + offset, size=size)
            if (spot := plan.shared.groups.spot(tensor)).pitch:
                placements[tensor] = Placement(
                    address=address + offset, size=_reach(tensor, plan, graph, size), pitch=spot.pitch,
                    channels=_channels(tensor, plan, graph), within=spot.within)
    return dict(sorted(placements.items()))


def place(found: Sequence[Area], *, capacity: int, alignment: int) -> list[int] | None:
    """An address for each area, or None where none of the orders tried fits them into ``capacity``.

    Areas are placed one after the other where the first gap takes them, in four orders; the smallest result wins.
    If none fits, an area that found no room is moved to the front of its order, up to ``REPAIRS`` times, and areas
    that want to lie above others (``Area.top``) are put as high as they can.
    """
    low = max(live_bytes(found, 1 + max(area.last for area in found)))
    conflicts = _Conflicts(found)
    best: tuple[int, list[int]] | None = None
    orders = [sorted(range(len(found)), key=lambda index: (key(found[index]), index)) for key in _KEYS]
    for order in orders:
        addresses, _ = _fill(conflicts, order, capacity, alignment, ())
        if addresses is not None:
            end = max(address + area.size for address, area in zip(addresses, found, strict=True))
            best = min(best or (end, addresses), (end, addresses), key=lambda pair: pair[0])
            if end <= low:
                break
    if best is not None:
        return best[1]
    for high in ({index for index, area in enumerate(found) if area.top}, set()):
        for order in orders:
            queue, seen = list(order), set()
            for _ in range(REPAIRS):
                addresses, failed = _fill(conflicts, queue, capacity, alignment, high)
                if addresses is not None:
                    return addresses
                queue = [failed, *(index for index in queue if index != failed)]
                if tuple(queue) in seen:
                    break
                seen.add(tuple(queue))
    return None


_KEYS: tuple[Callable[[Area], tuple[int, ...]], ...] = (
    lambda area: (-area.size,),
    lambda area: (area.first, -area.size),
    lambda area: (-area.size * (area.last - area.first + 1),),
    lambda area: (area.first - area.last, -area.size),
)


class _Conflicts:
    """How far from each other areas may not lie."""

    def __init__(self, found: Sequence[Area]):
        self.found = found
        self.fields = [np.array([(piece.offset, piece.offset + piece.size, piece.first, piece.last)
                                 for piece in area.pieces]).T for area in found]
        self.spans = [(area.first, area.last) for area in found]
        self.known: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def ranges(self, area: int, other: int) -> list[tuple[int, int]]:
        """Distances of ``area`` from ``other``, end excluded, at which they are in each other's way."""
        if self.spans[area][0] > self.spans[other][1] or self.spans[other][0] > self.spans[area][1]:
            return []
        if (area, other) not in self.known:
            self.known[area, other] = self.found_ranges(area, other)
        return self.known[area, other]

    def found_ranges(self, area: int, other: int) -> list[tuple[int, int]]:
        start, stop, first, last = (field[:, None] for field in self.fields[area])
        starts, stops, firsts, lasts = self.fields[other]
        meet = (first <= lasts) & (firsts <= last)
        found = sorted(zip((starts - stop + 1)[meet].tolist(), (stops - start)[meet].tolist(), strict=True))
        merged: list[tuple[int, int]] = []
        for begin, end in found:
            if merged and begin <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(end, merged[-1][1])
            else:
                merged.append((begin, end))
        return merged


def _fill(conflicts: _Conflicts, order: Sequence[int], capacity: int, alignment: int,
          high: Iterable[int]) -> tuple[list[int] | None, int]:
    """Addresses, or None and the area that found no room; areas of ``high`` go as far up as they can."""
    placed: dict[int, int] = {}
    for index in order:
        taken = sorted((address + start, address + stop) for other, address in placed.items()
                       for start, stop in conflicts.ranges(index, other))
        address = _gap(taken, capacity - conflicts.found[index].size, alignment, top=index in high)
        if address is None:
            return None, index
        placed[index] = address
    return [placed[index] for index in range(len(order))], -1


def _gap(taken: list[tuple[int, int]], limit: int, alignment: int, *, top: bool) -> int | None:
    """The lowest (``top``: highest) aligned address from 0 to ``limit`` outside all ranges of ``taken`` (sorted)."""
    if top:
        address = limit // alignment * alignment
        for start, stop in sorted(taken, key=lambda pair: -pair[1]):
            if start <= address < stop:
                address = (start - 1) // alignment * alignment
        return address if address >= 0 else None
    address = 0
    for start, stop in taken:
        if start <= address < stop:
            address = -(-stop // alignment) * alignment
    return address if address <= limit else None
