"""Proves that stages and a memory plan compute the graph: no tensor is overwritten while anybody needs it.

The stages are walked with a map of the scratchpad that says, for each activation, whose value it holds: which element
of which of the graph's tensors. It knows nothing of how stages and plan were found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sw.compiler.errors import PlanError
from sw.compiler.schedule import RowRange, Stage, stage_name
from sw.graph.graph import Graph, Layer

__all__ = ["Placement", "prove", "window_rows"]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a tensor lies in the activation scratchpad."""

    address: int   # bytes
    size: int      # bytes

    def overlaps(self, other: "Placement") -> bool:
        return self.address < other.address + other.size and other.address < self.address + self.size


def window_rows(layer: Layer | None, height: int, first: int, rows: int) -> tuple[int, int, int, int]:
    """What ``rows`` output rows from ``first`` on read of an input of ``height`` rows.

    ``layer`` is a convolution, pool or dense layer, or None for a copy. Returns the first row that exists, the number
    of rows that exist, and the rows of padding above and below them.
    """
    if layer is None:
        return first, rows, 0, 0
    if layer.op == "dense":
        return 0, height, 0, 0
    start = first * layer.stride[0] - layer.padding[0]
    stop = (first + rows - 1) * layer.stride[0] - layer.padding[0] + layer.kernel[0]
    begin, end = max(start, 0), min(stop, height)
    return begin, end - begin, begin - start, stop - end


def prove(stages: Sequence[Stage], placements: Mapping[int, Placement], graph: Graph, *, capacity: int | None = None,
          keep_input: bool = False) -> None:
    """Returns where the plan is right.

    Every layer runs on the tensors that the graph names; each stage finds every value that it reads, those of its
    window and its residual, where it looks for them; it writes nothing that it reads, but sums over their residuals;
    at the end the graph's output is whole (``keep_input``: and the input); nothing lies outside ``capacity``.

    Raises
    ------
    PlanError
        At the first stage that does not; the message names who overwrote what.
    """
    walk = _Walk(graph, placements, capacity)
    walk.write(0, 0, 0, graph.input.shape[0], at=-1)
    for at, stage in enumerate(stages):
        walk.run(at, stage)
    walk.finish(len(graph.layers))
    if keep_input:
        walk.finish(0)


class _Walk:
    """The map: for each activation the tensor and the element whose value it holds, and the stage that wrote it."""

    def __init__(self, graph: Graph, placements: Mapping[int, Placement], capacity: int | None):
        self.graph, self.placements = graph, placements
        self.types = graph.types()
        for tensor, place in placements.items():
            if place.address < 0 or (capacity is not None and place.address + place.size > capacity):
                raise PlanError(f"tensor {tensor} at {place.address}, {place.size} bytes: outside the scratchpad, "
                                f"act_bytes={capacity}")
        end = max(place.address + place.size for place in placements.values())
        self.tensor, self.element, self.writer = (np.full(end, -1) for _ in range(3))
        self.held = {0: 0}                # tensor of the plan -> tensor of the graph
        self.names: list[str] = []

    def run(self, at: int, stage: Stage) -> None:
        self.names.append(f"stage {at}, {stage_name(stage, self.graph)}")
        layer = None if stage.layer is None else self.graph.layers[stage.layer]
        value = self.held.get(stage.source)
        if value is None:
            raise PlanError(f"{self.names[at]}: reads tensor {stage.source}, which no stage before it writes")
        if stage.layer is not None and self.graph.inputs_of(stage.layer) != (value,):
            raise PlanError(f"{self.names[at]}: reads tensor {value}, but the graph says "
                            f"{self.graph.inputs_of(stage.layer)}")
        result = value if stage.layer is None else stage.layer + 1
        rows = self.checked_rows(at, stage, layer, value, result)
        read = self.read(at, stage.source, value, rows.in_offset, rows.in_first, rows.in_rows)
        if stage.add is not None:
            self.check_add(at, stage, result, rows)
            result = stage.add + 1
        if self.held.setdefault(stage.output, result) != result:
            raise PlanError(f"{self.names[at]}: writes tensor {stage.output}, which holds tensor "
                            f"{self.held[stage.output]}")
        written = self.write(stage.output, rows.out_offset, rows.out_first, rows.out_rows, at=at)
        if written.start < read.stop and read.start < written.stop:
            raise PlanError(f"{self.names[at]}: writes tensor {stage.output} to {written.start}..{written.stop - 1} "
                            f"over tensor {stage.source}, which it reads, at {read.start}..{read.stop - 1}")

    def checked_rows(self, at: int, stage: Stage, layer: Layer | None, value: int, result: int) -> RowRange:
        """The stage's rows, all of them where it has none; they must be those that the operator's window takes."""
        rows, height, out_height = stage.rows, self.types[value].shape[0], self.types[result].shape[0]
        if rows is None:
            return RowRange(out_first=0, out_rows=out_height, out_offset=0, in_first=0, in_rows=height, in_offset=0,
                            top=0, bottom=0)
        if rows.out_first < 0 or rows.out_rows < 1 or rows.out_first + rows.out_rows > out_height:
            raise PlanError(f"{self.names[at]}: the output has {out_height} rows")
        want = window_rows(layer, height, rows.out_first, rows.out_rows)
        if (rows.in_first, rows.in_rows, rows.top, rows.bottom) != want or rows.in_rows < 1:
            raise PlanError(f"{self.names[at]}: reads rows {rows.in_first}+{rows.in_rows} with {rows.top} and "
                            f"{rows.bottom} of padding, but the window takes {want[0]}+{want[1]} with {want[2]} and "
                            f"{want[3]}")
        return rows

    def check_add(self, at: int, stage: Stage, result: int, rows: RowRange) -> None:
        residual = self.held.get(-1 if stage.residual is None else stage.residual)
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

    def span(self, tensor: int, value: int, offset: int, first: int, rows: int) -> tuple[slice, np.ndarray]:
        """Addresses of rows of the graph's tensor ``value`` in the plan's ``tensor``, and the elements there."""
        _, width, channels = self.types[value].shape
        if tensor not in self.placements:
            raise PlanError(f"{self.names[-1] if self.names else 'start'}: tensor {tensor} has no place")
        place = self.placements[tensor]
        elements = np.arange(first * width * channels, (first + rows) * width * channels)
        if offset < 0 or offset + len(elements) > place.size:
            raise PlanError(f"{self.names[-1] if self.names else 'start'}: rows of tensor {tensor} take bytes {offset} "
                            f"to {offset + len(elements) - 1}, its place has {place.size}")
        start = place.address + offset
        return slice(start, start + len(elements)), elements

    def read(self, at: int, tensor: int, value: int, offset: int, first: int, rows: int) -> slice:
        span, elements = self.span(tensor, value, offset, first, rows)
        wrong = (self.tensor[span] != value) | (self.element[span] != elements)
        if wrong.any():
            byte = span.start + int(wrong.argmax())
            writer = int(self.writer[byte])
            who = f"{self.names[writer]}, overwrote it" if writer >= 0 else "nothing wrote it"
            reads = f"{self.names[at]}: reads" if at >= 0 else "end:"
            raise PlanError(f"{reads} tensor {tensor}, but {int(wrong.sum())} of its bytes are not there, first at "
                            f"address {byte}: {who}")
        return span

    def write(self, tensor: int, offset: int, first: int, rows: int, *, at: int) -> slice:
        value = self.held[tensor]
        span, elements = self.span(tensor, value, offset, first, rows)
        self.tensor[span], self.element[span], self.writer[span] = value, elements, at
        return span

    def finish(self, value: int) -> None:
        """The graph's tensor ``value`` must be there, whole."""
        if value not in self.held:
            raise PlanError(f"end: no stage writes tensor {value}")
        self.read(-1, value, value, 0, 0, self.types[value].shape[0])
