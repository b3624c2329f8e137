"""What a graph consists of: typed tensors and the layers that make them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from hw.spec.errors import HeddleError

__all__ = ["DTYPES", "ELEMENTWISE", "MOVES", "POOLS", "WEIGHTED", "Constant", "GraphError", "Layer", "State",
           "TensorType", "canonical"]

WEIGHTED = ("conv", "depthwise", "dense")   # operators with weights and a requantization per channel
POOLS = ("avgpool", "maxpool")
MOVES = ("concat", "gather", "pad", "resize")   # operators that compute nothing: each output is an input, or a constant
#: Operators each of whose outputs comes from what stands at its own place in operands of its shape.
ELEMENTWISE = ("add", "sub", "mul", "maximum", "minimum", "prelu", "table", "requantize")
DTYPES = ("int8", "uint8", "int16", "float32")       # of tensors; all but int8 stand at the ends of a network only


class GraphError(HeddleError, ValueError):
    """A graph is inconsistent; the message names the layer."""


def canonical(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape as the graph has it: without the ones in front, but of rank 3 at least.

    No value moves by it: all orders are row-major.

    >>> canonical((1, 96, 96, 3)), canonical((1, 10)), canonical((2, 3, 4, 5))
    ((96, 96, 3), (1, 1, 10), (2, 3, 4, 5))
    """
    kept = next((place for place, size in enumerate(shape) if size != 1), len(shape))
    return (*(1,) * max(0, 3 - len(shape) + kept), *shape[kept:])


@dataclass(frozen=True, kw_only=True)
class TensorType:
    """Type of a tensor: a canonical shape, asymmetric: ``real = scale * (q - zero_point)``.

    Values are kept as int8 whatever ``bits`` is. A float32 tensor has scale 1, zero point 0.

    >>> kind = TensorType(shape=(1, 1, 10), scale=0.5, zero_point=-8, bits=4)
    >>> kind.size, kind.low, kind.high
    (10, -8, 7)
    """

    shape: tuple[int, ...]        # (height, width, channels), or of higher rank
    scale: float
    zero_point: int
    bits: int = 8
    dtype: str = "int8"           # one of DTYPES

    @property
    def image(self) -> tuple[int, int, int]:
        """Height, width and channels. Raises GraphError where the rank is another one."""
        if len(self.shape) != 3:
            raise GraphError(f"a tensor of shape {self.shape} has no height, width and channels")
        height, width, channels = self.shape
        return height, width, channels

    @property
    def size(self) -> int:
        """Elements."""
        return prod(self.shape)

    @property
    def element_bytes(self) -> int:
        return np.dtype(self.dtype).itemsize

    @property
    def bytes(self) -> int:
        return self.size * self.element_bytes

    @property
    def low(self) -> int:
        """Least value that ``bits`` hold."""
        return {"uint8": 0, "int16": -32768}.get(self.dtype, -(1 << self.bits - 1))

    @property
    def high(self) -> int:
        """Greatest value that ``bits`` hold."""
        return {"uint8": 255, "int16": 32767}.get(self.dtype, (1 << self.bits - 1) - 1)

    def real(self, stored: np.ndarray) -> np.ndarray:
        """What values of this type mean, float64.

        >>> TensorType(shape=(1, 1, 2), scale=0.5, zero_point=-8).real(np.array([-8, 2], np.int8)).tolist()
        [0.0, 5.0]
        """
        return (stored.astype(np.float64) - self.zero_point) * self.scale


@dataclass(frozen=True, kw_only=True, eq=False)
class Constant:
    """A tensor whose values never change: an operand of a layer."""

    type: TensorType
    values: np.ndarray            # int8, of the type's shape


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """A tensor that lives from one inference to the next.

    Layers read what the inference before left, the first one ``initial``; at the end of an inference it takes the
    value of tensor ``next``.
    """

    name: str
    type: TensorType
    initial: np.ndarray           # int8, of the type's shape
    next: int                     # number of a tensor of as many values


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One operator with its fused requantization and clamp.

    ``weights`` are int8 within ``weight_bits``; with ``weight_bits=1`` they are -1 and +1 only. ``bias`` is int32,
    ``multiplier`` int32 (0 to 2**31 - 1), ``shift`` int32 (right shift, left where it is negative: -22 to 31), in the
    words of TFLite's ``MultiplyByQuantizedMultiplier``. Where a cell says nothing of them they are empty.
    Constants of two operands are tensors of the graph. Axes are counted from the end, -1 is the last.

    =========== ===================================== ============================================================
    ``op``      ``weights``                           ``bias``, ``multiplier``, ``shift``, and ``parameters``
    =========== ===================================== ============================================================
    conv        ``(OC, KH, KW, IC)``; groups where    one of each per output channel
                the input has a multiple of ``IC``
    depthwise   ``(KH, KW, C * M)``; output channel   one of each per output channel
                ``c * M + m`` reads channel ``c``
    dense       ``(OC, K)`` over the flattened input  one of each per output channel
    avgpool     ``(KH, KW, 0)``: only its shape       TFLite's rounding, over the taps inside; types of input and
                counts                                output equal
    maxpool     ``(KH, KW, 0)``; padding never wins   types of input and output equal
    add, sub    ``(0,)``; two operands, shapes        three each: first operand, second operand, output; the bias is
                broadcast                             zero. TFLite's ADD and SUB: both operands less their zero points
                                                      are shifted left by ``hw.spec.requant.ADD_LEFT_SHIFT`` and
                                                      scaled, their sum or difference is scaled
    mul         ``(0,)``; two operands, shapes        one multiplier and shift, of the product of both operands less
                broadcast                             their zero points
    maximum,    ``(0,)``; two operands, shapes        types of both operands and of the output equal
    minimum     broadcast
    prelu       ``(0,)``; the second operand is the   two each: of what is not negative, and of the product of what is
                slope, shapes broadcast               negative with the slope
    table       ``(256,)``: what -128, -127, ... 127  of bytes alone; a uint8 byte counts as the int8 of its bits
                become
    requantize  ``(0,)``                              one multiplier and shift: TFLite's QUANTIZE
    mean        ``(0,)``; of the middle axis of an    one of each: TFLite's MEAN
                input read as (outer, N, channels)
    softmax     ``(0,)``; along the last axis         ``bias`` has none; one multiplier, and one *left* shift, that
                                                      scale differences to 26 fractional bits, as TFLite prepares
                                                      them; scale 1/256, zero point -128 out
    log_softmax ``(0,)``; along the last axis         one multiplier and one *left* shift as for softmax; two more of
                                                      them, see ``sw.golden.log_softmax``; scale 16/256, zero point 127
    concat      ``(0,)``; any number of operands of   ``parameters=(axis,)``
                one scale and zero point
    gather      ``(0,)``                              ``parameters=(offset, *strides)``: where in the input its first
                                                      output lies, and how far from one to the next along each axis of
                                                      the output, in elements (may be negative, or 0)
    pad         ``(0,)``                              ``parameters``: for each axis how many go before, behind, and
                                                      between two neighbours; then their value
    resize      ``(0,)``; nearest neighbour, of rank  ``parameters=(align_corners, half_pixel_centers)``
                3
    quantize    ``(0,)``; float32 to int8             none
    dequantize  ``(0,)``; int8 to float32             none
    features    ``(0,)``; int16 waveform to int8      ``parameters``: the fields of ``sw.graph.audio.FeatureSpec``;
                                                      one multiplier, of 24 fractional bits, and no shift
    =========== ===================================== ============================================================

    The bias does not contain the input's zero point.
    """

    name: str
    op: str
    output: TensorType
    weights: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    inputs: tuple[int, ...] = ()                  # tensors: 0 the graph's input, n + 1 layer n's; (): the one before
    weight_bits: int = 8
    stride: tuple[int, int] = (1, 1)              # y, x
    dilation: tuple[int, int] = (1, 1)            # y, x: from one tap of the kernel to the next
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)   # top, left, bottom, right
    act_min: int = -128
    act_max: int = 127
    parameters: tuple[int, ...] = ()
    views: tuple[tuple[int, ...], ...] = ()       # shapes in which it reads its tensors; (): each in its own
    function: str = ""                            # what a table computes, by the name of the field: "logistic"

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width in taps; (1, 1) where the operator has none."""
        if self.op == "conv":
            return tuple(self.weights.shape[1:3])
        return tuple(self.weights.shape[:2]) if self.op in ("depthwise", *POOLS) else (1, 1)

    @property
    def extent(self) -> tuple[int, int]:
        """Height and width that the kernel spans, dilation included."""
        (taps_y, taps_x), (step_y, step_x) = self.kernel, self.dilation
        return (taps_y - 1) * step_y + 1, (taps_x - 1) * step_x + 1
