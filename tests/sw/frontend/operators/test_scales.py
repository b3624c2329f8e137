"""Multipliers and clamps."""

import pytest

from sw.frontend.operators.scales import SUM_LEFT, clamp, multipliers
from sw.graph.graph import GraphError
from sw.graph.layer import TensorType


def kind(scale, zero=0):
    return TensorType(shape=(1, 1, 1), scale=scale, zero_point=zero)


def test_multipliers_and_their_limit():
    found = multipliers(0.75, 2.0 ** -40, 3.0, most_left=2)
    assert (found["multiplier"].tolist(), found["shift"].tolist()) == ([1610612736, 0, 1610612736], [0, 0, -2])
    with pytest.raises(GraphError, match=r"output scale factor 3: at most 2\*\*0 stays within 32 bits; choose a"):
        multipliers(3.0, most_left=SUM_LEFT)


@pytest.mark.parametrize("activation, zero, limits", [
    (0, 5, (-128, 127)), (1, 5, (5, 127)), (2, 5, (-5, 15)), (3, 5, (5, 65)), (3, 100, (100, 127)),
    (1, -128, (-128, 127)), (2, -128, (-128, -118)), (2, 127, (117, 127)),
])
def test_where_an_activation_cuts(activation, zero, limits):
    assert tuple(clamp(activation, kind(0.1, zero)).values()) == limits


def test_a_half_goes_up_and_a_tiny_scale_cuts_nowhere():
    assert clamp(3, kind(4.0))["act_max"] == 2          # 1.5 steps
    assert clamp(3, kind(1e-38))["act_max"] == 127


@pytest.mark.parametrize("activation, name", [(4, "TANH"), (5, "SIGN_BIT"), (9, "9")])
def test_an_activation_that_is_no_clamp_is_named(activation, name):
    with pytest.raises(GraphError, match=f"fused activation {name} is not supported; use none, RELU, RELU6 or"):
        clamp(activation, kind(0.1))
