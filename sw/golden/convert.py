"""Between int8 and float32: TensorFlow Lite Micro's QUANTIZE and DEQUANTIZE at the ends of a network.

QUANTIZE divides by the scale in 32-bit floating point, rounds to the nearest whole number, halves away from zero, adds
the zero point and clamps. What C leaves undefined is defined here: values beyond int32 and infinities go to the nearest
end, what is not a number becomes the zero point. DEQUANTIZE rounds the exact product with the scale to 32 bits once.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import floor, inf, isfinite, isnan, log2

import numpy as np

from sw.golden import costs
from sw.golden.function import Fields, Function, Task
from sw.graph.layer import GraphError, Layer, TensorType

__all__ = ["DEQUANTIZE", "QUANTIZE", "dequantize", "dequantize_plain", "dequantize_tasks", "quantize",
           "quantize_plain", "quantize_tasks", "scale_parts"]

MANTISSA_BITS = 24
Types = Sequence[TensorType]
Arrays = Sequence[np.ndarray]


def scale_parts(scale: float) -> tuple[int, int]:
    """Mantissa, 2**23 to 2**24 - 1, and exponent of a scale in 32 bits: ``mantissa * 2**exponent``.

    >>> scale_parts(0.75)
    (12582912, -24)

    Raises
    ------
    GraphError
        If it is no positive number, or below 2**-126.
    """
    bits = int(np.float32(scale).view(np.uint32))
    if not 1 <= bits >> 23 < 255:
        raise GraphError(f"scale {scale:g}: between float32 and int8 a scale is 2**-126 to 3e38; check the file")
    return bits & (1 << 23) - 1 | 1 << 23, (bits >> 23) - 150


def _quantized(values: np.ndarray, scale: np.float32, zero: int, low: int = -128, high: int = 127) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = (values / scale).astype(np.float64)
    rounded = np.trunc(ratio + np.copysign(0.5, ratio))      # exact: a ratio has 24 bits
    return np.clip(np.nan_to_num(rounded, nan=0.0, posinf=1e9, neginf=-1e9) + zero, low, high).astype(np.int8)


def quantize(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    return _quantized(data[0], np.float32(layer.output.scale), layer.output.zero_point, layer.act_min, layer.act_max)


def _single(value: Fraction) -> Fraction:
    """The nearest number of 24 bits, ties to even; exponents without a limit but the least one."""
    if not value:
        return value
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    exponent += 1 if value >= Fraction(2) ** exponent else 0
    step = Fraction(2) ** (max(exponent, -125) - MANTISSA_BITS)
    return round(value / step) * step


def quantize_plain(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    """On exact fractions."""
    scale, zero, found = Fraction(float(np.float32(layer.output.scale))), layer.output.zero_point, []
    for value in data[0].ravel().tolist():
        if not isfinite(value):
            whole = 0.0 if isnan(value) else value
        else:
            ratio = _single(abs(Fraction(value)) / scale)
            whole = floor(ratio + Fraction(1, 2)) * (1 if value >= 0 else -1)
        found.append(int(min(max(whole + zero, layer.act_min), layer.act_max)))
    return np.array(found, np.int8).reshape(data[0].shape)


def quantize_tasks(layer: Layer, taken: Types, sources: Sequence[int], output: int) -> list[Task]:
    mantissa, exponent = scale_parts(layer.output.scale)
    return [Task(function="quantize", fields={
        "source": sources[0], "output": output, "count": taken[0].size, "mantissa": mantissa, "exponent": exponent,
        "zero": layer.output.zero_point, "low": layer.act_min, "high": layer.act_max})]


def _scale(fields: Fields) -> np.float32:
    return np.float32(fields["mantissa"] * 2.0 ** fields["exponent"])


def _quantize_run(fields: Fields, table: np.ndarray, memory: np.ndarray) -> None:
    count = fields["count"]
    values = memory[fields["source"]:fields["source"] + 4 * count].copy().view("<f4")
    memory[fields["output"]:fields["output"] + count] = _quantized(
        values, _scale(fields), fields["zero"], fields["low"], fields["high"])


QUANTIZE = Function(
    cycles=costs.quantize,
    fields=("source", "output", "count", "mantissa", "exponent", "zero", "low", "high"),
    addresses=("source", "output"), run=_quantize_run, reads=lambda fields: [(fields["source"], 4 * fields["count"])],
    writes=lambda fields: [(fields["output"], fields["count"])])


def _real(values: np.ndarray, scale: np.float32, zero: int) -> np.ndarray:
    with np.errstate(over="ignore"):
        return (np.float64(scale) * (values.astype(np.int64) - zero)).astype(np.float32)


def dequantize(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    return _real(data[0], np.float32(taken[0].scale), taken[0].zero_point)


def dequantize_plain(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    """On exact fractions."""
    scale, found = Fraction(float(np.float32(taken[0].scale))), []
    for value in data[0].ravel().tolist():
        exact = _single(scale * abs(value - taken[0].zero_point))
        size = inf if exact and log2(exact) >= 128 else float(exact)
        found.append(size if value >= taken[0].zero_point else -size)
    return np.array(found, np.float32).reshape(data[0].shape)


def dequantize_tasks(layer: Layer, taken: Types, sources: Sequence[int], output: int) -> list[Task]:
    mantissa, exponent = scale_parts(taken[0].scale)
    return [Task(function="dequantize", fields={
        "source": sources[0], "output": output, "count": taken[0].size, "mantissa": mantissa, "exponent": exponent,
        "zero": taken[0].zero_point})]


def _dequantize_run(fields: Fields, table: np.ndarray, memory: np.ndarray) -> None:
    count = fields["count"]
    real = _real(memory[fields["source"]:fields["source"] + count], _scale(fields), fields["zero"])
    memory[fields["output"]:fields["output"] + 4 * count] = real.astype("<f4").view(np.int8)


DEQUANTIZE = Function(
    cycles=costs.dequantize,
    fields=("source", "output", "count", "mantissa", "exponent", "zero"), addresses=("source", "output"),
    run=_dequantize_run, reads=lambda fields: [(fields["source"], fields["count"])],
    writes=lambda fields: [(fields["output"], 4 * fields["count"])])
