"""What is installed, and for each thing missing the command that gets it."""

import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from hw.soc.cpus import CPUS
from hw.tools import TOOLS, Tool, ToolError, choice, version

__all__ = ["examine"]

#: Python packages that decide results, and what each is for.
PACKAGES = {"amaranth": "the gateware's language", "litex": "the SoC",
            **{cpu.package: f"the CPU {cpu.title}" for cpu in CPUS.values()},
            "cocotb": "test benches", "torch": "training", "scikit-learn": "the digits data set",
            "optuna": "the search", "plotly": "the report's charts"}
PICOLIBC = Path("/usr/lib/picolibc/riscv64-unknown-elf/picolibc.specs")


def examine() -> dict[str, Any]:
    """The document of ``heddle doctor``.

    ``tools`` has ``name``, ``version`` (None if missing), ``purpose``, ``remedy`` and ``optional`` for each, and
    ``why``: of one that may be native or packaged, as its version begins, why it is this one, or why there is none;
    else empty. ``ok`` says whether all that is not optional is there.

    Raises
    ------
    HeddleError
        If ``HEDDLE_TOOLS`` has another value than it may.
    """
    found = [_row("python", sys.version.split()[0], "runs Heddle", "sudo apt-get install -y python3")]
    found += [_tool_row(tool) for tool in TOOLS.values()]
    found.append(_row("picolibc", "installed" if PICOLIBC.exists() else None, "the firmware's C library",
                      "sudo apt-get install -y picolibc-riscv64-unknown-elf"))
    found += [_row(name, _package_version(name), purpose, "make setup") for name, purpose in PACKAGES.items()]
    return {"tools": found, "ok": all(row["version"] or row["optional"] for row in found)}


def _row(name: str, found: str | None, purpose: str, remedy: str, *, optional: bool = False,
         why: str = "") -> dict[str, Any]:
    return {"name": name, "version": found, "purpose": purpose, "remedy": remedy, "optional": optional, "why": why}


def _tool_row(tool: Tool) -> dict[str, Any]:
    try:
        why, found, remedy = choice(tool.name).why, _tool_version(tool.name), tool.remedy
    except ToolError as error:      # a native one is wanted, and there is none that will do
        why, found, remedy = error.what, None, error.detail
    return _row(tool.name, found, tool.purpose, remedy, optional=tool.optional, why=why)


def _tool_version(name: str) -> str | None:
    try:
        return version(name)
    except ToolError:
        return None


def _package_version(name: str) -> str | None:
    try:
        return package_version(name)
    except PackageNotFoundError:
        return None
