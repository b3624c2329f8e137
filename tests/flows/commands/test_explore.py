import json
import os
import signal
import threading

import pytest

from flows.commands.explore import explore_to
from flows.report.folder import claimed
from flows.search.job import ExploreError, Request
from hw.spec.presets import load_design
from sw.graph.graph import Graph
from tests.support.cluster import DaskProcesses, wait_until
from tests.support.explored import COUNTED, Search
from tests.support.jobs import digit_classifier, model_request, small_request


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


@pytest.mark.slow
def test_networks_for_a_up5k(tmp_path, monkeypatch):
    """Trained, at the device's own clock, on its whole SoC; none is routed here."""
    monkeypatch.setenv("HEDDLE_CACHE", str(tmp_path / "store"))
    space = tmp_path / "space.toml"
    space.write_text("[networks.mlp]\nwidth = [0.25, 0.5]\n[precision]\nweight_bits = 8\n[measure]\npoints = 0\n")
    document = explore_to(Request(design="up5k", space_file=space, out=tmp_path / "out"))
    for point in document["points"]:
        assert point["board"] == "icebreaker" and point["fidelity"] == "estimated"
        metrics = point["metrics"]
        assert (metrics["clock_mhz"], metrics["dsp"], metrics["bram"], metrics["spram"]) == (24.0, 8, 30, 4)
        assert metrics["latency_s"] == metrics["cycles"] / 24e6 and metrics["valid_accuracy"] > 0.8
    assert document["points"]


def test_two_at_once_do_not_mix(request_):
    with claimed(request_.out), pytest.raises(ExploreError, match="another exploration writes to it"):
        explore_to(request_)


@pytest.mark.slow
def test_a_cluster_finds_the_same_front(tmp_path):
    """Of two workers one is killed at a training; the other, and the one that takes its place, do the rest."""
    local, spread, killed = Search(tmp_path / "local"), Search(tmp_path / "spread"), []
    with DaskProcesses(tmp_path) as dask:
        dask.scheduler()
        dask.worker("--nworkers", "2", "--preload", str(COUNTED))
        dask.wait(2)
        spread.options = ("--cluster", dask.address)

        def kill():
            wait_until(lambda: list(spread.store.glob("entries/training/*/*")), dask.processes[1], 600)
            killed.append(dask.workers(1)[0])
            os.kill(killed[0], signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        found = spread.finish()
        killer.join()
    assert killed and found == local.finish() and len(found) > 1
    assert spread.results == local.results
    assert len(spread.made) == len(set(spread.made))
    assert list((spread.store / "tmp").iterdir()) == []
