"""Where the multipliers and block RAMs of a wide engine lie: columns of its array from left to right, beside what
feeds them.

nextpnr spreads logic until no kind of block is too dense anywhere, and where most blocks of a kind are used, that is
over the whole device. Blocks that have their places beforehand do not count.

A block's name in the netlist says what it is part of, and that where it should be. The sites are given to all blocks
of a kind at once, so that the sum of the squared distances is least.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from flows.fpga.sites import Site
from hw.spec.errors import HeddleError

__all__ = ["FloorplanError", "check_floorplan", "floorplan"]

#: Neighbouring sites that the blocks of one unit share, by kind: of a multiplier's group there are four.
GROUPED = {"MULT18X18D": 4, "DP16KD": 1}


class FloorplanError(HeddleError):
    """There is no place for every block, or a floorplan that does not say one for each."""


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Units of an engine that do the same, and where they should be as shares of the device's width and height.

    ``x`` and ``y`` of the pattern number them on the axes where ``at`` is None; they are spread over these. ``pull``
    says how many times as much a distance counts as one of the others.
    """

    pattern: str
    at: tuple[float | None, float | None]
    pull: float = 1.0


#: Activations above, weights below, from where they move up through the rows of the array. The rest is in the lower
#: right corner, where no multipliers are and so the least of the array's logic, and close together: the CPU's paths
#: lead through logic from memory to memory, the engine's from register to register.
PARTS = (
    _Part(pattern=r"(?:^|\.)array\.element_(?P<y>\d+)_(?P<x>\d+)(?=\.)", at=(None, None)),
    _Part(pattern=r"(?:^|\.)drain\.requantizer(?P<x>\d+)(?=\.)", at=(None, 0.5)),
    _Part(pattern=r"(?:^|\.)weights(?:\$\d+)?\.bank(?P<x>\d+)(?=_)", at=(None, 1.0)),
    _Part(pattern=r"(?:^|\.)acts(?=\.bank)", at=(0.5, 0.0)),
    _Part(pattern=r"^(?:.*(?=\.))?", at=(1.0, 1.0), pull=8.0),
)


@dataclass(frozen=True, kw_only=True)
class _Unit:
    """Blocks that lie together."""

    part: int
    at: tuple[float, float]
    blocks: tuple[str, ...]


def floorplan(blocks: Mapping[str, Iterable[str]], sites: Mapping[str, Sequence[Site]]) -> dict[str, Site]:
    """A site for every block.

    Parameters
    ----------
    blocks
        Names of cells in the netlist, by kind.
    sites
        Those of the device, by kind (``flows.fpga.sites.sites_of``).

    Raises
    ------
    FloorplanError
        If there are too few sites.
    """
    places: dict[str, Site] = {}
    for kind, names in blocks.items():
        bins = _bins(_units(names), GROUPED[kind])
        groups = _groups(sites[kind], GROUPED[kind])
        if len(bins) > len(groups):
            raise FloorplanError(f"{kind}: {len(bins)} groups of blocks that belong together for {len(groups)} of "
                                 f"sites; take a smaller design or a larger device")
        for number, group in zip(*linear_sum_assignment(_squared_distances(bins, groups)), strict=True):
            places.update(zip(bins[number].blocks, groups[group], strict=False))
    return places


def check_floorplan(places: Mapping[str, Site], blocks: Mapping[str, Iterable[str]],
                    sites: Mapping[str, Sequence[Site]]) -> None:
    """Raises FloorplanError unless every block has a site of its kind in the device, and no other block has that."""
    taken: dict[Site, str] = {}
    for kind, names in blocks.items():
        for name in names:
            site = places.get(name)
            if site is None:
                raise FloorplanError(f"{name}: has no place; leave none of the {kind} out")
            if site not in sites[kind]:
                raise FloorplanError(f"{name}: {site.bel} is no {kind} of the device; choose one of its sites")
            if site in taken:
                raise FloorplanError(f"{name}: {site.bel} is taken by {taken[site]}; choose another site")
            taken[site] = name


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts numbers in names by their value."""
    return [(int(text), "") if text.isdigit() else (0, text) for text in re.split(r"(\d+)", name)]


def _units(names: Iterable[str]) -> list[_Unit]:
    """Part after part, each from left to right."""
    blocks: dict[tuple[int, str], list[str]] = {}
    matches: dict[tuple[int, str], re.Match[str]] = {}
    for name in sorted(names, key=_natural):
        part, match = next((part, match) for part in range(len(PARTS))
                           if (match := re.search(PARTS[part].pattern, name)))
        blocks.setdefault((part, match[0]), []).append(name)
        matches[part, match[0]] = match
    units = []
    for part in range(len(PARTS)):
        mine = [unit for unit in blocks if unit[0] == part]
        places = _places(PARTS[part], [matches[unit] for unit in mine])
        units += sorted((_Unit(part=part, at=at, blocks=tuple(blocks[unit]))
                         for unit, at in zip(mine, places, strict=True)), key=lambda unit: unit.at)
    return units


def _places(part: _Part, units: Sequence[re.Match[str]]) -> list[tuple[float, float]]:
    """Where each unit of a part should be, from the device's upper left corner to (1, 1)."""
    x, y = part.at
    across = _shares([int(unit["x"]) for unit in units]) if x is None else [x for _ in units]
    # rows upwards from the weights
    down = [1 - share for share in _shares([int(unit["y"]) for unit in units])] if y is None else [y for _ in units]
    return list(zip(across, down, strict=True))


def _shares(numbers: Sequence[int]) -> list[float]:
    """Numbers from 0 on, evenly over 0 to 1."""
    return [(number + 0.5) / (max(numbers) + 1) for number in numbers]


def _bins(units: Sequence[_Unit], size: int) -> list[_Unit]:
    """Units cut, and small ones of the same part that are neighbours joined, to fill a group of sites each."""
    bins: list[_Unit] = []
    for unit in units:
        for start in range(0, len(unit.blocks), size):
            blocks = unit.blocks[start:start + size]
            last = bins[-1] if bins else None
            if last and last.part == unit.part and len(last.blocks) + len(blocks) <= size:
                at = ((last.at[0] + unit.at[0]) / 2, (last.at[1] + unit.at[1]) / 2)
                bins[-1] = _Unit(part=unit.part, at=at, blocks=last.blocks + blocks)
            else:
                bins.append(_Unit(part=unit.part, at=unit.at, blocks=blocks))
    return bins


def _groups(sites: Sequence[Site], size: int) -> list[tuple[Site, ...]]:
    """Neighbours in a row, which is a multiple of ``size`` long on every device."""
    ordered = sorted(sites)
    return [tuple(ordered[start:start + size]) for start in range(0, len(ordered), size)]


def _squared_distances(bins: Sequence[_Unit], groups: Sequence[tuple[Site, ...]]) -> np.ndarray:
    """(bins, groups), in tiles, times the pull of each bin's part."""
    where = np.array([[group[0].x, group[0].y] for group in groups], float)
    low, high = where.min(axis=0), where.max(axis=0)
    wanted = low + np.array([unit.at for unit in bins]) * (high - low)
    pull = np.array([PARTS[unit.part].pull for unit in bins])
    return pull[:, None] * ((wanted[:, None, :] - where[None, :, :]) ** 2).sum(axis=2)
