"""From the trained network to the integer graph, in TFLite's scheme."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sw.golden import fixed
from sw.golden.elementwise import prepare_add, prepare_mul, prepare_prelu
from sw.golden.requantize import prepare_requantize
from sw.golden.tables import relu6_table
from sw.graph.graph import Constant, Graph, GraphError, Layer, TensorType
from sw.graph.layer import canonical
from sw.models.ir import Node, Shape, torch_shape
from sw.models.moves import index_of
from sw.quant.config import QuantError
from sw.quant.fake import Range
from sw.quant.functions import table_of
from sw.quant.layout import Placed, last_first, loops, memory_shape, places
from sw.quant.network import QuantNetwork
from sw.quant.product import Product, Signal
from sw.quant.units import Unit

__all__ = ["lower", "quantize_multiplier"]

EMPTY = np.zeros(0, np.int32)


def quantize_multiplier(value: float, where: str) -> tuple[int, int]:
    """Multiplier and right shift of a factor, as ``sw.golden.fixed`` has them.

    Raises
    ------
    QuantError
        If ``value`` is not below 1: the requantizer only shifts right.

    >>> quantize_multiplier(0.375, "layer")
    (1610612736, 1)
    """
    multiplier, shift = (0, -1) if value < 0 else fixed.quantize_multiplier(value)
    if shift < 0:
        raise QuantError(f"{where}: multiplier {value:g} is not between 0 and 1, and the requantizer only shifts "
                         f"right; widen the layer's output range in training")
    return multiplier, shift


def _bias(offset: np.ndarray, scale: np.ndarray, where: str) -> np.ndarray:
    bias = np.round(offset / scale)
    if np.abs(bias).max() >= 1 << 31:
        raise QuantError(f"{where}: bias {offset[np.abs(bias).argmax()]:g} does not fit 32 bits at its scale; "
                         f"train with another seed or a lower learning rate")
    return bias.astype(np.int32)


def _float64(value: Tensor) -> np.ndarray:
    return value.detach().numpy().astype(np.float64)


def _pairs(pairs: Sequence[tuple[int, int]]) -> dict[str, Any]:
    return {"multiplier": np.array([multiplier for multiplier, _ in pairs], np.int32),
            "shift": np.array([shift for _, shift in pairs], np.int32)}


def _type(shape: Sequence[int], of: Range | Signal, bits: int) -> TensorType:
    return TensorType(shape=tuple(shape), scale=of.scale, zero_point=of.zero_point, bits=bits)


class _Lowering:
    """A graph under construction: each node's activation, and where its values lie."""

    def __init__(self, network: QuantNetwork):
        self.network = network
        self.layers: list[tuple[Layer, tuple[tuple[str, int], ...]]] = []
        self.constants: list[Constant] = []
        shape = torch_shape(network.input.image)
        self.values = [Placed(source=("input", 0), type=network.input, scale=network.unit.scale, where=places(shape))]

    # building

    def layer(self, name: str, op: str, reads: Sequence[Placed], output: TensorType, *,
              views: Sequence[tuple[int, ...]] = (), scale: float | None = None, **fields: Any) -> Placed:
        """A layer that reads tensors in ``views``, or each in its own shape. Its values lie in the output's order."""
        own = all(view == read.type.shape for view, read in zip(views, reads, strict=False))
        arrays: dict[str, Any] = {"weights": np.zeros(0, np.int8), "bias": EMPTY, "multiplier": EMPTY, "shift": EMPTY,
                                  "act_min": output.low, "act_max": output.high}
        made = Layer(name=name, op=op, output=output, views=() if own else tuple(views), **(arrays | fields))
        self.layers.append((made, tuple(read.source for read in reads)))
        return Placed(source=("layer", len(self.layers) - 1), type=output, where=np.arange(output.size),
                      scale=output.scale if scale is None else scale)

    def constant(self, shape: Shape, signal: Signal, bits: int) -> Placed:
        """Of ``shape`` in torch."""
        steps = (_float64(signal.value) / signal.scale).round().astype(np.int8).ravel()
        kind = _type(memory_shape(shape), signal, bits)
        self.constants.append(Constant(type=kind, values=steps[last_first(shape)].reshape(kind.shape)))
        return Placed(source=("constant", len(self.constants) - 1), type=kind, scale=kind.scale, where=places(shape))

    def laid_out(self, value: Placed, shape: Shape, name: str) -> tuple[Placed, tuple[int, ...]]:
        """A tensor whose bytes lie as the graph has a torch shape, and the view in which it is read."""
        order, view = last_first(shape), memory_shape(shape)
        wanted = value.where[order]
        if value.whole and np.array_equal(wanted, np.arange(len(wanted))):
            return value, view
        moved = self.moved(value, wanted, f"{name}.in")
        if moved is None and (plain := self.moved(value, value.where, f"{name}.flat")) is not None:
            moved = self.moved(plain, order, f"{name}.in")
        if moved is None:
            raise GraphError("its input is moved as no layer moves values; move less at once")
        return replace(moved, where=np.argsort(order)), view

    def moved(self, value: Placed, wanted: np.ndarray, name: str) -> Placed | None:
        """A tensor of the values at the places ``wanted``, in their order; None where no gather gives it."""
        found = loops(wanted)
        if found is None:
            return None
        offset, nest = found
        shape = canonical(tuple(size for size, _ in nest))
        strides = [step for _, step in nest]
        strides = [0] * (len(shape) - len(strides)) + strides[max(0, len(strides) - len(shape)):]
        return self.layer(name, "gather", [value], replace(value.type, shape=shape), scale=value.scale,
                          parameters=(offset, *strides))

    def placed(self, made: Placed, shape: Shape) -> Placed:
        """What a layer made in the graph's order of ``shape``."""
        return replace(made, where=places(shape))

    def graph(self, name: str) -> Graph:
        kinds = {"input": 0, "constant": 1, "layer": 1 + len(self.constants)}

        def number(source: tuple[str, int]) -> int:
            return kinds[source[0]] + source[1]

        last, _ = self.laid_out(self.values[-1], self.network.traced.output.shape, "output")
        layers = tuple(replace(layer, inputs=tuple(map(number, sources))) for layer, sources in self.layers)
        answer = number(last.source)
        ending = () if answer == kinds["layer"] + len(layers) - 1 else (answer,)
        return Graph(name=name, inputs=(self.network.input,), constants=tuple(self.constants), layers=layers,
                     outputs=ending).check()


def lower(network: QuantNetwork, name: str) -> Graph:
    """The integer graph that computes what ``network`` does in evaluation mode, up to the rounding of the last bit.

    Raises
    ------
    QuantError
        If a layer's numbers do not fit the requantizer; the message names the layer.
    """
    lowering = _Lowering(network)
    for number, node in enumerate(network.traced.nodes[1:], 1):
        unit, taken = network.unit_of(number), [lowering.values[read] for read in node.reads]
        try:
            made = _product(lowering, unit, taken[0]) if isinstance(unit, Product) else _LOWER[node.op](
                lowering, unit, taken)
        except GraphError as error:
            where = f", {node.where}" if node.where else ""
            raise QuantError(f"layer {node.name}{where}: {error}") from error
        lowering.values.append(made)
    return lowering.graph(name)


# layers with weights


def _product(lowering: _Lowering, unit: Product, taken: Placed) -> Placed:
    """Normalization goes into multiplier and bias; where it is negative, the weights change sign instead. The weights
    of a channel have a scale of 32 bits and the multiplier follows from scales as TFLite has it, so that a file that
    holds the scales alone says the same.
    """
    node, where = unit.node, f"layer {unit.node.name}"
    gain = _float64(unit.gain(taken.scale))
    sign = torch.from_numpy(np.where(gain < 0, -1.0, 1.0)).float()
    integers = unit.integers(unit.scales()).detach().round()
    integers = integers * sign.reshape(-1, *[1] * (integers.dim() - 1))
    steps = (taken.scale * np.abs(gain) / taken.type.scale).astype(np.float32)     # of the weights
    real = taken.type.scale * steps.astype(np.float64)                              # of the accumulator
    output = _type(memory_shape(node.shape), unit.range, unit.range.bits)
    quantized = [quantize_multiplier(value, where) for value in (real / output.scale).tolist()]
    source, view, fields = _reading(lowering, unit, taken, integers.numpy().astype(np.int8))
    low, high = unit.range.limits
    made = lowering.layer(
        node.name, fields.pop("op"), [source], output, views=() if view is None else (view,),
        bias=_bias(_float64(unit.offset(taken.scale)), np.maximum(real, np.finfo(float).tiny), where),
        weight_bits=unit.bits, act_min=low, act_max=high, **_pairs(quantized), **fields)
    return lowering.placed(made, node.shape)


def _reading(lowering: _Lowering, unit: Product, taken: Placed, weights: np.ndarray,
             ) -> tuple[Placed, tuple[int, ...] | None, dict[str, Any]]:
    """What a product reads, in which shape, and its operator with weights in its order."""
    node = unit.node
    if node.op == "linear":
        if not taken.whole:
            taken, _ = lowering.laid_out(taken, (weights.shape[1],), node.name)
        ordered = np.empty_like(weights)
        ordered[:, taken.where] = weights
        return taken, None, {"op": "dense", "weights": np.ascontiguousarray(ordered)}
    source, view = lowering.laid_out(taken, _taken_shape(lowering, node), node.name)
    fields = {"stride": node.stride, "dilation": node.dilation, "padding": node.padding}
    if unit.depthwise:
        ordered = weights.transpose(1, 2, 3, 0)[0]
        return source, view, {"op": "depthwise", "weights": np.ascontiguousarray(ordered), **fields}
    return source, view, {"op": "conv", "weights": np.ascontiguousarray(weights.transpose(0, 2, 3, 1)), **fields}


def _taken_shape(lowering: _Lowering, node: Node) -> Shape:
    """Shape of the first operand in torch."""
    return lowering.network.traced.nodes[node.reads[0]].shape


# the others


def _constant(lowering: _Lowering, unit: Any, taken: Sequence[Placed]) -> Placed:
    return lowering.constant(unit.node.shape, unit(), unit.bits)


def _pair(lowering: _Lowering, unit: Unit, taken: Sequence[Placed]) -> Placed:
    node = unit.node
    shapes = [lowering.network.traced.nodes[read].shape for read in node.reads]
    rank_shape = node.shape
    first, second = taken
    together = (first.whole and second.whole and shapes[0] == shapes[1] and first.type.shape == second.type.shape
                and np.array_equal(first.where, second.where))
    if together:
        reads, views, where = list(taken), [first.type.shape] * 2, first.where
        output = _type(first.type.shape, unit.range, unit.bits)
    else:
        found = [lowering.laid_out(value, shape, node.name) for value, shape in zip(taken, shapes, strict=True)]
        reads, views = [value for value, _ in found], [view for _, view in found]
        output, where = _type(memory_shape(rank_shape), unit.range, unit.bits), places(rank_shape)
    scales = (first.scale, second.scale, output.scale)
    pairs = prepare_mul(*scales) if node.op == "mul" else prepare_add(*scales)
    bias = EMPTY if node.op == "mul" else np.zeros(3, np.int32)
    low, high = unit.range.limits
    made = lowering.layer(node.name, node.op, reads, output, views=views, act_min=low, act_max=high, bias=bias,
                          **_pairs(pairs))
    return replace(made, where=where)


def _table(lowering: _Lowering, unit: Any, taken: Sequence[Placed]) -> Placed:
    node, value = unit.node, taken[0]
    read = replace(value.type, scale=value.scale)
    if unit.ranged:
        given = _type(value.type.shape, unit.range, unit.bits)
    elif unit.fixed:
        given = TensorType(shape=value.type.shape, scale=unit.fixed[0], zero_point=unit.fixed[1])
    else:
        given = read
    weights = relu6_table(read, given) if unit.kept else table_of(node.function, node.numbers, read, given)
    output = replace(given, scale=value.type.scale) if unit.kept else given
    made = lowering.layer(node.name, "table", [value], output, weights=weights, function=node.function,
                          scale=value.scale if unit.kept else None)
    return replace(made, where=value.where)


def _prelu(lowering: _Lowering, unit: Any, taken: Sequence[Placed]) -> Placed:
    node = unit.node
    source, view = lowering.laid_out(taken[0], node.shape, node.name)
    count = unit.slope.numel()
    slope = lowering.constant((count,) + (1,) * (len(node.shape) - 1), unit.slopes(), unit.bits)
    output = _type(memory_shape(node.shape), unit.range, unit.range.bits)
    made = lowering.layer(node.name, "prelu", [source, slope], output, views=(view, slope.type.shape),
                          **_pairs(prepare_prelu(taken[0].scale, slope.scale, output.scale)))
    return lowering.placed(made, node.shape)


def _pool(lowering: _Lowering, unit: Unit, taken: Sequence[Placed]) -> Placed:
    node, value = unit.node, taken[0]
    source, view = lowering.laid_out(value, _taken_shape(lowering, node), node.name)
    output = replace(value.type, shape=memory_shape(node.shape))
    made = lowering.layer(node.name, node.op, [source], output, views=(view,), scale=value.scale,
                          weights=np.zeros((*node.kernel, 0), np.int8), stride=node.stride, padding=node.padding)
    return lowering.placed(made, node.shape)


def _concat(lowering: _Lowering, unit: Unit, taken: Sequence[Placed]) -> Placed:
    node, reads, views = unit.node, [], []
    kind = _type((), unit.range, unit.bits)
    for place, (value, number) in enumerate(zip(taken, node.reads, strict=True)):
        source, view = lowering.laid_out(value, lowering.network.traced.nodes[number].shape, f"{node.name}.{place}")
        if (value.scale, value.type.scale, value.type.zero_point) != (kind.scale, kind.scale, kind.zero_point):
            source = lowering.layer(f"{node.name}.{place}.as", "requantize", [source], replace(kind, shape=view),
                                    views=(view,), **_pairs([prepare_requantize(value.scale, kind.scale)]))
        reads.append(source)
        views.append(view)
    axis = -1 if node.axis == 0 else node.axis - 1 - len(node.shape)
    made = lowering.layer(node.name, "concat", reads, replace(kind, shape=memory_shape(node.shape)), views=views,
                          parameters=(axis,))
    return lowering.placed(made, node.shape)


def _move(lowering: _Lowering, unit: Unit, taken: Sequence[Placed]) -> Placed:
    return replace(taken[0], where=taken[0].where[index_of(unit.node).ravel()])


def _pad(lowering: _Lowering, unit: Unit, taken: Sequence[Placed]) -> Placed:
    node, value = unit.node, taken[0]
    source, view = lowering.laid_out(value, _taken_shape(lowering, node), node.name)
    around = [*node.around[1:], node.around[0]]
    output = memory_shape(node.shape)
    rank = max(len(view), len(output), len(around))
    around = [(0, 0)] * (rank - len(around)) + around
    counts = [count for before, behind in around for count in (before, behind, 0)]
    made = lowering.layer(node.name, "pad", [source], replace(value.type, shape=output), views=(view,),
                          scale=value.scale, parameters=(*counts, value.type.zero_point))
    return lowering.placed(made, node.shape)


def _dropout(lowering: _Lowering, unit: Unit, taken: Sequence[Placed]) -> Placed:
    return taken[0]


_LOWER: dict[str, Callable[[_Lowering, Any, Sequence[Placed]], Placed]] = {
    "constant": _constant, "add": _pair, "sub": _pair, "mul": _pair, "table": _table, "prelu": _prelu,
    "avgpool": _pool, "maxpool": _pool, "concat": _concat, "move": _move, "pad": _pad, "dropout": _dropout}
