import random

from flows.search.pareto import dominates, front, spread


def point(accuracy, latency_s, lut):
    return {"accuracy": accuracy, "latency_s": latency_s, "lut": lut}


def same(item):
    return item


def test_front_equals_the_definition():
    rng = random.Random(3)
    points = [point(rng.randint(0, 9), rng.randint(0, 9), rng.randint(0, 9)) for _ in range(200)]
    found = front(points, same)
    assert found
    for item in points:
        beaten = any(other["accuracy"] >= item["accuracy"] and other["latency_s"] <= item["latency_s"]
                     and other["lut"] <= item["lut"] and other != item for other in points)
        assert (item in found) != beaten


def test_equals_do_not_beat_each_other_and_stay_once():
    twin = point(0.9, 1, 5)
    assert not dominates(twin, dict(twin))
    assert front([twin, dict(twin)], same) == [twin]


def test_spread_starts_with_the_extremes():
    accurate, fast, small, middle = point(0.99, 9, 9), point(0.5, 1, 9), point(0.5, 9, 1), point(0.8, 5, 5)
    near = point(0.98, 9, 8)
    assert spread([near, middle, small, fast, accurate], same) == [accurate, fast, small, middle, near]


def test_spread_of_few():
    assert spread([], same) == []
    assert spread([point(1, 1, 1)], same) == [point(1, 1, 1)]
