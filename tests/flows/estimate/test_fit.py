from dataclasses import replace

import numpy as np

from boards import BOARDS
from flows.estimate.fit import activation_bytes, fit, remedy
from hw.spec.design import DesignPoint
from hw.spec.presets import PRESETS
from sw.compiler import compile_graph
from sw.graph.graph import Graph, State, TensorType
from tests.support.dense import STREAMING, even_dense, wide_dense
from tests.support.layers import random_layer
from tests.support.mixed import mixed_net

BOARD = BOARDS["ulx3s-25"]
SMALL = DesignPoint(weight_bytes=2048, act_bytes=1024)


def test_what_runs_is_compiled_and_what_does_not_says_why():
    found = fit(even_dense(), "ecp5-25", PRESETS["ecp5-25"], BOARD)
    assert found.runs and found.program.cycles == compile_graph(even_dense(), PRESETS["ecp5-25"]).cycles
    assert (found.problem, found.obstacles) == ("", ())
    found = fit(wide_dense(), "small", SMALL, BOARD)
    assert not found.runs and found.problem.startswith("wide: ") and "weight_bytes=2048" in found.problem


def test_what_runs_may_not_be_buildable():
    found = fit(wide_dense(), "streaming", STREAMING, BOARDS["icebreaker"])
    assert found.runs and "stream on this design" in found.obstacles[0]
    assert not fit(wide_dense(), "streaming", STREAMING, BOARD).obstacles


def test_a_preset_is_named_that_can_be_built_with_the_network():
    fits = [fit(wide_dense(), name, design, BOARDS["icebreaker"]) for name, design in
            (("small", SMALL), ("streaming", STREAMING), ("ecp5-25", PRESETS["ecp5-25"]))]
    assert remedy(wide_dense(), "small", SMALL, fits) == "it runs on ecp5-25"
    assert remedy(wide_dense(), "small", SMALL, fits[:2]) == "it runs on streaming"


def test_a_field_is_named_where_no_preset_does():
    assert remedy(wide_dense(), "small", SMALL, []) == "it runs on small with weight_bytes=16384"
    fitted = replace(SMALL, weight_bytes=16384)
    assert fit(wide_dense(), "small", fitted, BOARD).runs


def test_no_field_is_named_that_may_stay():
    """Twice the activations fit; the weights do already, if not in a power of two."""
    kind = TensorType(shape=(1, 1, 1024), scale=0.1, zero_point=0)
    layer = random_layer(np.random.default_rng(0), "dense", kind, outputs=70)
    graph = Graph(name="long", inputs=(kind,), layers=(layer,))
    design = DesignPoint(weight_bytes=76 * 1024, act_bytes=1024)
    assert not fit(graph, "short", design, BOARD).runs
    assert remedy(graph, "short", design, []) == "it runs on short with act_bytes=2048"
    assert remedy(graph, "short", replace(design, weight_bytes=1024), []) == (
        "it runs on short with act_bytes=2048 and weight_bytes=131072")


def test_nothing_is_promised_where_no_memory_does():
    kind = TensorType(shape=(512, 512, 1), scale=0.1, zero_point=0)
    layer = random_layer(np.random.default_rng(0), "conv", kind, kernel=(1, 1), outputs=1)
    graph = Graph(name="huge", inputs=(kind,), layers=(layer,))
    assert not fit(graph, "ecp5-85", PRESETS["ecp5-85"], BOARD).runs
    assert remedy(graph, "ecp5-85", PRESETS["ecp5-85"], []) == ""


def test_activations_are_those_that_are_needed_at_once():
    assert activation_bytes(even_dense()) == 16 + 8
    # input, copy for the sum beside it, state
    assert activation_bytes(mixed_net()) >= 3 * 64


def test_states_in_a_circle_have_no_order():
    graph = mixed_net()
    kind = graph.states[0].type
    states = tuple(State(name=name, type=kind, initial=np.zeros(kind.shape, np.int8), next=number)
                   for name, number in (("a", 2), ("b", 1)))
    layer = random_layer(np.random.default_rng(0), "conv", kind, outputs=4, kernel=(1, 1), inputs=(0,))
    assert activation_bytes(Graph(name="circle", inputs=(kind,), layers=(layer,), states=states).check()) is None
