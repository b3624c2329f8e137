"""State: variables with their initial values, reads and assignments in the file's order."""

import numpy as np
import pytest

from sw.graph.graph import GraphError
from tests.sw.frontend.files import subgraph
from tests.sw.frontend.operators.nets import load, operator, tensor

RESOURCE = tensor((), kind="RESOURCE", scale=[], zero=[])
KIND = {"scale": 0.5, "zero": 3}
HANDLE = operator("VAR_HANDLE", [], 1, "VarHandleOptions", SharedName="ring")
READ, ASSIGN = operator("READ_VARIABLE", [1], 2), operator("ASSIGN_VARIABLE", [1, 0], [])
MAXIMUM = operator("MAXIMUM", [0, 2], 3)
TENSORS = [tensor((1, 4), **KIND), RESOURCE, tensor((1, 4), **KIND), tensor((1, 4), **KIND)]
ONCE = operator("CALL_ONCE", [], [], "CallOnceOptions", InitSubgraphIndex=1)


def first(*operators, values=(1, 2, 3, 4)):
    """The subgraph that is called once."""
    data = np.array(values, np.int8)
    made = operators or (operator("VAR_HANDLE", [], 0, "VarHandleOptions", SharedName="ring"),
                         operator("ASSIGN_VARIABLE", [0, 1], []))
    return subgraph([RESOURCE, tensor((1, len(values)), data=data, **KIND)], list(made), inputs=(), outputs=())


def test_a_read_gives_what_the_inference_before_left(tmp_path):
    graph = load(tmp_path, TENSORS, [ONCE, HANDLE, READ, MAXIMUM, ASSIGN], outputs=(3,), more=[first()])
    state, = graph.states
    assert (state.name, state.initial.ravel().tolist(), state.next) == ("ring", [1, 2, 3, 4], 0)
    assert graph.inputs_of(0) == (0, 1)


def test_a_read_behind_an_assignment_gives_what_was_assigned(tmp_path):
    graph = load(tmp_path, TENSORS, [HANDLE, ASSIGN, READ, MAXIMUM], outputs=(3,))
    assert (graph.states, graph.inputs_of(0)) == ((), (0, 0))


def test_without_an_initial_value_it_is_the_zero_point(tmp_path):
    graph = load(tmp_path, TENSORS, [HANDLE, READ, MAXIMUM, ASSIGN], outputs=(3,))
    assert graph.states[0].initial.ravel().tolist() == [3] * 4


def test_a_variable_that_is_only_read_keeps_its_value(tmp_path):
    graph = load(tmp_path, TENSORS, [ONCE, HANDLE, READ, MAXIMUM], outputs=(3,), more=[first()])
    assert [state.next for state in graph.states] == [1]


@pytest.mark.parametrize("operators, more, text", [
    ([READ], [], "READ_VARIABLE: tensor 1 is no handle that a VAR_HANDLE before it gives"),
    ([HANDLE, READ, ONCE], [first()], "CALL_ONCE: comes behind the first use of a variable"),
    ([ONCE], [], "CALL_ONCE: calls subgraph 1 of 1"),
    ([ONCE, HANDLE, READ], [first(values=(1, 2))], "READ_VARIABLE: a variable of 2 values is used as 4 of int8"),
    ([ONCE], [first(operator("RELU", [1], 1))],
     "CALL_ONCE: operator 0 RELU is in the subgraph that it calls; Heddle takes VAR_HANDLE and ASSIGN_VARIABLE there"),
    ([HANDLE, READ, operator("ASSIGN_VARIABLE", [1, 4], [])], [], "assigns 5 values to a variable of 4"),
])
def test_what_does_not_fit_is_named(tmp_path, operators, more, text):
    with pytest.raises(GraphError, match=text):
        load(tmp_path, [*TENSORS, tensor((1, 5), data=np.zeros(5, np.int8), **KIND)], [*operators, MAXIMUM],
             outputs=(3,), more=more)
