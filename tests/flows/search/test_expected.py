import numpy as np
import pytest

from flows.search.candidate import NetworkChoice
from flows.search.expected import WORST, Prediction, expected_gains, features

CHOICES = [NetworkChoice(name="mlp", settings=(("width", width), ("act", act)), weight_bits=bits)
           for width in (0.5, 1.0, 2.0) for act in ("relu", "tanh") for bits in (8, 2)]
OTHER = NetworkChoice(name="conv", settings=(("width", 1.0), ("blocks", 3)))


def test_numbers_are_logarithms_from_0_to_1_and_names_have_a_column_each():
    table = features([*CHOICES, OTHER])
    assert table.shape[0] == len(CHOICES) + 1 and table.min() == 0 and table.max() == 1
    assert len(np.unique(table, axis=0)) == len(table), "no two networks look alike"
    half, one, two = (table[[choice.values["width"] == width for choice in CHOICES] + [False]][0]
                      for width in (0.5, 1.0, 2.0))
    np.testing.assert_allclose(two - one, one - half)
    same = features([CHOICES[0], NetworkChoice(name="conv", settings=CHOICES[0].settings)])
    assert (same[0] != same[1]).sum() == 2, "a width is one axis, whichever the network"


def test_what_was_told_is_predicted_and_what_lies_between_too():
    table = np.linspace(0, 1, 9)[:, None]
    accuracies = 0.9 + 0.1 * table[:, 0]
    predict = Prediction(table[::2], accuracies[::2])
    mean, deviation = predict(table)
    np.testing.assert_allclose(mean, accuracies, atol=2e-3)
    assert deviation.max() < 0.02
    again, _ = Prediction(table[::2], accuracies[::2], like=predict)(table)
    np.testing.assert_allclose(again, mean)


def test_luck_of_trainings_is_not_learned():
    table, luck = np.linspace(0, 1, 40)[:, None], np.random.default_rng(1).normal(0, 0.01, 40)
    mean, deviation = Prediction(table, 0.9 + luck)(table)
    assert np.abs(mean - 0.9).max() < 0.01 and deviation.max() < 0.01


TOLD = [(0.90, 2.0), (0.95, 1.0)]       # accuracy, and cost so that more is better


@pytest.mark.parametrize("mean, cost, gain", [
    (0.97, 1.0, 0.02 * 0.1),                        # beyond the dearest there is a margin of a tenth
    (0.97, 2.0, 0.02 * 0.1 + 0.02 + 0.05 - 0.0),
    (0.92, 2.0, 0.02),                              # between the two
    (0.92, 2.5, 0.02 + (0.92 - 0.95 + WORST) * 0.5),
    (0.80, 3.0, 0.0),                               # worse than what counts
    (0.90, 1.5, 0.0)])
def test_the_gain_is_the_area_that_is_added(mean, cost, gain):
    """With a certain accuracy, counted by hand."""
    found = expected_gains(TOLD, np.array([mean]), np.array([1e-9]), np.array([cost]))
    assert found == pytest.approx([gain], abs=1e-6)


def test_what_is_uncertain_promises_what_chance_gives():
    draws = np.random.default_rng(1).normal(0.93, 0.02, 20000)
    certain = [expected_gains(TOLD, np.array([draw]), np.array([1e-9]), np.array([2.5]))[0] for draw in draws[:2000]]
    found = expected_gains(TOLD, np.array([0.93]), np.array([0.02]), np.array([2.5]))
    assert found == pytest.approx([np.mean(certain)], rel=0.03)
