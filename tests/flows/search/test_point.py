from dataclasses import replace

import pytest

from flows.run.typed import from_plain, to_plain
from flows.search.point import Point, Repeat
from flows.train.intervals import Spread
from tests.support.points import CANDIDATE, metrics, point


def test_the_best_that_is_known_is_what_counts():
    known = point("a", 0.9, 1e-5, 1000)
    assert (known.metrics, known.fidelity) == (known.estimate, "estimated")
    learned = known.learn(1.5)
    assert learned.metrics.lut == 1500 and learned.estimate.lut == 1000
    measured = point("a", 0.9, 1e-5, 1000, measured=True)
    measured = replace(measured, measurement=replace(measured.measurement, metrics=metrics(0.9, 1e-5, 1234)))
    assert (measured.metrics.lut, measured.fidelity) == (1234, "measured")


def test_a_measured_point_learns_nothing():
    measured = point("a", 0.9, 1e-5, 1000, measured=True)
    assert measured.learn(2.0) == measured


@pytest.mark.parametrize("change, feasible", [({}, True), ({"violations": {"dsp": 0.5}}, False),
                                              ({"failure": "does not compile"}, False)])
def test_only_what_works_within_all_limits_is_feasible(change, feasible):
    assert replace(point("a", 0.9, 1e-5, 1000), **change).feasible is feasible


def test_a_point_that_failed_has_neither_estimate_nor_design():
    failed = Point(candidate=CANDIDATE, failure="layer 3: too large")
    for what in ("estimate", "metrics", "built"):
        with pytest.raises(ValueError, match=r": failed, there is no (estimate|design): layer 3: too large$"):
            getattr(failed, what)


def test_several_seeds_have_a_spread():
    repeats = (Repeat(seed=1, accuracy=0.99), Repeat(seed=2, accuracy=0.97))
    assert point("a", 0.99, 1e-5, 1000, repeats=repeats).over_seeds == Spread(
        count=2, mean=pytest.approx(0.98), lowest=0.97, highest=0.99)
    assert point("a", 0.99, 1e-5, 1000).over_seeds is None


@pytest.mark.parametrize("one", [point("a", 0.9, 1e-5, 1000, measured=True, repeats=(
    Repeat(seed=2, accuracy=0.5),)), point("b", 0.9, 1e-5, 9, violations={
    "lut": 0.25}), Point(candidate=CANDIDATE, failure="no")], ids=["measured", "over", "failed"])
def test_a_point_survives_its_record(one):
    assert from_plain(Point, to_plain(one), where="x") == one
