"""Where values come from when they are moved: an offset and a stride for each axis."""

from collections.abc import Sequence
from math import prod

import numpy as np

from sw.models.ir import Node

__all__ = ["affine", "index_of", "row_major"]


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides; 0 along axes of one value, as :func:`affine` has them."""
    return tuple(prod(shape[place + 1:]) if size > 1 else 0 for place, size in enumerate(shape))


def affine(where: np.ndarray) -> tuple[int, tuple[int, ...]] | None:
    """Offset and strides of an array of numbers that go up evenly along each axis; else None.

    >>> affine(np.arange(12).reshape(3, 4)[1:, ::2])
    (4, (4, 2))
    """
    if not where.size:
        return None
    offset = int(where.flat[0])
    first = (0,) * where.ndim
    strides = tuple(int(where[(*first[:axis], 1, *first[axis + 1:])]) - offset if size > 1 else 0
                    for axis, size in enumerate(where.shape))
    made = offset + sum(np.arange(size).reshape((-1,) + (1,) * (where.ndim - axis - 1)) * stride
                        for axis, (size, stride) in enumerate(zip(where.shape, strides, strict=True)))
    return (offset, strides) if np.array_equal(np.broadcast_to(made, where.shape), where) else None


def index_of(node: Node) -> np.ndarray:
    """Of a move: for each element of its output the number of the input's, in the order of torch."""
    found = np.full(node.shape, node.offset)
    for axis, (size, stride) in enumerate(zip(node.shape, node.strides, strict=True)):
        found += (np.arange(size) * stride).reshape((-1,) + (1,) * (len(node.shape) - axis - 1))
    return found
