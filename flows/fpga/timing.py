"""The path that a clock is limited by, by the modules that it runs through; from nextpnr's own report."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from flows.fpga.routing import Routed
from flows.run.files import read_json

__all__ = ["CriticalPath", "Station", "critical_path", "read_report"]

#: What Yosys and nextpnr make of a signal's name for the cells around it: the name of a primitive and all behind it.
_CELL = re.compile(r"(_(SB|TRELLIS|LUT\d|CCU2C|PFUMX|L6MUX21|DP16KD|MULT18X18D|DPR16X4|ALU54B|IB|OB|BB)(?=[_\d]|$)"
                   r"|\$).*")
_MEMORY_BLOCK = re.compile(r"(\.\d+)+$")     # behind the name of a memory that is made of several
TOP = "top"


@dataclass(frozen=True, kw_only=True)
class Station:
    """A part of a path that lies in one module, with the wire that leads into it."""

    module: str               # hierarchical, as `heddle_engine.sequencer`; TOP for what is in none
    delay_ns: float


@dataclass(frozen=True, kw_only=True)
class CriticalPath:
    """The longest path between two registers of a clock."""

    source: str               # where it begins and ends: a signal of a module
    sink: str
    delay_ns: float
    routing_ns: float         # of that, on wires
    stations: tuple[Station, ...]


def critical_path(routed: Routed) -> CriticalPath | None:
    """Of the clock that limits a routed design; None where nextpnr names no path between its registers."""
    worst = min(routed.clocks, key=lambda name: routed.clocks[name].achieved_mhz / routed.clocks[name].wanted_mhz)
    return read_report(read_json(routed.folder / "report.json"), worst)


def read_report(report: Mapping[str, Any], clock: str) -> CriticalPath | None:
    """Of a clock in nextpnr's JSON report; None if it has no such path.

    Cells have no module of their own after synthesis: it is read from their names, which come from signals near them.
    """
    wanted = f"posedge {clock}"
    for entry in report.get("critical_paths", []):
        if entry["from"] == entry["to"] == wanted and entry["path"]:
            return _read(entry["path"])
    return None


def _read(path: list[dict[str, Any]]) -> CriticalPath:
    return CriticalPath(
        source=_signal(path[0]["from"]["cell"]), sink=_signal(path[-1]["to"]["cell"]),
        delay_ns=sum(step["delay"] for step in path),
        routing_ns=sum(step["delay"] for step in path if step["type"] == "routing"),
        stations=tuple(_stations(path)))


def _stations(path: list[dict[str, Any]]) -> Iterator[Station]:
    for module, steps in groupby(path, key=lambda step: _module(step["to"]["cell"])):
        yield Station(module=module, delay_ns=sum(step["delay"] for step in steps))


def _signal(cell: str) -> str:
    """The signal that a cell was named after.

    >>> _signal("heddle_engine.sequencer.left_TRELLIS_FF_Q_3"), _signal("spiflash0_SB_DFFESR_Q_8_D_SB_LUT4_O_LC")
    ('heddle_engine.sequencer.left', 'spiflash0')
    """
    return _MEMORY_BLOCK.sub("", _CELL.sub("", cell) or cell)


def _module(cell: str) -> str:
    """The module of that signal; a memory stands for itself.

    >>> _module("heddle_engine.sequencer.left_LUT4_Z"), _module("spiflash0_SB_DFFESR_Q"), _module("sram.0.2")
    ('heddle_engine.sequencer', 'top', 'sram')
    """
    if _MEMORY_BLOCK.search(_CELL.sub("", cell)):
        return _signal(cell)
    return _signal(cell).rpartition(".")[0] or TOP
