"""Operators along rows: softmax and its logarithm, means, sums, maxima and minima over axes."""

from dataclasses import replace
from math import prod

import numpy as np

from sw.frontend.lowering import Operation, Registry, shape_of
from sw.frontend.network import Read
from sw.frontend.operators.scales import DIFFERENCE_LEFT, multipliers
from sw.golden.log_softmax import prepare_log_softmax
from sw.golden.movement import row_major
from sw.golden.softmax import prepare_softmax
from sw.graph.graph import GraphError

__all__ = ["LOWERS"]

LOWERS = Registry()
TURNED = np.arange(127, -129, -1).astype(np.int8)      # -1 - x: the order of all values turned round


@LOWERS("SOFTMAX")
def _softmax(op: Operation) -> None:
    multiplier, shift = prepare_softmax(op.option("beta"), op.tensor(0).type.scale)
    op.define(op.layer("softmax", [op.read(0)], op.given().type, multiplier=np.array([multiplier], np.int32),
                       shift=np.array([shift], np.int32)))


@LOWERS("LOG_SOFTMAX")
def _log_softmax(op: Operation) -> None:
    scales = prepare_log_softmax(op.tensor(0).type.scale)
    op.define(op.layer("log_softmax", [op.read(0)], op.given().type,
                       multiplier=np.array([multiplier for multiplier, _ in scales], np.int32),
                       shift=np.array([shift for _, shift in scales], np.int32)))


@LOWERS("MEAN", "SUM")
def _mean(op: Operation) -> None:
    """The kernel scales the sum at once; of a mean, with the count in the multiplier."""
    source, (outer, count, inner) = _rows(op)
    scaling = multipliers(op.tensor(0).type.scale / op.given().type.scale, most_left=DIFFERENCE_LEFT)
    multiplier, shift = int(scaling["multiplier"][0]), int(scaling["shift"][0])
    if op.operator.name == "MEAN":
        more = min(count.bit_length() - 1, 32, 31 - shift)
        multiplier, shift = (multiplier << more) // count, shift + more
    if shift < 0 and 255 * count << -shift > (1 << 31) - 1:
        raise GraphError(f"{count} values at scale {op.tensor(0).type.scale:g} leave 32 bits at scale "
                         f"{op.given().type.scale:g}; choose a larger output scale")
    op.define(op.layer("mean", [(source[0], (outer, count, inner))], op.given().type, bias=np.zeros(1, np.int32),
                       multiplier=np.array([multiplier], np.int32), shift=np.array([shift], np.int32)))


@LOWERS("REDUCE_MAX", "REDUCE_MIN")
def _extreme(op: Operation) -> None:
    """The greatest by a pool over the rows; the least by the same, of values in the opposite order."""
    (source, _), (outer, count, inner) = _rows(op)
    kind, given = op.tensor(0).type, op.given().type
    if (kind.scale, kind.zero_point) != (given.scale, given.zero_point):
        raise GraphError(f"scale {kind.scale:g}, zero point {kind.zero_point} to {given.scale:g}, {given.zero_point}; "
                         f"the greatest and least values keep them: convert the network again")
    least = op.operator.name == "REDUCE_MIN"
    if least:
        source = op.layer("table", [(source, source.type.shape)], source.type, suffix="_turn", weights=TURNED,
                          function="turn")
    value = op.layer("maxpool", [(source, (outer, count, inner))], replace(kind, shape=(outer, 1, inner)),
                     weights=np.zeros((1, count, 0), np.int8), suffix="_most" if least else "")
    op.define(op.layer("table", [(value, value.type.shape)], value.type, weights=TURNED, function="turn")
              if least else value)


def _rows(op: Operation) -> tuple[Read, tuple[int, int, int]]:
    """Operand 0 so that what is reduced is the middle axis of ``(outer, count, inner)``; moved where it must be."""
    shape, axes = op.shape(0), op.integers(1)
    if any(not -len(shape) <= axis < len(shape) for axis in axes):
        raise GraphError(f"axes {axes} of {shape}; get or convert the file again")
    reduced = {axis % len(shape) for axis in axes}
    kept = [1 if axis in reduced else length for axis, length in enumerate(shape)]
    short = [length for axis, length in enumerate(shape) if axis not in reduced]
    if shape_of(op.given()) != tuple(kept if op.option("keep_dims", False) else short):
        raise GraphError(f"{op.given()} has a shape of {op.given().shape}, but axes {sorted(reduced)} of {shape} give "
                         f"{kept} or {short}; get or convert the file again")
    moving = [axis for axis in sorted(reduced) if shape[axis] > 1] or [len(shape)]
    between = [axis for axis in range(moving[0], moving[-1]) if axis not in moving and shape[axis] > 1]
    count = prod(shape[axis] for axis in reduced)
    source = op.read(0)
    if not between:
        outer = prod(shape[:moving[0]])
        return source, (outer, count, source[0].type.size // outer // count)
    order = [*(axis for axis in range(len(shape)) if axis not in moving), *moving]
    sizes, strides = [shape[axis] for axis in order], [row_major(shape)[axis] for axis in order]
    places = [place for place, size in enumerate(sizes) if size > 1]
    kind = source[0].type
    moved = op.layer("gather", [source], replace(kind, shape=tuple(
        [1] * (3 - len(places)) + [sizes[place] for place in places])), suffix="_rows",
        parameters=(0, *[0] * (3 - len(places)), *(strides[place] for place in places)))
    return (moved, moved.type.shape), (kind.size // count, count, 1)
