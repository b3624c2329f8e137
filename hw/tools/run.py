"""Running a tool: time limit, whole process group, everything it says in a log, failures in one line."""

import errno
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hw.tools import find
from hw.tools.errors import ToolError

__all__ = ["Completed", "ToolError", "run"]

_DISK_FULL = "the disk is full"
_DISK_REMEDY = "free some space, or empty the store with `make clean`"
_INTERRUPTED = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGBUS}
_TAIL_BYTES = 65536


@dataclass(frozen=True, kw_only=True)
class Completed:
    """A run that ended well."""

    tool: str
    log: Path                 # standard output and error, in the order they came
    seconds: float            # wall clock

    def text(self) -> str:
        return self.log.read_text(errors="replace", encoding="utf-8")


def run(argv: Sequence[str | os.PathLike[str]], *, cwd: Path, timeout_s: float, log: Path,
        env: Mapping[str, str] | None = None) -> Completed:
    """Run a tool to its end.

    Parameters
    ----------
    argv
        The program, or a name of ``TOOLS``, and its arguments.
    cwd
        Where it runs; must exist. The WebAssembly tools have a ``/tmp`` of their own: give them paths relative to it.
    timeout_s
        Wall-clock limit; then it is killed, with all that it started.
    log
        File for everything that it says.
    env
        Variables on top of :func:`hw.tools.environment`.

    Raises
    ------
    ToolError
        If it is missing, fails, is killed, takes too long or fills the disk. ``KeyboardInterrupt`` kills it as well.
    """
    name = Path(os.fspath(argv[0])).name
    start, full_env = find.command(argv), find.environment() | dict(env or {})
    if name in find.TOOLS:
        if not find.choice(name).native:
            find.prepare(name)
    elif shutil.which(cwd / start[0] if os.sep in start[0] else start[0], path=full_env["PATH"]) is None:
        raise ToolError(name, "not found", detail=f"no program {start[0]}", repeats=False)
    begun = time.monotonic()
    try:
        with log.open("wb") as out:
            status = _wait(_guarded(start), cwd=cwd, timeout_s=timeout_s, out=out, env=full_env)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        raise ToolError(name, _DISK_FULL if full else "could not be started",
                        detail=_DISK_REMEDY if full else str(error), repeats=False) from error
    if status != 0:
        raise _failure(name, status, timeout_s, cwd, log)
    return Completed(tool=name, log=log, seconds=time.monotonic() - begun)


def _guarded(argv: list[str]) -> list[str]:
    """Ends with this process, even where this process is killed without a word."""
    guard = shutil.which("setpriv")
    return [guard, "--pdeathsig", "KILL", *argv] if guard else argv


def _wait(argv: list[str], *, cwd: Path, timeout_s: float, out: object, env: Mapping[str, str]) -> int | None:
    """Exit status, negative for a signal; None where the time limit ended it."""
    process = subprocess.Popen(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out,  # type: ignore[call-overload]
                               stderr=subprocess.STDOUT, env=env, start_new_session=True)
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        # Also after a normal end: nothing that it left behind goes on.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def _failure(name: str, status: int | None, timeout_s: float, cwd: Path, log: Path) -> ToolError:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        tail = stream.read(_TAIL_BYTES).decode(errors="replace")
    if "No space left on device" in tail or shutil.disk_usage(cwd).free < 1 << 20:
        return ToolError(name, _DISK_FULL, detail=_DISK_REMEDY, log=log, repeats=False)
    if status is None:
        return ToolError(name, f"timed out after {timeout_s:g} s", detail=_telling(tail), log=log, repeats=False)
    if status < 0:
        hint = " (out of memory?)" if -status == signal.SIGKILL else ""
        return ToolError(name, f"killed by {signal.Signals(-status).name}{hint}", detail=_telling(tail), log=log,
                         repeats=-status not in _INTERRUPTED)
    return ToolError(name, f"exit status {status}", detail=_telling(tail), log=log, repeats=True)


def _telling(tail: str) -> str:
    """The last line that names an error, else the last that says anything."""
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    errors = [line for line in lines if any(word in line.lower() for word in ("error:", "error!", "%error", "fatal:"))]
    return (errors or lines or [""])[-1][:300]
