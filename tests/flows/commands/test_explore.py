import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flows.commands.explore import explore_to
from flows.report.folder import claimed
from flows.search.job import ExploreError
from hw.spec.presets import load_design
from sw.graph.graph import Graph
from tests.support.cluster import DaskProcesses, wait_until
from tests.support.jobs import digit_classifier, model_request, small_request

ROOT = Path(__file__).resolve().parents[3]
#: Four trainings of seconds; nothing is measured.
SPACE = """
[networks]
names = ["mlp", "strided"]
widths = [0.5]
weight_bits = [8, 4]
[hardware]
geometries = [[1, 2, 4], [2, 4, 4]]
[recipe]
passes = 3
[measure]
points = 0
"""


@pytest.fixture
def request_(tmp_path, monkeypatch):
    return small_request(tmp_path, monkeypatch)


def test_the_document_is_what_was_written(request_):
    document = explore_to(request_)
    assert json.loads((request_.out / "pareto.json").read_text()) == document
    assert {path.name for path in request_.out.iterdir()} == {".lock", "pareto.json", "points", "study.db", "run.json",
                                                              "report.html", "front.svg"}


def test_again_gives_the_same_and_forgets_old_points(request_):
    first = explore_to(request_)
    (request_.out / "points" / "stale").mkdir()
    assert explore_to(request_) == first
    assert not (request_.out / "points" / "stale").exists()


def test_hardware_for_a_model(tmp_path, monkeypatch):
    """Without data there is no accuracy, in no place; the front is that of latency and logic."""
    document = explore_to(model_request(tmp_path, monkeypatch))
    for point in document["points"]:
        assert [point["metrics"][name] for name in ("accuracy", "valid_accuracy", "test_interval")] == [None] * 3
        assert point["over_seeds"] is None and point["id"].startswith("mlp-w8-")
        folder = tmp_path / "out"
        assert Graph.load(folder / point["model"]).name == digit_classifier().name
        assert load_design(str(folder / point["design"])).board == point["board"]
    found = sorted((point["metrics"]["latency_s"], -point["metrics"]["lut"]) for point in document["points"])
    assert len(found) > 1 and all(one[1] < other[1] for one, other in zip(found, found[1:], strict=False))


def test_two_at_once_do_not_mix(request_):
    with claimed(request_.out), pytest.raises(ExploreError, match="another exploration writes to it"):
        explore_to(request_)


def explored(folder, name, *options):
    """What ``heddle explore`` finds with a store of its own."""
    done = subprocess.run([sys.executable, "-m", "flows.cli", "explore", "--space", folder / "space.toml", "--out",
                           folder / name, *options, "--json"], cwd=ROOT, capture_output=True, encoding="utf-8",
                          env={**os.environ, "HEDDLE_CACHE": str(folder / f"{name}-store")}, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def results(folder, name):
    return {path.relative_to(folder / f"{name}-store") for path in (folder / f"{name}-store").glob("v1/entries/*/*/*")}


@pytest.mark.slow
def test_a_cluster_finds_the_same_front(tmp_path):
    """Of two workers one is killed at a training; the other, and the one that takes its place, do the rest."""
    (tmp_path / "space.toml").write_text(SPACE, encoding="utf-8")
    killed = []
    with DaskProcesses(tmp_path) as dask:
        dask.scheduler()
        dask.worker("--nworkers", "2")
        dask.wait(2)
        nanny = dask.processes[1].pid

        def kill():
            wait_until(lambda: list(tmp_path.glob("cluster-store/v1/entries/training/*/*")), dask.processes[1], 600)
            workers = [int(pid) for threads in Path(f"/proc/{nanny}/task").glob("*/children")
                       for pid in threads.read_text(encoding="utf-8").split()
                       if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
            assert len(workers) == 2
            os.kill(workers[0], signal.SIGKILL)
            killed.append(workers[0])

        killer = threading.Thread(target=kill)
        killer.start()
        found = explored(tmp_path, "cluster", "--cluster", dask.address)
        killer.join()
    assert killed
    assert found == explored(tmp_path, "local") and len(found["points"]) > 1
    assert results(tmp_path, "cluster") == results(tmp_path, "local")
    assert not list((tmp_path / "cluster-store" / "v1" / "tmp").iterdir())
