"""The folder that an exploration leaves."""

import json
from dataclasses import replace

import pytest

from flows.report.folder import claimed, write_results
from flows.report.page import write_report
from flows.search.job import ExploreError, explore
from flows.search.point import Repeat
from hw.spec.feedback import Feedback, NoiseProfile
from hw.spec.presets import load_design
from sw.compiler import compile_graph
from sw.graph.graph import Graph
from tests.support.jobs import small_request

METRICS = {"accuracy", "test_interval", "valid_accuracy", "cycles", "cpu_cycles", "latency_s", "clock_mhz", "fmax_mhz",
           "timing_met", "lut", "ff", "dsp", "bram", "spram", "energy_j"}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def results(tmp_path, monkeypatch):
    return explore(small_request(tmp_path, monkeypatch))


def test_outputs_keep_the_contract(out, results):
    document = write_results(out, results)
    assert json.loads((out / "pareto.json").read_text()) == document
    assert {path.name for path in out.iterdir()} == {"pareto.json", "points", "study.db", "run.json",
                                                     "report.html", "front.svg"}
    assert {path.name for path in (out / "points").iterdir()} == {point["id"] for point in document["points"]}
    measured = [point for point in document["points"] if point["fidelity"] == "measured"]
    assert len(measured) == 1
    assert measured[0]["verification"] == {"level": "soc", "inputs": 32, "mismatches": 0}
    assert measured[0]["metrics"]["lut"] == 9999 != measured[0]["estimated"]["lut"]
    assert (out / measured[0]["bitstream"]).read_bytes() == b"bits"
    for point in document["points"]:
        assert list(point) == ["id", "design", "model", "board", "metrics", "estimated", "fidelity",
                               "over_seeds", "verification", "bitstream"]
        assert set(point["metrics"]) == METRICS and set(point["estimated"]) == METRICS
        design = load_design(str(out / point["design"]))
        program = compile_graph(Graph.load(out / point["model"]), design)
        assert program.cycles == point["metrics"]["cycles"]
        assert design.board == point["board"]
    record = json.loads((out / "run.json").read_text())
    assert record["looked"] == 12 > len(record["trials"]) >= len(record["points"])
    assert [each["choice"]["name"] for each in record["told"]] == ["mlp"]
    assert record["failures"] == [{"id": "x", "doing": "routing, seed 1", "reason": "hung"}]
    assert record["data"]["counts"] == {"train": 1257, "valid": 180, "test": 360}
    before = (out / "report.html").read_bytes()
    write_report(out)
    assert (out / "report.html").read_bytes() == before


def test_old_points_go_when_new_ones_are_there(out, results):
    (out / "points" / "stale").mkdir(parents=True)
    first = write_results(out, results)
    assert {path.name for path in (out / "points").iterdir()} == {point["id"] for point in first["points"]}
    before = (out / "pareto.json").read_bytes()
    assert write_results(out, results) == first
    assert (out / "pareto.json").read_bytes() == before
    assert [path.name for path in out.iterdir() if path.name.startswith(".points")] == []


def test_old_points_stay_when_new_ones_cannot_be_written(out, results):
    write_results(out, results)
    before = {path.name for path in (out / "points").iterdir()}
    next(iter(results.files.values()))["model.npz"].unlink()
    with pytest.raises(FileNotFoundError):
        write_results(out, results)
    assert {path.name for path in (out / "points").iterdir()} == before
    assert [path.name for path in out.iterdir() if path.name.startswith(".points")] == []


def test_several_seeds_are_shown(out, results):
    points = tuple(replace(point, repeats=(Repeat(seed=1, accuracy=0.5), Repeat(seed=2, accuracy=0.75)))
                   for point in results.exploration.points)
    results = replace(results, exploration=replace(results.exploration, points=points))
    assert write_results(out, results)["points"][0]["over_seeds"] == {
        "count": 2, "mean": 0.625, "lowest": 0.5, "highest": 0.75, "seeds": [1, 2], "accuracies": [0.5, 0.75]}


def test_feedback_of_a_run_before_goes(out, results):
    out.mkdir(exist_ok=True)
    (out / "feedback.json").write_text("{}", encoding="utf-8")
    write_results(out, results)
    assert not (out / "feedback.json").exists()


def test_feedback_is_there_where_there_was_some(tmp_path, monkeypatch, out):
    noise = NoiseProfile(multiplier="trunc", weight_bits=2, mean=(0.0,) * 4, variance=(0.5,) * 4, pairs=1024,
                         simulator="Verilator")
    feedback = Feedback(design="d", fingerprint=1, clock_mhz=50.0, noise=noise, latency=())
    write_results(out, explore(small_request(tmp_path, monkeypatch, feedback=feedback)))
    assert Feedback.load(out / "feedback.json") == feedback


def test_a_points_bitstream_is_the_file_that_was_made(out, results):
    first = next(point for point in results.exploration.points if point.measurement)
    flash = replace(first, measurement=replace(first.measurement, bitstream="heddle.bin"))
    files = {name.replace("heddle.bit", "heddle.bin"): path for name, path in results.files[first.id].items()}
    document = write_results(out, replace(results, exploration=replace(results.exploration, points=(flash,)),
                                          files={first.id: files}))
    assert (out / document["points"][0]["bitstream"]).read_bytes() == b"bits"
    assert document["points"][0]["bitstream"].endswith("/heddle.bin")


def test_two_at_once_do_not_mix(out):
    with claimed(out), pytest.raises(ExploreError, match="another exploration writes to it; wait for its end, or"), \
            claimed(out):
        pytest.fail("claimed twice")
    with claimed(out):
        assert (out / ".lock").exists()


def test_what_a_killed_run_was_writing_goes(out):
    out.mkdir()
    (out / ".progress.json.x1y2z3.part").touch()
    with claimed(out):
        assert [path.name for path in out.iterdir()] == [".lock"]


def test_where_every_point_failed_there_is_a_report_that_says_why(out, results):
    document = write_results(out, replace(results, exploration=replace(results.exploration, points=()), files={}))
    assert document == {"points": []} and list((out / "points").iterdir()) == []
    assert "hung" in (out / "report.html").read_text()
