"""Where the values of an activation lie: torch's order is channels first, the integer graph's is channels last.

A value in torch's order has a place in the memory of the tensor that holds it. What reshapes, transposes or cuts only
changes the places; a layer moves bytes where another one needs them elsewhere.
"""

from dataclasses import dataclass

import numpy as np

from sw.graph.layer import TensorType, canonical
from sw.models.ir import Shape

__all__ = ["Placed", "last_first", "loops", "memory_shape", "places"]


def memory_shape(shape: Shape) -> tuple[int, ...]:
    """Shape in the graph of what has ``shape`` in torch: channels last.

    >>> memory_shape((3, 28, 32)), memory_shape((9, 128)), memory_shape((6,))
    ((28, 32, 3), (1, 128, 9), (1, 1, 6))
    """
    return canonical((*shape[1:], shape[0]))


def last_first(shape: Shape) -> np.ndarray:
    """In the graph's order, the number of each value in torch's."""
    return np.moveaxis(np.arange(int(np.prod(shape))).reshape(shape), 0, -1).ravel()


def places(shape: Shape) -> np.ndarray:
    """In torch's order, the place of each value in a tensor of the graph that is laid out as it likes.

    >>> places((2, 3)).tolist()
    [0, 2, 4, 1, 3, 5]
    """
    return np.argsort(last_first(shape))


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """An activation on its way to the graph."""

    source: tuple[str, int]       # "input", "constant" or "layer", and its number among those
    type: TensorType              # of the tensor of the graph
    scale: float                  # in the measure of the training, which for the input is another one
    where: np.ndarray             # in torch's order, the place of each value

    @property
    def whole(self) -> bool:
        """Whether it is all of the tensor, in some order."""
        return len(self.where) == self.type.size and np.array_equal(np.sort(self.where), np.arange(self.type.size))


def loops(where: np.ndarray) -> tuple[int, list[tuple[int, int]]] | None:
    """Offset, and sizes and strides of nested loops, outer first, that run through ``where``; None where none do.

    >>> loops(np.array([1, 3, 5, 11, 13, 15]))
    (1, [(2, 10), (3, 2)])
    """
    found: list[tuple[int, int]] = []
    starts = where
    while len(starts) > 1:
        step = int(starts[1] - starts[0])
        size = next((size for size in range(len(starts), 1, -1) if len(starts) % size == 0
                     and np.all(np.diff(starts.reshape(-1, size), axis=1) == step)), None)
        if size is None:
            return None
        found.append((size, step))
        starts = starts[::size]
    return int(where[0]), found[::-1]
