"""Synthesis for ECP5 and iCE40, and counting what a netlist takes: pure functions of files into a folder.

Verdicts come from the tools' own JSON reports; only error lines are taken from their logs.
"""

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from flows.fpga.families import FAMILIES, Family
from flows.run.files import read_json, write_json
from flows.run.step import Step
from flows.run.store import Store
from hw.tools import run

if TYPE_CHECKING:
    from boards import Board  # its facts are inputs, so that another board changes no key here

__all__ = ["Netlist", "PackedCount", "Synthesis", "count", "synthesize", "used_resources"]

RECORD = "synth.json"
SYNTH_TIMEOUT_S = 1800.0
PACK_TIMEOUT_S = 300.0
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

    @property
    def digest(self) -> str:
        """Of its contents: two designs that give the same netlist share what comes after."""
        return sha256(self.json.read_bytes()).hexdigest()

    @staticmethod
    def load(folder: Path) -> "Netlist":
        return Netlist(folder=folder, **read_json(folder / RECORD))


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
        text = _memories_from_files(path.read_text(encoding="utf-8"), out, f"source{number}")
        (out / names[-1]).write_text(text, encoding="utf-8")
    synth, map_ffs = f"{FAMILIES[family].synth} -top {top}", FAMILIES[family].map_ffs
    script = [*(f"read_verilog -sv {name}" for name in names),
              *((f"{synth} -run begin:map_ffs", *map_ffs) if map_ffs else (f"{synth} -run begin:map_luts",)),
              # ABC9 takes Amaranth's names of array elements, like "totals[0]", for bits of a signal and may crash.
              "clean -purge",
              f"{synth} -run map_luts:", "delete t:$scopeinfo",
              "write_json yosys.json", "tee -q -o stat.json stat -json"]
    (out / "synth.ys").write_text("\n".join(script) + "\n", encoding="utf-8")
    run(["yosys", "synth.ys"], cwd=out, timeout_s=timeout_s, log=out / "yosys.log")
    # Positions in the sources name the folder that Yosys is installed in.
    netlist = (out / "yosys.json").read_text(encoding="utf-8")
    (out / "netlist.json").write_text(_POSITION.sub("", netlist), encoding="utf-8")
    (out / "yosys.json").unlink()
    cells = read_json(out / "stat.json")["design"]["num_cells_by_type"]
    write_json(out / RECORD, {"top": top, "cells": cells})
    return Netlist.load(out)


@dataclass(frozen=True, kw_only=True)
class Synthesis(Step[Netlist]):
    """The netlist of Verilog sources, by their contents: two designs that give the same Verilog share it."""

    kind = "netlist"
    verilog: tuple[Path, ...]
    top: str
    data: tuple[Path, ...] = ()     # files that the sources read
    family: str

    def make(self, folder: Path, store: Store) -> None:
        synthesize(self.verilog, self.top, folder, data=self.data, family=self.family)

    def load(self, folder: Path) -> Netlist:
        return Netlist.load(folder)


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
        lines = (f"{int(value, 16 if base == 'h' else 10):x}\n" for _, _, base, value in words)
        (out / name).write_text("".join(lines), encoding="utf-8")
        return f'  initial $readmemh("{name}", {words[0][0]} );\n'

    return _MEMORY_INIT.sub(to_file, text)


def count(netlist: Netlist, board: "Board", out: Path, *, pins: Path | None = None,
          timeout_s: float = PACK_TIMEOUT_S) -> dict[str, int]:
    """Resources of the packed design, without placing it; ``pins`` are its constraints, which registers at them need.

    Raises ToolError.
    """
    family = FAMILIES[board.family]
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(netlist.json, out / "netlist.json")
    if pins:
        shutil.copyfile(pins, out / "pins")
    where = family.alone if pins is None else [family.pins, "pins"]
    run([family.nextpnr, *board.nextpnr_args, "--json", "netlist.json", *where, "--pack-only",
         "--report", "report.json"], cwd=out, timeout_s=timeout_s, log=out / "nextpnr.log")
    return used_resources(family, netlist, read_json(out / "report.json"))


def used_resources(family: Family, netlist: Netlist,
                   report: Mapping[str, Mapping[str, Mapping[str, int]]]) -> dict[str, int]:
    """By the names of ``Board.budget``, from nextpnr's report."""
    flip_flops = sum(number for cell, number in netlist.cells.items() if cell.startswith(_ICE40_FLIP_FLOP))
    return {"ff": flip_flops, "spram": 0} | {name: report["utilization"][cell]["used"]
                                             for name, cell in family.cells.items()}


@dataclass(frozen=True, kw_only=True)
class PackedCount(Step[dict[str, int]]):
    """What a module takes of a device, synthesized and packed; the netlist itself is not kept."""

    kind = "packed-count"
    verilog: str
    top: str
    board: "Board"

    def make(self, folder: Path, store: Store) -> None:
        (folder / "top.v").write_text(self.verilog, encoding="utf-8")
        netlist = synthesize([folder / "top.v"], self.top, folder / "synth", family=self.board.family)
        used = count(netlist, self.board, folder / "pack")
        for part in (folder / "synth", folder / "pack"):
            for large in part.glob("*.json"):
                large.unlink()
        write_json(folder / "used.json", used)

    def load(self, folder: Path) -> dict[str, int]:
        return read_json(folder / "used.json")
