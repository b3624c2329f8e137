"""Proves that stages and a memory plan compute the graph: no tensor is overwritten while anybody needs it.

The stages are walked with a map of the scratchpad that says, for each activation, whose value it holds: which element
of which of the graph's tensors. It knows nothing of how stages and plan were found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sw.compiler.errors import PlanError
from sw.compiler.schedule import RowRange, Stage, stage_name
from sw.graph.graph import Graph, Layer, TensorType
from sw.graph.layer import ELEMENTWISE, POOLS

__all__ = ["Placement", "of_rows", "prove", "runs_in_rows", "window_rows"]

WINDOWED = ("conv", "depthwise", *POOLS)


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a tensor lies in the activation scratchpad."""

    address: int        # bytes
    size: int           # bytes, from the first to the last one
    pitch: int = 0      # bytes from pixel to pixel, where other tensors' channels lie between; 0: it lies in one piece
    channels: int = 0   # bytes of a pixel, in that case
    within: int = 0     # and what of those others lies before each pixel of it

    def overlaps(self, other: "Placement") -> bool:
        return self.address < other.address + other.size and other.address < self.address + self.size

    @property
    def places(self) -> np.ndarray:
        """Of each of its bytes, in order, how far it lies behind the first one."""
        if not self.pitch:
            return np.arange(self.size)
        pixels = 1 + (self.size - self.channels) // self.pitch
        return (self.pitch * np.arange(pixels)[:, None] + np.arange(self.channels)).reshape(-1)

    def element(self, behind: int) -> int:
        """Which of its bytes lies so far behind the first one."""
        return behind // self.pitch * self.channels + behind % self.pitch if self.pitch else behind


def window_rows(layer: Layer | None, height: int, first: int, rows: int) -> tuple[int, int, int, int]:
    """What ``rows`` output rows from ``first`` on read of an input of ``height`` rows.

    ``layer`` is one that :func:`runs_in_rows`, or None for a copy. Returns the first row that exists, the number of
    rows that exist, and the rows of padding above and below them.
    """
    if layer is None or layer.op not in (*WINDOWED, "dense"):
        return (0, 1, 0, 0) if height == 1 else (first, rows, 0, 0)
    if layer.op == "dense":
        return 0, height, 0, 0
    start = first * layer.stride[0] - layer.padding[0]
    stop = (first + rows - 1) * layer.stride[0] - layer.padding[0] + layer.extent[0]
    begin, end = max(start, 0), min(stop, height)
    return begin, end - begin, begin - start, stop - end


def runs_in_rows(layer: Layer, taken: Sequence[TensorType]) -> bool:
    """Whether each row of a layer's output comes from those rows of its operands that :func:`window_rows` says."""
    if layer.views or any(len(kind.shape) != 3 for kind in (*taken, layer.output)):
        return False
    if layer.op in ELEMENTWISE:
        return all(kind.shape[0] in (1, layer.output.shape[0]) for kind in taken)
    if layer.op == "pad":
        return not any(layer.parameters[:3])      # nothing above, below or between rows
    if layer.op == "concat":
        return layer.parameters[0] in (-1, -2)
    return layer.op in (*WINDOWED, "dense")


def of_rows(layer: Layer, taken: Sequence[TensorType], rows: RowRange) -> tuple[Layer, list[TensorType]]:
    """A layer that :func:`runs_in_rows`, and what it reads, as if the rows of a band were all that there is."""
    read = [window_rows(layer, kind.shape[0], rows.out_first, rows.out_rows)[1] for kind in taken]
    padding = (rows.top, layer.padding[1], rows.bottom, layer.padding[3]) if layer.op in WINDOWED else layer.padding
    return (replace(layer, padding=padding,
                    output=replace(layer.output, shape=(rows.out_rows, *layer.output.shape[1:]))),
            [replace(kind, shape=(count, *kind.shape[1:])) for kind, count in zip(taken, read, strict=True)])


def prove(stages: Sequence[Stage], placements: Mapping[int, Placement], graph: Graph, *, capacity: int | None = None,
          keep_input: bool = False, outputs: Sequence[int] = ()) -> None:
    """Returns where the plan is right.

    Every layer runs on the tensors that the graph names, but for moves whose values lie where they should without
    it; each stage finds every value that it reads, those of its window and its residual, where it looks for them; it
    writes nothing that it reads, but sums over their residuals; at the end the graph's outputs are whole, in the
    plan's tensors ``outputs`` (they themselves where it says nothing), and every state's next value is in the state's
    place (``keep_input``: and the inputs are whole); nothing lies outside ``capacity``.

    Raises
    ------
    PlanError
        At the first stage that does not; the message names who overwrote what.
    """
    walk = _Walk(stages, graph, placements, capacity)
    for number in range(len(graph.inputs) + len(graph.states)):
        if number in placements:
            walk.write(number, 0, 0, None, at=-1)
    for at, stage in enumerate(stages):
        walk.run(at, stage)
    for number, value in zip(outputs or graph.answers, graph.answers, strict=True):
        walk.finish(number, value)
    for index, state in enumerate(graph.states):
        walk.finish(graph.state_number(index), state.next)
    for number in range(len(graph.inputs) if keep_input else 0):
        walk.finish(number, number)


def meet(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two ascending rows of addresses have one in common."""
    apart = one[-1] < other[0] or other[-1] < one[0]
    return not apart and bool(np.isin(one, other, assume_unique=True).any())


class _Walk:
    """The map: for each byte the tensor and the byte of it whose value it holds, and the stage that wrote it.

    A move that no stage runs makes no values: those of its output are those of its inputs.
    """

    def __init__(self, stages: Sequence[Stage], graph: Graph, placements: Mapping[int, Placement],
                 capacity: int | None):
        self.graph, self.placements = graph, placements
        self.types = graph.types()
        for tensor, place in placements.items():
            if place.address < 0 or (capacity is not None and place.address + place.size > capacity):
                raise PlanError(f"tensor {tensor} at {place.address}, {place.size} bytes: outside the scratchpad, "
                                f"act_bytes={capacity}")
        end = max(place.address + place.size for place in placements.values())
        self.tensor, self.element, self.writer = (np.full(end, -1) for _ in range(3))
        # tensor of the plan -> tensor of the graph, of those that are written
        self.held = {number: number for number in range(len(graph.inputs) + len(graph.states))}
        self.names: list[str] = []
        self.ran = {layer for stage in stages for layer in stage.layers}
        self.values: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def value(self, tensor: int) -> tuple[np.ndarray, np.ndarray]:
        """For each byte of a tensor of the graph, whose it is: of which tensor, which byte."""
        if tensor not in self.values:
            self.values[tensor] = self.found_value(tensor)
        return self.values[tensor]

    def found_value(self, tensor: int) -> tuple[np.ndarray, np.ndarray]:
        index = self.graph.layer_of(tensor)
        if not self.moves(tensor) or index is None:
            size = self.types[tensor].bytes
            return np.full(size, tensor), np.arange(size)
        layer = self.graph.layers[index]
        read = [tuple(part.reshape(kind.shape) for part in self.value(number))
                for number, kind in zip(self.graph.inputs_of(index), self.graph.taken(index), strict=True)]
        if layer.op == "concat":
            axis, rank = layer.parameters[0], len(layer.output.shape)
            whole = [[part.reshape((1,) * (rank - part.ndim) + part.shape) for part in pair] for pair in read]
            tensors, elements = (np.concatenate([pair[side] for pair in whole], axis=axis) for side in (0, 1))
        else:
            offset, *strides = layer.parameters
            places = np.full(layer.output.shape, offset)
            for axis, step in enumerate(strides):
                steps = np.arange(layer.output.shape[axis]) * step
                places = places + steps.reshape(-1, *(1,) * (len(layer.output.shape) - axis - 1))
            tensors, elements = (part.reshape(-1)[places] for part in read[0])
        return tensors.reshape(-1), elements.reshape(-1)

    def run(self, at: int, stage: Stage) -> None:
        self.names.append(f"stage {at}, {stage_name(stage, self.graph)}")
        if stage.loads:
            self.load(at, stage)
            return
        layer = None if stage.layer is None else self.graph.layers[stage.layer]
        taken = self.taken(at, stage)
        value = taken[0]
        result = value if stage.layer is None else self.graph.first + stage.layer
        rows = self.checked_rows(at, stage, layer, value, result)
        self.check_apart(at, stage, layer)
        reads = [self.read(at, stage.source, value, rows.in_offset, rows.in_first, rows.in_rows)]
        reads += [self.read_other(at, stage, layer, rows, index, other) for index, other in enumerate(taken[1:])]
        if stage.add is not None:
            self.check_add(at, stage, result, rows)
            result = self.graph.first + stage.add
        for index in stage.tables:
            if self.graph.inputs_of(index) != (result,):
                raise PlanError(f"{self.names[at]}: looks up tensor {result}, but the graph says "
                                f"{self.graph.inputs_of(index)}")
            result = self.graph.first + index
        if self.is_state(stage.output):
            written = self.write(stage.output, 0, 0, None, at=at, value=result)
        else:
            if self.held.setdefault(stage.output, result) != result:
                raise PlanError(f"{self.names[at]}: writes tensor {stage.output}, which holds tensor "
                                f"{self.held[stage.output]}")
            written = self.write(stage.output, rows.out_offset, rows.out_first, rows.out_rows, at=at)
        in_place = self.checked_place(at, stage, layer)
        for tensor, read in zip((stage.source, *stage.others), reads, strict=True):
            if in_place and np.array_equal(read, written):
                continue
            if meet(read, written):
                raise PlanError(f"{self.names[at]}: writes tensor {stage.output} to {written[0]}..{written[-1]} over "
                                f"tensor {tensor}, which it reads, at {read[0]}..{read[-1]}")

    def read_other(self, at: int, stage: Stage, layer: Layer | None, rows: RowRange, index: int,
                   value: int) -> np.ndarray:
        tensor = stage.others[index]
        if stage.rows is None:
            return self.read(at, tensor, value, 0, 0, None)
        if len(rows.others) != len(stage.others):
            raise PlanError(f"{self.names[at]}: reads {len(stage.others)} tensors more, and knows where "
                            f"{len(rows.others)} are")
        first, count = window_rows(layer, self.types[value].shape[0], rows.out_first, rows.out_rows)[:2]
        return self.read(at, tensor, value, rows.others[index], first, count)

    def checked_place(self, at: int, stage: Stage, layer: Layer | None) -> bool:
        """Whether a stage of the CPU may write where it reads: element by element, at the same places."""
        if not stage.cpu or stage.residual is None or layer is None:
            return False
        if layer.op not in ELEMENTWISE or self.placements[stage.residual] != self.placements[stage.output]:
            raise PlanError(f"{self.names[at]}: tensor {stage.output} is not in the place of tensor {stage.residual}, "
                            f"or may not be")
        return True

    def check_apart(self, at: int, stage: Stage, layer: Layer | None) -> None:
        """Only what goes from pixel to pixel finds channels that have others between."""
        apart = [tensor for tensor in (stage.source, *stage.others, stage.output, stage.residual)
                 if tensor is not None and tensor in self.placements and self.placements[tensor].pitch]
        whole = stage.rows is None and (stage.residual is None or set(apart) == {stage.source})
        moves = whole and (layer is None or not stage.cpu and layer.op != "dense" and not layer.views)
        if apart and not moves:
            raise PlanError(f"{self.names[at]}: tensor {apart[0]} has other channels between its pixels, and what "
                            f"runs there takes one piece")
        for place in (self.placements[tensor] for tensor in apart):
            if place.within + place.channels > place.pitch:
                raise PlanError(f"{self.names[at]}: tensor {apart[0]} has {place.channels} channels from "
                                f"{place.within} on in pixels of {place.pitch}")

    def load(self, at: int, stage: Stage) -> None:
        if self.graph.constant_of(stage.output) is None:
            raise PlanError(f"{self.names[at]}: tensor {stage.output} is no constant")
        self.held[stage.output] = stage.output
        self.write(stage.output, 0, 0, None, at=at)

    def is_state(self, tensor: int) -> bool:
        return len(self.graph.inputs) <= tensor < len(self.graph.inputs) + len(self.graph.states)

    def holds(self, tensor: int) -> int | None:
        """The tensor of the graph that one of the plan holds; None where nobody wrote it."""
        # of a move that no stage runs, its bytes say whether it is there
        return tensor if self.moves(tensor) else self.held.get(tensor)

    def moves(self, tensor: int) -> bool:
        """Whether a tensor is the output of a move that no stage runs."""
        index = self.graph.layer_of(tensor)
        return (index is not None and index < len(self.graph.layers) and index not in self.ran
                and self.graph.layers[index].op in ("concat", "gather"))

    def taken(self, at: int, stage: Stage) -> list[int]:
        """The graph's tensors that a stage reads: those that its layer says."""
        found = []
        for tensor in (stage.source, *stage.others):
            value = self.holds(tensor)
            if value is None:
                raise PlanError(f"{self.names[at]}: reads tensor {tensor}, which no stage before it writes")
            found.append(value)
        if stage.layer is not None and self.graph.inputs_of(stage.layer) != tuple(found):
            read = found[0] if len(found) == 1 else tuple(found)
            raise PlanError(f"{self.names[at]}: reads tensor {read}, but the graph says "
                            f"{self.graph.inputs_of(stage.layer)}")
        return found

    def checked_rows(self, at: int, stage: Stage, layer: Layer | None, value: int, result: int) -> RowRange:
        """The stage's rows, all of them where it has none; they must be those that the operator's window takes."""
        rows, height, out_height = stage.rows, self.types[value].shape[0], self.types[result].shape[0]
        if rows is None:
            return RowRange(out_first=0, out_rows=out_height, out_offset=0, in_first=0, in_rows=height, in_offset=0,
                            top=0, bottom=0)
        if rows.out_first < 0 or rows.out_rows < 1 or rows.out_first + rows.out_rows > out_height:
            raise PlanError(f"{self.names[at]}: the output has {out_height} rows")
        if layer is not None and stage.layer is not None and not runs_in_rows(layer, self.graph.taken(stage.layer)):
            raise PlanError(f"{self.names[at]}: its rows are no rows of what it reads, and it runs in bands")
        want = window_rows(layer, height, rows.out_first, rows.out_rows)
        if (rows.in_first, rows.in_rows, rows.top, rows.bottom) != want or rows.in_rows < 1:
            raise PlanError(f"{self.names[at]}: reads rows {rows.in_first}+{rows.in_rows} with {rows.top} and "
                            f"{rows.bottom} of padding, but the window takes {want[0]}+{want[1]} with {want[2]} and "
                            f"{want[3]}")
        return rows

    def check_add(self, at: int, stage: Stage, result: int, rows: RowRange) -> None:
        residual = None if stage.residual is None else self.holds(stage.residual)
        if stage.add is None or stage.residual is None or residual is None:
            raise PlanError(f"{self.names[at]}: adds tensor {stage.residual}, which no stage before it writes")
        pair = (residual, result) if stage.swapped else (result, residual)
        if pair != self.graph.inputs_of(stage.add):
            raise PlanError(f"{self.names[at]}: adds tensors {pair}, but the graph says "
                            f"{self.graph.inputs_of(stage.add)}")
        if self.placements[stage.residual] != self.placements[stage.output]:
            raise PlanError(f"{self.names[at]}: its sum, tensor {stage.output}, is not at the place of its residual, "
                            f"tensor {stage.residual}")
        self.read(at, stage.residual, residual, rows.out_offset, rows.out_first, rows.out_rows)

    def span(self, tensor: int, value: int, offset: int, first: int,
             rows: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Addresses of rows of the graph's tensor ``value`` in the plan's ``tensor``, and the values there."""
        kind = self.types[value]
        row_bytes = kind.bytes // kind.shape[0]
        who = self.names[-1] if self.names else "start"
        if tensor not in self.placements:
            raise PlanError(f"{who}: tensor {tensor} has no place")
        place = self.placements[tensor]
        part = slice(first * row_bytes, kind.bytes if rows is None else (first + rows) * row_bytes)
        tensors, elements = (values[part] for values in self.value(value))
        span = offset + np.arange(len(elements))
        if place.pitch:
            channels = kind.shape[-1] * kind.element_bytes
            if channels > place.pitch:
                raise PlanError(f"{who}: pixels of tensor {tensor} have {channels} bytes, and lie {place.pitch} apart")
            span = span // channels * place.pitch + span % channels
        if span[0] < 0 or span[-1] >= place.size:
            raise PlanError(f"{who}: rows of tensor {tensor} take bytes {span[0]} to {span[-1]}, its place has "
                            f"{place.size}")
        return place.address + span, tensors, elements

    def read(self, at: int, tensor: int, value: int, offset: int, first: int, rows: int | None) -> np.ndarray:
        span, tensors, elements = self.span(tensor, value, offset, first, rows)
        wrong = (self.tensor[span] != tensors) | (self.element[span] != elements)
        if wrong.any():
            byte = int(span[wrong.argmax()])
            writer = int(self.writer[byte])
            who = f"{self.names[writer]}, overwrote it" if writer >= 0 else "nothing wrote it"
            reads = f"{self.names[at]}: reads" if at >= 0 else "end:"
            raise PlanError(f"{reads} tensor {tensor}, but {int(wrong.sum())} of its bytes are not there, first at "
                            f"address {byte}: {who}")
        return span

    def write(self, tensor: int, offset: int, first: int, rows: int | None, *, at: int,
              value: int | None = None) -> np.ndarray:
        value = self.held[tensor] if value is None else value
        span, tensors, elements = self.span(tensor, value, offset, first, rows)
        self.tensor[span], self.element[span], self.writer[span] = tensors, elements, at
        return span

    def finish(self, tensor: int, value: int) -> None:
        """The graph's tensor ``value`` must be there, whole, in the plan's ``tensor``."""
        if not self.is_state(tensor) and self.holds(tensor) != value:
            raise PlanError(f"end: no stage writes tensor {value}")
        if tensor in self.placements and self.placements[tensor].pitch:
            raise PlanError(f"end: tensor {tensor} has other channels between its pixels")
        self.read(-1, tensor, value, 0, 0, None)
