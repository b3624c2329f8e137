"""All executors pass one suite."""

import os
import signal
import time
from contextlib import nullcontext

import pytest

from flows.run import queue
from flows.run.cluster import connected
from flows.run.progress import listening, note, tell
from flows.run.queue import Failure, keeping, run_queue
from flows.run.store import Store
from hw.tools import ToolError
from tests.support.listener import Heard


def work(task):
    tell("working")
    if task == "a":
        note("a is a note")
    if task == "fails":
        raise ToolError("nextpnr", "timed out", repeats=False)
    if task == "full":
        raise OSError(28, "No space left on device", "/somewhere")
    if task == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "bug":
        raise KeyError("a programming error")
    return task * 2


@pytest.fixture(params=["processes", "kept", "cluster"], autouse=True)
def executor(request, tmp_path):
    if request.param == "processes":
        place = nullcontext()
    elif request.param == "kept":
        place = keeping(2)
    else:
        workers = request.getfixturevalue("workers")
        workers.wait(2)
        place = connected(workers.address, Store(tmp_path))
    with place:
        yield request.param


def test_values_failures_and_what_was_said():
    heard, ended = Heard(), []
    with listening(heard):
        results = run_queue(work, ["a", "fails", "b", "full"], jobs=2, done=ended.append)
    assert [item.task for item in results] == ["a", "fails", "b", "full"]
    assert [item.value for item in results if item.ok] == ["aa", "bb"]
    assert results[1].value == Failure(reason="nextpnr: timed out", doing="working")
    assert results[3].value.reason == "/somewhere: No space left on device"
    assert [name for name, text in heard.told_ if text.startswith("working")].count("fails") == 1
    assert heard.noted_ == ["a is a note"]
    for task in ("a", "fails", "b", "full"):
        assert [text for name, text in heard.told_ if name == task][-1] == ""    # it has ended
    assert len(ended) == 4


def test_a_killed_process_is_a_failure_and_its_neighbours_are_not(executor):
    results = run_queue(work, ["a", "dies", "b", "c"], jobs=2)
    assert [item.value for item in results if item.ok] == ["aa", "bb", "cc"]
    assert results[1].value.reason == {
        "cluster": "its process was killed on 3 workers; out of memory?"}.get(
            executor, "its process was killed; out of memory? try --jobs 1")


def test_no_more_than_wanted():
    results = run_queue(work, iter(["a", "fails", "b", "c", "d"]), jobs=2, wanted=2)
    assert sum(item.ok for item in results) == 2
    assert len(results) == 3


def test_a_programming_error_is_not_hidden():
    with pytest.raises(KeyError, match="programming"):
        run_queue(work, ["bug"], jobs=1)


def slow(task):
    time.sleep(60)


def test_an_error_in_the_parent_ends_the_workers_at_once():
    def explode():
        yield 1
        raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_queue(slow, explode(), jobs=2)
    assert run_queue(work, ["a", "b"], jobs=2)[1].value == "bb"      # nothing is in the way
    assert time.monotonic() - begun < 40


def test_keeping_does_not_take_the_place_of_an_executor_that_is_used():
    used = queue._executor
    with keeping(1):
        inside = queue._executor
        assert [item.value for item in run_queue(work, ["b"], jobs=1)] == ["bb"]
    assert queue._executor is used and inside is not None and (used is None or inside is used)
