"""Operators on constants alone, such as the shape arithmetic in front of a reshape: computed when a file is loaded.

Whole numbers are computed with; int8 constants are only moved.
"""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from sw.frontend.lowering import Operation, Registry
from sw.frontend.operators.movement import slice_of
from sw.graph.graph import GraphError

__all__ = ["FOLDS", "fold"]

FOLDS = Registry()
MOST_VALUES = 1 << 20       # of a constant that is computed
MOST_FOLDED = 1 << 23       # of all of them
_KINDS = {"INT8": np.int8, "UINT8": np.uint8, "INT32": np.int32, "INT64": np.int64}


def fold(op: Operation) -> bool:
    """Compute an operator whose operands are known; False where they are not, or it is not one of these."""
    function = FOLDS.functions.get(op.operator.name)
    places = [place for place in range(op.count) if op.has(place)]
    if function is None or op.operator.name != "SHAPE" and any(op.known(place) is None for place in places):
        return False
    if op.given().kind not in _KINDS:
        return False
    with np.errstate(all="ignore"):       # whole numbers of a width wrap, as they do in the runtime
        results: Sequence[np.ndarray] = _results(op, function)
    for place, result in enumerate(results):
        given = op.given(place)
        if result.shape != given.shape or result.size > MOST_VALUES:
            raise GraphError(f"gives constants of shape {result.shape}, but {given} has {given.shape}; Heddle takes up "
                             f"to {MOST_VALUES}: fix the shapes and convert the network again")
        op.lowering.known[given.index] = result.astype(_KINDS[given.kind])
        op.lowering.folded += result.size
    if op.lowering.folded > MOST_FOLDED:
        raise GraphError(f"its constants and those before come to more than {MOST_FOLDED} values; fix the shapes and "
                         f"convert the network again")
    return True


def _results(op: Operation, function: Callable[[Operation], np.ndarray | list[np.ndarray]]) -> list[np.ndarray]:
    try:
        result = function(op)
    except GraphError:
        raise
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError, MemoryError) as error:
        raise GraphError(f"its constants do not go together ({error}); get or convert the file again") from error
    return result if isinstance(result, list) else [np.asarray(result)]


def _value(op: Operation, place: int) -> np.ndarray:
    values = op.known(place)
    if values is None:
        raise GraphError(f"{op.tensor(place)} is not constant; fix the shapes and convert the network again")
    if values.size > MOST_VALUES:
        raise GraphError(f"{op.tensor(place)} has {values.size} constant values; Heddle computes with {MOST_VALUES} at "
                         f"most")
    return values


@FOLDS("SHAPE")
def _shape(op: Operation) -> np.ndarray:
    return np.array(op.shape(0), np.int64)


@FOLDS("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
def _reshape(op: Operation) -> np.ndarray:
    return _value(op, 0).reshape(op.given().shape)


@FOLDS("TRANSPOSE")
def _transpose(op: Operation) -> np.ndarray:
    return _value(op, 0).transpose(op.integers(1))


@FOLDS("CAST")
def _cast(op: Operation) -> np.ndarray:
    values = _value(op, 0)
    if values.dtype.kind not in "iu":
        raise GraphError(f"casts {op.tensor(0).kind}; Heddle computes with whole numbers when it loads a file")
    return values


@FOLDS("PACK")
def _pack(op: Operation) -> np.ndarray:
    return np.stack([_value(op, place) for place in range(op.count)], axis=op.option("axis"))


@FOLDS("UNPACK")
def _unpack(op: Operation) -> list[np.ndarray]:
    values = np.moveaxis(_value(op, 0), op.option("axis"), 0)
    if len(values) != len(op.operator.outputs):
        raise GraphError(f"{len(op.operator.outputs)} outputs of {len(values)}; get or convert the file again")
    return list(values)


@FOLDS("CONCATENATION")
def _concatenation(op: Operation) -> np.ndarray:
    return np.concatenate([_value(op, place) for place in range(op.count)], axis=op.option("axis"))


@FOLDS("GATHER")
def _gather(op: Operation) -> np.ndarray:
    if op.option("batch_dims"):
        raise GraphError("has batch_dims, which Heddle does not compute; fix the shapes and convert the network again")
    return np.take(_value(op, 0), _value(op, 1), axis=op.option("axis"))


@FOLDS("SLICE")
def _slice(op: Operation) -> np.ndarray:
    values = _value(op, 0)
    return values[tuple(slice(first, None if size == -1 else first + size)
                        for first, size in zip(op.integers(1), op.integers(2), strict=True))]


@FOLDS("STRIDED_SLICE")
def _strided_slice(op: Operation) -> np.ndarray:
    values = _value(op, 0)
    offset, sizes, strides = slice_of(op, values.shape)
    places = offset + sum((np.arange(size).reshape([-1 if other == axis else 1 for other in range(len(sizes))]) * stride
                           for axis, (size, stride) in enumerate(zip(sizes, strides, strict=True))),
                          np.zeros(sizes, np.int64))
    return values.reshape(-1)[places]


@FOLDS("FILL")
def _fill(op: Operation) -> np.ndarray:
    if prod(op.integers(0)) > MOST_VALUES:
        raise GraphError(f"fills {op.integers(0)}; Heddle computes with {MOST_VALUES} values at most")
    return np.full(op.integers(0), _value(op, 1).reshape(()))


@FOLDS("ZEROS_LIKE")
def _zeros(op: Operation) -> np.ndarray:
    return np.zeros_like(_value(op, 0))


def _cut(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """As C divides: cut towards zero."""
    return (np.abs(first) // np.abs(second)) * np.sign(first) * np.sign(second)


Fold = Callable[[np.ndarray, np.ndarray], np.ndarray]
_DIVISIONS: dict[str, Fold] = {"DIV": _cut, "FLOOR_DIV": np.floor_divide, "FLOOR_MOD": np.mod}
_BINARY: dict[str, Fold] = {
    "ADD": np.add, "SUB": np.subtract, "MUL": np.multiply, "MAXIMUM": np.maximum, "MINIMUM": np.minimum, **_DIVISIONS}


@FOLDS(*_BINARY)
def _whole(op: Operation) -> np.ndarray:
    if op.option("fused_activation_function", 0):
        raise GraphError("has an activation on whole numbers; convert the network again")
    first, second = _wide(op, 0), _wide(op, 1)
    if op.operator.name in _DIVISIONS and not second.all():
        raise GraphError("divides by 0; get or convert the file again")
    return _BINARY[op.operator.name](first, second)


@FOLDS("REDUCE_PROD")
def _product(op: Operation) -> np.ndarray:
    return np.prod(_wide(op, 0), axis=tuple(op.integers(1)), keepdims=op.option("keep_dims", False), dtype=np.int64)


def _wide(op: Operation, place: int) -> np.ndarray:
    values = _value(op, place)
    if values.dtype.kind != "i" or values.itemsize < 4:
        raise GraphError(f"{op.tensor(place)} is {op.tensor(place).kind}; of constants alone Heddle computes with "
                         f"INT32 and INT64: convert the network again")
    return values
