"""A Dask scheduler and workers on this machine, started as a user starts them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["DaskProcesses", "spawned", "wait_until"]

ROOT = Path(__file__).resolve().parents[2]
DASK = Path(sys.executable).parent / "dask"


class DaskProcesses:
    """Processes in ``folder``, where they keep what they need; all of them end with the body of ``with``, and minutes
    after whoever was killed in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen] = []
        self.address = ""

    def __enter__(self) -> "DaskProcesses":
        return self

    def __exit__(self, *_) -> None:
        for process in reversed(self.processes):
            end(process)

    def scheduler(self, *options: str, **settings: str) -> subprocess.Popen:
        """One on a free port; its address is in ``address``."""
        file = self.folder / f"scheduler-{len(self.processes)}.json"
        process = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0",
                              "--no-dashboard", "--idle-timeout", "600", "--scheduler-file", str(file), *options,
                              **settings)
        wait_until(lambda: file.is_file() and file.read_text(encoding="utf-8").endswith("}"), process)
        self.address = json.loads(file.read_text(encoding="utf-8"))["address"]
        return process

    def worker(self, *options: str, root: Path = ROOT, **settings: str) -> subprocess.Popen:
        """Processes of one thread unless ``options`` say otherwise, with the sources under ``root``."""
        return self._start("worker", self.address, "--no-dashboard", "--local-directory", str(self.folder / "local"),
                           "--death-timeout", "60",
                           *(() if "--nthreads" in options else ("--nthreads", "1")), *options,
                           PYTHONPATH=str(root), **settings)

    def workers(self, number: int) -> list[int]:
        """Processes that work, which the nannies in process ``number`` have started."""
        return spawned(self.processes[number].pid)

    def wait(self, count: int) -> None:
        """Until there are so many workers."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)

    def _start(self, *argv: str, **settings: str) -> subprocess.Popen:
        with (self.folder / f"{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen([sys.executable, "-P", DASK, *argv], cwd=ROOT, env={**os.environ, **settings},
                                       stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        self.processes.append(process)
        return process


def spawned(parent: int) -> list[int]:
    """Processes for tasks that a process has started."""
    return [int(pid) for threads in Path(f"/proc/{parent}/task").glob("*/children") for pid in _read(threads).split()
            if b"spawn_main" in _read(Path(f"/proc/{int(pid)}/cmdline"))]


def _read(path: Path) -> bytes:
    """Of a process: nothing where it has just ended."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def end(process: subprocess.Popen) -> None:
    """Whatever it has started, too."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until(true, process, timeout_s=60):
    """Raises AssertionError where it does not become so, or the process ends."""
    until = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < until and process.poll() is None, process.args
        time.sleep(0.05)
