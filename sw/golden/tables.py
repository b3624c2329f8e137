"""Tables of activations: what each of 256 bytes becomes, as TensorFlow Lite Micro's kernels compute it.

Each function takes the types of input and output and gives int8 ``(256,)``: the outputs of the bytes -128, -127, ...
127. A uint8 value counts as the int8 of the same bits, so the entry of 200 is that of -56. Scales are numbers of 32
bits in a file; what is computed of them has 64 bits in the kernels of 2026, but for ELU's.
"""

from collections.abc import Callable
from math import exp, floor

import numpy as np

from hw.spec.requant import rounding_shift
from sw.golden.fixed import half_away, logistic, quantize_multiplier, scale, tanh
from sw.golden.requantize import prepare_requantize
from sw.graph.layer import GraphError, TensorType

__all__ = ["abs_table", "elu_table", "hard_swish_table", "leaky_relu_table", "logistic_table", "relu6_table",
           "relu_n1_to_1_table", "relu_table", "rescale_table", "tanh_table"]

INTEGER_BITS = 4          # of the input of logistic and tanh
MOST_FACTOR = "scale {0:g} to {1:g}: a factor of 2**22 at most; choose another output scale"


def _filled(taken: TensorType, given: TensorType, output: Callable[[int], int]) -> np.ndarray:
    """The table of ``output``, of a value of the input; clamped to what the output's dtype holds."""
    low, high = (0, 255) if given.dtype == "uint8" else (-128, 127)
    bytes_ = np.arange(-128, 128, dtype=np.int8)
    values = (bytes_.view(np.uint8) if taken.dtype == "uint8" else bytes_).tolist()
    return np.array([min(max(output(value), low), high) for value in values], np.int64).astype(np.uint8).view(np.int8)


def _single(*scales: float) -> tuple[np.float32, ...]:
    return tuple(np.float32(value) for value in scales)


def _ratio(taken: TensorType, given: TensorType, factor: float = 1.0) -> float:
    """The scale of the input, times a factor, over the output's."""
    first, second, times = map(float, _single(taken.scale, given.scale, factor))
    return first * times / second


def _multiplier(factor: float, taken: TensorType, given: TensorType) -> tuple[int, int]:
    multiplier, shift = quantize_multiplier(factor)
    if shift < -22:
        raise GraphError(MOST_FACTOR.format(taken.scale, given.scale))
    return multiplier, shift


def rescale_table(taken: TensorType, given: TensorType) -> np.ndarray:
    """QUANTIZE between types of one byte, int8 or uint8.

    Raises
    ------
    GraphError
        If the scales' ratio is out of range.
    """
    multiplier, shift = prepare_requantize(*map(float, _single(taken.scale, given.scale)))
    return _filled(taken, given, lambda value: scale(value - taken.zero_point, multiplier, shift) + given.zero_point)


def _sigmoid(taken: TensorType, given: TensorType, function: Callable[[int], int], bits: int, zero: int) -> np.ndarray:
    """Of ``function`` from 4 integer bits to none, with ``bits`` fractional bits and a zero point out."""
    multiplier, shift = quantize_multiplier(float(np.float32(taken.scale)) * (1 << 31 - INTEGER_BITS))
    if not 0 <= -shift <= 31:
        raise GraphError(f"scale {taken.scale:g}: a logistic or tanh takes 2**-27 to 16; quantize its input again")
    # beyond, the function is 0 or 1
    radius = floor(((1 << INTEGER_BITS) - 1) * (1 << 31 - INTEGER_BITS) / (1 << -shift))

    def output(value: int) -> int:
        value -= taken.zero_point
        if abs(value) >= radius:
            return -128 if value <= -radius else 127      # both where the radius is 0
        return rounding_shift(function(scale(value, multiplier, shift)), 31 - bits) + zero
    return _filled(taken, given, output)


def logistic_table(taken: TensorType, given: TensorType) -> np.ndarray:
    """LOGISTIC: gemmlowp's, in fixed point.

    Raises
    ------
    GraphError
        If the output's zero point is not -128, or the input's scale is out of range.
    """
    if given.zero_point != -128:
        raise GraphError(f"zero point {given.zero_point} of a logistic; it gives scale 1/256 and zero point -128")
    return _sigmoid(taken, given, logistic, 8, -128)


def tanh_table(taken: TensorType, given: TensorType) -> np.ndarray:
    """TANH: gemmlowp's, in fixed point, at scale 1/128 and zero point 0.

    Raises
    ------
    GraphError
        If the output has another zero point, or the input's scale is out of range.
    """
    if given.zero_point != 0:
        raise GraphError(f"zero point {given.zero_point} of a tanh; it gives scale 1/128 and zero point 0")
    return _sigmoid(taken, given, tanh, 7, 0)


def abs_table(taken: TensorType, given: TensorType) -> np.ndarray:
    """ABS, rescaled where the scales differ.

    Raises
    ------
    GraphError
        If the scales' ratio is out of range.
    """
    ratio = _ratio(taken, given)
    multiplier, shift = _multiplier(ratio, taken, given)
    return _filled(taken, given, lambda value: given.zero_point + (
        abs(value - taken.zero_point) if ratio == 1 else scale(abs(value - taken.zero_point), multiplier, shift)))


def relu_table(taken: TensorType, given: TensorType) -> np.ndarray:
    """RELU on its own: rescaled, and not below the output's zero point.

    Raises
    ------
    GraphError
        If the scales' ratio is out of range.
    """
    multiplier, shift = _multiplier(_ratio(taken, given), taken, given)
    return _filled(taken, given, lambda value: max(
        scale(value - taken.zero_point, multiplier, shift) + given.zero_point, given.zero_point))


def relu6_table(taken: TensorType, given: TensorType) -> np.ndarray:
    """RELU6 on its own: bytes from the input's zero point up to its 6, which no kernel rescales.

    Raises
    ------
    GraphError
        If input and output have not the same scale and zero point.
    """
    if (taken.scale, taken.zero_point) != (given.scale, given.zero_point):
        raise GraphError(f"scale {taken.scale:g} to {given.scale:g}, zero point {taken.zero_point} to "
                         f"{given.zero_point}: a RELU6 on its own keeps them; fuse it with the layer before")
    six = half_away(float(np.float32(6) / np.float32(taken.scale))) + taken.zero_point
    return _filled(taken, given, lambda value: min(max(value, taken.zero_point), six))


def relu_n1_to_1_table(taken: TensorType, given: TensorType) -> np.ndarray:
    """RELU_N1_TO_1 on its own, rescaled as TFLite does; TensorFlow Lite Micro has it only fused.

    Raises
    ------
    GraphError
        If the scales' ratio is out of range.
    """
    multiplier, shift = _multiplier(_ratio(taken, given), taken, given)
    one = half_away(float(np.float32(1) / np.float32(given.scale)))
    return _filled(taken, given, lambda value: min(max(
        scale(value - taken.zero_point, multiplier, shift), -one), one) + given.zero_point)


def leaky_relu_table(taken: TensorType, given: TensorType, alpha: float) -> np.ndarray:
    """LEAKY_RELU, of any slope ``alpha``.

    Raises
    ------
    GraphError
        If the scales' ratio or the slope is out of range.
    """
    identity = _multiplier(_ratio(taken, given), taken, given)
    slope = _ratio(taken, given, alpha)
    multiplier, shift = _multiplier(abs(slope), taken, given)

    def output(value: int) -> int:
        value -= taken.zero_point
        if value >= 0:
            return scale(value, *identity) + given.zero_point
        return (-1 if slope < 0 else 1) * scale(value, multiplier, shift) + given.zero_point
    return _filled(taken, given, output)


def elu_table(taken: TensorType, given: TensorType) -> np.ndarray:
    """ELU, in numbers of 32 bits."""
    first, inverse = np.float32(taken.scale), np.float32(1) / np.float32(given.scale)

    def output(value: int) -> int:
        real = first * np.float32(value - taken.zero_point)
        if real < 0:
            real = np.float32(exp(float(real))) - np.float32(1)
        return half_away(float(np.float32(real * inverse))) + given.zero_point
    return _filled(taken, given, output)


def hard_swish_table(taken: TensorType, given: TensorType) -> np.ndarray:
    """HARD_SWISH, in 16-bit fixed point.

    Raises
    ------
    GraphError
        If the output's scale is out of range.
    """
    multiplier, shift = quantize_multiplier(_ratio(taken, given, 1 / 128))
    if not 0 <= shift <= 15:
        raise GraphError(f"scale {taken.scale:g} to {given.scale:g}: a hard_swish takes a factor from 2**-9 to 2**7; "
                         f"choose another output scale")
    relu, relu_shift = quantize_multiplier(float(np.float32(taken.scale)) / 128 * 32768 / 3)
    multiplier, relu = _sixteen(multiplier), _sixteen(relu)

    def output(value: int) -> int:
        value = value - taken.zero_point << 7
        part = value
        if relu_shift < 0:
            part = _short(part << -relu_shift - 1)
        part = part * relu + (1 << 14) >> 15
        part = _short(part << 1) if relu_shift < 0 else rounding_shift(part, relu_shift)
        # from -1 .. 1 to 0 .. 1; the product is cut towards zero
        product = (part + (1 << 15) >> 1) * (value * multiplier + (1 << 14) >> 15)
        whole = abs(product) >> 15
        return rounding_shift(whole if product >= 0 else -whole, shift) + given.zero_point
    return _filled(taken, given, output)


def _sixteen(multiplier: int) -> int:
    """A multiplier of 31 bits in 15."""
    return min(multiplier + (1 << 15) >> 16, (1 << 15) - 1)


def _short(value: int) -> int:
    """In int16, the nearest."""
    return min(max(value, -(1 << 15)), (1 << 15) - 1)
