"""The same network with fewer or cheaper layers: what the engine can do in place of the CPU, what needs no layer.

Every step gives the same values for every input, and proves it where that does not follow from the definitions: an
operator on bytes alone is tried with all 256. A step that a design cannot run is not taken.

- An operator of two operands one of which is a constant of one value is a table of 256; so is one whose operands are
  one tensor, or tables of one: a value times its sigmoid.
- A table behind a table is one table.
- A multiplication by a constant for each channel, a mean over the image, and a table that scales and clamps are
  depthwise convolutions, which the engine runs: the arithmetic is the same.
- A movement of channels, the same in each pixel, is a convolution with a weight for each output, where it is no place.
- A layer whose output factor is 1 or more is one of larger weights, or of copies of its input (``factors``).
- A pad around a convolution's input with its zero point is the convolution's padding.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import isqrt

import numpy as np

from hw.spec.commands import COMMAND_FIELDS
from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS
from hw.spec.requant import MAX_SHIFT
from sw.compiler.channels import holds_sums
from sw.compiler.factors import lower_factors
from sw.compiler.schedule import on_cpu
from sw.golden.fixed import quantize_multiplier
from sw.golden.movement import gathered
from sw.golden.ops import run_layer
from sw.golden.requantize import requantize_table
from sw.graph.edit import change_layers, read_by_one, without_unread
from sw.graph.graph import Graph, Layer, TensorType
from sw.graph.padding import fold_pads

__all__ = ["BINARY", "rewrite"]

BINARY = ("add", "sub", "mul", "maximum", "minimum", "prelu")
EVERY = np.arange(-128, 128).astype(np.int8)
EMPTY = np.zeros(0, np.int32)
ROUNDED = 0.75       # at most so far are two roundings, to halves and to wholes, from the real value
KEPT = 64, 1 << 30, 5     # weight, multiplier and shift that give a difference to the zero point as it is
MOVING_PART = 4      # the part of the weight scratchpad that movements of channels may take
MOST_TAKEN = 4       # cycles that an output of such may take: fewer than the CPU's
SLOPES = 65          # factors of those that fit a table which are tried; at some a value lies at a rounding's edge


def rewrite(graph: Graph, design: DesignPoint) -> Graph:
    """A checked graph with the same inputs, states and outputs, and for every input the same answers."""
    graph = lower_factors(graph, weight_bits=design.weight_bits)
    for step in (_multiplications, _tables, _joined_tables, _pads, _on_engine, _moved_channels):
        graph = step(graph, design)
    return graph.check()



def _multiplications(graph: Graph, design: DesignPoint) -> Graph:
    """Depthwise convolutions for those by constants, but where they can be a part of a table beside them."""
    if not _takes_depthwise(design):
        return graph
    return change_layers(graph, lambda graph, index: _scaled_channels(graph, index) if graph.layers[index].op == "mul"
                         and not _beside_table(graph, index) else None)


def _beside_table(graph: Graph, index: int) -> bool:
    made = [graph.layer_of(number) for number in graph.inputs_of(index)]
    readers = [other for other in range(len(graph.layers)) if graph.first + index in graph.inputs_of(other)]
    return any(graph.layers[other].op in (*BINARY, "table", "requantize")
               for other in (*made, *readers) if other is not None)


def _tables(graph: Graph, design: DesignPoint) -> Graph:
    return change_layers(graph, lambda graph, index: _as_table(graph, index) or _of_one_tensor(graph, index, design))


def _of_one_tensor(graph: Graph, index: int, design: DesignPoint) -> Layer | None:
    """A table of the nearest tensor that both operands are made of, byte by byte; not of a sum on the engine, unless a
    table is there too."""
    layer, taken = graph.layers[index], graph.taken(index)
    if layer.op not in BINARY or layer.views or not (design.table_unit or on_cpu(graph, index, design)):
        return None
    one, other = (dict(_tables_to(graph, number)) for number in graph.inputs_of(index))
    root = next((number for number in one if number in other), None)
    if root is None:
        return None
    if any(kind.shape != layer.output.shape or kind.bits != 8 for kind in (*taken, graph.types()[root])):
        return None
    kinds = [replace(kind, shape=(1, 1, 1)) for kind in taken]
    single = replace(layer, output=replace(layer.output, shape=(1, 1, 1)))
    values = run_layer(single, kinds, [table.reshape(256, 1, 1, 1) for table in (one[root], other[root])])
    return _table(layer, values.reshape(256), root, None)


def _tables_to(graph: Graph, number: int) -> Iterator[tuple[int, np.ndarray]]:
    """A tensor and those that it is made of byte by byte, nearest first, each with the table from there."""
    table = EVERY
    while True:
        yield number, table
        made = graph.layer_of(number)
        if made is None or not _bytewise(graph.layers[made]) or graph.layers[made].views:
            return
        table = table[_bytes_of(graph, made).view(np.int8).astype(np.int64) + 128]
        number, = graph.inputs_of(made)


def _as_table(graph: Graph, index: int) -> Layer | None:
    """A table, where all but one operand is one value."""
    layer, read, taken = graph.layers[index], graph.inputs_of(index), graph.taken(index)
    if layer.op not in BINARY:
        return None
    for place, other in ((0, 1), (1, 0)):
        constant = graph.constant_of(read[other])
        single = constant is not None and len(np.unique(constant.values)) == 1
        if constant is None or not single or taken[place].shape != layer.output.shape or taken[place].bits != 8:
            continue
        values = [EVERY.reshape(256, 1, 1, 1)] * 2
        values[other] = np.broadcast_to(constant.values.reshape(-1)[0], (256, 1, 1, 1))
        kinds = [replace(kind, shape=(1, 1, 1)) for kind in taken]
        single_layer = replace(layer, output=replace(layer.output, shape=(1, 1, 1)), views=())
        return _table(layer, run_layer(single_layer, kinds, values).reshape(256), read[place],
                      layer.views[place] if layer.views else None)
    return None


def _table(layer: Layer, table: np.ndarray, source: int, view: tuple[int, ...] | None) -> Layer:
    return Layer(name=layer.name, op="table", output=layer.output, weights=table.astype(np.int8), bias=EMPTY,
                 multiplier=EMPTY, shift=EMPTY, inputs=(source,), views=() if view is None else (view,),
                 function=layer.function or layer.op)


def _joined_tables(graph: Graph, design: DesignPoint) -> Graph:
    """Tables that read nothing but a table of which nobody else reads."""
    for index in range(len(graph.layers)):
        layer, source = graph.layers[index], graph.inputs_of(index)[0]
        made = graph.layer_of(source)
        if made is None or not (_bytewise(layer) and _bytewise(graph.layers[made])
                                and read_by_one(graph, source, index)):
            continue
        first, second = (_bytes_of(graph, number) for number in (made, index))
        table = second.view(np.int8)[first.view(np.int8).astype(np.int64) + 128]
        views = graph.layers[made].views
        joined = _table(layer, table, graph.inputs_of(made)[0], layer.output.shape if layer.views or views else None)
        before = graph.layers[made]
        named = replace(joined, name=f"{before.name}+{layer.name}",
                        function=f"{before.function}, {joined.function}".strip(", "))
        graph = replace(graph, layers=(*graph.layers[:index], named, *graph.layers[index + 1:]))
    return without_unread(graph)


def _bytewise(layer: Layer) -> bool:
    return layer.op in ("table", "requantize")


def _bytes_of(graph: Graph, index: int) -> np.ndarray:
    """int8 (256,): what a table or requantization makes of -128 to 127."""
    layer = graph.layers[index]
    return layer.weights if layer.op == "table" else requantize_table(layer, graph.taken(index)[0])





def _pads(graph: Graph, design: DesignPoint) -> Graph:
    return fold_pads(graph)


def _on_engine(graph: Graph, design: DesignPoint) -> Graph:
    """Depthwise convolutions for what they compute as well."""
    if not _takes_depthwise(design):
        return graph
    return change_layers(graph, lambda graph, index: _as_depthwise(graph, index, design))


def _moved_channels(graph: Graph, design: DesignPoint) -> Graph:
    """Convolutions for gathers that shuffle channels, as long as their weights leave the others most of the memory."""
    room = design.weight_bytes // MOVING_PART if _takes_depthwise(design) else 0
    ends = {*graph.answers, *(state.next for state in graph.states)}
    for index, layer in enumerate(graph.layers):
        source, = graph.inputs_of(index)[:1]
        kind = graph.types()[source]
        chosen = _chosen_channels(layer, kind) if layer.op == "gather" and len(kind.shape) == 3 else None
        if chosen is None or graph.first + index in ends or kind.dtype != "int8":
            continue
        size = len(chosen) * kind.shape[2]
        if size <= room and kind.shape[2] <= MOST_TAKEN * design.macs_per_cycle:
            room -= size
            graph = _with_channels_moved(graph, index, source, chosen)
    return graph


def _chosen_channels(layer: Layer, kind: TensorType) -> np.ndarray | None:
    """Which channel of its input each output channel of a gather is; None where it moves more, or is a slice."""
    height, width, channels = kind.shape
    pixels = height * width
    if layer.output.size % pixels or pixels == 1:
        return None
    places = gathered(layer).reshape(pixels, -1) - channels * np.arange(pixels)[:, None]
    chosen: np.ndarray = places[0]
    inside = (places == chosen).all() and chosen.min() >= 0 and chosen.max() < channels
    return chosen if inside and (np.diff(chosen) != 1).any() else None


def _with_channels_moved(graph: Graph, index: int, source: int, chosen: np.ndarray) -> Graph:
    """A layer as a convolution; what reads it in its own shape says so now."""
    layer, number, kind = graph.layers[index], graph.first + index, graph.types()[source]
    outputs = len(chosen)
    weights = np.zeros((outputs, 1, 1, kind.shape[2]), np.int8)
    weights[np.arange(outputs), 0, 0, chosen] = KEPT[0]
    own, shape = layer.output.shape, (*kind.shape[:2], outputs)
    moved = Layer(name=layer.name, op="conv", output=replace(layer.output, shape=shape), weights=weights,
                  bias=np.zeros(outputs, np.int32), multiplier=np.full(outputs, KEPT[1], np.int32),
                  shift=np.full(outputs, KEPT[2], np.int32), inputs=(source,), act_min=kind.low, act_max=kind.high,
                  function=layer.function or layer.op)
    types = graph.types()
    types[number] = moved.output
    layers = list(graph.layers)
    layers[index] = moved
    for reader, other in enumerate(graph.layers):
        read = graph.inputs_of(reader)
        if number in read:
            views = other.views or tuple(own if one == number else types[one].shape for one in read)
            plain = all(view == types[one].shape for view, one in zip(views, read, strict=True))
            layers[reader] = replace(other, views=() if plain else views)
    return replace(graph, layers=tuple(layers))


def _takes_depthwise(design: DesignPoint) -> bool:
    """Whether the engine runs every depthwise layer, and exactly."""
    exact = MULTIPLIERS[design.multiplier].exact(design.weight_bits)
    return design.memory != "spram" and exact and design.weight_bits == design.act_bits == 8


def _as_depthwise(graph: Graph, index: int, design: DesignPoint) -> Layer | None:
    layer = graph.layers[index]
    if layer.op == "mul":
        return _scaled_channels(graph, index)
    if layer.op == "mean":
        return _mean(graph, index, design)
    if _bytewise(layer) and not (design.table_unit and _behind_engine(graph, index, design)):
        return _scaled_bytes(graph, index)
    return None


def _behind_engine(graph: Graph, index: int, design: DesignPoint) -> bool:
    """Whether a layer reads what the engine makes for it alone."""
    source = graph.inputs_of(index)[0]
    made = graph.layer_of(source)
    return made is not None and not on_cpu(graph, made, design) and read_by_one(graph, source, index)


def _scaled_channels(graph: Graph, index: int) -> Layer | None:
    """A multiplication by a constant for each channel: the product of both less their zero points is scaled."""
    layer, read, taken = graph.layers[index], graph.inputs_of(index), graph.taken(index)
    for place, other in ((0, 1), (1, 0)):
        constant, kind = graph.constant_of(read[other]), taken[place]
        if constant is None or kind.shape != layer.output.shape or len(kind.shape) != 3:
            continue
        channels = kind.shape[2]
        if taken[other].size not in (1, channels) or taken[other].shape[-1] not in (1, channels):
            continue
        factors = constant.values.reshape(-1).astype(np.int64) - taken[other].zero_point
        return _depthwise(layer, np.broadcast_to(factors, (channels,)), int(layer.multiplier[0]), int(layer.shift[0]),
                          source=read[place], view=kind.shape)
    return None


def _scaled_bytes(graph: Graph, index: int) -> Layer | None:
    """A table that scales and clamps: tried with all 256 values."""
    layer, taken = graph.layers[index], graph.taken(index)[0]
    if len(taken.shape) != 3 or taken.dtype != "int8" or layer.output.dtype != "int8":
        return None
    wanted = _bytes_of(graph, index)
    clamped = replace(layer, act_min=int(wanted.min()), act_max=int(wanted.max()))
    for slope in _slopes(wanted, taken, layer.output):
        multiplier, shift = quantize_multiplier(abs(slope))
        found = _depthwise(clamped, np.full(taken.shape[2], -1 if slope < 0 else 1), multiplier, shift,
                           source=graph.inputs_of(index)[0], view=taken.shape)
        if found is not None and np.array_equal(_of_every(found, taken), wanted):
            return found
    return None


def _of_every(layer: Layer, taken: TensorType) -> np.ndarray:
    """int8 (256,): what a depthwise convolution of one tap makes of -128 to 127 in its first channel."""
    one = replace(layer, output=replace(layer.output, shape=(16, 16, 1)), weights=layer.weights[..., :1],
                  bias=layer.bias[:1], multiplier=layer.multiplier[:1], shift=layer.shift[:1], views=())
    return run_layer(one, [replace(taken, shape=(16, 16, 1))], [EVERY.reshape(1, 16, 16, 1)]).reshape(-1)


def _slopes(wanted: np.ndarray, taken: TensorType, given: TensorType) -> Iterator[float]:
    """Factors that may take -128 to 127 to ``wanted``, both less their zero points, where that is not clamped."""
    steps, values = EVERY.astype(np.int64) - taken.zero_point, wanted.astype(np.int64) - given.zero_point
    inside = (wanted > wanted.min()) & (wanted < wanted.max()) & (steps != 0)
    if not inside.any():
        return
    ends = np.stack([values[inside] - ROUNDED, values[inside] + ROUNDED]) / steps[inside]
    low, high = float(ends.min(axis=0).max()), float(ends.max(axis=0).min())
    if low > high or not 2.0**-30 < min(abs(low), abs(high)) <= max(abs(low), abs(high)) < 2.0**7:
        return
    if low <= taken.scale / given.scale <= high:
        yield taken.scale / given.scale
    yield from np.linspace(low, high, SLOPES).tolist()


def _mean(graph: Graph, index: int, design: DesignPoint) -> Layer | None:
    """A mean over an image whose sum the accumulator holds: less as many zero points it is scaled."""
    layer, taken = graph.layers[index], graph.taken(index)[0]
    outer, count, channels = taken.shape
    size = _kernel_of(count)
    most = count << max(0, -int(layer.shift[0])) + design.act_bits - 1
    if outer != 1 or size is None or most >= 1 << design.acc_bits - 1:
        return None
    found = _depthwise(layer, np.ones((*size, channels), np.int64), int(layer.multiplier[0]), int(layer.shift[0]),
                       source=graph.inputs_of(index)[0], view=(*size, channels), shape=(1, 1, channels))
    return None if found and design.splits and not holds_sums(found, design) else found


def _kernel_of(count: int) -> tuple[int, int] | None:
    """A window of so many taps, as square as can be, that a command takes."""
    most = (1 << COMMAND_FIELDS["kernel_rows"][0]) - 1
    rows = next(rows for rows in range(isqrt(count), 0, -1) if count % rows == 0)
    return (rows, count // rows) if count // rows <= most else None


def _depthwise(layer: Layer, factors: np.ndarray, multiplier: int, shift: int, *, source: int,
               view: tuple[int, ...], shape: tuple[int, ...] | None = None) -> Layer | None:
    """Sums of products with whole ``factors``, (channels,) or (KH, KW, channels), scaled; a left shift is in them."""
    weights = (factors if factors.ndim == 3 else factors[None, None]) << max(0, -shift)
    if np.abs(weights).max() > 127 or shift > MAX_SHIFT:
        return None
    channels = weights.shape[-1]
    output = layer.output if shape is None or layer.output.shape == shape else None
    if output is None or len(output.shape) != 3:
        return None
    return Layer(name=layer.name, op="depthwise", output=output, weights=weights.astype(np.int8),
                 bias=np.zeros(channels, np.int32), multiplier=np.full(channels, multiplier, np.int32),
                 shift=np.full(channels, max(0, shift), np.int32), inputs=(source,),
                 views=(view,), act_min=layer.act_min, act_max=layer.act_max, function=layer.function or layer.op)
