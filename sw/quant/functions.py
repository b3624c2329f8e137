"""Functions of one value: as training computes them, and as a table of 256 bytes.

Those that TensorFlow Lite Micro has are its tables; of the others each entry is the nearest.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sw.golden import tables
from sw.graph.graph import TensorType

__all__ = ["FIXED", "function_of", "table_of"]

#: Functions -> scale and zero point of what they give, whatever they read.
FIXED = {"logistic": (1 / 256, -128), "tanh": (1 / 128, 0)}

_FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "relu": functional.relu, "relu6": functional.relu6,
    "clamp": lambda value, low, high: value.clamp(low, high),
    "leaky_relu": functional.leaky_relu, "elu": functional.elu, "hard_swish": functional.hardswish,
    "hard_sigmoid": functional.hardsigmoid, "logistic": torch.sigmoid, "tanh": torch.tanh, "silu": functional.silu,
    "gelu": functional.gelu, "mish": functional.mish, "softplus": functional.softplus, "abs": torch.abs,
    "affine": lambda value, factor, offset: value * factor + offset}
#: Those of TensorFlow Lite Micro, from the types of input and output.
_TABLES: dict[str, Callable[..., np.ndarray]] = {
    "logistic": tables.logistic_table, "tanh": tables.tanh_table, "leaky_relu": tables.leaky_relu_table,
    "elu": tables.elu_table, "hard_swish": tables.hard_swish_table, "relu": tables.relu_table, "abs": tables.abs_table}


def function_of(name: str, numbers: Sequence[float]) -> Callable[[Tensor], Tensor]:
    """What training computes."""
    return lambda value: _FUNCTIONS[name](value, *numbers)


def table_of(name: str, numbers: Sequence[float], taken: TensorType, given: TensorType) -> np.ndarray:
    """int8 (256,): what -128, -127, ... 127 of type ``taken`` become. Narrow types have the nearest values.

    Raises
    ------
    GraphError
        If TensorFlow Lite Micro's function does not take such types.

    >>> byte = TensorType(shape=(1, 1, 1), scale=0.5, zero_point=0)
    >>> table_of("affine", (-1.0, 1.0), byte, byte)[[127, 128, 129]].tolist()
    [3, 2, 1]
    """
    if given.bits == taken.bits == 8 and name in _TABLES and not (name == "elu" and tuple(numbers) != (1.0,)):
        return _TABLES[name](taken, given, *(numbers if name == "leaky_relu" else ()))
    real = (torch.arange(-128, 128) - taken.zero_point) * taken.scale
    steps = (function_of(name, numbers)(real) * (1 / given.scale)).round() + given.zero_point
    return steps.clamp(given.low, given.high).numpy().astype(np.int8)
