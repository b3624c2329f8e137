"""Many designs at once: what the cycle model reads of a design, as arrays.

The lines of ``sw.compiler.cycles`` are written for one :class:`DesignPoint`. Of designs that differ in few fields
:class:`Designs` has the same attributes, each one value where they agree, else an array with an entry for each design;
commands that stand in the rows of a column have arrays as fields. The same lines then give the cycles of every command
on every design.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hw.spec.design import DesignPoint

__all__ = ["Designs", "of_each"]

Key = tuple[Any, ...]


class Designs:
    """Designs, one for each column of every array."""

    def __init__(self, points: Sequence[DesignPoint]) -> None:
        self.points = tuple(points)
        self.timings = _timings_of(self.points)

    def __len__(self) -> int:
        return len(self.points)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        values = [getattr(point, name) for point in self.points]
        found = values[0] if values.count(values[0]) == len(values) else np.array(values)
        setattr(self, name, found)
        return found


class _Timings:
    """What ``hw.spec.timing`` says of designs; of those with the same timing once, and once in a process."""

    def __init__(self, keys: Sequence[Key], points: Sequence[DesignPoint]) -> None:
        unique = dict(zip(keys, points, strict=True))
        numbers = {key: number for number, key in enumerate(unique)}
        self.points, self.numbers = list(unique.values()), np.array([numbers[key] for key in keys])
        self.known: dict[Key, np.ndarray] = {}

    def of(self, function: Callable[..., int], rows: int, cols: int, where: Mapping[str, bool]) -> np.ndarray:
        """int64 ``(designs,)``."""
        asked = (function, rows, cols, *where.values())
        if asked not in self.known:
            values = [function(point, rows=rows, cols=cols, **where) for point in self.points]
            self.known[asked] = np.array(values, np.int64)[self.numbers]
        return self.known[asked]


_known: dict[tuple[Key, ...], _Timings] = {}


def _timings_of(points: Sequence[DesignPoint]) -> _Timings:
    keys = tuple(map(_timing, points))
    if keys not in _known:
        _known[keys] = _Timings(keys, points)
    return _known[keys]


def _timing(point: DesignPoint) -> Key:
    """All that ``hw.spec.timing`` reads of a design where the tile is given."""
    return (point.engine, point.cols, point.ways, point.element_stages, point.shifts_totals, point.requantizers,
            point.requantizer_cycles, point.requantizer_dsps, point.memory, point.table_unit, point.select_stages)


def of_each(function: Callable[..., int], design: Any, *, rows: Any = 0, cols: Any = 0, **where: bool) -> Any:
    """``function(design, rows=rows, cols=cols, **where)`` of ``hw.spec.timing``; of :class:`Designs` an array
    ``(commands, designs)``, where ``rows`` and ``cols`` of the tiles are arrays ``(commands, 1)``.
    """
    if isinstance(design, DesignPoint):
        return function(design, rows=rows, cols=cols, **where)
    tiles = zip(rows[:, 0].tolist(), cols[:, 0].tolist(), strict=True)
    return np.stack([design.timings.of(function, row, col, where) for row, col in tiles])
