"""Kills at random moments of a search: it goes on to the same front, and makes no result twice.

``HEDDLE_KILLS=N`` asks for N kills, half of them of local searches, half with two workers of a cluster; without it
there are 40. Each costs some 5 s of one core. A search is killed a few times and brought to its end, then comes the
next; ``-s`` shows how many there were, and how many results were counted.

Moments are drawn from the time that a search takes here and now. How long anything takes decides nothing else.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from flows.run.cluster import DEATHS_MOST
from tests.support.cluster import DaskProcesses, spawned
from tests.support.explored import COUNTED, Search

KILLS = int(os.environ.get("HEDDLE_KILLS", "40"))       # of both kinds together
AT_ONCE = 8             # at most, of one search
LIMIT_S = 900.0         # of one that takes some 10: it hangs
SOONEST_S = 0.2         # after its start, or the kill before
#: Two trainings of a second; four points, of which two or more are the front, however accurate the networks are.
SPACE = """
[networks.strided]
width = 0.5
[precision]
weight_bits = [8, 4]
[hardware]
geometries = [[1, 2, 4], [2, 4, 4]]
multipliers = "dsp"
requantizers = 1
boards = "ulx3s-45"
[recipe]
passes = 1
[measure]
points = 0
"""
INPUTS = {"train": 256, "valid": 128, "test": 64}


@dataclass(kw_only=True)
class Searches:
    """What all searches of a test share."""

    folder: Path
    data: Path
    whole: Search               # that nobody disturbed
    span_s: float               # how long the last one took that came to its end, from its last start
    options: tuple[str, ...] = ()
    deaths: int                 # of workers that a task survives
    rng: random.Random
    workers_of: Callable[[int], list[int]] = spawned    # of the process of a search
    #: What was counted.
    kills: int = 0
    ended: int = 0
    made: int = 0

    def disturb_all(self, kills: int) -> None:
        """As many searches as it takes."""
        while self.kills < kills:
            search = Search(self.folder / str(self.ended), "--data", f"npz:{self.data}", *self.options, space=SPACE)
            kept = self._disturb(search, min(AT_ONCE, kills - self.kills))
            check(search, self.whole, kept)
            self.ended, self.made = self.ended + 1, self.made + len(search.made)
            print(f"{self.kills} kills, {self.ended} searches, {self.made} results, none of them twice", flush=True)
            shutil.rmtree(search.folder, ignore_errors=True)    # a worker may still do something for who was killed

    def _disturb(self, search: Search, most: int) -> dict[str, int]:
        """Start it until it comes to its end, with so many kills. Results that there were at a kill, by their folders'
        numbers.
        """
        kept, last = dict[str, int](), self.kills + most
        while self._killed(search, last, kept):
            pass
        return kept

    def _killed(self, search: Search, last: int, kept: dict[str, int]) -> bool:
        """Start it; whether it was killed itself, else it has come to its end. No more workers are killed meanwhile
        than a task survives.
        """
        begun, deaths = time.monotonic(), 0
        with ending(search.start()) as process:
            while self.kills < last and not ended(process, self._moment_s(time.monotonic() - begun)):
                victim = self.rng.choice([process.pid, *(self.workers_of(process.pid) if deaths < self.deaths else ())])
                with suppress(ProcessLookupError):      # a worker that was ending by itself
                    os.kill(victim, signal.SIGKILL)
                if victim == process.pid and process.wait() != -signal.SIGKILL:
                    break                               # it had just come to its end
                deaths, self.kills = deaths + 1, self.kills + 1
                kept.update(folders(search) | kept)
                if victim == process.pid:
                    return True
            assert ended(process, LIMIT_S) and process.returncode == 0, search.log
        self.span_s = time.monotonic() - begun
        return False

    def _moment_s(self, since_s: float) -> float:
        """From now to the next kill, so long after a start."""
        return self.rng.uniform(SOONEST_S, max(2 * SOONEST_S, self.span_s - since_s))


@contextmanager
def ending(process: subprocess.Popen) -> Iterator[subprocess.Popen]:
    """It ends with the body, also where that raises."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ended(process: subprocess.Popen, within_s: float) -> bool:
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def folders(search: Search) -> dict[str, int]:
    """Results and the numbers of their folders: one that is made again has another."""
    return {path.name: path.stat().st_ino for path in search.store.glob("entries/*/*/*")}


def check(search: Search, whole: Search, kept: dict[str, int]) -> None:
    """Notes tell what was made twice; ``kept`` does where a kill came between a result and its note."""
    assert search.written == whole.written
    assert search.results == whole.results
    assert len(search.made) == len(set(search.made)) and set(search.made) <= search.results
    assert folders(search) | kept == folders(search)
    assert list((search.store / "tmp").iterdir()) == []


def leave_another_front(search):
    (search.folder / "out" / "pareto.json").write_text('{"points": [1]}', encoding="utf-8")


def leave_a_file(search):
    (search.folder / "out" / ".pareto.json.x").touch()


def lose_a_result(search):
    shutil.rmtree(search.store / "entries/fits/b")


def make_a_result_twice(search):
    with (search.folder / "made").open("a", encoding="utf-8") as made:
        made.write("b1\n")


def make_a_result_twice_with_one_note(search):
    folder = search.store / "entries/fits/b/b1"
    folder.rename(search.folder / "before")
    folder.mkdir()


def make_what_nobody_wants(search):
    (search.store / "entries/fits/c/c1").mkdir(parents=True)


def leave_half_a_result(search):
    (search.store / "tmp" / "b1.0").mkdir()


FAULTS = [leave_another_front, leave_a_file, lose_a_result, make_a_result_twice, make_a_result_twice_with_one_note,
          make_what_nobody_wants, leave_half_a_result]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_the_check_finds(fault, tmp_path):
    whole, other = left_by_a_search(tmp_path / "whole"), left_by_a_search(tmp_path / "other")
    kept = folders(other)
    check(other, whole, kept)
    fault(other)
    with pytest.raises(AssertionError):
        check(other, whole, kept)


def left_by_a_search(folder):
    """What one leaves that has found nothing and has made two results."""
    search = Search(folder)
    for name in ("out", "store/v1/tmp", "store/v1/entries/training/a/a1", "store/v1/entries/fits/b/b1"):
        (folder / name).mkdir(parents=True)
    (folder / "out" / "pareto.json").write_text('{"points": []}', encoding="utf-8")
    (folder / "made").write_text("a1\nb1\n", encoding="utf-8")
    return search


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Half of what a start costs, where Python is told to keep no byte code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("pyc")))
        patch.setenv("PYTHONDONTWRITEBYTECODE", "")
        yield


@pytest.fixture(scope="module")
def searches(tmp_path_factory, compiled):
    """Begins with one that nobody disturbs; what it left is found again, and nothing is made."""
    data = tmp_path_factory.mktemp("data") / "patterns.npz"
    np.savez(data, **patterns())
    whole = Search(tmp_path_factory.mktemp("whole") / "search", "--data", f"npz:{data}", space=SPACE)
    front = whole.finish()
    assert len(front) > 1 and len(list(whole.store.glob("entries/training/*/*"))) > 1
    assert sorted(whole.made) == sorted(whole.results)
    kept, begun = folders(whole), time.monotonic()
    assert whole.finish() == front
    span_s = time.monotonic() - begun
    check(whole, whole, kept)
    return lambda folder, **options: Searches(folder=folder, data=data, whole=whole, span_s=span_s, **options)


def patterns() -> dict[str, np.ndarray]:
    """Images of 8x8 in four classes, in three splits, so that no library is loaded to split them."""
    rng = np.random.default_rng(1)
    classes, found = rng.integers(0, 256, (4, 8, 8)), {}
    for split, count in INPUTS.items():
        found[f"y_{split}"] = labels = np.arange(count) % len(classes)
        found[f"x_{split}"] = np.clip(classes[labels] + rng.normal(0, 120, (count, 8, 8)), 0, 255).astype(np.uint8)
    return found


@pytest.mark.slow
def test_kills_of_local_searches(tmp_path, searches):
    """A worker of a search is killed at most once: whoever dies again with the same task has failed."""
    searches(tmp_path, deaths=1, rng=random.Random(1)).disturb_all(KILLS // 2)


@pytest.mark.slow
def test_kills_of_searches_and_their_workers(tmp_path, searches):
    with DaskProcesses(tmp_path) as dask:
        dask.scheduler()
        dask.worker("--nworkers", "2", "--preload", str(COUNTED))
        dask.wait(2)
        searches(tmp_path, options=("--cluster", dask.address), deaths=DEATHS_MOST - 1, rng=random.Random(2),
                 workers_of=lambda pid: dask.workers(1)).disturb_all(KILLS - KILLS // 2)
