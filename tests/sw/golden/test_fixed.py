from math import log

import numpy as np
import pytest

from sw.golden.fixed import (
    ONE,
    exponential,
    half_away,
    logarithm,
    logistic,
    quantize_multiplier,
    reciprocal,
    scale,
    scaled,
    tanh,
)
from sw.graph.graph import GraphError


def test_exponential_is_as_near_the_real_one_as_its_polynomial():
    values = [-int(value) for value in np.random.default_rng(0).integers(0, 1 << 31, 3000)]
    values += [0, -1, -(1 << 24), -(1 << 24) - 1, -(1 << 31), -(1 << 26)]
    got = np.array([exponential(value) for value in values]) / 2.0**31
    assert np.abs(got - np.exp(np.array(values) / 2.0**26)).max() < 3e-7


def test_exponential_of_zero_is_one():
    assert (exponential(0), exponential(-1) < exponential(0)) == ((1 << 31) - 1, True)


def test_reciprocal_is_within_a_few_steps_of_the_real_one():
    for total in (1 << 19, (1 << 19) + 1, (1 << 20) - 1, 3 << 19, 12345678, (1 << 31) - 1):
        mantissa, shift = reciprocal(total)
        assert mantissa / 2.0**31 / 2.0**shift == pytest.approx(2.0**19 / total, abs=1e-8)


def test_logistic_tanh_and_logarithm_are_near_the_real_ones():
    values = [int(value) for value in np.random.default_rng(1).integers(-(1 << 31), 1 << 31, 3000)]
    real = np.array(values) / 2.0**27
    assert np.abs(np.array([logistic(value) for value in values]) / 2.0**31 - 1 / (1 + np.exp(-real))).max() < 3e-7
    assert np.abs(np.array([tanh(value) for value in values]) / 2.0**31 - np.tanh(real)).max() < 6e-7
    totals = [int(value) for value in 2 ** np.random.default_rng(2).uniform(19, 31, 3000)]
    errors = [logarithm(total) / 2.0**26 - log(total / 2.0**19) for total in [*totals, 1 << 19, (1 << 31) - 1]]
    assert np.abs(errors).max() < 2e-6


def test_logistic_and_tanh_are_odd_around_their_middle():
    for value in (0, 1, 12345678, 1 << 27, (1 << 31) - 1):
        assert tanh(-value) == -tanh(value)
        assert value == 0 or logistic(-value) == ONE - logistic(value)


@pytest.mark.parametrize("factor, wanted", [
    (0.5, (1 << 30, 0)), (1.0, (1 << 30, -1)), (0.0, (0, 0)), (2.0**-32, (1 << 30, 31)), (2.0**-33, (0, 0)),
    (1 - 2.0**-40, (1 << 30, -1)), (3.0, (3 << 29, -2))])
def test_a_factor_as_multiplier_and_shift(factor, wanted):
    assert quantize_multiplier(factor) == wanted


@pytest.mark.parametrize("factor", [-0.5, float("nan"), float("inf")])
def test_a_factor_that_cannot_be(factor):
    with pytest.raises(GraphError, match="must be a number of 0 or more; check the scales"):
        quantize_multiplier(factor)


def test_scaling_a_batch_equals_scaling_each_and_is_near_the_real_product():
    rng = np.random.default_rng(3)
    for _ in range(200):
        factor = float(2.0 ** rng.uniform(-20, 12))
        multiplier, shift = quantize_multiplier(factor)
        values = rng.integers(-(1 << 18), 1 << 18, 20)
        got = scaled(values, multiplier, shift)
        assert got.tolist() == [scale(value, multiplier, shift) for value in values.tolist()]
        assert np.abs(got - values * factor).max() <= 0.75 + 2.0**-12 * factor


def test_what_is_shifted_out_to_the_left_is_lost():
    assert scale(1 << 10, 1 << 30, -21) == -(1 << 30)
    assert scaled(np.array([1 << 10]), 1 << 30, -21).tolist() == [-(1 << 30)]


def test_halves_go_away_from_zero():
    assert [half_away(value) for value in (0.5, 1.5, -0.5, -1.5, 0.49999997, 2.0**40 + 0.5)] == [
        1, 2, -1, -2, 0, 2**40 + 1]
