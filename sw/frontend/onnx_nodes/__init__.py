"""ONNX's operators, one module a family; ``OPERATORS`` has them all.

Operators that compute wait for the scale of the QuantizeLinear behind them; functions of one value are tables; movement
moves values as late as it can. A new operator is a function in the module of its family, under its name in ONNX: it
reads the node's operands and attributes and defines what its outputs stand for.
"""

from collections.abc import Callable, Mapping

from sw.frontend.onnx_nodes import functions, movement, pairs, products, rows, scales, windows
from sw.frontend.onnx_nodes.constants import fold
from sw.frontend.onnx_nodes.node import NodeOp

__all__ = ["OPERATORS", "NodeOp", "fold"]

OPERATORS: Mapping[str, Callable[[NodeOp], None]] = {
    kind: function for module in (windows, products, pairs, functions, rows, movement, scales)
    for kind, function in module.SERVES.functions.items()}
