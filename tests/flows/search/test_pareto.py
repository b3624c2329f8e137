import random
from dataclasses import replace

import pytest

from flows.search.pareto import dominates, front, front_of, hypervolume, most_accurate, spread
from tests.support.points import point as named
from tests.support.points import without_data


def point(accuracy, latency_s, lut, **more):
    return named(f"{accuracy}-{latency_s}-{lut}", accuracy, latency_s, lut, **more)


def test_front_equals_the_definition():
    rng = random.Random(3)
    points = [point(rng.randint(0, 9), rng.randint(0, 9), rng.randint(0, 9)) for _ in range(200)]
    found = front(points)
    assert found
    for item in points:
        mine = item.metrics
        beaten = any(other.metrics.valid_accuracy >= mine.valid_accuracy and other.metrics.latency_s <= mine.latency_s
                     and other.metrics.lut <= mine.lut and other.metrics != mine for other in points)
        assert (item in found) != beaten


def test_equals_do_not_beat_each_other_and_stay_once():
    twin = point(0.9, 1, 5)
    assert not dominates(twin.metrics, replace(twin).metrics)
    assert front([twin, replace(twin)]) == [twin]


def test_spread_starts_with_the_extremes():
    accurate, fast, small, middle = point(0.99, 9, 9), point(0.5, 1, 9), point(0.5, 9, 1), point(0.8, 5, 5)
    near = point(0.98, 9, 8)
    assert spread([near, middle, small, fast, accurate]) == [accurate, fast, small, middle, near]


def test_spread_of_few():
    assert spread([]) == []
    assert spread([point(1, 1, 1)]) == [point(1, 1, 1)]


@pytest.mark.parametrize("estimate", [(0.99, 1.0, 90), (0.97, 3.0, 110), (0.98, 2.0, 100)])
def test_an_estimate_never_beats_a_measurement(estimate):
    measured = point(0.98, 2.0, 100, measured=True)
    assert front_of([point(*estimate), measured]) == [measured]


def test_a_measured_point_can_beat_another():
    good, bad = point(0.98, 2.0, 100, measured=True), point(0.97, 2.0, 100, measured=True)
    other = point(0.5, 0.1, 100)
    assert front_of([bad, good, other]) == [good, other]


def test_what_the_test_split_gave_chooses_nothing():
    """Lucky on the test split, and worse on the one that chooses."""
    good, lucky = point(0.98, 2.0, 100), point(0.97, 2.0, 101)
    lucky = replace(lucky, estimated=replace(lucky.estimate, accuracy=1.0))
    assert dominates(good.metrics, lucky.metrics) and front_of([lucky, good]) == [good]
    assert most_accurate([lucky, good]) == spread([lucky, good])[0] == good


def test_of_equally_accurate_ones_the_fastest_is_the_most_accurate():
    slow, fast = point(0.98, 2.0, 100), point(0.98, 1.0, 200)
    assert most_accurate([slow, fast]) == fast


def test_without_data_the_front_is_that_of_latency_and_logic():
    slow, middle, fast, bad = map(without_data, (point(0.1, 9, 1), point(0.2, 5, 5), point(0.3, 1, 9),
                                                 point(0.9, 9, 9)))
    assert front_of([slow, middle, fast, bad]) == [slow, middle, fast]
    assert spread([middle, slow, fast]) == [fast, slow, middle]
    assert most_accurate([slow, fast]) == fast


def test_hypervolume_counts_what_is_covered():
    """On whole numbers: the unit cubes below any of the points."""
    rng = random.Random(7)
    for _ in range(30):
        points = [tuple(rng.randint(0, 5) for _ in range(3)) for _ in range(rng.randint(0, 8))]
        cubes = {(x, y, z) for a, b, c in points for x in range(1, a) for y in range(1, b) for z in range(1, c)}
        assert hypervolume(points, (1, 1, 1)) == len(cubes)
