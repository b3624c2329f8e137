"""Islands of float32 inside of a network: what lies between a DEQUANTIZE and a QUANTIZE, value by value, is a table.

Converters leave them where TFLite's int8 has no such operator. Each of the 256 bytes goes through the runtime's float
kernels once, when the file is loaded, so the table is exact. Functions of the C library are taken to be rounded
correctly, as they are in nearly all places, and a difference of a unit in the last place of 24 bits must meet a half of
the output's scale to be seen.
"""

from collections.abc import Callable, Mapping

import numpy as np

from sw.frontend.lowering import Floats, Operation
from sw.frontend.operators.scales import NONE
from sw.golden.ops import run_layer
from sw.graph.graph import GraphError, Layer
from sw.graph.layer import TensorType

__all__ = ["ALONE", "BYTES", "PAIRS", "converted", "cross"]

BYTES = np.arange(-128, 128).astype(np.int8).reshape(1, 1, 1, 256)
_RESHAPES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
_CLAMPS = {NONE: (None, None), 1: (0.0, None), 2: (-1.0, 1.0), 3: (0.0, 6.0)}      # tflite.ActivationFunctionType
Array = np.ndarray


def _wide(function: Callable[[Array], Array]) -> Callable[[Operation, Array], Array]:
    """A function of the C library, in float32: computed with 64 bits, rounded once."""
    return lambda op, values: function(values.astype(np.float64)).astype(np.float32)


def _logistic(op: Operation, values: Array) -> Array:
    one, power = np.float32(1), np.exp(-values.astype(np.float64)).astype(np.float32)
    low = np.exp(values.astype(np.float64)).astype(np.float32)
    return np.where(values > np.float32(16.619047164916992), one,
                    np.where(values < np.float32(-9), low, one / (one + power)))


def _elu(op: Operation, values: Array) -> Array:
    return np.where(values < 0, np.expm1(np.minimum(values, 0).astype(np.float64)).astype(np.float32), values)


def _hard_swish(op: Operation, values: Array) -> Array:
    return values * np.minimum(np.float32(6), np.maximum(np.float32(0), values + np.float32(3))) / np.float32(6)


def _leaky_relu(op: Operation, values: Array) -> Array:
    return np.where(values > 0, values, values * np.float32(op.option("alpha")))


#: operators of one tensor -> what the runtime's float kernel makes of the values
ALONE: Mapping[str, Callable[[Operation, Array], Array]] = {
    "ABS": lambda op, values: np.abs(values), "NEG": lambda op, values: -values,
    "RELU": lambda op, values: np.maximum(values, np.float32(0)),
    "RELU6": lambda op, values: np.clip(values, np.float32(0), np.float32(6)),
    "LEAKY_RELU": _leaky_relu, "ELU": _elu, "HARD_SWISH": _hard_swish, "LOGISTIC": _logistic,
    "TANH": _wide(np.tanh), "EXP": _wide(np.exp), "LOG": _wide(np.log), "SQRT": lambda op, values: np.sqrt(values),
    "RSQRT": lambda op, values: np.float32(1) / np.sqrt(values), "SQUARE": lambda op, values: values * values}
#: operators of two tensors, of which one is a constant number or both are of the same bytes
PAIRS: Mapping[str, Callable[[Array, Array], Array]] = {
    "ADD": np.add, "SUB": np.subtract, "MUL": np.multiply, "DIV": np.divide, "MAXIMUM": np.maximum,
    "MINIMUM": np.minimum}


def converted(name: str, taken: TensorType, given: TensorType, values: Array) -> Array:
    """QUANTIZE's or DEQUANTIZE's outputs, ``(256,)``, of as many inputs."""
    whole, empty = (1, 1, 256), np.zeros(0, np.int32)
    kinds = [TensorType(shape=whole, scale=kind.scale, zero_point=kind.zero_point, dtype=kind.dtype)
             for kind in (taken, given)]
    layer = Layer(name=name, op=name, output=kinds[1], weights=np.zeros(0, np.int8), bias=empty, multiplier=empty,
                  shift=empty)
    return run_layer(layer, kinds[:1], [values.reshape(1, *whole)]).reshape(-1)


def cross(op: Operation) -> bool:
    """Take one operator of an island; False where it is none of these."""
    name, floats = op.operator.name, [_floats(op, place) for place in range(op.count)]
    first = next((one for one in floats if one is not None), None)
    if first is None:
        return False
    if name == "QUANTIZE" and op.given().kind == "INT8":
        kind = first.source.type
        table = converted("quantize", op.tensor(0).type, op.given().type, first.values)
        op.define(op.layer("table", [(first.source, kind.shape)], _shaped(op.given().type, kind.shape), weights=table,
                           function="float32"))
        return True
    with np.errstate(all="ignore"):
        if name in _RESHAPES:
            values = first.values
            if op.tensor(0).index in op.lowering.values:      # what a DEQUANTIZE gives may be an output as well
                op.alias()
        elif name in ALONE and op.count == 1:
            values = ALONE[name](op, first.values)
        elif name in PAIRS and op.count == 2:
            values = _pair(op, floats, first)
        else:
            return False
    if op.given().kind != "FLOAT32" or op.given().type.size != first.source.type.size:
        raise GraphError(f"gives {op.given().kind} of shape {op.given().shape} in an island of FLOAT32; get or convert "
                         f"the file again")
    op.lowering.floats[op.given().index] = Floats(source=first.source, values=values.astype(np.float32))
    return True


def _floats(op: Operation, place: int) -> Floats | None:
    return op.lowering.floats.get(op.tensor(place).index) if op.has(place) else None


def _shaped(kind: TensorType, shape: tuple[int, ...]) -> TensorType:
    return TensorType(shape=shape, scale=kind.scale, zero_point=kind.zero_point)


def _pair(op: Operation, floats: list[Floats | None], first: Floats) -> Array:
    operands = []
    for place, one in enumerate(floats):
        values = one.values if one is not None else op.known(place)
        if values is None or one is None and values.size != 1 or one is not None and one.source != first.source:
            raise GraphError(f"reads {op.tensor(place)} in an island of FLOAT32, where Heddle takes constant numbers "
                             f"and what comes of the same tensor; convert the network again with this quantized")
        operands.append(values.astype(np.float32).reshape(-1))
    result = PAIRS[op.operator.name](*operands)
    activation = op.option("fused_activation_function", NONE)
    if activation not in _CLAMPS:
        raise GraphError(f"fused activation {activation} is not supported; use none, RELU, RELU6 or RELU_N1_TO_1")
    low, high = _CLAMPS[activation]
    result = result if low is None else np.maximum(result, np.float32(low))
    return result if high is None else np.minimum(result, np.float32(high))
