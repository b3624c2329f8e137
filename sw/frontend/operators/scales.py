"""Scales as the layers of a graph have them: multipliers and shifts, and where a fused activation cuts."""

from typing import Any

import numpy as np

from sw.golden.fixed import half_away, quantize_multiplier
from sw.graph.graph import GraphError
from sw.graph.layer import TensorType

__all__ = ["DIFFERENCE_LEFT", "NONE", "PRODUCT_LEFT", "RELU", "RELU6", "RELU_N1_TO_1", "SUM_LEFT", "clamp",
           "multipliers"]

NONE, RELU, RELU_N1_TO_1, RELU6, TANH, SIGN_BIT = range(6)    # tflite.ActivationFunctionType
_LIMITS = {NONE: (None, None), RELU: (0.0, None), RELU_N1_TO_1: (-1.0, 1.0), RELU6: (0.0, 6.0)}
_STEPS = float(1 << 20)      # of an output's scale, beyond any int8
#: Bits that a value can be shifted left within 32: a difference of two int8, a product of two such, and a sum of the
#: operands of ADD, which are raised already.
DIFFERENCE_LEFT, PRODUCT_LEFT, SUM_LEFT = 22, 14, 0


def multipliers(*factors: float, most_left: int) -> dict[str, Any]:
    """``multiplier`` and ``shift`` of a layer. Raises GraphError where a factor asks for more than ``most_left``."""
    pairs = []
    for factor in factors:
        multiplier, shift = quantize_multiplier(factor)
        if shift < -most_left:
            raise GraphError(f"output scale factor {factor:g}: at most 2**{most_left} stays within 32 bits; choose a "
                             f"larger output scale, or get the file again")
        pairs.append((multiplier, shift))
    return {"multiplier": np.array([multiplier for multiplier, _ in pairs], np.int32),
            "shift": np.array([shift for _, shift in pairs], np.int32)}


def clamp(activation: int | tuple[int, int], output: TensorType) -> dict[str, Any]:
    """``act_min`` and ``act_max``, of TFLite's number of an activation, or as they are.

    Raises GraphError for an activation that is no clamp.
    """
    if isinstance(activation, tuple):
        return {"act_min": activation[0], "act_max": activation[1]}
    if activation not in _LIMITS:
        name = {TANH: "TANH", SIGN_BIT: "SIGN_BIT"}.get(activation, activation)
        raise GraphError(f"fused activation {name} is not supported; use none, RELU, RELU6 or RELU_N1_TO_1, or an "
                         f"operator of its own")
    low, high = _LIMITS[activation]
    return {"act_min": -128 if low is None else min(max(-128, _step(low, output)), 127),
            "act_max": 127 if high is None else max(min(127, _step(high, output)), -128)}


def _step(value: float, output: TensorType) -> int:
    with np.errstate(over="ignore"):
        steps = float(np.float32(value) / np.float32(output.scale))      # TFLite divides in float32
    return output.zero_point + half_away(min(max(steps, -_STEPS), _STEPS))
