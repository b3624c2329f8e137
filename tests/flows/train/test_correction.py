from dataclasses import replace

import numpy as np
import pytest

from flows.run.store import Store
from flows.train.accuracy import Accuracy
from flows.train.correction import INPUTS, Correction, training_inputs
from flows.train.data import DataSource
from hw.spec.design import DesignPoint
from sw.golden import corrected
from sw.graph.graph import Graph
from sw.quant.config import TrainConfig
from sw.quant.recipe import Quantize, Recipe
from sw.quant.training import train
from tests.support.jobs import digit_classifier

DIGITS = DataSource.of("digits")
BROKEN = DesignPoint(multiplier="broken")


@pytest.fixture
def step(tmp_path):
    digit_classifier().save(tmp_path / "model.npz")
    return Correction(model=tmp_path / "model.npz", data=DIGITS, design=BROKEN)


def test_a_model_is_corrected_on_training_inputs(step, tmp_path):
    graph, data = digit_classifier(), DIGITS.load()
    path = step.value(Store(tmp_path / "store"))
    wanted = corrected(graph, training_inputs(graph, DIGITS), BROKEN)
    assert np.array_equal(Graph.load(path).layers[0].bias, wanted.layers[0].bias)
    every = data.quantized("train", graph.input)
    given = training_inputs(graph, DIGITS)
    assert len(given) == INPUTS < len(every)
    assert np.array_equal(given[[0, -1]], every[[0, (INPUTS - 1) * len(every) // INPUTS]])


def test_what_decides_it_is_the_multiplier(step):
    assert replace(step, design=replace(BROKEN, rows=4)).digest == step.digest
    assert replace(step, design=DesignPoint(multiplier="trunc")).digest != step.digest


def test_accuracy_with_and_without(step, tmp_path):
    """Of a trained network: what the multiplier costs is back, mostly."""
    store = Store(tmp_path / "store")
    recipe = Recipe(passes=6, quantize=Quantize(method="post"))
    train(TrainConfig(width=0.5, seed=1, recipe=recipe), DIGITS.load()).graph.save(step.model)
    exact = Accuracy(model=step.model, data=DIGITS, split="test")
    plain = replace(exact, design=BROKEN)
    after = replace(plain, model=step.value(store))
    wanted, lost, back = (each.value(store).accuracy for each in (exact, plain, after))
    assert lost < wanted - 0.2 and back > wanted - 0.1
