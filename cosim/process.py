"""Running a compiled simulator: bytes in, bytes out, and every way to fail as one line."""

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hw.tools import ToolError, run

__all__ = ["SimulationError", "exchange"]


class SimulationError(ToolError):
    """A simulation crashed, hung or refused its request; the message says where, with the hardware's registers."""


def exchange(program: Path, request: bytes, *, limit_s: float,
             arguments: Sequence[str | os.PathLike[str]] = ()) -> bytes:
    """Run ``program REQUEST ANSWER arguments...`` on two files and return what it wrote to the second.

    It runs in a process and a temporary folder of its own, and ends with this process.

    Raises
    ------
    SimulationError
        If it is missing, dies, exits with another status than 0, takes longer than ``limit_s`` seconds, or says
        anything: what a model in it prints is that the hardware breaks a rule.
    """
    with TemporaryDirectory(prefix="heddle-") as name:
        folder = Path(name)
        (folder / "request").write_bytes(request)
        try:
            run([program.resolve(), "request", "answer", *arguments], cwd=folder, timeout_s=limit_s,
                log=folder / "log")
            _refuse_complaints(program, folder / "log")
            return (folder / "answer").read_bytes()
        except ToolError as error:
            raise SimulationError(str(program), error.what, detail=error.detail, repeats=error.repeats) from error
        except OSError as error:
            raise SimulationError(str(program), "left no answer", detail=str(error), repeats=False) from error


def _refuse_complaints(program: Path, log: Path) -> None:
    said = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    if said:
        raise SimulationError(str(program), f"complained: {said[0]}", detail=f"{len(said)} lines in all", repeats=True)
