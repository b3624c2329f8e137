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
        If it is missing, dies, exits with another status than 0, or takes longer than ``limit_s`` seconds.
    """
    with TemporaryDirectory(prefix="heddle-") as name:
        folder = Path(name)
        (folder / "request").write_bytes(request)
        try:
            run([program.resolve(), "request", "answer", *arguments], cwd=folder, timeout_s=limit_s,
                log=folder / "log")
            return (folder / "answer").read_bytes()
        except ToolError as error:
            raise SimulationError(str(program), error.what, detail=error.detail, repeats=error.repeats) from error
        except OSError as error:
            raise SimulationError(str(program), "left no answer", detail=str(error), repeats=False) from error
