"""Which seed is taken, what is ended and what stays, with routings that only wait."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.fpga.seeds import ROUTER_BYTES, Seed, Seeds, most_at_once, route_seeds
from flows.run.store import Store
from hw.spec.errors import HeddleError
from tests.support.routed import Slow, routed

ROOT = Path(__file__).parents[3]


@pytest.fixture
def route(tmp_path):
    """Routes with these (Fmax, seconds), wanted are 50 MHz; its ``diary`` has all that was begun and made."""
    def ask(*plan, jobs):
        routings = [Slow(seed=number, fmax_mhz=fmax, seconds=seconds, diary=tmp_path / "diary")
                    for number, (fmax, seconds) in enumerate(plan, 1)]
        return route_seeds(Store(tmp_path / "store"), routings, jobs=jobs)
    ask.diary = lambda: (tmp_path / "diary").read_text().splitlines()
    return ask


@pytest.mark.parametrize("jobs", [1, 3])
def test_the_first_that_meets_timing_is_taken_whoever_is_quicker(route, jobs):
    """The third is met and there first, the second decides."""
    found = route((40, 0.1), (51, 1.5), (99, 0), jobs=jobs)
    assert [each.record for each in found.tried] == [{"seed": 1, "fmax_mhz": 40, "timing_met": False},
                                                     {"seed": 2, "fmax_mhz": 51, "timing_met": True}]
    assert found.best.seed == 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_without_one_the_fastest_is_the_best(route, jobs):
    found = route((40, 0), (49, 0), (49, 0), (None, 0), jobs=jobs)
    assert (found.best.seed, len(found.tried)) == (2, 4)
    assert found.tried[-1].record == {"seed": 4, "failure": "seed 4 cannot be placed"}


def test_one_after_the_other_asks_for_no_more_than_it_takes(route):
    route((40, 0), (51, 0), (52, 0), jobs=1)
    assert route.diary() == ["begun 1", "made 1", "begun 2", "made 2"]


def test_what_is_in_the_store_is_not_routed_again(route):
    """Nor is what comes behind it begun."""
    route((40, 0), (51, 0), jobs=1)
    before = route.diary()
    assert route((40, 0), (51, 0), (52, 0), jobs=2).best.seed == 2 and route.diary() == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_later_seed_in_the_store_does_not_decide(route, tmp_path, jobs):
    Slow(seed=3, fmax_mhz=52, diary=tmp_path / "diary").value(Store(tmp_path / "store"))
    assert [each.seed for each in route((40, 0), (51, 0), (52, 0), jobs=jobs).tried] == [1, 2]
    assert [each.seed for each in route((40, 0), (41, 0), (52, 0), (53, 0), jobs=jobs).tried] == [1, 2, 3]


def test_what_still_runs_when_it_is_decided_is_ended(route):
    begun = time.monotonic()
    found = route((51, 0), (52, 40), (52, 40), jobs=2)
    assert [each.seed for each in found.tried] == [1] and time.monotonic() - begun < 30
    assert "made 2" not in route.diary() and "begun 3" not in route.diary()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failure_is_no_reason_to_stop_but_only_failures_are(route, jobs):
    assert route((None, 0), (51, 0), jobs=jobs).best.seed == 2
    with pytest.raises(HeddleError, match=r"^seed 1 cannot be placed; seed 2 cannot be placed$"):
        route((None, 0), (None, 0), jobs=jobs)


def test_the_best_is_one_that_met_timing():
    """Of a clock's own Fmax alone one could be faster."""
    met, fast = routed(Path("a"), 1, 50.5), routed(Path("b"), 2, 60.0, wanted_mhz=70)
    assert Seeds(tried=(Seed(seed=1, routed=met), Seed(seed=2, routed=fast))).best is met


def test_no_seeds():
    with pytest.raises(ValueError, match="no seeds to route with"):
        route_seeds(None, ())


SCRIPT = """
import signal
import sys
from pathlib import Path
from flows.fpga.seeds import route_seeds
from flows.run.store import Store
from tests.support.routed import Slow
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)       # ignored where a shell runs the tests behind it
    route_seeds(Store(Path(sys.argv[1]) / "store"),
                [Slow(seed=seed, fmax_mhz=40, seconds=seconds, diary=Path(sys.argv[1]) / "diary")
                 for seed, seconds in ((1, 0), (2, 55.5), (3, 0), (4, 54.5))], jobs=int(sys.argv[2]))
"""


def sleeping():
    """Programs of the routings that run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"sleep") and words[1:2] in ([b"55.5"], [b"54.5"]):
            found.append(path.parent.name)
    return found


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_leaves_nothing_running_and_loses_no_seed(route, tmp_path, jobs):
    (tmp_path / "script.py").write_text(SCRIPT)
    process = subprocess.Popen([sys.executable, tmp_path / "script.py", tmp_path, str(jobs)], cwd=ROOT,
                               env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if len(sleeping()) == jobs:
                break
            time.sleep(0.1)
        assert len(sleeping()) == jobs
        process.send_signal(signal.SIGINT)
        assert process.wait(30) != 0
        for _ in range(50):
            if not sleeping():
                break
            time.sleep(0.1)
        assert sleeping() == []
    finally:
        process.kill()
    done = {1} if jobs == 1 else {1, 3}
    made = [line for line in route.diary() if line.startswith("made")]
    assert made == [f"made {seed}" for seed in sorted(done)]
    store = Store(tmp_path / "store")
    for seed in done:       # from the store: nothing is begun again
        Slow(seed=seed, fmax_mhz=40, seconds=0, diary=tmp_path / "diary").value(store)
    assert [line for line in route.diary() if line.startswith("made")] == made


@pytest.mark.parametrize("left, most", [(ROUTER_BYTES * 100, len(os.sched_getaffinity(0))), (ROUTER_BYTES, 1), (0, 1)])
def test_no_more_at_once_than_memory_is_left_for(tmp_path, left, most):
    (tmp_path / "meminfo").write_text(f"MemTotal:  9999 kB\nMemAvailable:   {left >> 10} kB\n")
    assert most_at_once(tmp_path / "meminfo") == most
    assert most_at_once(tmp_path / "nothing") == 1
