"""Running a cocotb bench: a job of numpy arrays in, an answer of arrays out.

A bench is a module with cocotb tests; it runs inside the simulator's process, takes its job with :func:`load_job` and
leaves its answer with :func:`save_answer`. What the numbers should have been is decided outside, by the caller.
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import numpy as np
from cocotb_tools import config
from cocotb_tools.runner import get_runner
from numpy.typing import ArrayLike

from cosim.process import SimulationError
from cosim.verilate import verilate
from hw.tools import ToolError, run

__all__ = ["build_bench", "load_job", "run_bench", "save_answer"]

ROOT = Path(__file__).resolve().parents[1]
JOB, ANSWER, RESULTS = "job.npz", "answer.npz", "results.xml"


def build_bench(verilog: str, top: str, out: Path, *, limit_s: float = 600) -> Path:
    """Compile module ``top`` of ``verilog`` for cocotb in folder ``out``; returns ``out``.

    Only the ports of ``top`` can be reached: with every signal public, as cocotb's own build has it, the compilation
    takes several times as long.

    Raises ToolError if a tool is missing or fails.
    """
    out.mkdir(parents=True, exist_ok=True)
    source, control = out / f"{top}.v", out / f"{top}.vlt"
    source.write_text(verilog, encoding="utf-8")
    ports = re.search(rf"^module {top}\s*\((.*?)\);", verilog, re.MULTILINE | re.DOTALL)
    names = re.findall(r"\w+", ports[1]) if ports else []
    control.write_text("\n".join(["`verilator_config", *(
        f'public_flat_rw -module "{top}" -var "{name}"' for name in names), ""]), encoding="utf-8")
    verilate([control, source], top, [config.share_dir / "lib" / "verilator" / "verilator.cpp"], out, optimize=1,
             flags=["--vpi"], runtime=["verilated_vpi.cpp"], limit_s=limit_s,
             link=[f"-Wl,-rpath,{config.libs_dir}", f"-L{config.libs_dir}", "-lcocotbvpi_verilator"])
    (out / "sim").rename(out / top)
    return out


def run_bench(directory: Path, top: str, module: str, job: Mapping[str, np.ndarray], *,
              limit_s: float = 3600) -> dict[str, np.ndarray]:
    """Run the cocotb tests of ``module`` on what :func:`build_bench` left in ``directory``; returns their answer.

    Raises
    ------
    SimulationError
        If a cocotb test fails, or the simulator dies or takes longer than ``limit_s`` seconds.
    """
    with TemporaryDirectory(prefix="heddle-") as name:
        folder = Path(name)
        np.savez(folder / JOB, **dict(job))  # type: ignore[arg-type]
        try:
            run([sys.executable, "-m", "cosim.bench", top, module, directory.resolve()], cwd=folder,
                timeout_s=limit_s, log=folder / "log", env=_environment())
        except ToolError as error:
            raise SimulationError(f"bench {module}", error.what, detail=error.detail, repeats=error.repeats) from error
        if failure := _failure(folder / RESULTS):
            raise SimulationError(f"bench {module}", "failed", detail=failure, repeats=True)
        with np.load(folder / ANSWER) as answer:
            return dict(answer)


def load_job() -> dict[str, np.ndarray]:
    """Inside the simulator: the job's arrays."""
    with np.load(JOB) as job:
        return dict(job)


def save_answer(**answer: ArrayLike) -> None:
    """Inside the simulator: what :func:`run_bench` returns."""
    np.savez(ANSWER, **answer)  # type: ignore[arg-type]


def _environment() -> dict[str, str]:
    # cocotb's runner behaves otherwise inside pytest, and so may another tool's Python path.
    return {"PYTHONPATH": str(ROOT), "PYTEST_CURRENT_TEST": "", "COCOTB_ANSI_OUTPUT": "0"}


def _failure(results: Path) -> str | None:
    """The first failed test of a results file, in one line."""
    try:
        cases = list(ElementTree.parse(results).iter("testcase"))
    except (OSError, ElementTree.ParseError) as error:
        return f"no results ({error})"
    for case in cases:
        for failure in (*case.iter("failure"), *case.iter("error")):
            said = (failure.get("message") or failure.text or "no message").strip().splitlines()
            return f"{case.get('name')}: {said[0]}"
    return None if cases else "no test ran"


def _main(top: str, module: str, directory: str) -> None:
    get_runner("verilator").test(test_module=module, hdl_toplevel=top, hdl_toplevel_lang="verilog",
                                 build_dir=directory, test_dir=os.getcwd(), results_xml=RESULTS)


if __name__ == "__main__":
    _main(*sys.argv[1:])
