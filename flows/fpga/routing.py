"""Place and route for ECP5 and iCE40: a pure function of files into a folder; the verdict is nextpnr's own report."""

import gzip
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flows.fpga.families import FAMILIES
from flows.fpga.netlist import Netlist, used_resources
from flows.run.files import read_json, write_json
from flows.run.step import Step, keyed
from flows.run.store import Store
from hw.tools import ToolError, run

if TYPE_CHECKING:
    from boards import Board  # its facts are inputs, so that another board changes no key here

__all__ = ["Clock", "Routed", "Routing", "device_of", "nextpnr_argv", "route"]

RECORD = "route.json"
ROUTE_TIMEOUT_S = 2400.0     # a full UP5K takes a quarter of an hour of an idle core
WRITTEN, NETLIST = "written.json", "netlist.json.gz"
# Most of what nextpnr writes: the wires of each net, and positions in sources, which name the folder of Yosys.
_NOT_KEPT = re.compile(rb'"(ROUTING|src)": "[^"\n]*"')


@dataclass(frozen=True, kw_only=True)
class Clock:
    """What a clock should run at, and could."""

    achieved_mhz: float
    wanted_mhz: float

    @property
    def met(self) -> bool:
        return self.achieved_mhz >= self.wanted_mhz


@dataclass(frozen=True, kw_only=True)
class Routed:
    """A placed and routed design; without pins it has neither ``textcfg``, its configuration, nor ``netlist``."""

    folder: Path
    seed: int
    clocks: Mapping[str, Clock]
    resources: Mapping[str, int]      # used, by the names of Board.budget
    out_of_context: bool = False

    @property
    def textcfg(self) -> Path:
        return self.folder / "top.config"

    @property
    def netlist(self) -> Path:
        """All cells as they were placed, with their settings and nets, as nextpnr writes them; gzipped."""
        return self.folder / NETLIST

    @property
    def timing_met(self) -> bool:
        return all(clock.met for clock in self.clocks.values())

    @property
    def fmax_mhz(self) -> float:
        """Of the clock that is closest to its limit, or furthest beyond."""
        return min(self.clocks.values(), key=lambda clock: clock.achieved_mhz / clock.wanted_mhz).achieved_mhz

    @staticmethod
    def load(folder: Path) -> "Routed":
        record = read_json(folder / RECORD)
        clocks = {name: Clock(**clock) for name, clock in record.pop("clocks").items()}
        return Routed(folder=folder, clocks=clocks, **record)


def route(netlist: Netlist, board: "Board", out: Path, *, freq_mhz: float, seed: int = 1, pins: Path | None = None,
          router: str | None = None, timeout_s: float = ROUTE_TIMEOUT_S) -> Routed:
    """Place and route once; a clock that misses its frequency is a result, not an error.

    Parameters
    ----------
    freq_mhz
        For every clock that ``pins`` does not constrain.
    pins
        Constraints in the family's own format; without them the design is routed for its Fmax only: on an ECP5 out of
        context, on an iCE40 with its ports at any pins.
    router
        Of nextpnr's; without one its usual.

    Raises
    ------
    ToolError
        If it does not fit, or nextpnr fails or takes longer than ``timeout_s``.
    """
    family = FAMILIES[board.family]
    argv = [*nextpnr_argv(netlist, board, out, freq_mhz=freq_mhz, seed=seed, pins=pins), "--report", "report.json"]
    if pins is not None:
        argv += [family.config, "top.config", "--write", WRITTEN]
    if router is not None:
        argv += ["--router", router]
    run(argv, cwd=out, timeout_s=timeout_s, log=out / "nextpnr.log")
    (out / "netlist.json").unlink()
    if pins is not None:
        _keep(out / WRITTEN, out / NETLIST)
    report = read_json(out / "report.json")
    clocks = {name: {"achieved_mhz": clock["achieved"], "wanted_mhz": clock["constraint"]}
              for name, clock in report["fmax"].items()}
    if not clocks:
        raise ToolError(family.nextpnr, "no clock in its report", detail="the design has no registers",
                        log=out / "nextpnr.log", repeats=True)
    write_json(out / RECORD, {"seed": seed, "clocks": clocks, "resources": used_resources(family, netlist, report),
                              "out_of_context": pins is None})
    return Routed.load(out)


def _keep(written: Path, kept: Path) -> None:
    """The same for the same cells and nets; the uncompressed file goes."""
    with written.open("rb") as source, gzip.GzipFile(kept, "wb", mtime=0) as target:
        for line in source:
            target.write(_NOT_KEPT.sub(rb'"\1": ""', line))
    written.unlink()


def nextpnr_argv(netlist: Netlist, board: "Board", out: Path, *, freq_mhz: float, seed: int,
                 pins: Path | None) -> list[str]:
    """A command that places and routes, to be run in ``out``, where its files are put; as :func:`route` has them."""
    family = FAMILIES[board.family]
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(netlist.json, out / "netlist.json")
    if pins is not None:
        shutil.copyfile(pins, out / "pins")
    return [family.nextpnr, *board.nextpnr_args, "--json", "netlist.json", "--seed", str(seed),
            "--freq", f"{freq_mhz:g}", "--timing-allow-fail",
            *(family.alone if pins is None else (family.pins, "pins"))]


def device_of(board: "Board") -> tuple[str, ...]:
    """What counts of a board where its pins are given elsewhere."""
    return board.family, *board.nextpnr_args


@dataclass(frozen=True, kw_only=True)
class Routing(Step[Routed]):
    """One placement and routing; of the board only the device counts, where its pins are is in ``pins``."""

    kind = "routed"
    netlist: Netlist
    board: "Board" = keyed(device_of)
    freq_mhz: float
    seed: int
    pins: Path | None = None    # without one it is routed for its Fmax only
    router: str | None = None   # of nextpnr's; None: its usual

    def make(self, folder: Path, store: Store) -> None:
        route(self.netlist, self.board, folder, freq_mhz=self.freq_mhz, seed=self.seed, pins=self.pins,
              router=self.router)

    def load(self, folder: Path) -> Routed:
        return Routed.load(folder)
