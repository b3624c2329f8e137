"""Whether the blocks of a netlist get their places before it is routed: decided by two placements, with and without.

Where no kind of block is scarce, where the logic fills the device anyhow, or the device has no blocks that can be
fixed, nothing is tried and the netlist stays as it is.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

from flows.fpga.floorplan import FloorplanError, check_floorplan, floorplan
from flows.fpga.netlist import Netlist
from flows.fpga.routing import device_of, nextpnr_argv
from flows.fpga.sites import KINDS, sites_of
from flows.run.files import read_json, write_json
from flows.run.progress import note, tell
from flows.run.step import Step, keyed
from flows.run.store import Store
from hw.tools import ToolError, run

if TYPE_CHECKING:
    from boards import Board  # its facts are inputs, so that another board changes no key here

__all__ = ["Placed", "Placing", "crowded", "fix", "wire_length"]

RECORD = "placed.json"
#: Share of a kind's sites beyond which nextpnr spreads logic with its blocks (``cfg.beta`` in its ``ecp5/arch.cc``).
CROWDED = 0.75
#: Share of the lookup tables from which on logic of that density is spread over three quarters of the device by itself.
FILLED = 0.75 * CROWDED
#: Lookup tables of the netlist's cells.
_LUTS = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4}
WORTH = 0.95            # of the wire length without; seeds alone differ by some percent
PLACE_TIMEOUT_S = 3600.0
_WIRE_LENGTH = re.compile(r"wirelen = (\d+)")


@dataclass(frozen=True, kw_only=True)
class Placed:
    """What is to be routed, and nextpnr's wire lengths, in tiles, of placements of seed 1 without and with a floorplan.

    A length is None where that placement was not tried, or nextpnr found none.
    """

    netlist: Netlist
    free: int | None = None
    fixed: int | None = None

    @property
    def used(self) -> bool:
        """The netlist says where its blocks lie."""
        return _pays(self.free, self.fixed)

    @property
    def router(self) -> str | None:
        """For ``Routing``. Logic is dense between placed blocks; nextpnr's usual router tears up there what it laid."""
        return "router2" if self.used else None

    @property
    def tried(self) -> bool:
        """Both placements were."""
        return (self.free, self.fixed) != (None, None)

    @property
    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {"used": self.used, "wire_length": {"free": self.free, "fixed": self.fixed}}


def _pays(free: int | None, fixed: int | None) -> bool:
    return fixed is not None and (free is None or fixed <= WORTH * free)


def crowded(netlist: Netlist, board: "Board") -> tuple[str, ...]:
    """Kinds of blocks that are to be fixed, since logic is spread with them further than it would be; none on an iCE40.
    """
    luts = sum(number * netlist.cells.get(cell, 0) for cell, number in _LUTS.items())
    if board.family != "ecp5" or luts > FILLED * board.budget["lut"]:
        return ()
    sites = sites_of(board.device)
    return tuple(kind for kind in KINDS if netlist.cells.get(kind, 0) > CROWDED * len(sites[kind]))


def fix(netlist: Netlist, board: "Board", kinds: tuple[str, ...], out: Path) -> Netlist:
    """The netlist with places for all blocks of these kinds, written to ``out``.

    Raises
    ------
    FloorplanError
        If there are too few sites.
    """
    document = json.loads(netlist.json.read_text(encoding="utf-8"))
    cells = document["modules"][netlist.top]["cells"]
    blocks = {kind: [name for name, cell in cells.items() if cell["type"] == kind] for kind in kinds}
    sites = sites_of(board.device)
    places = floorplan(blocks, sites)
    check_floorplan(places, blocks, sites)
    for name, site in places.items():
        cells[name]["attributes"]["BEL"] = site.bel
    out.mkdir(parents=True, exist_ok=True)
    fixed = Netlist(folder=out, top=netlist.top, cells=netlist.cells)
    fixed.json.write_text(json.dumps(document), encoding="utf-8")
    return fixed


def wire_length(netlist: Netlist, board: "Board", out: Path, *, freq_mhz: float, pins: Path | None = None,
                timeout_s: float = PLACE_TIMEOUT_S) -> int | None:
    """After placing with seed 1, without routing, in tiles; None where nextpnr finds no placement.

    Raises
    ------
    ToolError
        If nextpnr is missing, is killed or takes longer than ``timeout_s``.
    """
    argv = nextpnr_argv(netlist, board, out, freq_mhz=freq_mhz, seed=1, pins=pins)
    try:
        done = run([*argv, "--no-route"], cwd=out, timeout_s=timeout_s, log=out / "nextpnr.log")
    except ToolError as error:
        if error.repeats:
            return None
        raise
    lengths = _WIRE_LENGTH.findall(done.text())
    return int(lengths[-1]) if lengths else None


@dataclass(frozen=True, kw_only=True)
class Placing(Step[Placed]):
    """The netlist that is routed best: as it is, or with places for its scarce blocks.

    Of the board only the device counts, where its pins are is in ``pins``.
    """

    kind = "placing"
    netlist: Netlist
    board: "Board" = keyed(device_of)
    freq_mhz: float
    pins: Path | None = None

    def make(self, folder: Path, store: Store) -> None:
        lengths = self._lengths(folder)
        if not _pays(**lengths):
            (folder / "netlist.json").unlink(missing_ok=True)
        write_json(folder / RECORD, lengths)

    def _lengths(self, folder: Path) -> dict[str, int | None]:
        kinds = crowded(self.netlist, self.board)
        if not kinds:
            return {"free": None, "fixed": None}
        tell("placing blocks")
        try:
            fixed = fix(self.netlist, self.board, kinds, folder)
        except FloorplanError as error:
            note(f"no floorplan: {error}")
            return {"free": None, "fixed": None}
        lengths = {}
        for name, netlist in (("free", self.netlist), ("fixed", fixed)):
            work = folder / name
            lengths[name] = wire_length(netlist, self.board, work, freq_mhz=self.freq_mhz, pins=self.pins)
            rmtree(work)
        return lengths

    def load(self, folder: Path) -> Placed:
        lengths: Mapping[str, int | None] = read_json(folder / RECORD)
        netlist = self.netlist
        if _pays(**lengths):
            netlist = Netlist(folder=folder, top=netlist.top, cells=netlist.cells)
        return Placed(netlist=netlist, **lengths)
