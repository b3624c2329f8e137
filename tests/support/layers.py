"""Random layers and graphs, for tests of everything that runs them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hw.spec.requant import ADD_LEFT_SHIFT
from sw.golden.log_softmax import prepare_log_softmax
from sw.golden.requantize import prepare_requantize
from sw.golden.softmax import prepare_softmax
from sw.graph.graph import Graph, Layer, TensorType
from sw.graph.layer import POOLS

__all__ = ["KEEPING", "OPERATORS", "made_kernel", "random_add", "random_cut", "random_graph", "random_inputs",
           "random_kernel", "random_layer", "random_residual", "same_padding", "shifted_left", "with_tables"]

OPS = ("conv", "depthwise", "conv", "dense", "avgpool")   # of a random graph, as often as they stand here
OPERATORS = ("conv", "depthwise", "dense", "avgpool", "maxpool", "add")   # all that the engine runs
KEEPING = ("softmax", "log_softmax", "requantize", "table")     # of the CPU alone, on one tensor, whose shape they keep
NOTHING = np.zeros(0, np.int32)


def random_layer(rng: np.random.Generator, op: str, taken: TensorType, *, weight_bits: int = 8, outputs: int = 8,
                 kernel: tuple[int, int] = (3, 3), stride: tuple[int, int] = (1, 1),
                 padding: tuple[int, int, int, int] = (0, 0, 0, 0), name: str = "layer", act_bits: int = 8,
                 depth_multiplier: int = 1, inputs: tuple[int, ...] = ()) -> Layer:
    """A layer with random weights whose outputs spread over the range of ``act_bits`` (as ``taken`` has them)."""
    height, width, channels = taken.shape
    limit = max(1, (1 << weight_bits - 1) - 1)
    pooled = op in POOLS
    if pooled:
        shape, outputs = (*kernel, 0), channels
        taps = kernel[0] * kernel[1]
    else:
        outputs = channels * depth_multiplier if op == "depthwise" else outputs
        shape = {"conv": (outputs, *kernel, channels), "depthwise": (*kernel, outputs),
                 "dense": (outputs, taken.size)}[op]
        taps = int(np.prod(shape)) // outputs
    top, left, bottom, right = padding
    size = (1, 1) if op == "dense" else ((height + top + bottom - kernel[0]) // stride[0] + 1,
                                         (width + left + right - kernel[1]) // stride[1] + 1)
    half = 1 << act_bits - 1
    zero = int(rng.integers(-half, half))
    scale = 40 / (74 * limit * taps ** 0.5)
    shift = rng.integers(0, 4, outputs)
    multiplier = np.clip(scale * 2.0 ** 31 * 2.0 ** shift * rng.uniform(0.5, 1.5, outputs), 0, 2**31 - 1)
    weights = rng.integers(-limit, limit + 1, shape)
    if weight_bits == 1:
        weights = 2 * rng.integers(0, 2, shape) - 1
    spread = 30 * limit * half // 128
    return Layer(
        name=name, op=op, weight_bits=weight_bits, inputs=inputs, weights=weights.astype(np.int8),
        bias=NOTHING if pooled else rng.integers(-spread, spread + 1, outputs).astype(np.int32),
        multiplier=NOTHING if pooled else multiplier.astype(np.int32),
        shift=NOTHING if pooled else shift.astype(np.int32),
        output=TensorType(shape=(*size, outputs), scale=taken.scale if pooled else 0.1,
                          zero_point=taken.zero_point if pooled else zero, bits=act_bits),
        stride=(1, 1) if op == "dense" else stride, padding=padding,
        act_min=-half if pooled else int(rng.choice([-half, zero])), act_max=half - 1)


def shifted_left(layer: Layer, bits: int = 8) -> Layer:
    """A layer with weights, with nearly the same outputs, by shifts to the left: no other layers make them."""
    return replace(layer, multiplier=layer.multiplier >> layer.shift + bits, shift=np.full_like(layer.shift, -bits))


def random_add(rng: np.random.Generator, inputs: tuple[int, int], taken: Sequence[TensorType], *,
               name: str = "add") -> Layer:
    """An add of two tensors of one shape and random scales, whose output spreads over their range."""
    scales = rng.uniform(0.25, 1.0, 2)
    real = np.array([*(scales / (2 * scales.max())), 2 * rng.uniform(0.5, 1.0) / (1 << ADD_LEFT_SHIFT)])
    mantissa, exponent = np.frexp(real)
    kind = taken[0]
    zero = int(rng.integers(kind.low, kind.high + 1))
    return Layer(
        name=name, op="add", inputs=inputs, weights=np.zeros(0, np.int8), bias=np.zeros(3, np.int32),
        multiplier=np.minimum(mantissa * 2.0**31, 2**31 - 1).astype(np.int32), shift=-exponent.astype(np.int32),
        output=TensorType(shape=kind.shape, scale=0.1, zero_point=zero, bits=kind.bits),
        act_min=int(rng.choice([kind.low, zero])), act_max=kind.high)


def random_kernel(rng: np.random.Generator, op: str, taken: TensorType, *, inputs: tuple[int, ...] = (),
                  name: str = "kernel") -> Layer:
    """An operator of the CPU on one tensor, whose shape it keeps; its output spreads over its range."""
    weights, pairs = np.zeros(0, np.int8), []
    if op == "softmax":
        output = TensorType(shape=taken.shape, scale=1 / 256, zero_point=-128)
        pairs = [prepare_softmax(float(rng.uniform(0.2, 2)), max(taken.scale, 0.01))]
    elif op == "log_softmax":
        output = TensorType(shape=taken.shape, scale=1 / 16, zero_point=127)
        pairs = list(prepare_log_softmax(max(taken.scale, 0.01)))
    else:
        output = TensorType(shape=taken.shape, scale=taken.scale * float(rng.uniform(0.3, 3)), bits=taken.bits,
                            zero_point=int(rng.integers(taken.low, taken.high + 1)))
        if op == "table":
            weights = rng.integers(taken.low, taken.high + 1, 256).astype(np.int8)
        else:
            pairs = [prepare_requantize(taken.scale, output.scale)]
    return made_kernel(op, output, pairs, weights=weights, inputs=inputs, name=name)


def made_kernel(op: str, output: TensorType, pairs: Sequence[tuple[int, int]] = (), **fields: Any) -> Layer:
    """With multipliers and shifts."""
    values = {"name": op, "weights": np.zeros(0, np.int8), "bias": NOTHING, "act_min": output.low,
              "act_max": output.high, **fields}
    return Layer(op=op, output=output, multiplier=np.array([one for one, _ in pairs], np.int32),
                 shift=np.array([one for _, one in pairs], np.int32), **values)


def with_tables(rng: np.random.Generator, graph: Graph, *, apart: bool = False) -> Graph:
    """Behind some layers of a graph of one input a table, or two; types stay.

    With ``apart`` sometimes a sum of the layer and its table, so that two read the layer.
    """
    layers = list[Layer]()
    now = list(range(graph.first))      # numbers that the tensors of ``graph`` have

    def append(layer: Layer) -> int:
        layers.append(layer)
        return graph.first + len(layers) - 1

    def table(number: int, kind: TensorType) -> int:
        return append(made_kernel("table", kind, inputs=(number,), name=f"table{len(layers)}",
                                  weights=rng.integers(kind.low, kind.high + 1, 256).astype(np.int8)))

    for index, layer in enumerate(graph.layers):
        kind, number = layer.output, append(
            replace(layer, inputs=tuple(now[number] for number in graph.inputs_of(index))))
        for _ in range(int(rng.choice([0, 1, 1, 2]))):
            if apart and rng.integers(2):
                other = table(number, kind)
                number = append(random_add(rng, (number, other), [kind, kind], name=f"sum{len(layers)}"))
            number = table(number, kind)
        now.append(number)
    return replace(graph, name=f"{graph.name} with tables", layers=tuple(layers)).check()


def random_cut(rng: np.random.Generator, *, weight_bits: int = 8, runs: int = 2) -> Graph:
    """At least so many runs of the engine with operators of the CPU between, before and behind; a residual across."""
    shape = tuple(int(n) for n in (*rng.integers(2, 7, 2), rng.choice([2, 4, 5, 8])))
    types = [TensorType(shape=shape, scale=0.05, zero_point=int(rng.integers(-128, 128)))]
    layers: list[Layer] = []

    def append(layer: Layer) -> None:
        layers.append(layer)
        types.append(layer.output)

    def kernels(least: int) -> None:
        for _ in range(int(rng.integers(least, 3))):
            op = str(rng.choice(KEEPING))
            append(random_kernel(rng, op, types[-1], name=f"{op}{len(layers)}"))

    kernels(0)
    for number in range(runs):
        first = len(layers)
        append(random_layer(rng, "conv", types[-1], outputs=shape[2], kernel=(3, 1), weight_bits=weight_bits,
                            padding=same_padding(shape, (3, 1), (1, 1)), name=f"conv{first}"))
        kernels(1 if number < runs - 1 else 0)
        if rng.integers(2):
            pair = (first, len(layers))
            append(random_add(rng, pair, [types[one] for one in pair], name=f"add{len(layers)}"))
    if rng.integers(2):
        append(random_layer(rng, "dense", types[-1], outputs=7, weight_bits=weight_bits, name="dense"))
        kernels(0)
    return Graph(name="cut", inputs=(types[0],), layers=tuple(layers)).check()


def same_padding(size: tuple[int, ...], kernel: tuple[int, int], stride: tuple[int, int]) -> tuple[int, int, int, int]:
    """Top, left, bottom, right with which an output is its input divided by the stride, rounded up."""
    whole = [max((-(-length // step) - 1) * step + taps - length, 0)
             for length, taps, step in zip(size, kernel, stride, strict=False)]
    return whole[0] // 2, whole[1] // 2, whole[0] - whole[0] // 2, whole[1] - whole[1] // 2


def random_graph(rng: np.random.Generator, *, weight_bits: int = 8, act_bits: int = 8, layers: int | None = None,
                 ops: Sequence[str] | None = None, depth_multiplier: int = 1, longest: int = 8) -> Graph:
    """One to four random layers on a random input of up to ``longest`` rows and columns, one after the other.

    ``ops`` are what they are drawn from: conv, depthwise, dense, avgpool, maxpool, and add, which becomes two layers:
    a convolution that keeps the shape, and the sum of its input and output. A pool that the engine could not
    average exactly or that does nothing becomes a convolution. ``depth_multiplier`` is the most of a depthwise layer.
    """
    shape = tuple(int(n) for n in (*rng.integers(1, longest + 1, 2), rng.choice([1, 3, 4, 5, 8, 12, 17])))
    half = 1 << act_bits - 1
    kind = TensorType(shape=shape, scale=0.05, zero_point=int(rng.integers(-half, half)), bits=act_bits)
    chosen: list[Layer] = []
    start = kind
    for index in range(layers or int(rng.integers(1, 5))):
        op = str(rng.choice(ops or OPS))
        if op == "add":
            chosen += _residual(rng, len(chosen), kind, index, weight_bits)
            kind = chosen[-1].output
            continue
        height, width, _ = kind.shape
        kernel = (int(rng.integers(1, min(height, 5) + 1)), int(rng.integers(1, min(width, 5) + 1)))
        if op == "avgpool" and (kernel[0] * kernel[1]).bit_count() != 1 or kernel == (1, 1) and op == "avgpool":
            op = "conv"
        padding = (0, 0, 0, 0) if op in ("avgpool", "dense") else tuple(
            int(rng.integers(0, size)) for size in (kernel[0], kernel[1]) * 2)
        layer = random_layer(rng, op, kind, weight_bits=weight_bits, outputs=int(rng.integers(1, 20)), kernel=kernel,
                             stride=tuple(int(n) for n in rng.integers(1, 4, 2)), padding=padding,
                             name=f"{op}{index}", act_bits=act_bits,
                             depth_multiplier=int(rng.integers(1, depth_multiplier + 1)) if depth_multiplier > 1 else 1)
        chosen.append(layer)
        kind = layer.output
    return Graph(name="random", inputs=(start,), layers=tuple(chosen)).check()


def _residual(rng: np.random.Generator, tensor: int, kind: TensorType, index: int, weight_bits: int) -> list[Layer]:
    """A convolution of tensor number ``tensor`` that keeps its shape, and their sum in either order."""
    kernel = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    conv = random_layer(rng, "conv", kind, weight_bits=weight_bits, outputs=kind.shape[2], kernel=kernel,
                        padding=same_padding(kind.shape, kernel, (1, 1)), name=f"conv{index}", act_bits=kind.bits)
    operands = [(tensor, kind), (tensor + 1, conv.output)]
    if rng.integers(2):
        operands.reverse()
    return [conv, random_add(rng, (operands[0][0], operands[1][0]), [one for _, one in operands], name=f"add{index}")]


def random_residual(rng: np.random.Generator, *, weight_bits: int = 8, act_bits: int = 8) -> Graph:
    """A residual block: two convolutions, and an add of their result and the input or a projection of it.

    Operands come in either order; a projection is the first convolution, or the last one before the add as in
    ResNet-8. A further convolution may read the sum.
    """
    shape = tuple(int(n) for n in (*rng.integers(2, 8, 2), rng.choice([1, 3, 4, 5, 8, 12])))
    half = 1 << act_bits - 1
    start = TensorType(shape=shape, scale=0.05, zero_point=int(rng.integers(-half, half)), bits=act_bits)
    projected = bool(rng.integers(2))
    stride = tuple(int(n) for n in rng.choice([1, 1, 2], 2)) if projected else (1, 1)
    outputs = int(rng.integers(1, 14)) if projected else shape[2]
    layers: list[Layer] = []

    def conv(source: int, taken: TensorType, step: tuple[int, int], widest: int) -> tuple[int, TensorType]:
        kernel = (int(rng.integers(1, widest + 1)), int(rng.integers(1, widest + 1)))
        layers.append(random_layer(
            rng, "conv", taken, weight_bits=weight_bits, outputs=outputs, kernel=kernel, stride=step,
            padding=same_padding(taken.shape, kernel, step), name=f"conv{len(layers)}", act_bits=act_bits,
            inputs=(source,)))
        return len(layers), layers[-1].output

    other = 0, start
    early = bool(rng.integers(2))
    if projected and early:
        other = conv(0, start, stride, 1)
    inner = conv(0, start, stride, 3)
    last = conv(*inner, (1, 1), 3)
    if projected and not early:
        other = conv(0, start, stride, 1)
    operands = [other, last] if rng.integers(2) else [last, other]
    layers.append(random_add(rng, (operands[0][0], operands[1][0]), [one for _, one in operands]))
    if rng.integers(2):
        conv(len(layers), layers[-1].output, (1, 1), 3)
    return Graph(name="residual", inputs=(start,), layers=tuple(layers)).check()


def random_inputs(rng: np.random.Generator, graph: Graph, count: int) -> np.ndarray:
    """int8 ``(count, H, W, C)``; the first two are the extremes."""
    low, high = graph.input.low, graph.input.high
    inputs = rng.integers(low, high + 1, (count, *graph.input.shape)).astype(np.int8)
    inputs[:1], inputs[1:2] = low, high
    return inputs
