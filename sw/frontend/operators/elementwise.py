"""Operators on values one by one: of two tensors whose shapes broadcast, and functions of one that are tables."""

from dataclasses import replace

import numpy as np

from hw.spec.requant import ADD_LEFT_SHIFT
from sw.frontend.lowering import IDENTITY, Operation, Registry
from sw.frontend.network import Read
from sw.frontend.operators.scales import NONE, PRODUCT_LEFT, SUM_LEFT, clamp, multipliers
from sw.golden import tables
from sw.graph.graph import GraphError
from sw.graph.layer import TensorType, canonical

__all__ = ["LOWERS"]

LOWERS = Registry()
#: functions of one value without a parameter, by the names of their operators
_TABLES = {"ABS": tables.abs_table, "RELU": tables.relu_table,
           # the kernel keeps its input's scale, whatever the output's is
           "RELU6": lambda taken, given: tables.relu6_table(taken, taken),
           "RELU_N1_TO_1": tables.relu_n1_to_1_table, "LOGISTIC": tables.logistic_table, "TANH": tables.tanh_table,
           "HARD_SWISH": tables.hard_swish_table, "ELU": tables.elu_table}


def _operands(op: Operation) -> list[Read]:
    """Both operands, whose shapes broadcast to the output's."""
    try:
        shape = np.broadcast_shapes(op.shape(0), op.shape(1))
    except ValueError:
        shape = None
    if shape is None or canonical(shape) != op.given().type.shape:
        raise GraphError(f"operands of shapes {op.shape(0)} and {op.shape(1)} do not broadcast to the output's "
                         f"{op.given().shape}; get or convert the file again")
    return [op.read(0), op.read(1)]


@LOWERS("ADD", "SUB")
def _sum(op: Operation) -> None:
    """Both operands are brought to twice the larger scale, with ``ADD_LEFT_SHIFT`` more bits."""
    reads, output = _operands(op), op.given().type
    first, second = op.tensor(0).type.scale, op.tensor(1).type.scale
    common = 2 * max(first, second)
    factors = first / common, second / common, common / ((1 << ADD_LEFT_SHIFT) * output.scale)
    op.define(op.layer(op.operator.name.lower(), reads, output, bias=np.zeros(3, np.int32),
                       **multipliers(*factors, most_left=SUM_LEFT),
                       **clamp(op.option("fused_activation_function", NONE), output)))


@LOWERS("MUL")
def _product(op: Operation) -> None:
    reads, output = _operands(op), op.given().type
    factor = op.tensor(0).type.scale * op.tensor(1).type.scale / output.scale
    op.define(op.layer("mul", reads, output, **multipliers(factor, most_left=PRODUCT_LEFT),
                       **clamp(op.option("fused_activation_function", NONE), output)))


@LOWERS("PRELU")
def _prelu(op: Operation) -> None:
    reads, output = _operands(op), op.given().type
    scale = op.tensor(0).type.scale
    op.define(op.layer("prelu", reads, output, **multipliers(
        scale / output.scale, scale * op.tensor(1).type.scale / output.scale, most_left=PRODUCT_LEFT)))


@LOWERS("MAXIMUM", "MINIMUM")
def _choice(op: Operation) -> None:
    """The kernel compares bytes, whatever the scales are."""
    reads, output = _operands(op), op.given().type
    same = [_as(op, place, read, output) for place, read in enumerate(reads)]
    op.define(op.layer(op.operator.name.lower(), same, output))


def _as(op: Operation, place: int, read: Read, kind: TensorType) -> Read:
    """``read`` with the scale and zero point of ``kind``, its bytes as they are."""
    value, shape = read
    if (value.type.scale, value.type.zero_point) == (kind.scale, kind.zero_point):
        return read
    return op.layer("table", [(value, value.type.shape)], replace(kind, shape=value.type.shape), suffix=f"_as{place}",
                    weights=IDENTITY, function="reinterpret"), shape


def _table(op: Operation, function: str, table: np.ndarray) -> None:
    value, shape = op.read(0)
    if op.given().type.shape != shape:
        raise GraphError(f"gives {op.given().shape} of {op.tensor(0).shape}; get or convert the file again")
    op.define(op.layer("table", [(value, shape)], op.given().type, weights=table, function=function))


@LOWERS(*_TABLES)
def _activation(op: Operation) -> None:
    op.read(0)
    _table(op, op.operator.name.lower(), _TABLES[op.operator.name](op.tensor(0).type, op.given().type))


@LOWERS("LEAKY_RELU")
def _leaky_relu(op: Operation) -> None:
    op.read(0)
    _table(op, "leaky_relu", tables.leaky_relu_table(op.tensor(0).type, op.given().type, op.option("alpha")))
