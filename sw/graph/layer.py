"""What a graph consists of: typed tensors and the layers that make them."""

from dataclasses import dataclass

import numpy as np

from hw.spec.errors import HeddleError

__all__ = ["POOLS", "WEIGHTED", "GraphError", "Layer", "TensorType"]

WEIGHTED = ("conv", "depthwise", "dense")   # operators with weights and a requantization per channel
POOLS = ("avgpool", "maxpool")


class GraphError(HeddleError, ValueError):
    """A graph is inconsistent; the message names the layer."""


@dataclass(frozen=True, kw_only=True)
class TensorType:
    """Type of an activation: NHWC without N, asymmetric: ``real = scale * (q - zero_point)``.

    Values are kept as int8 whatever ``bits`` is.

    >>> kind = TensorType(shape=(1, 1, 10), scale=0.5, zero_point=-8, bits=4)
    >>> kind.size, kind.low, kind.high
    (10, -8, 7)
    """

    shape: tuple[int, int, int]   # height, width, channels
    scale: float
    zero_point: int
    bits: int = 8

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def low(self) -> int:
        """Least value that ``bits`` hold."""
        return -(1 << self.bits - 1)

    @property
    def high(self) -> int:
        """Greatest value that ``bits`` hold."""
        return (1 << self.bits - 1) - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One operator with its fused requantization and clamp.

    ``weights`` are int8 within ``weight_bits``; with ``weight_bits=1`` they are -1 and +1 only. ``bias`` is int32,
    ``multiplier`` int32 (0 to 2**31 - 1), ``shift`` int32 (right shift, 0 to 31).

    ========== ============================================ =====================================================
    ``op``     ``weights``                                  ``bias``, ``multiplier``, ``shift``
    ========== ============================================ =====================================================
    conv       ``(OC, KH, KW, IC)``                         one of each per output channel
    depthwise  ``(KH, KW, C * M)``; output channel          one of each per output channel
               ``c * M + m`` reads channel ``c``
    dense      ``(OC, K)`` over the flattened input         one of each per output channel
    avgpool    ``(KH, KW, 0)``: only its shape counts       none; TFLite's rounding, types of input and output equal
    maxpool    ``(KH, KW, 0)``; padding never wins          none; types of input and output equal
    add        ``(0,)``                                     three each: first operand, second operand, output; the
                                                            bias is zero. TFLite's ADD: both operands less their
                                                            zero points are shifted left by
                                                            ``hw.spec.requant.ADD_LEFT_SHIFT`` and scaled, their
                                                            sum is scaled
    softmax    ``(0,)``                                     ``bias`` has none; one multiplier, and one *left* shift,
                                                            that scale differences to 26 fractional bits, as TFLite
                                                            prepares them; scale 1/256, zero point -128 out
    requantize ``(0,)``                                    ``bias`` has none; one multiplier, and one right shift,
                                                            left where negative (-22 to 31): TFLite's QUANTIZE
    ========== ============================================ =====================================================

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
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)   # top, left, bottom, right
    act_min: int = -128
    act_max: int = 127

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width; (1, 1) where the operator has none."""
        if self.op == "conv":
            return tuple(self.weights.shape[1:3])
        return tuple(self.weights.shape[:2]) if self.op in ("depthwise", *POOLS) else (1, 1)
