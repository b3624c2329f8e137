"""Pareto fronts: which points no other point beats."""

from collections.abc import Sequence

import numpy as np

from flows.search.point import Metrics, Point

__all__ = ["OBJECTIVES", "dominates", "front", "front_of", "hypervolume", "most_accurate", "pareto", "spread"]

#: field of Metrics -> +1 where more is better, -1 where less is
OBJECTIVES = {"valid_accuracy": 1, "latency_s": -1, "lut": -1}


def objectives(metrics: Metrics) -> tuple[float, ...]:
    """The objectives, each so that more is better. Without data all networks are alike: accuracy is 0 then."""
    return tuple(sign * (getattr(metrics, name) or 0) for name, sign in OBJECTIVES.items())


def dominates(one: Metrics, other: Metrics) -> bool:
    """``one`` is at least as good everywhere and better somewhere."""
    gains = [mine - theirs for mine, theirs in zip(objectives(one), objectives(other), strict=True)]
    return min(gains) >= 0 and max(gains) > 0


def front(points: Sequence[Point]) -> list[Point]:
    """The points that no other dominates, in their order; of equals the first one stays."""
    return [points[number] for number in pareto([objectives(point.metrics) for point in points])]


def pareto(values: Sequence[tuple[float, ...]]) -> list[int]:
    """Numbers of those that no other is at least as good as everywhere and better than somewhere, more being better; of
    equals the first.

    >>> pareto([(1, 2), (2, 1), (1, 1), (2, 1)])
    [0, 1]
    """
    if not values:
        return []
    table, kept = np.array(values), []
    for number, own in enumerate(table):
        as_good = np.all(table >= own, axis=1)
        better = as_good & np.any(table > own, axis=1)
        if not better.any() and not np.all(table[:number] == own, axis=1).any():
            kept.append(number)
    return kept


def front_of(points: Sequence[Point]) -> list[Point]:
    """The front: of the measured points, then of the estimated ones that stand beside those.

    An estimate never beats a measurement: where one of the two dominates the other, the measured point stays.
    """
    kept = front([point for point in points if point.measurement])
    estimated = [point for point in points if not point.measurement and not any(
        dominates(point.metrics, other.metrics) or dominates(other.metrics, point.metrics)
        or objectives(point.metrics) == objectives(other.metrics) for other in kept)]
    return kept + front(estimated)


def hypervolume(points: Sequence[Sequence[float]], reference: Sequence[float]) -> float:
    """What points with three values each, of which more is better, cover above ``reference``.

    In slices: between two values of the first coordinate, the area that those above cover in the other two.

    >>> hypervolume([(2, 1, 1), (1, 2, 1)], (0, 0, 0))
    3.0
    """
    first, second, third = reference
    inside = sorted((tuple(point) for point in points if all(map(lambda a, b: a > b, point, reference))), reverse=True)
    total = 0.0
    for number, point in enumerate(inside):
        below = inside[number + 1][0] if number + 1 < len(inside) else first
        area, reached = 0.0, third
        for _, along, up in sorted(inside[:number + 1], key=lambda each: (-each[1], -each[2])):
            if up > reached:
                area += (along - second) * (up - reached)
                reached = up
        total += (point[0] - below) * area
    return total


def most_accurate(points: Sequence[Point]) -> Point:
    """The best on the validation split, of equals the best in the other objectives."""
    return points[_best(points, 0)]


def spread(points: Sequence[Point]) -> list[Point]:
    """The points in the order in which they show most of the front.

    First the most accurate, the fastest and the smallest, each the best in the other metrics among its equals, and
    none for an objective in which all are alike; then always the one farthest from those before it, each objective
    scaled to its range.
    """
    left, order = list(points), []
    places = {point.id: objectives(point.metrics) for point in points}
    widths = [max(values) - min(values) for values in zip(*places.values(), strict=True)]
    for first in [index for index, width in enumerate(widths) if width] or [0]:
        if left:
            order.append(left.pop(_best(left, first)))
    ranges = [width or 1 for width in widths]

    def gap(one: Point, other: Point) -> float:
        return sum(abs(a - b) / width for a, b, width in zip(places[one.id], places[other.id], ranges, strict=True))

    while left:
        gaps = [min(gap(point, other) for other in order) for point in left]
        order.append(left.pop(gaps.index(max(gaps))))
    return order


def _best(points: Sequence[Point], first: int) -> int:
    """Place of the best by objective number ``first``, then by the others in their order."""
    def key(point: Point) -> tuple[float, ...]:
        values = objectives(point.metrics)
        return values[first], *values[:first], *values[first + 1:]

    return max(range(len(points)), key=lambda index: (key(points[index]), -index))
