"""Who runs what, in which order: a command of the engine or a call of the CPU per stage, residual adds fused."""

from collections.abc import Sequence
from dataclasses import dataclass

from sw.graph.graph import Graph, Layer, TensorType
from sw.graph.layer import POOLS, WEIGHTED

__all__ = ["RowRange", "Stage", "held_tensors", "on_cpu", "schedule", "stage_name"]

@dataclass(frozen=True, kw_only=True)
class RowRange:
    """The rows that one band of a stage reads and writes; rows are counted in the whole tensors.

    The command of a band differs from that of the whole layer in these fields only: its input is ``in_rows`` high
    and begins at ``placements[source].address + in_offset``; its first tap lies ``top`` rows above that (``first_y =
    -top``) and rows from ``in_rows`` on are padding; it writes ``out_rows`` rows from
    ``placements[output].address + out_offset`` on. A residual has the output's address and offset.
    """

    out_first: int    # first output row that is written
    out_rows: int     # output rows that are written
    out_offset: int   # bytes from the output's placement to row out_first
    in_first: int     # first input row that is read; it exists, it is no padding
    in_rows: int      # input rows that are read
    in_offset: int    # bytes from the source's placement to row in_first
    top: int          # rows of padding above in_first
    bottom: int       # rows of padding below the last row that is read


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One command of the engine, or one call of the CPU.

    Tensors are numbers: 0 is the graph's input, ``n + 1`` the output of layer ``n``; larger numbers than the graph has
    are copies and bands, see :func:`held_tensors`.
    """

    layer: int | None              # the layer whose operator runs, an add aside; None: a copy
    source: int                    # tensor that the operator reads
    output: int                    # tensor that is written
    add: int | None = None         # the add layer fused into the drain
    residual: int | None = None    # tensor that is added; the output takes its place
    swapped: bool = False          # the residual is input 0 of the add, the operator's result input 1
    rows: RowRange | None = None   # what is computed of the output; None: all of it
    cpu: bool = False              # the CPU runs it


#: Operators of the engine.
ENGINE = (*WEIGHTED, *POOLS, "add")


def on_cpu(layer: Layer) -> bool:
    """Who runs a layer: the engine, where it has the operator, else the CPU."""
    return layer.op not in ENGINE


def schedule(graph: Graph, *, keep_input: bool = False) -> tuple[Stage, ...]:
    """The stages that compute a checked graph, in order.

    An add runs in the drain of the layer that computes the later one of its two operands, if nothing else reads this
    operand, and if the other one, whose place the sum takes, is dead after that layer and not what it reads. Any other
    add gets a stage of its own, without an operator, at its place in the graph: it reads the operand that lives on and
    overwrites the other one. Where both live on, or both are the same tensor, a stage before it copies one.

    Parameters
    ----------
    keep_input : bool
        The graph's input is still there at the end.
    """
    return _Scheduler(graph, keep_input).stages()


def held_tensors(stages: Sequence[Stage], graph: Graph) -> dict[int, int]:
    """For every tensor number of ``stages``, the graph's tensor whose values it holds (all, or the rows of a band)."""
    held = {0: 0}
    for stage in stages:
        layer = stage.layer if stage.add is None else stage.add
        held[stage.output] = held[stage.source] if layer is None else layer + 1
    return held


def stage_name(stage: Stage, graph: Graph) -> str:
    """As errors name it: ``layer 3 conv2 (conv)``, rows added where it computes a band."""
    index = stage.layer if stage.layer is not None else stage.add
    if index is None:
        return f"copy of tensor {stage.source}"
    layer = graph.layers[index]
    rows = "" if stage.rows is None else (f" rows {stage.rows.out_first} to "
                                          f"{stage.rows.out_first + stage.rows.out_rows - 1}")
    return f"layer {index} {layer.name} ({layer.op}){rows}"


class _Scheduler:
    def __init__(self, graph: Graph, keep_input: bool):
        self.graph, self.count = graph, len(graph.layers)
        self.types: list[TensorType] = graph.types()
        self.kept = {self.count} | ({0} if keep_input else set())
        self.places = [-1]    # by tensor: the layer in whose stage it is written
        self.readers: dict[int, list[int]] = {tensor: [] for tensor in range(self.count + 1)}
        for index in range(self.count):
            for tensor in dict.fromkeys(graph.inputs_of(index)):
                self.readers[tensor].append(index)

    def stages(self) -> tuple[Stage, ...]:
        carried: dict[int, int] = {}      # layer -> the add in its drain
        for index in range(self.count):
            carrier = self.carrier(index)
            self.places.append(index if carrier is None else carrier)
            if carrier is not None:
                carried[carrier] = index
        found: list[Stage] = []
        for index, layer in enumerate(self.graph.layers):
            if layer.op != "add":
                found.append(self.operator(index, carried.get(index)))
            elif index not in carried.values():
                found += self.alone(index, copy=len(self.types) + sum(stage.output >= len(self.types)
                                                                      for stage in found))
        return tuple(found)

    def dies(self, tensor: int, after: int, *, but: int) -> bool:
        """Whether no layer but ``but`` reads ``tensor`` from layer ``after`` on, and nobody keeps it."""
        return tensor not in self.kept and all(
            reader < after or reader == but for reader in self.readers[tensor])

    def carrier(self, index: int) -> int | None:
        """The layer into whose drain the add ``index`` goes."""
        if self.graph.layers[index].op != "add":
            return None
        residual, last = sorted(self.graph.inputs_of(index), key=self.places.__getitem__)
        place = self.places[last]
        fits = (residual != last and place == last - 1 and self.can_add(place)
                and self.readers[last] == [index] and self.dies(residual, place, but=index))
        return place if fits else None

    def can_add(self, place: int) -> bool:
        """Whether an add fits behind the operator of layer ``place``; -1 is the graph's input."""
        return self.graph.layers[place].op != "add" and not on_cpu(self.graph.layers[place])

    def operator(self, index: int, add: int | None) -> Stage:
        source, = self.graph.inputs_of(index)
        if add is None:
            return Stage(layer=index, source=source, output=index + 1, cpu=on_cpu(self.graph.layers[index]))
        first, second = self.graph.inputs_of(add)
        swapped = second == index + 1
        return Stage(layer=index, source=source, output=add + 1, add=add, residual=first if swapped else second,
                     swapped=swapped)

    def alone(self, index: int, copy: int) -> list[Stage]:
        first, second = self.graph.inputs_of(index)
        for source, residual, swapped in ((first, second, False), (second, first, True)):
            if source != residual and self.dies(residual, index, but=index):
                return [Stage(layer=None, source=source, output=index + 1, add=index, residual=residual,
                              swapped=swapped)]
        return [Stage(layer=None, source=second, output=copy),
                Stage(layer=None, source=first, output=index + 1, add=index, residual=copy)]
