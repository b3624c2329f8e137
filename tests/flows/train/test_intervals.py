import subprocess
import sys

import numpy as np
import pytest

from flows.train.intervals import Spread, area_interval, paired_effect, spread_of, wilson


def test_wilson_of_the_digits():
    assert [f"{bound:.3g}" for bound in wilson(359, 360)] == ["0.984", "1"]


@pytest.mark.parametrize("right, inputs, low, high", [
    # Newcombe, Statistics in Medicine 17 (1998), table I, the method without continuity correction
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
])
def test_wilson_is_newcombes(right, inputs, low, high):
    assert wilson(right, inputs) == pytest.approx((low, high), abs=5e-5)


def test_wilson_is_symmetric_and_within_0_to_1():
    for right in range(11):
        low, high = wilson(right, 10)
        assert 0 <= low <= right / 10 <= high <= 1
        assert wilson(10 - right, 10) == pytest.approx((1 - high, 1 - low))
    assert wilson(10, 10)[1] == 1 and wilson(0, 10)[0] == 0


def test_wilson_narrows_with_inputs():
    widths = [high - low for low, high in (wilson(9 * count, 10 * count) for count in (1, 10, 100, 1000))]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("right, inputs", [(0, 0), (3, 2), (-1, 2)])
def test_no_interval_of_what_was_not_counted(right, inputs):
    with pytest.raises(ValueError, match=f"right={right} of inputs={inputs}: at least one input, and of them 0 to all"):
        wilson(right, inputs)


def test_the_interval_is_students():
    found = paired_effect([(0.90, 0.91), (0.91, 0.93), (0.90, 0.90), (0.92, 0.93), (0.90, 0.92)])
    # mean 0.012, standard deviation 0.0083666, 2.776 * s / sqrt(5)
    assert found.difference == pytest.approx(0.012)
    assert found.interval == pytest.approx((0.012 - 0.010387, 0.012 + 0.010387), abs=1e-5)
    assert found.conclusion == "It helps: the whole interval is above 0."


@pytest.mark.parametrize("count, quantile", [(2, 12.706), (12, 2.201), (60, 2.001)])
def test_quantiles_are_the_tables(count, quantile):
    found = paired_effect([(0.0, float(index % 2)) for index in range(count)])
    spread = (count / 4 / (count - 1)) ** 0.5       # standard deviation of as many zeros as ones
    assert (found.interval[1] - found.difference) / spread * count ** 0.5 == pytest.approx(quantile, abs=1e-3)


@pytest.mark.parametrize("gain, says", [(-0.02, "It hurts"), (0.0, "No effect is shown")])
def test_it_is_honest(gain, says):
    assert says in paired_effect([(0.9, 0.9 + gain + wobble) for wobble in (-0.001, 0, 0.001)]).conclusion


@pytest.mark.parametrize("gain", [0.0, -1 / 360])
def test_pairs_that_differ_alike_show_nothing(gain):
    """Accuracies are counts of few inputs: two pairs are easily one input apart, both, by chance."""
    found = paired_effect([(344 / 360, 344 / 360 + gain), (348 / 360, 348 / 360 + gain)])
    assert found.conclusion == "Nothing is shown: all pairs differ by the same, so their number says nothing."


def test_one_pair_has_no_interval():
    with pytest.raises(ValueError, match="pairs: 1 given; an interval takes two or more"):
        paired_effect([(0.9, 0.91)])


def test_spread_of_seeds():
    assert spread_of([0.97, 0.99, 0.98]) == Spread(count=3, mean=pytest.approx(0.98), lowest=0.97, highest=0.99)


def test_the_module_loads_no_library():
    code = "import sys, flows.train.intervals; print([name for name in ('scipy', 'numpy') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_interval_of_an_area_is_hanleys_and_mcneils():
    """What 2,000 draws of normal scores spread by, which their formula is conservative about."""
    rng = np.random.default_rng(1)
    normal, anomalous = rng.normal(0, 1, (2000, 1, 58)), rng.normal(1.76, 1, (2000, 51, 1))
    areas = (anomalous > normal).mean((1, 2))
    low, high = area_interval(float(areas.mean()), 58, 51)
    assert areas.mean() == pytest.approx(0.893, abs=0.002)
    assert areas.std() < (high - low) / 2 / 1.96 < 1.15 * areas.std()
    narrow, wide = area_interval(0.9, 500, 500), area_interval(0.9, 20, 20)
    assert wide[0] < narrow[0] < 0.9 < narrow[1] < wide[1] <= 1
    assert area_interval(1.0, 9, 9) == (1.0, 1.0) and area_interval(0.0, 9, 9) == (0.0, 0.0)


@pytest.mark.parametrize("area, normal, anomalous", [(1.1, 9, 9), (0.5, 0, 9), (0.5, 9, 0)])
def test_no_interval_of_no_area(area, normal, anomalous):
    with pytest.raises(ValueError, match="0 to 1, of one input of each at least"):
        area_interval(area, normal, anomalous)
