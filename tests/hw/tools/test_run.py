import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hw.spec.errors import HeddleError
from hw.tools import ToolError, environment, run


def shell(tmp_path, script, **options):
    return run(["sh", "-c", script], **{"cwd": tmp_path, "timeout_s": 20, "log": tmp_path / "run.log", **options})


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def dead(pid):
    """Whether a process that was killed is gone, as soon as the system has come to it."""
    until = time.monotonic() + 10
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not alive(pid)


def test_output_of_both_streams_is_in_the_log(tmp_path):
    done = shell(tmp_path, "echo one; echo two >&2; pwd")
    assert done.text() == f"one\ntwo\n{tmp_path}\n"
    assert done.tool == "sh"
    assert done.seconds < 20


def test_status_names_the_tool_the_error_and_the_log(tmp_path):
    with pytest.raises(HeddleError, match=r"^sh: exit status 3: ERROR: no such cell \(log: .*/run\.log\)$") as caught:
        shell(tmp_path, "echo 'ERROR: no such cell'; echo; echo bye; exit 3")
    assert caught.value.repeats


def test_last_line_stands_in_where_none_names_an_error(tmp_path):
    with pytest.raises(ToolError, match=r"exit status 1: giving up \("):
        shell(tmp_path, "echo start; echo giving up; exit 1")


def test_a_crash_names_the_signal(tmp_path):
    with pytest.raises(ToolError, match=r"^sh: killed by SIGSEGV") as caught:
        shell(tmp_path, "kill -SEGV $$")
    assert caught.value.repeats


def test_a_kill_is_not_held_against_the_input(tmp_path):
    with pytest.raises(ToolError, match=r"^sh: killed by SIGKILL \(out of memory\?\)") as caught:
        shell(tmp_path, "kill -KILL $$")
    assert not caught.value.repeats


def test_time_out_kills_everything_that_was_started(tmp_path):
    begun = time.monotonic()
    with pytest.raises(ToolError, match=r"^sh: timed out after 0.5 s: placing") as caught:
        shell(tmp_path, "sleep 60 & echo $! > child; echo placing; wait", timeout_s=0.5)
    assert time.monotonic() - begun < 10
    assert not caught.value.repeats
    assert dead(int((tmp_path / "child").read_text()))


@pytest.fixture
def interruptible():
    """A shell ignores SIGINT in what it starts in the background, and children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_interrupt_kills_everything_that_was_started(tmp_path, interruptible):
    threading.Timer(0.5, lambda: signal.raise_signal(signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        shell(tmp_path, "sleep 60 & echo $! > child; wait")
    assert dead(int((tmp_path / "child").read_text()))


def test_the_tool_ends_with_its_parent(tmp_path):
    code = ("from pathlib import Path; from hw.tools import run; "
            "run(['sh', '-c', 'echo $$ > child; sleep 60'], cwd=Path('.'), timeout_s=60, log=Path('log'))")
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": os.getcwd()})
    deadline = time.monotonic() + 20
    while not ((tmp_path / "child").exists() and (tmp_path / "child").read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    child = int((tmp_path / "child").read_text())
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert dead(child)


def test_a_full_disk_is_named(tmp_path):
    with pytest.raises(ToolError, match=r"^sh: the disk is full: free some space, or empty the store") as caught:
        shell(tmp_path, "echo 'write failed: No space left on device'; exit 1")
    assert not caught.value.repeats


def test_a_missing_program_is_named(tmp_path):
    with pytest.raises(ToolError, match=r"^vsim: not found: no program .*vsim$"):
        run([tmp_path / "vsim"], cwd=tmp_path, timeout_s=1, log=tmp_path / "log")


def test_relative_program_is_looked_for_where_it_runs(tmp_path):
    (tmp_path / "tool").write_text("#!/bin/sh\necho here\n")
    (tmp_path / "tool").chmod(0o755)
    assert run(["./tool"], cwd=tmp_path, timeout_s=9, log=tmp_path / "log").text() == "here\n"


def test_an_outer_make_is_not_passed_on(monkeypatch):
    monkeypatch.setenv("MAKEFLAGS", "w -j2 --jobserver-auth=3,4")
    monkeypatch.setenv("MAKELEVEL", "1")
    env = environment()
    assert "jobserver" not in env["MAKEFLAGS"]
    assert "CFG_CXXFLAGS_PCH_I=-include" in env["MAKEFLAGS"]
    assert "MAKELEVEL" not in env


def test_yosys_runs_a_script(tmp_path):
    (tmp_path / "a.ys").write_text("log hello\n")
    assert "hello" in run(["yosys", "a.ys"], cwd=tmp_path, timeout_s=20, log=tmp_path / "log").text()


def test_a_wrong_script_gives_the_line_of_yosys(tmp_path):
    (tmp_path / "a.ys").write_text("hierarchy -top nothing\n")
    with pytest.raises(ToolError, match=r"^yosys: exit status 1: ERROR: Module `nothing' not found"):
        run(["yosys", "a.ys"], cwd=tmp_path, timeout_s=20, log=tmp_path / "log")
