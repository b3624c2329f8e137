"""Pareto fronts: which points no other point beats."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

__all__ = ["OBJECTIVES", "dominates", "front", "spread"]

#: metric -> +1 where more is better, -1 where less is
OBJECTIVES = {"accuracy": 1, "latency_s": -1, "lut": -1}
Item = TypeVar("Item")


def dominates(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """``one`` is at least as good everywhere and better somewhere.

    >>> dominates({"accuracy": 0.9, "latency_s": 1, "lut": 5}, {"accuracy": 0.9, "latency_s": 2, "lut": 5})
    True
    """
    gains = [sign * (one[name] - other[name]) for name, sign in OBJECTIVES.items()]
    return min(gains) >= 0 and max(gains) > 0


def front(items: Sequence[Item], metrics: Callable[[Item], Mapping[str, Any]]) -> list[Item]:
    """The items that no other dominates, in their order; of equals the first one stays."""
    kept: list[Item] = []
    for index, item in enumerate(items):
        mine = metrics(item)
        beaten = any(dominates(metrics(other), mine) for other in items)
        twin = any(all(metrics(other)[name] == mine[name] for name in OBJECTIVES) for other in items[:index])
        if not beaten and not twin:
            kept.append(item)
    return kept


def spread(items: Sequence[Item], metrics: Callable[[Item], Mapping[str, Any]]) -> list[Item]:
    """The items in the order in which they show most of the front.

    First the most accurate, the fastest and the smallest, each the best in the other metrics among its equals;
    then always the one farthest from those before it, each objective scaled to its range.
    """
    left, order = list(items), []
    for name in OBJECTIVES:
        if left:
            order.append(left.pop(_best(left, metrics, name)))
    ranges = {name: max((abs(metrics(a)[name] - metrics(b)[name]) for a in items for b in items), default=0) or 1
              for name in OBJECTIVES}
    while left:
        gaps = [min(sum(abs(metrics(item)[name] - metrics(other)[name]) / ranges[name] for name in OBJECTIVES)
                    for other in order) for item in left]
        order.append(left.pop(gaps.index(max(gaps))))
    return order


def _best(items: Sequence[Item], metrics: Callable[[Item], Mapping[str, Any]], first: str) -> int:
    names = [first, *(name for name in OBJECTIVES if name != first)]
    keys = [tuple(OBJECTIVES[name] * metrics(item)[name] for name in names) for item in items]
    return keys.index(max(keys))
