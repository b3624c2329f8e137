"""What this executor has beside the suite of ``test_queue.py``."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path

from flows.run import processes
from flows.run.executor import Failure
from flows.run.processes import Kept, Processes
from flows.run.progress import tell

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


def process_of(task):
    if task == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def at_work(executor, *tasks):
    return [value for _, _, value in executor.work(process_of, enumerate(tasks), name=str, missing=lambda: 9)]


def test_kept_processes_go_on_to_the_next_queue_until_they_are_closed():
    with closing(Kept(1)) as kept:
        [first] = at_work(kept, "a")
        assert at_work(kept, "b", "c") == [first, first]
    assert not Path(f"/proc/{first}").exists()
    assert len({first, *at_work(Processes(1), "a"), *at_work(Processes(1), "a")}) == 3


def says(task):
    tell(f"at {task}")


def test_what_kept_processes_told_is_heard_when_their_queue_ends(monkeypatch):
    """The processes go on, so that nothing else waits for it."""
    heard = []

    def slowly(message):
        time.sleep(0.3)
        heard.append(tuple(message))

    monkeypatch.setattr(processes, "hear", slowly)
    with closing(Kept(1)) as kept:
        list(kept.work(says, enumerate("ab"), name=str, missing=lambda: 9))
        assert heard == [("a", "at a"), ("a", ""), ("b", "at b"), ("b", "")]


def test_where_a_kept_process_died_another_takes_its_place():
    with closing(Kept(1)) as kept:
        [first] = at_work(kept, "a")
        os.kill(first, signal.SIGKILL)              # between two queues
        [second] = at_work(kept, "a")
        assert isinstance(at_work(kept, "dies")[0], Failure)
        [third] = at_work(kept, "a")
        assert len({first, second, third}) == 3


def test_a_queue_that_is_broken_off_ends_what_runs(tmp_path):
    with closing(Kept(2)) as kept:
        queue = kept.work(partial(noted, tmp_path), enumerate(["a", "beside"]), name=str, missing=lambda: 9)
        assert next(queue)[1] == "a"
        until = time.monotonic() + 60
        while not (at := list(tmp_path.glob("beside-*"))):
            assert time.monotonic() < until
            time.sleep(0.05)
        queue.close()
        assert not Path(f"/proc/{at[0].name.split('-')[1]}").exists()
        assert len(at_work(kept, "a")) == 1


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
