"""Who runs what, in which order: a command of the engine or calls of the CPU per stage, adds and tables fused."""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

from hw.spec.commands import COMMAND_FIELDS
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.requant import TOTAL_BITS
from sw.compiler.channels import exceeds_digits, exceeds_total, pooling_scale
from sw.compiler.errors import CompileError
from sw.compiler.shared import OUTPUTS, Link, Operand, Shared, find_shared
from sw.golden.kernels import TABLES
from sw.golden.movement import enlargement
from sw.graph.graph import Graph, Layer, TensorType
from sw.graph.layer import ELEMENTWISE, POOLS, WEIGHTED

__all__ = ["RowRange", "Schedule", "Stage", "Tables", "held_tensors", "on_cpu", "schedule", "stage_name", "why_cpu"]

Tables = Callable[[TensorType], bool] | None
#: Operators of the engine.
ENGINE = (*WEIGHTED, *POOLS, "add", "resize")
MOST_COPIES = 16      # of an enlargement's input, by as many commands


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
    others: tuple[int, ...] = ()   # bytes from the placement of each of the stage's ``others`` to what is read of it


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One command of the engine, or one layer of the CPU.

    Tensors have the graph's numbers; larger numbers than the graph has are copies and bands, see :func:`held_tensors`.
    """

    layer: int | None              # the layer whose operator runs, an add aside; None: a copy
    source: int                    # tensor that the operator reads; of a constant that is loaded, itself
    output: int                    # tensor that is written
    others: tuple[int, ...] = ()   # tensors that it reads beside ``source``; the CPU only
    add: int | None = None         # the add layer fused into the drain
    residual: int | None = None    # tensor whose place the output takes: what is added, or what the CPU reads there
    swapped: bool = False          # the residual is input 0 of the add, the operator's result input 1
    tables: tuple[int, ...] = ()   # the layers whose tables the outputs go through then, one after the other
    joins: Operand | None = None   # of a copy: the operand of a concatenation that it puts to its place there
    rows: RowRange | None = None   # what is computed of the output; None: all of it
    cpu: bool = False              # the CPU runs it

    @property
    def layers(self) -> tuple[int, ...]:
        """All that it runs, in order."""
        return tuple(index for index in (self.layer, self.add, *self.tables) if index is not None)

    @property
    def loads(self) -> bool:
        """Whether it writes a constant."""
        return self.cpu and self.source == self.output


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The stages that compute a graph, and what needs none."""

    stages: tuple[Stage, ...]
    shared: Shared
    outputs: tuple[int, ...]       # numbers of the tensors that are the answers: the graph's, or copies of them


def why_cpu(graph: Graph, index: int, design: DesignPoint | None = None) -> str | None:
    """Why the CPU runs a layer, in a few words; None where the engine has the operator as the layer wants it.

    Without a design, on an engine that holds every sum. Layers with wider weights than the design's are the CPU's where
    others suit it; a graph none of whose layers does is one for another design, which is said where it is compiled.
    """
    layer, taken = graph.layers[index], graph.taken(index)
    if layer.op not in ENGINE:
        return f"the engine has no {layer.function or layer.op}"
    if ranks := [len(kind.shape) for kind in (*taken, layer.output) if len(kind.shape) != 3]:
        return f"a tensor of {ranks[0]} dimensions"
    if layer.op == "avgpool":
        return "an average with padding" if any(layer.padding) else _why_no_average(prod(layer.kernel), design)
    if layer.op == "resize":
        return _why_no_copies(layer, taken[0], design)
    if layer.op == "add" and taken[0].shape != taken[1].shape:
        return "operands of two shapes"
    if layer.op == "add" and layer.views:
        return "operands read in other shapes"
    if layer.shift.size and layer.shift.min() < 0:
        return "a scale of 1 or more"
    if layer.op in WEIGHTED and design and not _suits(layer, design) and any(
            _suits(other, design) for other in graph.layers if other.op in WEIGHTED):
        return f"{layer.weight_bits}-bit weights"
    if layer.op in WEIGHTED and design and exceeds_total(layer, taken[0].zero_point, design):
        return f"bias and sum may exceed {TOTAL_BITS} bits"
    if layer.op in WEIGHTED and design and exceeds_digits(layer, design):
        return f"a sum of digits may exceed its part of {design.acc_bits} bits"
    return None


def _why_no_average(count: int, design: DesignPoint | None) -> str | None:
    try:
        pooling_scale(count, design.weight_bits if design else 8)
    except SpecError:
        return f"an average of {count} values, which narrow weights do not give exactly"
    return None


def _suits(layer: Layer, design: DesignPoint) -> bool:
    """Whether the design's multipliers take a layer's weights; binary ones take no others."""
    return layer.weight_bits <= design.weight_bits and (design.weight_bits > 1 or layer.weight_bits == 1)


def _why_no_copies(layer: Layer, taken: TensorType, design: DesignPoint | None) -> str | None:
    """Why an enlargement is not made of copies of its input, each at other pixels."""
    factors = enlargement(layer, taken)
    if factors is None or prod(factors) > MOST_COPIES:
        return f"no enlargement by whole numbers, {MOST_COPIES} times at most"
    height, width, channels = taken.image
    rows, row, columns = (1 << COMMAND_FIELDS[name][0] for name in ("bands", "in_row_bytes", "out_width"))
    if height >= rows or width * channels >= row or width >= columns or taken.element_bytes > 1:
        return "more than a command copies"
    even = channels % 2 == 0 and design is not None and design.depthwise_channels % 2 == 0
    return "the memory reads at even addresses" if design and design.memory == "spram" and not even else None


def on_cpu(graph: Graph, index: int, design: DesignPoint | None = None) -> bool:
    """Who runs a layer: the engine, where it can, else the CPU."""
    return why_cpu(graph, index, design) is not None


def schedule(graph: Graph, *, keep_input: bool = False, alignment: int = 1, tables: Tables = None,
             design: DesignPoint | None = None, channels: bool = False, apart: Container[Operand] = (),
             by_cpu: Container[Operand] = ()) -> Schedule:
    """The stages that compute a checked graph, in order.

    An add runs in the drain of the layer that computes the later one of its two operands, if nothing else reads this
    operand, and if the other one, whose place the sum takes, is dead after that layer and not what it reads. Any other
    add gets a stage of its own, without an operator, at its place in the graph: it reads the operand that lives on and
    overwrites the other one. Where both live on, or both are the same tensor, a stage before it copies one.

    An operator on bytes alone is a table. Where the engine has a unit for them it runs in the drain of the command that
    makes its input, if nothing else reads that, or else perhaps in the drain of a copy of its own.

    What the CPU does element by element it does in the place of an operand that is dead then.

    A constant is loaded before the first layer that reads it. States take their next values at the end.

    Parameters
    ----------
    keep_input : bool
        The graph's inputs are still there at the end.
    alignment : int
        Bytes that the place of every tensor is a multiple of.
    tables
        Whether the engine takes a tensor of a type through a table alone; None where it has no unit for tables.
    design
        Whose engine runs what it can; None: one that holds every sum.
    channels, apart
        What may lie where other channels lie between its pixels, see :func:`sw.compiler.shared.find_shared`.
    by_cpu
        Operands of concatenations that the CPU copies to their places, not the engine.

    Raises
    ------
    CompileError
        If states take each other's values in a circle.
    """
    adds = _engine_adds(graph, design)
    shared = find_shared(graph, adds, alignment=alignment, channels=channels, apart=apart)
    return _Scheduler(graph, keep_input, tables, design, shared, by_cpu).schedule()


def held_tensors(stages: Sequence[Stage], graph: Graph) -> dict[int, int]:
    """For every tensor number of ``stages``, the graph's tensor whose values it holds (all, or the rows of a band)."""
    held = {number: number for number in range(graph.first + len(graph.layers))}
    for stage in stages:
        held.setdefault(stage.output, graph.first + stage.layers[-1] if stage.layers else held[stage.source])
    return held


def stage_name(stage: Stage, graph: Graph) -> str:
    """As errors name it: ``layer 3 conv2 (conv)``, rows added where it computes a band."""
    index = next(iter(stage.layers), None)
    if index is None:
        return f"constant {stage.output}" if stage.loads else f"copy of tensor {stage.source}"
    layer = graph.layers[index]
    rows = "" if stage.rows is None else (f" rows {stage.rows.out_first} to "
                                          f"{stage.rows.out_first + stage.rows.out_rows - 1}")
    return f"layer {index} {layer.name} ({layer.op}){rows}"


def _engine_adds(graph: Graph, design: DesignPoint | None) -> frozenset[int]:
    return frozenset(index for index, layer in enumerate(graph.layers)
                     if layer.op == "add" and not on_cpu(graph, index, design))


class _Scheduler:
    def __init__(self, graph: Graph, keep_input: bool, tables: Tables, design: DesignPoint | None, shared: Shared,
                 by_cpu: Container[Operand]):
        self.graph, self.first, self.has_tables = graph, graph.first, tables is not None
        self.types: list[TensorType] = graph.types()
        #: Layers that are a table, and may be a stage of their own on the engine.
        self.lookups = frozenset(index for index, layer in enumerate(graph.layers)
                                 if tables and layer.op in TABLES and not layer.views and tables(graph.taken(index)[0]))
        self.cpu = [on_cpu(graph, index, design) and index not in self.lookups for index in range(len(graph.layers))]
        self.adds, self.shared, self.by_cpu = _engine_adds(graph, design), shared, by_cpu
        states = {graph.state_number(index) for index in range(len(graph.states))}
        self.kept = ({*graph.answers, *states, *(state.next for state in graph.states), *self.shared.pinned}
                     | (set(range(len(graph.inputs))) if keep_input else set()))
        self.places = [-1] * self.first    # by tensor: the layer in whose stage it is written
        self.readers: dict[int, list[int]] = {tensor: [] for tensor in range(len(self.types))}
        for index in range(len(graph.layers)):
            for tensor in dict.fromkeys(graph.inputs_of(index)):
                self.readers[tensor].append(index)
        self.next_copy = len(self.types)

    def schedule(self) -> Schedule:
        carried: dict[int, int] = {}              # layer -> the add in its drain
        tables: dict[int, tuple[int, ...]] = {}   # layer -> those whose tables are there
        for index in range(len(self.graph.layers)):
            carrier = self.carrier(index)
            if carrier is not None:
                carried[carrier] = index
            elif (carrier := self.table_carrier(index, adds=self.adds | carried.keys())) is not None:
                tables[carrier] = (*tables.get(carrier, ()), index)
            self.places.append(index if carrier is None else carrier)
        found, loaded = list[Stage](), set[int]()
        drained = {*carried.values(), *(index for several in tables.values() for index in several)}
        for index in range(len(self.graph.layers)):
            if index in self.shared.free:
                # what lies in a constant needs it there
                found += self.constants(index, loaded)
                found += self.joined(index)
            elif index not in drained:
                found += self.constants(index, loaded)
                found += self.alone(index) if index in self.adds else [self.operator(index, carried.get(index))]
                if index in tables:
                    found[-1] = replace(found[-1], tables=(*found[-1].tables, *tables[index]),
                                        output=self.first + tables[index][-1])
        ends, outputs = self.ends()
        return Schedule(stages=(*found, *ends), shared=self.shared, outputs=outputs)

    def dies(self, tensor: int, after: int, *, but: int) -> bool:
        """Whether no layer but ``but`` reads ``tensor`` from layer ``after`` on, and nobody keeps it."""
        return tensor not in self.kept and all(
            reader < after or reader == but for reader in self.readers[tensor])

    def carrier(self, index: int) -> int | None:
        """The layer into whose drain the add ``index`` goes."""
        if index not in self.adds:
            return None
        residual, last = sorted(self.graph.inputs_of(index), key=self.places.__getitem__)
        place = self.places[last]
        fits = (residual != last and place >= 0 and place == last - self.first and self.can_add(place)
                and self.readers[last] == [index] and last not in self.kept
                and self.graph.constant_of(residual) is None and self.dies(residual, place, but=index))
        return place if fits else None

    def can_add(self, place: int) -> bool:
        """Whether an add fits behind the operator of layer ``place``."""
        return (place not in self.adds and place not in self.lookups and not self.cpu[place]
                and self.graph.layers[place].op != "resize")

    def table_carrier(self, index: int, *, adds: Container[int]) -> int | None:
        """The layer through whose stage's table the outputs of layer ``index`` come; ``adds`` are those that add."""
        layer = self.graph.layers[index]
        if not self.has_tables or layer.op not in TABLES or layer.views:
            return None
        tensor, = self.graph.inputs_of(index)
        place = self.places[tensor]
        fits = (place >= 0 and not self.cpu[place] and self.readers[tensor] == [index] and tensor not in self.kept
                # a sum takes the place of what is added
                and not (place in adds and self.first + index in self.shared.pinned))
        return place if fits else None

    def constants(self, index: int, loaded: set[int]) -> Iterator[Stage]:
        """Load what layer ``index`` reads first."""
        for number in self.graph.inputs_of(index):
            if self.graph.constant_of(number) is not None and number not in loaded:
                loaded.add(number)
                yield Stage(layer=None, source=number, output=number, cpu=True)

    def joined(self, index: int) -> Iterator[Stage]:
        """Copy the operands of a concatenation to their places that are not made there."""
        for place, source in enumerate(self.graph.inputs_of(index)):
            if (link := self.shared.joined.get((index, place))) is not None:
                number = self.copy_number()
                self.shared.groups.put(number, link)
                yield Stage(layer=None, source=source, output=number, cpu=(index, place) in self.by_cpu,
                            joins=(index, place))

    def operator(self, index: int, add: int | None) -> Stage:
        source, *others = self.graph.inputs_of(index)
        if index in self.lookups:
            return Stage(layer=None, source=source, output=self.first + index, tables=(index,))
        if add is None:
            return Stage(layer=index, source=source, others=tuple(others), output=self.first + index,
                         cpu=self.cpu[index], residual=self.overwritten(index) if self.cpu[index] else None)
        first, second = self.graph.inputs_of(add)
        swapped = second == self.first + index
        return Stage(layer=index, source=source, output=self.first + add, add=add,
                     residual=first if swapped else second, swapped=swapped)

    def overwritten(self, index: int) -> int | None:
        """An operand whose place the output of a layer of the CPU can take."""
        layer = self.graph.layers[index]
        if layer.op not in ELEMENTWISE or self.first + index in self.shared.pinned:
            return None
        return next((number for number, kind in zip(self.graph.inputs_of(index), self.graph.taken(index), strict=True)
                     if kind.shape == layer.output.shape and self.types[number].shape == kind.shape
                     and self.graph.constant_of(number) is None and self.dies(number, index, but=index)), None)

    def alone(self, index: int) -> list[Stage]:
        first, second = self.graph.inputs_of(index)
        output = self.first + index
        for source, residual, swapped in ((first, second, False), (second, first, True)):
            if source != residual and self.dies(residual, index, but=index):
                return [Stage(layer=None, source=source, output=output, add=index, residual=residual, swapped=swapped)]
        copy = self.copy_number()
        return [Stage(layer=None, source=second, output=copy),
                Stage(layer=None, source=first, output=output, add=index, residual=copy)]

    def copy_number(self) -> int:
        self.next_copy += 1
        return self.next_copy - 1

    def ends(self) -> tuple[list[Stage], tuple[int, ...]]:
        """Outputs that are copied to their places, and the states' next values; and where the answers are."""
        outputs, found = list(self.graph.answers), list[Stage]()
        for place, offset in self.shared.copied.items():
            number = self.copy_number()
            if len(outputs) > 1:
                self.shared.groups.put(number, Link(inside=OUTPUTS, offset=offset))
            found.append(Stage(layer=None, source=outputs[place], output=number, cpu=True))
            outputs[place] = number
        updates = {self.graph.state_number(index): state.next for index, state in enumerate(self.graph.states)
                   if state.next != self.graph.state_number(index)}
        read = {number: self.inside(source) for number, source in updates.items()}
        while updates:
            ready = [number for number in updates if not any(read[other] == number for other in updates
                                                             if other != number)]
            if not ready:
                raise CompileError(f"{self.graph.name}: states take each other's values in a circle; give one of them "
                                   f"a layer between")
            for number in ready:
                found.append(Stage(layer=None, source=updates.pop(number), output=number, cpu=True))
        return found, tuple(outputs)

    def inside(self, tensor: int) -> int:
        """The root of the group that a tensor lies in: a state, if it is a part of one."""
        return self.shared.groups.place(tensor)[0]
