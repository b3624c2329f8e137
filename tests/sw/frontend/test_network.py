"""A network under construction: what nothing needs is left out, and numbers come last."""

import numpy as np
import pytest

from sw.frontend import network
from sw.frontend.network import Network
from sw.graph.graph import GraphError
from sw.graph.layer import TensorType

KIND = TensorType(shape=(1, 1, 4), scale=0.5, zero_point=3)
TABLE = np.arange(-128, 128).astype(np.int8)


def table(net, value, name="t"):
    return net.layer(name, "table", [(value, value.type.shape)], value.type, weights=TABLE)


def constant(net, number=0):
    return net.constant(KIND, np.full(4, number, np.int8))


def test_what_nothing_needs_is_left_out_and_the_rest_numbered():
    net = Network()
    first = net.input(KIND)
    table(net, first, "dead")
    constant(net, 1)
    other = constant(net, 2)
    kept = table(net, first)
    summed = net.layer("sum", "maximum", [(kept, (1, 1, 4)), (other, (1, 1, 4))], KIND)
    graph = net.graph("net", [summed])
    assert [layer.name for layer in graph.layers] == ["t", "sum"]
    assert (graph.inputs_of(0), graph.inputs_of(1), graph.outputs) == ((0,), (2, 1), ())
    assert [one.values.ravel().tolist() for one in graph.constants] == [[2] * 4]


def test_outputs_that_are_not_the_last_are_named():
    net = Network()
    first = table(net, net.input(KIND))
    second = table(net, first)
    assert net.graph("net", [second, first]).outputs == (2, 1)


def test_a_state_that_outputs_need_takes_what_it_becomes_along():
    net = Network()
    first = net.input(KIND)
    lost, state = (net.state(name, KIND, np.zeros(4, np.int8)) for name in ("lost", "kept"))
    becomes = table(net, first, "becomes")
    net.assign(state, becomes)
    net.assign(lost, table(net, lost, "loop"))
    net.begin(state, np.full((1, 1, 4), 5, np.int8))
    graph = net.graph("net", [table(net, state, "out")])
    assert [(one.name, one.next, one.initial.ravel().tolist()) for one in graph.states] == [("kept", 2, [5] * 4)]
    assert [layer.name for layer in graph.layers] == ["becomes", "out"]


def test_views_are_given_where_a_shape_is_another():
    net = Network()
    first = net.input(KIND)
    net.layer("t", "table", [(first, (1, 4, 1))], TensorType(shape=(1, 4, 1), scale=0.5, zero_point=3), weights=TABLE)
    table(net, first)
    assert [layer.views for layer, _ in net.layers] == [((1, 4, 1),), ()]


def test_limits(monkeypatch):
    net = Network()
    monkeypatch.setattr(network, "MOST_FILE_LAYERS", 2)
    value = table(net, table(net, net.input(KIND)))
    with pytest.raises(GraphError, match="needs more than 2 layers; use a smaller network"):
        table(net, value)
    monkeypatch.setattr(network, "MOST_WEIGHTS", 515)
    with pytest.raises(GraphError, match="has more than 515 bytes of weights; no board has the memory for them"):
        constant(net)
