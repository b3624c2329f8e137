"""What is installed, and for each thing missing the command that gets it."""

import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from hw.soc.cpus import CPUS
from hw.tools import TOOLS, ToolError, version

__all__ = ["examine"]

#: Python packages that decide results, and what each is for.
PACKAGES = {"amaranth": "the gateware's language", "litex": "the SoC",
            **{cpu.package: f"the CPU {cpu.title}" for cpu in CPUS.values()},
            "cocotb": "test benches", "torch": "training", "scikit-learn": "the digits data set",
            "optuna": "the search", "plotly": "the report's charts"}
PICOLIBC = Path("/usr/lib/picolibc/riscv64-unknown-elf/picolibc.specs")


def examine() -> dict[str, Any]:
    """The document of ``heddle doctor``.

    ``tools`` has ``name``, ``version`` (None if missing), ``purpose``, ``remedy`` and ``optional`` for each;
    ``ok`` says whether all that is not optional is there.
    """
    found = [_row("python", sys.version.split()[0], "runs Heddle", "sudo apt-get install -y python3")]
    found += [_row(tool.name, _tool_version(tool.name), tool.purpose, tool.remedy, optional=tool.optional)
              for tool in TOOLS.values()]
    found.append(_row("picolibc", "installed" if PICOLIBC.exists() else None, "the firmware's C library",
                      "sudo apt-get install -y picolibc-riscv64-unknown-elf"))
    found += [_row(name, _package_version(name), purpose, "make setup") for name, purpose in PACKAGES.items()]
    return {"tools": found, "ok": all(row["version"] or row["optional"] for row in found)}


def _row(name: str, found: str | None, purpose: str, remedy: str, *, optional: bool = False) -> dict[str, Any]:
    return {"name": name, "version": found, "purpose": purpose, "remedy": remedy, "optional": optional}


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
