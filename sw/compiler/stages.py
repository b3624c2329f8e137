"""From a stage of the schedule to what its runner has to do: geometry, operator and residual add, or a call."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np

from hw.spec.commands import COMMAND_FIELDS
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.image import Call
from hw.spec.multipliers import MULTIPLIERS
from hw.spec.tiles import port_cycles
from hw.spec.timing import drain_cycles
from sw.compiler.channels import add_words, join
from sw.compiler.cycles import layer_cycles
from sw.compiler.errors import CompileError
from sw.compiler.operator import Geometry, Operator
from sw.compiler.proof import Placement, of_rows
from sw.compiler.schedule import Stage, held_tensors, stage_name, why_cpu
from sw.compiler.variants import Variant, operator_of, through, variants
from sw.golden.function import Task
from sw.golden.kernels import OPERATORS, TABLES, make_call
from sw.golden.movement import constant, copies, enlargement
from sw.graph.graph import Graph, TensorType
from sw.graph.layer import WEIGHTED

__all__ = ["KernelPlan", "Work", "looks_up", "stage_cycles", "stage_work", "state_resets"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """One LAYER command of a stage, in every way that the design can run it."""

    stage: Stage
    name: str
    op: str
    macs: int
    variants: list[Variant]
    tensor: int | None        # number of the graph's tensor that is complete behind it
    output: Placement         # of the tensor that it writes to


@dataclass(frozen=True, kw_only=True)
class KernelPlan:
    """A layer of the graph that the CPU runs, a copy, or a constant that it loads: one call, or a few."""

    name: str
    op: str
    calls: tuple[Call, ...]
    tensor: int | None        # number of the graph's tensor that is complete behind it
    output: Placement         # of the tensor that it writes to
    stage: Stage


def stage_work(stages: tuple[Stage, ...], placements: Mapping[int, Placement], graph: Graph,
                 design: DesignPoint) -> list[Work | KernelPlan]:
    """The commands and calls of all stages, in order.

    Raises
    ------
    CompileError
        If the design cannot run one; the message names the layer and the limit.
    """
    held, types = held_tensors(stages, graph), graph.types()
    ends = {stage.output: index for index, stage in enumerate(stages)}
    found: list[Work | KernelPlan] = []
    for index, stage in enumerate(stages):
        whole = ends[stage.output] == index and stage.output < len(types)      # no copy, and the last band
        if stage.cpu:
            found.append(_kernel(stage, placements, graph, design, whole=whole))
            continue
        output = placements[stage.output]
        if not output.pitch:
            output = replace(output, size=types[held[stage.output]].bytes)
        names = [graph.layers[number].name for number in stage.layers]
        op = graph.layers[stage.layers[0]].op if stage.layers else "add"
        macs = 0 if stage.layer is None else graph.macs(stage.layer)
        if stage.rows:
            macs = macs * stage.rows.out_rows // types[held[stage.output]].shape[0]
        try:
            pieces = _variants(stage, held, placements, graph, design)
        except SpecError as error:
            raise CompileError(f"{stage_name(stage, graph)}: {error}") from error
        for number, options in enumerate(pieces):
            last = number == len(pieces) - 1
            found.append(Work(stage=stage, name="+".join(names) or "copy", op=op,
                              macs=macs // len(pieces) if not last else macs - macs // len(pieces) * (len(pieces) - 1),
                              variants=options, tensor=stage.output if whole and last else None, output=output))
    return found


def _kernel(stage: Stage, placements: Mapping[int, Placement], graph: Graph, design: DesignPoint, *,
            whole: bool) -> KernelPlan:
    output = placements[stage.output]
    loaded = graph.constant_of(stage.output) if stage.loads else None
    if loaded is not None:
        return _moved("constant", stage, output, [constant(loaded.values, output.address)])
    if stage.layer is None:
        return _moved("copy", stage, output, _copied(placements[stage.source], output))
    layer, taken = graph.layers[stage.layer], list(graph.taken(stage.layer))
    try:
        _check_bits([*taken, layer.output], design)
        _check_products(graph, stage.layer, design)
    except SpecError as error:
        raise CompileError(f"{stage_name(stage, graph)}: {error}") from error
    sources, address = [placements[tensor].address for tensor in (stage.source, *stage.others)], output.address
    if (rows := stage.rows) is not None:
        (layer, taken), address = of_rows(layer, taken, rows), address + rows.out_offset
        sources = [start + offset for start, offset in zip(sources, (rows.in_offset, *rows.others), strict=True)]
    calls = OPERATORS[layer.op].calls(layer, taken, sources=sources, output=address)
    return KernelPlan(name=layer.name, op=layer.op, tensor=stage.output if whole else None, output=output, stage=stage,
                      calls=tuple(calls))


def _copied(source: Placement, output: Placement) -> list[Task]:
    if not (source.pitch or output.pitch):
        return copies([output.size], [1], [1], output=output.address, source=source.address)
    run = output.channels or source.channels
    pixels = len((output if output.pitch else source).places) // run
    return copies([pixels, run], [source.pitch or run, 1], [output.pitch or run, 1], output=output.address,
                  source=source.address)


def _moved(op: str, stage: Stage, output: Placement, tasks: Sequence[Task]) -> KernelPlan:
    return KernelPlan(name=f"{op}{stage.output}", op=op, tensor=None, output=output, stage=stage,
                      calls=tuple(make_call(task.function, task.fields, task.table) for task in tasks))


def state_resets(placements: Mapping[int, Placement], graph: Graph) -> list[Call]:
    """The calls that write what the states begin with."""
    tasks = [constant(state.initial, placements[graph.state_number(index)].address)
             for index, state in enumerate(graph.states)]
    return [make_call(task.function, task.fields, task.table) for task in tasks]


def _check_products(graph: Graph, index: int, design: DesignPoint) -> None:
    """The CPU has no products but exact ones."""
    if graph.layers[index].op in WEIGHTED and not MULTIPLIERS[design.multiplier].exact(design.weight_bits):
        raise SpecError(f"{why_cpu(graph, index, design)}, and the products of the CPU are exact, those of "
                        f"multiplier={design.multiplier!r} are not; choose another multiplier")


def _check_bits(kinds: Sequence[TensorType], design: DesignPoint) -> None:
    if (widest := max(kind.bits for kind in kinds)) > design.act_bits:
        raise SpecError(f"{widest}-bit activations, act_bits={design.act_bits}; raise act_bits")


def _variants(stage: Stage, held: Mapping[int, int], placements: Mapping[int, Placement], graph: Graph,
           design: DesignPoint) -> list[list[Variant]]:
    types = graph.types()
    layer = None if stage.layer is None else graph.layers[stage.layer]
    taken, given = types[held[stage.source]], types[held[stage.output]]
    if stage.layer is not None:
        taken = graph.taken(stage.layer)[0]
    _check_bits([taken, given, *(types[graph.first + number] for number in stage.layers)], design)
    dense = layer is not None and layer.op == "dense"
    shape = _rows_of(taken.size, design) if dense else taken.image
    out_height, out_width, outputs = given.image
    rows = stage.rows
    source, output = placements[stage.source], placements[stage.output]
    geometry = Geometry(
        address=source.address - source.within + (rows.in_offset if rows else 0), taken_bytes=source.pitch,
        within=source.within, pixel_bytes=output.pitch,
        shape=(rows.in_rows, shape[1], shape[2]) if rows else shape,
        out_address=output.address + (rows.out_offset if rows else 0),
        out_shape=(rows.out_rows if rows else out_height, out_width, outputs),
        stride=(1, 1) if layer is None or dense else layer.stride,
        top=rows.top if rows else 0 if layer is None else layer.padding[0],
        left=0 if layer is None else layer.padding[1])
    factors = enlargement(layer, taken) if layer is not None and layer.op == "resize" else None
    operator = operator_of(None if factors else layer, shape, taken.zero_point, design)
    add = None
    if stage.add is not None:
        layer_add = graph.layers[stage.add]
        first, second = (types[tensor].zero_point for tensor in graph.inputs_of(stage.add))
        add = (add_words(layer_add, (first, second), stage.swapped, design),
               {"add": 1, "add_zero": layer_add.output.zero_point, "add_min": layer_add.act_min,
                "add_max": layer_add.act_max})
    # what is added comes in one fetch
    most_cols = design.most_tile_cols if add is None else design.fetch_bytes
    table = _table(stage, graph)
    found = [options for part in _copies(geometry, factors or (1, 1))
             for options in _every_form(operator, part, design, most_cols)]
    return [[_completed(variant, add, table, design) for variant in options] for options in found]


def _copies(geometry: Geometry, factors: tuple[int, int]) -> Iterator[Geometry]:
    """Of the input, so many times as high and wide as it is: each where every so manyth row and column are."""
    rows, columns = factors
    height, width, channels = geometry.out_shape
    if factors == (1, 1):
        yield geometry
        return
    for row, column in product(range(rows), range(columns)):
        yield replace(geometry, out_shape=(height // rows, width // columns, channels),
                      out_address=geometry.out_address + row * geometry.row_pitch + column * geometry.pixel_pitch,
                      pixel_bytes=columns * geometry.pixel_pitch, row_bytes=rows * geometry.row_pitch)


def _every_form(operator: Operator, geometry: Geometry, design: DesignPoint, most_cols: int) -> list[list[Variant]]:
    """The variants of each piece; of a kernel over pixels with other channels between in both forms that it has."""
    forms = [operator]
    if not operator.depthwise and geometry.apart and operator.weights.shape[2] > 1 and design.weight_bits > 1:
        forms.append(through(operator, geometry))
    found, refused = list[list[list[Variant]]](), list[SpecError]()
    for form in forms:
        try:
            found.append([variants(part, piece, design, most_cols=most_cols)
                          for part, piece in _pieces(form, geometry, design)])
        except SpecError as error:
            refused.append(error)
    if not found:
        raise refused[0]
    return [[variant for options in several for variant in options] for several in zip(*found, strict=True)]


def stage_cycles(stage: Stage, held: Mapping[int, int], placements: Mapping[int, Placement], graph: Graph,
                 design: DesignPoint) -> int | None:
    """Least cycles of a stage of the engine at such places; None where it cannot run it."""
    try:
        pieces = _variants(stage, held, placements, graph, design)
    except SpecError:
        return None
    return sum(min(layer_cycles(design, variant.command).total for variant in options) for options in pieces)


def looks_up(design: DesignPoint, kind: TensorType) -> bool:
    """Whether the engine takes a tensor through a table alone: in a cycle or a few for what takes the CPU ten."""
    if len(kind.shape) != 3 or kind.bits > design.act_bits:
        return False
    geometry = Geometry(address=0, shape=kind.image, out_address=0, out_shape=kind.image, stride=(1, 1), top=0, left=0)
    try:
        operator = operator_of(None, kind.image, kind.zero_point, design)
        return all(variants(*piece, design, most_cols=design.cols) for piece in _pieces(operator, geometry, design))
    except SpecError:
        return False


def _rows_of(size: int, design: DesignPoint) -> tuple[int, int, int]:
    """The input of a dense layer as an image of one column, of as few rows as a command takes as kernel rows."""
    most = design.fetch_bytes << COMMAND_FIELDS["segments"][0]
    rows = next((rows for rows in range(1, 1 << COMMAND_FIELDS["kernel_rows"][0])
                 if size % rows == 0 and size // rows <= most - design.fetch_bytes), 1)
    return rows, 1, size // rows


def _table(stage: Stage, graph: Graph) -> np.ndarray | None:
    """int8 (256,): what the outputs -128, -127, ... 127 become."""
    outputs = np.arange(-128, 128)
    for index in stage.tables:
        layer = graph.layers[index]
        outputs = TABLES[layer.op](layer, graph.taken(index)[0])[outputs + 128].astype(np.int64)
    return outputs.astype(np.int8) if stage.tables else None


def _completed(variant: Variant, add: tuple[np.ndarray, Mapping[str, int]] | None, table: np.ndarray | None,
               design: DesignPoint) -> Variant:
    """With the residual add and the table, and all fields named."""
    pack = variant.pack
    command = {**dict.fromkeys(COMMAND_FIELDS, 0), **variant.command, "table": int(table is not None)}
    if add is not None:
        command |= add[1]
        pack = partial(_joined, add[0], variant)
    command["spacing"] = drain_cycles(design, depthwise=bool(command["depthwise"]), add=bool(command["add"]),
                                      rows=command["tile_rows"], cols=command["tile_cols"])
    command["port_cycles"] = port_cycles(design, command)
    return replace(variant, command=command, pack=pack, table=table)


def _joined(parameters: np.ndarray, variant: Variant) -> np.ndarray:
    return join(parameters, variant.words)


def _pieces(operator: Operator, geometry: Geometry, design: DesignPoint) -> list[tuple[Operator, Geometry]]:
    """What one command can do each: everything, unless the memory reads at even addresses only.

    Then pixels at odd distances are two commands, for every other column each, and a kernel row that begins at an
    odd address has a weight of 0 in front.

    Raises
    ------
    SpecError
        If that does not help.
    """
    if design.memory != "spram":
        return [(operator, geometry)]
    channels = geometry.taken_pitch
    if geometry.taken_row % 2 and geometry.shape[0] > 1:
        raise SpecError(f"memory='spram': reads at even addresses, and a row of the input has {geometry.taken_row} "
                        f"activations; choose an even width or number of channels")
    if geometry.pixel_pitch % 2 and geometry.out_shape[:2] != (1, 1) or operator.depthwise and (
            channels % 2 or geometry.within % 2):
        raise SpecError(f"memory='spram': reads at even addresses, and a pixel has {channels} activations in and "
                        f"{geometry.pixel_pitch} out; choose even numbers of channels")
    if operator.depthwise and design.depthwise_channels % 2:
        raise SpecError("memory='spram': reads at even addresses, and a block of a depthwise layer has "
                        f"{design.depthwise_channels} channels; raise cols and lanes to 2 or more")
    parts = [geometry]
    if geometry.stride[1] * channels % 2 and geometry.out_shape[1] > 1:
        parts = [_every_other_column(geometry, column) for column in (0, 1)]
    return [_even(operator, part, design) for part in parts]


def _every_other_column(geometry: Geometry, column: int) -> Geometry:
    height, width, channels = geometry.out_shape
    return replace(geometry, stride=(geometry.stride[0], 2 * geometry.stride[1]),
                   left=geometry.left - column * geometry.stride[1],
                   out_address=geometry.out_address + column * geometry.pixel_pitch,
                   out_shape=(height, (width + 1 - column) // 2, channels),
                   pixel_bytes=2 * geometry.pixel_pitch, row_bytes=geometry.row_pitch)


def _even(operator: Operator, geometry: Geometry, design: DesignPoint) -> tuple[Operator, Geometry]:
    if (geometry.address + geometry.first_x) % 2 == 0:     # of the rows that are there
        return operator, geometry
    if design.weight_bits == 1:
        raise SpecError("memory='spram': reads at even addresses; a kernel row that begins at an odd one needs a "
                        "weight of 0 in front, and weight_bits=1 has none; choose another padding or raise weight_bits")
    outputs, kernel_rows = operator.weights.shape[:2]
    if geometry.apart and operator.weights.shape[2] > 1:
        raise SpecError("memory='spram': reads at even addresses, and a segment of a kernel row begins at an odd one")
    weights = np.zeros((outputs, kernel_rows, 1, 1 + operator.weights.shape[2] * operator.weights.shape[3]), np.int8)
    weights[:, :, 0, 1:] = operator.weights.reshape(outputs, kernel_rows, -1)
    return replace(operator, weights=weights), replace(geometry, lead=1)
