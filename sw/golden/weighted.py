"""Layers with weights: convolutions, depthwise and dense ones; and these on the CPU, for numbers that no engine holds.

All of them are convolutions in groups: a depthwise layer has a group for each channel, a dense one reads one pixel.
The table of a call has a record of each output, of four words: bias, multiplier, shifts to the left and to the right.
Then the weights: up to four outputs of a group at a time, tap by tap, each channel of it a word, whose lowest byte is
the first output's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS, product
from hw.spec.requant import requantize as requantize_one
from sw.golden import costs
from sw.golden.function import Fields, Function, Task, as_words
from sw.golden.sums import accumulate, requantize
from sw.graph.layer import Layer, TensorType

__all__ = ["WEIGHTED_CALL", "weighted", "weighted_plain", "weighted_tasks"]

BLOCK = 4            # outputs whose weights are in a word
RECORD = 4           # words of an output
Types = Sequence[TensorType]
Arrays = Sequence[np.ndarray]


def weighted(layer: Layer, taken: Types, data: Arrays, design: DesignPoint | None = None) -> np.ndarray:
    """int8 ``(N, *layer.output.shape)`` of int8 ``(N, *shape)``; ``design``: whose multiplier forms the products."""
    acc = accumulate(layer, taken[0], data[0], design)
    weights = layer.weights.astype(np.int64)
    sums = weights.sum(axis=(0, 1)) if layer.op == "depthwise" else weights.reshape(len(weights), -1).sum(axis=1)
    return requantize(acc, bias=layer.bias - taken[0].zero_point * sums, multiplier=layer.multiplier,
                      shift=layer.shift, zero=layer.output.zero_point, low=layer.act_min, high=layer.act_max)


def _multiply(act: int, weight: int, design: DesignPoint | None) -> int:
    """One product as ``design`` forms it; exact without a design."""
    if design is None:
        return act * weight
    return product(MULTIPLIERS[design.multiplier], act, weight, weight_bits=design.weight_bits)


def _taps(layer: Layer, data: np.ndarray, zero: int, y: int,
          x: int) -> Iterator[tuple[int, int, list[int]]]:
    """Yield (ky, kx, channels) of the window of output pixel (y, x); outside the input ``zero``."""
    height, width, channels = data.shape
    for ky in range(layer.kernel[0]):
        for kx in range(layer.kernel[1]):
            row = y * layer.stride[0] - layer.padding[0] + ky * layer.dilation[0]
            column = x * layer.stride[1] - layer.padding[1] + kx * layer.dilation[1]
            inside = 0 <= row < height and 0 <= column < width
            yield ky, kx, [int(value) for value in data[row, column]] if inside else [zero] * channels


def _accumulate(layer: Layer, taps: list, channel: int, design: DesignPoint | None) -> tuple[int, int]:
    """Sum of products of one output, and the sum of its weights."""
    pairs: list[tuple[int, int]] = []
    for ky, kx, acts in taps:
        if layer.op == "conv":
            inputs, outputs = layer.weights.shape[-1], len(layer.weights)
            first = channel * (len(acts) // inputs) // outputs * inputs      # of the channel's group
            pairs += zip(acts[first:first + inputs], layer.weights[channel, ky, kx].tolist(), strict=True)
        else:
            source = channel * len(acts) // layer.output.shape[2]
            pairs.append((acts[source], int(layer.weights[ky, kx, channel])))
    return sum(_multiply(act, weight, design) for act, weight in pairs), sum(weight for _, weight in pairs)


def weighted_plain(layer: Layer, taken: Types, data: Arrays, design: DesignPoint | None = None) -> np.ndarray:
    """The definition of :func:`weighted`, of one input: one output at a time."""
    image = data[0]
    if layer.op == "dense":
        image = image.reshape(1, 1, -1)
        layer = replace(layer, op="conv", weights=layer.weights[:, None, None, :])
    result = np.zeros(layer.output.shape, np.int8)
    for y, x, channel in np.ndindex(*layer.output.shape):
        zero = taken[0].zero_point
        total, weights = _accumulate(layer, list(_taps(layer, image, zero, y, x)), channel, design)
        shift = int(layer.shift[channel])
        total = total + int(layer.bias[channel]) - zero * weights << max(0, -shift)
        result[y, x, channel] = requantize_one(
            total, bias=0, multiplier=int(layer.multiplier[channel]), shift=max(0, shift),
            zero=layer.output.zero_point, low=layer.act_min, high=layer.act_max)
    return result


def _grouped(layer: Layer) -> np.ndarray:
    """Weights (OC, KH, KW, IC) of the convolution in groups that a layer is."""
    if layer.op == "depthwise":
        return layer.weights.transpose(2, 0, 1)[..., None]
    return layer.weights if layer.op == "conv" else layer.weights[:, None, None, :]


def weighted_tasks(layer: Layer, taken: Types, sources: Sequence[int], output: int) -> list[Task]:
    weights = _grouped(layer)
    outputs, kernel_y, kernel_x, inputs = weights.shape
    height, width, channels = (1, 1, taken[0].size) if layer.op == "dense" else taken[0].image
    rows, columns, _ = layer.output.image
    each = outputs * inputs // channels
    records = np.stack([layer.bias, layer.multiplier, np.maximum(-layer.shift, 0), np.maximum(layer.shift, 0)], axis=1)
    return [Task(function="weighted", table=as_words(records.astype("<i4").tobytes() + _blocks(weights, each)), fields={
        "source": sources[0], "output": output, "height": height, "width": width, "channels": channels, "rows": rows,
        "columns": columns, "outputs": outputs, "kernel_y": kernel_y, "kernel_x": kernel_x, "inputs": inputs,
        "each": each, "stride_y": layer.stride[0], "stride_x": layer.stride[1], "dilation_y": layer.dilation[0],
        "dilation_x": layer.dilation[1], "top": layer.padding[0], "left": layer.padding[1],
        "in_zero": taken[0].zero_point, "zero": layer.output.zero_point, "low": layer.act_min, "high": layer.act_max})]


def _blocks(weights: np.ndarray, each: int) -> bytes:
    """The words of weights (OC, KH, KW, IC) in groups of ``each`` outputs, zero beyond the last one of a group."""
    groups = weights.reshape(-1, each, weights[0].size)
    filled = np.zeros((len(groups), -(-each // BLOCK) * BLOCK, weights[0].size), np.int8)
    filled[:, :each] = groups
    return filled.reshape(-1, BLOCK, weights[0].size).transpose(0, 2, 1).tobytes()


def _layer_of(fields: Fields, table: np.ndarray) -> tuple[Layer, TensorType]:
    """The convolution in groups that a call computes, and what it reads."""
    outputs, each, shape = fields["outputs"], fields["each"], (fields["height"], fields["width"], fields["channels"])
    bias, multiplier, left, right = table[:RECORD * outputs].view(np.int32).reshape(outputs, RECORD).T
    taps = (fields["kernel_y"], fields["kernel_x"], fields["inputs"])
    blocks = table[RECORD * outputs:].view(np.int8).reshape(-1, int(np.prod(taps)), BLOCK).transpose(0, 2, 1)
    weights = blocks.reshape(outputs // each, -1, *taps)[:, :each].reshape(outputs, *taps)
    size, stride = (fields["rows"], fields["columns"]), (fields["stride_y"], fields["stride_x"])
    dilation, before = (fields["dilation_y"], fields["dilation_x"]), (fields["top"], fields["left"])
    behind = (max(0, (count - 1) * step + (kernel - 1) * apart + 1 - first - length) for count, step, kernel, apart,
              first, length in zip(size, stride, taps[:2], dilation, before, shape[:2], strict=True))
    layer = Layer(name="call", op="conv", weights=weights, bias=bias, multiplier=multiplier, shift=right - left,
                  output=TensorType(shape=(*size, outputs), scale=1.0, zero_point=fields["zero"]), stride=stride,
                  dilation=dilation, padding=(*before, *behind), act_min=fields["low"], act_max=fields["high"])
    return layer, TensorType(shape=shape, scale=1.0, zero_point=fields["in_zero"])


def _run(fields: Fields, table: np.ndarray, memory: np.ndarray) -> None:
    layer, taken = _layer_of(fields, table)
    values = memory[fields["source"]:fields["source"] + taken.size].reshape(1, *taken.shape)
    memory[fields["output"]:fields["output"] + layer.output.size] = weighted(layer, [taken], [values]).reshape(-1)


WEIGHTED_CALL = Function(
    cycles=costs.weighted,
    fields=("source", "output", "height", "width", "channels", "rows", "columns", "outputs", "kernel_y", "kernel_x",
            "inputs", "each", "stride_y", "stride_x", "dilation_y", "dilation_x", "top", "left", "in_zero", "zero",
            "low", "high"),
    addresses=("source", "output"), run=_run,
    reads=lambda fields: [(fields["source"], fields["height"] * fields["width"] * fields["channels"])],
    writes=lambda fields: [(fields["output"], fields["rows"] * fields["columns"] * fields["outputs"])])
