"""TFLite's operators, one module a family; ``LOWERS`` has them all.

A new operator is a function in the module of its family, under its name in TFLite's schema: it reads the operator's
options and tensors and adds layers to the network. Options that it needs are in ``sw.frontend.tflite_schema``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sw.frontend.lowering import Operation
from sw.frontend.operators import dense, elementwise, movement, quantization, rows, states, windows
from sw.frontend.operators.folding import FOLDS, fold
from sw.frontend.operators.islands import cross

__all__ = ["FOLDS", "LOWERS", "cross", "fold"]

LOWERS: Mapping[str, Callable[[Operation], Any]] = {
    name: function for module in (windows, dense, elementwise, rows, movement, quantization, states)
    for name, function in module.LOWERS.functions.items()}
