"""State that lives from one inference to the next: variables, how they begin, reads and assignments in their order."""

import numpy as np

from sw.frontend.lowering import Lowering, Operation, Registry, Variable
from sw.frontend.network import Value
from sw.frontend.tflite_file import Subgraph
from sw.graph.graph import GraphError
from sw.graph.layer import TensorType

__all__ = ["LOWERS"]

LOWERS = Registry()


def _key(op: Operation) -> tuple[str, str]:
    return op.option("container") or "", op.option("shared_name") or ""


@LOWERS("VAR_HANDLE")
def _handle(op: Operation) -> None:
    op.lowering.handles[op.given().index] = op.lowering.variables.setdefault(_key(op), Variable())


def _variable(op: Operation) -> Variable:
    handle = op.tensor(0)
    if handle.index not in op.lowering.handles:
        raise GraphError(f"{handle} is no handle that a VAR_HANDLE before it gives; get or convert the file again")
    return op.lowering.handles[handle.index]


@LOWERS("CALL_ONCE")
def _call_once(op: Operation) -> None:
    """The subgraph that runs before the first inference gives variables their initial values."""
    lowering, number = op.lowering, op.option("init_subgraph_index")
    if not 0 < number < len(lowering.subgraphs):
        raise GraphError(f"calls subgraph {number} of {len(lowering.subgraphs)}; get or convert the file again")
    if any(variable.now is not None for variable in lowering.variables.values()):
        raise GraphError("comes behind the first use of a variable; convert the network again")
    _run_once(lowering, lowering.subgraphs[number])


def _run_once(lowering: Lowering, subgraph: Subgraph) -> None:
    inner = Lowering(lowering.subgraphs, subgraph)
    inner.variables = lowering.variables
    for operator in subgraph.operators:
        op = Operation(inner, operator)
        if operator.name == "VAR_HANDLE":
            _handle(op)
        elif operator.name == "ASSIGN_VARIABLE":
            values = op.known(1)
            if values is None or values.dtype != np.int8:
                raise GraphError(f"{operator} of the subgraph that it calls assigns {op.tensor(1)}, of "
                                 f"{op.tensor(1).kind}; Heddle takes constant INT8 values")
            variable = _variable(op)
            variable.initial = values
        else:
            raise GraphError(f"{operator} is in the subgraph that it calls; Heddle takes VAR_HANDLE and "
                             f"ASSIGN_VARIABLE there: convert the network again")


def _begun(op: Operation, variable: Variable, kind: TensorType) -> tuple[Value, Value]:
    """The state of a variable, made at its first use, and what the variable is at this point."""
    if variable.state is None or variable.now is None:
        initial = variable.initial
        if initial is None:
            initial = np.full(kind.shape, kind.zero_point, np.int8)
        if kind.dtype != "int8" or initial.size != kind.size:
            raise GraphError(f"a variable of {initial.size} values is used as {kind.size} of {kind.dtype}; get or "
                             f"convert the file again")
        key = next(name for name, one in op.lowering.variables.items() if one is variable)
        variable.state = variable.now = op.lowering.network.state("/".join(filter(None, key)), kind, initial)
    return variable.state, variable.now


@LOWERS("READ_VARIABLE")
def _read(op: Operation) -> None:
    op.define(_begun(op, _variable(op), op.given().type)[1])


@LOWERS("ASSIGN_VARIABLE")
def _assign(op: Operation) -> None:
    variable, tensor = _variable(op), op.tensor(1)
    state, _ = _begun(op, variable, tensor.type)
    value, _ = op.read(1)
    if value.type.size != state.type.size:
        raise GraphError(f"assigns {value.type.size} values to a variable of {state.type.size}; get or convert the "
                         f"file again")
    if variable.initial is None:      # the first assignment's zero point is what a variable begins with
        variable.initial = np.full(state.type.shape, tensor.type.zero_point, np.int8)
        op.lowering.network.begin(state, variable.initial)
    variable.now = value
    op.lowering.network.assign(state, value)
