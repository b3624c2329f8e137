"""Operators of two operands, whose shapes broadcast as numpy's: TensorFlow Lite Micro's ADD, SUB, MUL, MAXIMUM,
MINIMUM and PRELU, and the one function of the CPU that serves them.

ADD and SUB shift both operands, less their zero points, left by ``hw.spec.requant.ADD_LEFT_SHIFT``, scale each, and
scale the sum or difference. MUL scales the product. PRELU scales what is not negative by its first multiplier, and the
product of what is negative with the slope by its second one. Then the output's zero point is added, and all is clamped.
"""

from collections.abc import Sequence

import numpy as np

from hw.spec.requant import ADD_LEFT_SHIFT
from sw.golden import costs
from sw.golden.fixed import quantize_multiplier, scale, scaled
from sw.golden.function import Fields, Function, Task
from sw.golden.movement import in_four, merged, row_major, span
from sw.graph.layer import GraphError, Layer, TensorType

__all__ = ["BINARY", "KINDS", "binary", "binary_plain", "binary_tasks", "prepare_add", "prepare_mul", "prepare_prelu"]

#: Operators, as the function numbers them.
KINDS = ("add", "sub", "mul", "maximum", "minimum", "prelu")
COUNTS, FIRST, SECOND = (tuple(f"{letter}{axis}" for axis in range(4)) for letter in "nab")
#: Three multipliers and shifts: of the first operand or what is not negative, of the second, of what they make.
SCALES = ("multiplier0", "shift0", "multiplier1", "shift1", "multiplier2", "shift2")
#: Bits to the left, of a difference of two bytes and of the product of two, that stay within 29.
MOST_LEFT = {"mul": (13, 0, 0), "prelu": (21, 13, 0)}
Types = Sequence[TensorType]
Arrays = Sequence[np.ndarray]
Pairs = tuple[tuple[int, int], ...]


def prepare_add(first: float, second: float, given: float) -> Pairs:
    """Multipliers and shifts of ADD and SUB, of both operands and of the output, from the three scales.

    Raises
    ------
    GraphError
        If the output's scale is so small that a sum would be scaled up.
    """
    twice = 2 * max(first, second)
    factors = first / twice, second / twice, twice / ((1 << ADD_LEFT_SHIFT) * given)
    if not factors[2] < 1:
        raise GraphError(f"scales {first:g} and {second:g} to {given:g}: a factor below 2**19; choose another output "
                         f"scale")
    return tuple(quantize_multiplier(factor) for factor in factors)


def prepare_mul(first: float, second: float, given: float) -> Pairs:
    """Multiplier and shift of MUL."""
    return (quantize_multiplier(first * second / given),)


def prepare_prelu(taken: float, slope: float, given: float) -> Pairs:
    """Multipliers and shifts of PRELU: of what is not negative, and of the products."""
    return quantize_multiplier(taken / given), quantize_multiplier(taken * slope / given)


def _value(op: str, first: np.ndarray, second: np.ndarray, scales: Pairs) -> np.ndarray:
    """Before the output's zero point; of int64 operands less theirs."""
    if op in ("add", "sub"):
        one, other = (scaled(values << ADD_LEFT_SHIFT, *pair)
                      for values, pair in zip((first, second), scales, strict=False))
        return scaled(one + other if op == "add" else one - other, *scales[2])
    if op == "mul":
        return scaled(first * second, *scales[0])
    if op == "prelu":
        return np.where(first >= 0, scaled(first, *scales[0]), scaled(first * second, *scales[1]))
    return np.maximum(first, second) if op == "maximum" else np.minimum(first, second)


def _scales(layer: Layer) -> Pairs:
    return tuple(zip(layer.multiplier.tolist(), layer.shift.tolist(), strict=True))


def _broadcast(kind: TensorType, rank: int, values: np.ndarray) -> np.ndarray:
    """With the batch in front of as many dimensions as the output has."""
    return values.reshape(len(values), *(1,) * (rank - len(kind.shape)), *kind.shape)


def binary(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    rank = len(layer.output.shape)
    # maximum and minimum compare the values as they are: their three zero points are one
    first, second = (_broadcast(kind, rank, values).astype(np.int64) - kind.zero_point
                     for kind, values in zip(taken, data, strict=True))
    value = _value(layer.op, first, second, _scales(layer)) + layer.output.zero_point
    return np.clip(value, *_clamp(layer)).astype(np.int8)


def _clamp(layer: Layer) -> tuple[int, int]:
    return (-128, 127) if layer.op in ("maximum", "minimum") else (layer.act_min, layer.act_max)


def _plain(op: str, first: int, second: int, scales: Pairs) -> int:
    if op == "maximum":
        return max(first, second)
    if op == "minimum":
        return min(first, second)
    if op == "mul":
        return scale(first * second, *scales[0])
    if op == "prelu":
        return scale(first, *scales[0]) if first >= 0 else scale(first * second, *scales[1])
    sign = 1 if op == "add" else -1
    return scale(scale(first << ADD_LEFT_SHIFT, *scales[0]) + sign * scale(second << ADD_LEFT_SHIFT, *scales[1]),
                 *scales[2])


def binary_plain(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    shape, scales = layer.output.shape, _scales(layer)
    first, second = (np.broadcast_to(values, shape) for values in data)
    low, high = _clamp(layer)
    result = np.zeros(shape, np.int8)
    for place in np.ndindex(*shape):
        value = _plain(layer.op, int(first[place]) - taken[0].zero_point, int(second[place]) - taken[1].zero_point,
                       scales)
        result[place] = min(max(value + layer.output.zero_point, low), high)
    return result


def _strides(kind: TensorType, shape: Sequence[int]) -> tuple[int, ...]:
    """Along the axes of a broadcast ``shape``: 0 where the operand has one value for all."""
    whole = (*(1,) * (len(shape) - len(kind.shape)), *kind.shape)
    return tuple(0 if size == 1 else step for size, step in zip(whole, row_major(whole), strict=True))


def binary_tasks(layer: Layer, taken: Types, sources: Sequence[int], output: int) -> list[Task]:
    shape = layer.output.shape
    counts, strides = merged(shape, *(_strides(kind, shape) for kind in taken), row_major(shape))
    low, high = _clamp(layer)
    # so far to the left that every result but that of 0 is clamped, the function has 29 bits
    pairs = [(multiplier, max(shift, -most)) for (multiplier, shift), most in zip(
        [*_scales(layer), (0, 0), (0, 0), (0, 0)][:3], MOST_LEFT.get(layer.op, (0, 0, 0)), strict=True)]
    fixed = {"kind": KINDS.index(layer.op), "zero0": taken[0].zero_point, "zero1": taken[1].zero_point,
             "zero": layer.output.zero_point, "low": low, "high": high,
             **dict(zip(SCALES, (number for pair in pairs for number in pair), strict=True))}
    return [Task(function="binary", fields={
        **fixed, "source": sources[0] + further[0], "second": sources[1] + further[1], "output": output + further[2],
        **dict(zip(COUNTS, found, strict=True)), **dict(zip(FIRST, steps[0], strict=True)),
        **dict(zip(SECOND, steps[1], strict=True))}) for found, steps, further in in_four(counts, strides)]


def _named(fields: Fields, names: Sequence[str]) -> tuple[int, ...]:
    return tuple(fields[name] for name in names)


def _operand(fields: Fields, memory: np.ndarray, address: str, strides: Sequence[str], zero: str) -> np.ndarray:
    places = np.full((), fields[address], np.int64)
    for count, stride in zip(_named(fields, COUNTS), _named(fields, strides), strict=True):
        places = places[..., None] + stride * np.arange(count)
    return memory[places].astype(np.int64).ravel() - fields[zero]


def _run(fields: Fields, table: np.ndarray, memory: np.ndarray) -> None:
    numbers = _named(fields, SCALES)
    value = _value(KINDS[fields["kind"]], _operand(fields, memory, "source", FIRST, "zero0"),
                   _operand(fields, memory, "second", SECOND, "zero1"),
                   tuple(zip(numbers[::2], numbers[1::2], strict=True))) + fields["zero"]
    memory[fields["output"]:fields["output"] + value.size] = np.clip(value, fields["low"], fields["high"])


#: Each output follows the one before; each operand has its own distances along four dimensions.
BINARY = Function(
    cycles=costs.binary,
    fields=("kind", "source", "second", "output", *COUNTS, *FIRST, *SECOND, "zero0", "zero1", "zero", *SCALES, "low",
            "high"),
    addresses=("source", "second", "output"), run=_run,
    reads=lambda fields: [span(fields["source"], _named(fields, COUNTS), _named(fields, FIRST)),
                          span(fields["second"], _named(fields, COUNTS), _named(fields, SECOND))],
    writes=lambda fields: [(fields["output"], int(np.prod(_named(fields, COUNTS))))])
