import numpy as np
import pytest

from flows.search.constraints import Constraint
from flows.search.gates import Gates
from flows.search.parameters import axes_of, parameters_of
from flows.search.space import Family, Precision, Space

#: Axes of one network alone, a network without any, and a condition.
SPACE = Space(networks=(Family(name="conv", axes=(("width", (0.5, 1.0, 2.0)), ("blocks", (1, 2)))),
                        Family(name="mlp", axes=(("act", ("relu", "tanh")),)), Family(name="dense")),
              precision=Precision(weight_bits=(8, 4)), constraints=(Constraint("width * blocks <= 2"),))
COSTS = np.random.default_rng(3).normal(size=len(SPACE.choices))


def gates(seed=None):
    found = Gates(SPACE.choices)
    if seed is not None:
        found.logits = np.random.default_rng(seed).normal(size=len(found.logits))
    return found


def test_networks_are_as_likely_as_their_values_and_those_that_break_conditions_are_none():
    found = gates(1)
    assert found.probabilities.sum() == pytest.approx(1) and len(found.probabilities) == len(SPACE.choices) == 16
    one, other = (np.array([parameters_of(choice)["weight_bits"] == bits for choice in SPACE.choices])
                  for bits in (8, 4))
    ratios = found.probabilities[one] / found.probabilities[other]
    assert ratios == pytest.approx(np.full(8, ratios[0])), "axes are independent"


def test_an_axis_says_nothing_of_networks_that_have_it_not():
    before, after = gates(), gates()
    conv = np.array([choice.name == "conv" for choice in SPACE.choices])
    values = [(name, value) for name, found in axes_of(SPACE.choices).items() for value in found]
    after.descend(-np.eye(len(values))[values.index(("conv.width", 0.5))])
    moved = after.scores - before.scores
    assert np.all(moved[~conv] == 0) and np.all(moved[conv] != 0)


def numeric(found, step=1e-5):
    """Of the expected cost by each logit, by central differences."""
    slopes = []
    for change in step * np.eye(len(found.logits)):
        found.descend(-change)
        above = found.probabilities @ COSTS
        found.descend(2 * change)
        slopes.append((above - found.probabilities @ COSTS) / (2 * step))
        found.descend(-change)
    return np.array(slopes)


def test_the_gradient_of_the_expected_cost_is_exact(monkeypatch):
    found = gates(2)
    assert found.gradient(COSTS) == pytest.approx(numeric(found), abs=1e-8)
    # a planted fault: the softmaxes of the axes are forgotten
    monkeypatch.setattr(Gates, "_by_logits", lambda self, by_score: by_score @ self.has)
    assert found.gradient(COSTS) != pytest.approx(numeric(found), abs=1e-3)


def test_the_score_function_gives_the_same_gradient_in_the_mean():
    found = gates(4)
    mean = sum(likely * cost * found.score_function(number)
               for number, (likely, cost) in enumerate(zip(found.probabilities, COSTS, strict=True)))
    assert mean == pytest.approx(found.gradient(COSTS), abs=1e-12)


def test_descent_comes_to_the_cheapest():
    found = gates()
    costs = found.has @ np.random.default_rng(5).normal(size=len(found.logits))
    for _ in range(500):
        found.descend(found.gradient(costs))
    assert found.probabilities.argmax() == costs.argmin() and found.probabilities.max() > 0.9
