from dataclasses import replace

import numpy as np
import pytest

from flows.verify.inputs import choose_inputs
from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS
from sw.golden import accumulate, corrected, run
from sw.graph.graph import GraphError
from sw.graph.layer import WEIGHTED
from tests.support.ladder import every_operator
from tests.support.layers import random_inputs, random_residual
from tests.support.mlperf import MLPERF, needs_mlperf, network
from tests.support.states import stateful

INEXACT = [kind for kind in MULTIPLIERS if not MULTIPLIERS[kind].exact(8)]


def means(graph, tensors, design=None):
    """Of the sums of each output channel with its bias, layer by layer."""
    found = {}
    for index, layer in enumerate(graph.layers):
        if layer.op in WEIGHTED:
            taken = graph.taken(index)[0]
            read = tensors[graph.inputs_of(index)[0]].reshape(-1, *taken.shape)
            found[layer.name] = accumulate(layer, taken, read, design).mean(axis=(0, 1, 2)) + layer.bias
    return found


def furthest(graph, other, inputs, design):
    """How far the mean of a sum of ``other`` on the design is from that of ``graph``, at most."""
    wanted, found = means(graph, run(graph, inputs)), means(other, run(other, inputs, design), design)
    return max(float(np.abs(wanted[name] - found[name]).max()) for name in wanted)


@pytest.mark.parametrize("kind", INEXACT)
@pytest.mark.parametrize("make", [every_operator, lambda: random_residual(np.random.default_rng(2)),
                                  lambda: stateful(np.random.default_rng(3))], ids=["chain", "residual", "states"])
def test_sums_have_the_mean_that_they_have_exactly(make, kind):
    graph, design = make(), DesignPoint(multiplier=kind)
    inputs = random_inputs(np.random.default_rng(1), graph, 12)
    found = corrected(graph, inputs, design)
    assert furthest(graph, found, inputs, design) <= 0.5 < 5 < furthest(graph, graph, inputs, design)
    biases = [replace(layer, bias=graph.layers[index].bias) for index, layer in enumerate(found.layers)]
    assert [layer.name for layer in biases] == [layer.name for layer in graph.layers]
    for layer, before in zip(biases, graph.layers, strict=True):
        for name in ("weights", "multiplier", "shift"):
            assert np.array_equal(getattr(layer, name), getattr(before, name))
    found.check()


def test_an_exact_multiplier_has_nothing_to_correct():
    graph = every_operator()
    inputs = random_inputs(np.random.default_rng(1), graph, 2)
    assert corrected(graph, inputs, DesignPoint()) is graph
    assert corrected(graph, inputs, DesignPoint(multiplier="trunc", weight_bits=2)) is graph


def test_what_cannot_be_corrected_is_said():
    graph, design = every_operator(), DesignPoint(multiplier="broken")
    inputs = random_inputs(np.random.default_rng(1), graph, 2)
    with pytest.raises(GraphError, match=r"^all: inputs are int8\(2, 5, 6\); it takes int8 \(N, 5, 6, 3\)$"):
        corrected(graph, inputs[..., 0], design)
    first = replace(graph.layers[0], weights=np.full_like(graph.layers[0].weights, 3),
                    bias=np.full_like(graph.layers[0].bias, np.iinfo(np.int32).max))
    edge = replace(graph, layers=(first, *graph.layers[1:]))
    with pytest.raises(GraphError, match=r"^conv_layer: a bias that makes up for multiplier='broken' leaves 32 bits"):
        corrected(edge, np.full_like(inputs, 100), design)


@needs_mlperf
@pytest.mark.parametrize("kind, before, after", [("trunc", 1, 10), ("broken", 1, 9), ("mitchell", 3, 12),
                                                 ("underdesigned", 3, 10)])
def test_keywords_are_heard_again(kind, before, after):
    """How many of the vectors' 12 answers are those of the exact network, which no correction knows."""
    graph, design = network("kws"), DesignPoint(multiplier=kind)
    inputs, outputs = choose_inputs(graph, MLPERF / "kws_vectors.npz", 12)
    answers = outputs[0].reshape(12, -1).argmax(axis=1)
    for found, right in ((graph, before), (corrected(graph, inputs, design), after)):
        given = run(found, inputs, design)[found.answers[0]].reshape(12, -1).argmax(axis=1)
        assert (given == answers).sum() == right
