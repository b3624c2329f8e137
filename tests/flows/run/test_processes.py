"""What this executor has beside the suite of ``test_queue.py``."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from flows.run.executor import Failure
from flows.run.processes import Processes

ROOT = Path(__file__).parents[3]


def noted(folder, task):
    """Says in which process it was at work; ``dies`` takes its own along, with ``beside`` beside it."""
    first = not list(folder.glob(f"{task}-*"))
    (folder / f"{task}-{os.getpid()}").touch()
    if task == "beside" and first:
        time.sleep(60)
    if task == "dies":
        while not list(folder.glob("beside-*")):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def test_what_ran_beside_a_killed_process_is_done_again_alone(tmp_path):
    tasks, started = ["beside", "dies", "a"], time.monotonic()
    found = {task: value for _, task, value in Processes(2).work(
        partial(noted, tmp_path), enumerate(tasks), name=str, missing=lambda: float("inf"))}
    assert found == {"beside": "beside", "a": "a", "dies": Failure(
        reason="its process was killed; out of memory? try --jobs 1")}
    counts = {task: len(list(tmp_path.glob(f"{task}-*"))) for task in tasks}
    assert counts == {"beside": 2, "dies": 2, "a": 1}
    assert time.monotonic() - started < 50      # at once, not when the other task had ended


def test_processes_end_with_the_one_that_started_them(tmp_path):
    code = ("import sys; from functools import partial; from pathlib import Path\n"
            "from flows.run.processes import Processes\nfrom tests.flows.run.test_processes import waits\n"
            "if __name__ == '__main__':\n"
            "    work = partial(waits, Path(sys.argv[1]))\n"
            "    list(Processes(1).work(work, enumerate('a'), name=str, missing=lambda: 1))\n")
    script = tmp_path / "parent.py"
    script.write_text(code, encoding="utf-8")
    parent = subprocess.Popen([sys.executable, script, tmp_path], env={**os.environ, "PYTHONPATH": str(ROOT)})
    pid = tmp_path / "pid"
    until = time.monotonic() + 60
    while not (pid.exists() and pid.read_text(encoding="utf-8")):
        assert time.monotonic() < until and parent.poll() is None
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    while Path(f"/proc/{pid.read_text(encoding='utf-8')}").exists():
        assert time.monotonic() < until
        time.sleep(0.05)


def waits(folder, task):
    (folder / "pid").write_text(str(os.getpid()), encoding="utf-8")
    time.sleep(120)
