from dataclasses import replace

import numpy as np
import pytest

from flows.run.store import Store
from flows.train.accuracy import Accuracy, Score
from flows.train.data import DataSource
from flows.train.intervals import area_interval, wilson
from hw.spec.design import DesignPoint
from sw.data import Dataset, load_dataset
from sw.golden import run
from tests.support.jobs import digit_classifier

DIGITS = DataSource.of("digits")


@pytest.fixture
def model(tmp_path):
    digit_classifier().save(tmp_path / "model.npz")
    return tmp_path / "model.npz"


def share(design=None, split="test"):
    """What the accuracy must be, by the golden model."""
    graph, data = digit_classifier(), DIGITS.load()
    outputs = run(graph, data.quantized(split, graph.input), design)[-1].reshape(-1, 10)
    return np.mean([int(np.flatnonzero(row == row.max())[0]) == label
                    for row, label in zip(outputs, data.labels[split], strict=True)])


def test_it_is_the_share_of_a_split_that_is_right(model, tmp_path):
    store = Store(tmp_path / "store")
    for split in ("valid", "test"):
        score = Accuracy(model=model, data=DIGITS, split=split).value(store)
        assert score.accuracy == pytest.approx(share(split=split))


def test_an_inexact_multiplier_has_an_accuracy_of_its_own(model, tmp_path):
    store, step = Store(tmp_path / "store"), Accuracy(model=model, data=DIGITS, split="test")
    exact, wrong = DesignPoint(multiplier="lut"), DesignPoint(multiplier="trunc")
    assert replace(step, design=wrong).value(store).accuracy == pytest.approx(share(wrong))
    assert replace(step, design=exact).value(store) == step.value(store)
    assert step.value(store).accuracy == pytest.approx(share())
    assert store.made == 2      # the shape and the board of a design do not change what is right
    assert replace(step, design=replace(wrong, rows=2, board="ulx3s-85")).digest == replace(step, design=wrong).digest


def test_another_model_is_another_accuracy(model, tmp_path):
    before = Accuracy(model=model, data=DIGITS, split="test").digest
    replace(digit_classifier(), name="other").save(model)
    assert Accuracy(model=model, data=DIGITS, split="test").digest != before


def test_of_equal_outputs_the_first_is_the_answer(model, tmp_path, monkeypatch):
    """A network whose outputs are all equal says class 0."""
    graph = digit_classifier()
    layer = graph.layers[0]
    flat = replace(graph, layers=(replace(layer, weights=np.zeros_like(layer.weights),
                                          bias=np.zeros_like(layer.bias)),))
    flat.save(model)
    images = np.eye(2, dtype=np.uint8).repeat(32, 1).reshape(2, 8, 8, 1)
    inputs = dict.fromkeys(("train", "valid", "test"), images)
    labels = {split: np.array([0, 1]) for split in inputs}
    data = Dataset(name="two", classes=2, seed=0, inputs=inputs, labels=labels)
    monkeypatch.setattr(DataSource, "load", lambda source: data)
    step = Accuracy(model=model, data=DataSource(name="two", content="two"), split="test")
    assert step.value(Store(tmp_path / "store")) == Score(right=1, count=2)


def test_a_score_has_its_interval():
    score = Score(right=359, count=360)
    assert score.accuracy == 359 / 360 and score.interval == wilson(359, 360)


def test_a_score_of_pairs_has_the_interval_of_an_area():
    threes = load_dataset("digits,normal=3")
    anomalous = int(threes.labels["test"].sum())
    score = Score.at(threes, "test", 0.9)
    assert score == Score(right=round(0.9 * 2 * anomalous * (360 - anomalous)), count=2 * anomalous * (360 - anomalous),
                          anomalous=anomalous)
    assert score.interval == area_interval(score.accuracy, 360 - anomalous, anomalous)
