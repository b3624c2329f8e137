"""Simulators that are shell scripts."""

import os
import stat
from pathlib import Path

import pytest

from cosim.process import SimulationError, exchange


@pytest.fixture
def simulator(tmp_path):
    """A function that writes a program named ``sim``."""
    def write(script):
        program = tmp_path / "sim"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return program
    return write


def test_the_answer_to_a_request(simulator):
    program = simulator('cat "$1" > "$2"; printf "%s" "$3" >> "$2"')
    assert exchange(program, b"\0request", limit_s=20, arguments=["-x"]) == b"\0request-x"


def test_each_run_has_a_folder_of_its_own_that_goes(simulator, tmp_path):
    program = simulator('pwd > "$2"; touch more')
    first, second = (Path(exchange(program, b"", limit_s=20).decode().strip()) for _ in range(2))
    assert first != second and not first.exists() and not second.exists()
    assert os.listdir(tmp_path) == ["sim"]


@pytest.mark.parametrize("script, repeats, says", [
    ("echo 'input 3: the engine stopped'; exit 2", True, r"sim: exit status 2: input 3: the engine stopped$"),
    ("kill -SEGV $$", True, r"sim: killed by SIGSEGV"),
    ("sleep 60", False, r"sim: timed out after 0.5 s"),
    ("echo >answer; echo 'PRE->ACT violation on bank 2'; echo again", True,
     r"sim: complained: PRE->ACT violation on bank 2: 2 lines in all$"),
    ("true", False, r"sim: left no answer: .*No such file or directory"),
])
def test_every_way_to_fail_is_one_line(simulator, script, repeats, says):
    with pytest.raises(SimulationError, match=says) as caught:
        exchange(simulator(script), b"", limit_s=0.5)
    assert "\n" not in str(caught.value) and caught.value.repeats is repeats


def test_missing_simulator_is_one_line(tmp_path):
    with pytest.raises(SimulationError, match="sim: not found"):
        exchange(tmp_path / "sim", b"", limit_s=1)
