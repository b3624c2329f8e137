"""The main job as its user starts it, on a space of two designs, with nothing replaced."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from boards import BOARDS
from flows.report.page import RECORD
from hw.spec.presets import load_design
from sw.compiler import compile_graph
from sw.data import load_dataset
from sw.golden import run
from sw.graph.graph import Graph
from tests.support.readme import README, printed_commands

pytestmark = [pytest.mark.soc, pytest.mark.synth]

ROOT = Path(__file__).resolve().parents[2]
#: The smallest array, and the smallest network that has a choice of multipliers, one of which errs.
SPACE = """
[networks.mlp]
width = 1.0
[precision]
weight_bits = 8
[hardware]
geometries = [[1, 1, 4]]
multipliers = ["lut", "trunc"]
requantizers = [1]
depthwise_taps = [1]
boards = ["ulx3s-25"]
[search]
trials = 2
[training]
[feedback]
network = "mlp"
width = 1.0
seeds = 2
[measure]
points = 1
inputs = 2
seeds = 2
min_accuracy = 0.0
"""
METRICS = ["accuracy", "test_interval", "valid_accuracy", "cycles", "cpu_cycles", "latency_s", "clock_mhz", "fmax_mhz",
           "timing_met", "lut", "ff", "dsp", "bram", "spram", "energy_j"]
SECTIONS = ("front", "seeds", "estimates", "networks", "layers", "resources", "verification", "training", "feedback",
            "failures", "provenance")


class Job:
    """A folder with a space in it, where commands are given, and a store of its own."""

    def __init__(self, folder):
        self.folder, self.store, self.out = folder, folder / "store", folder / "runs" / "explore"
        (folder / "my.toml").write_text(SPACE, encoding="utf-8")

    def run(self, *command, **settings):
        """Standard output and error of a command of the checkout, which must end well."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run([str(part) for part in command], cwd=self.folder, capture_output=True, text=True,
                              encoding="utf-8", timeout=1800, check=False,
                              env={**os.environ, "HEDDLE_CACHE": str(self.store), "PATH": path, **settings})
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    def results(self):
        """What the store holds, each by the file that it is made anew with."""
        return {path: path.stat().st_ino for path in self.store.glob("v*/entries/*/*/*")}

    def made(self, before):
        """Kinds of results that were made since."""
        return {path.parts[-3] for path, inode in self.results().items() if before.get(path) != inode}

    def json(self, name):
        return json.loads((self.out / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    made = Job(tmp_path_factory.mktemp("job"))
    out, err = made.run(sys.executable, ROOT / "flows" / "explore.py", "--space", "my.toml")
    assert out == "" and "report: runs/explore/report.html" in err
    return made


@pytest.fixture
def points(job):
    return job.json("pareto.json")["points"]


@pytest.fixture
def measured(points):
    found = [point for point in points if point["fidelity"] == "measured"]
    assert len(found) == 1
    return found[0]


def test_pareto_json_keeps_the_contract(job, points):
    assert 1 <= len(points) <= 2
    assert {path.name for path in (job.out / "points").iterdir()} == {point["id"] for point in points}
    for point in points:
        assert list(point) == ["id", "design", "model", "board", "metrics", "estimated", "fidelity",
                               "over_seeds", "verification", "bitstream"]
        assert list(point["metrics"]) == list(point["estimated"]) == METRICS
        assert 0.5 < point["metrics"]["accuracy"] <= 1
        design = load_design(str(job.out / point["design"]))
        assert design.board == point["board"] == "ulx3s-25"
        assert compile_graph(Graph.load(job.out / point["model"]), design).cycles == point["metrics"]["cycles"]


def test_the_measured_point_was_simulated_on_the_soc_and_routed(job, measured):
    assert measured["verification"] == {"level": "soc", "inputs": 2, "mismatches": 0}
    metrics, estimated = measured["metrics"], measured["estimated"]
    assert metrics["timing_met"] is True and metrics["fmax_mhz"] >= metrics["clock_mhz"]
    assert metrics["cycles"] == estimated["cycles"]
    cycles = metrics["cycles"] + metrics["cpu_cycles"]
    assert metrics["latency_s"] == pytest.approx(cycles / (metrics["clock_mhz"] * 1e6))
    budget = BOARDS["ulx3s-25"].budget
    for kind in ("lut", "ff", "dsp", "bram"):
        assert 0 < metrics[kind] <= budget[kind]
        assert metrics[kind] == pytest.approx(estimated[kind], rel=0.3)
    assert (job.out / measured["bitstream"]).stat().st_size > 50_000


def test_the_measured_point_has_all_that_a_board_needs(job, measured):
    folder = job.out / "points" / measured["id"]
    assert {path.name for path in folder.iterdir()} == {
        "design.toml", "model.npz", "model.bin", "model_vectors.npz", "heddle.bit", "firmware.bin"}
    graph, design = Graph.load(folder / "model.npz"), load_design(str(folder / "design.toml"))
    assert (folder / "model.bin").read_bytes() == compile_graph(graph, design).image
    with np.load(folder / "model_vectors.npz") as vectors:
        assert np.array_equal(run(graph, vectors["inputs"], design)[-1], vectors["outputs"])


def test_the_measured_network_was_trained_with_another_seed_too(points, measured):
    found = measured["over_seeds"]
    assert found["seeds"] == [1, 2] and found["count"] == 2
    assert found["accuracies"][0] == measured["metrics"]["accuracy"]
    assert found["lowest"] == min(found["accuracies"]) <= found["mean"] <= max(found["accuracies"]) == found["highest"]
    assert all(point["over_seeds"] is None for point in points if point is not measured)


def test_feedback_is_measured_and_compared(job):
    feedback = job.json("feedback.json")
    assert feedback["noise"]["multiplier"] == "trunc"
    assert feedback["noise"]["pairs"] == 1 << 16
    assert any(feedback["noise"]["mean"])
    assert [entry["network"] for entry in feedback["latency"]] == ["mlp"]
    rivals = job.json(RECORD)["comparison"]["rivals"]
    assert rivals["seeds"] == [1, 2] and all(len(way["by_seed"]) == 2 for way in rivals["ways"])
    assert [way["name"] for way in rivals["ways"]] == [
        name + mended for name in ("plain", "longer", "settled", "feedback", "exact") for mended in ("", ", corrected")]
    assert all(0.3 < way["test_accuracy"] <= 1 for way in rivals["ways"])
    assert rivals["verdict"] in ("feedback", "rival", "tie")


def test_the_report_has_every_section(job, measured):
    page = (job.out / "report.html").read_text(encoding="utf-8")
    assert [name for name in SECTIONS if f'<section id="{name}">' not in page] == []
    assert measured["id"] in page
    assert "95% interval" in page
    assert "No point failed." in page
    assert (job.out / "front.svg").read_text(encoding="utf-8").startswith("<svg")
    assert (job.out / "study.db").stat().st_size > 0


def written(folder):
    """All that a run writes but its database, whose pages may lie in another order."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*")
            if path.is_file() and path.name != "study.db"}


def test_a_second_run_makes_nothing_and_writes_the_same(job):
    before, files = job.results(), written(job.out)
    assert len(before) > 10 and len(files) > 10
    job.run("heddle", "explore", "--space", "my.toml")
    assert job.made(before) == set()
    assert written(job.out) == files


def test_make_explore_is_the_same_job(job):
    """Without the set-up, which has made what this runs in."""
    before, out = job.results(), job.folder / "make"
    job.run("make", "-C", ROOT, "explore", "PYTHON=true", f"ARGS=--space {job.folder / 'my.toml'} --out {out}")
    assert job.made(before) == set()
    assert written(out) == written(job.out)


def test_a_point_is_taken_by_every_other_command(job, measured):
    """As the README prints them, with what was measured before: nothing is synthesized or routed again."""
    programmer = job.folder / "openFPGALoader"
    programmer.write_text("#!/bin/sh\necho \"$@\" > asked\n", encoding="utf-8")
    programmer.chmod(0o755)
    before, found = job.results(), {}
    for line in printed_commands(README.read_text(encoding="utf-8")):
        name, *arguments = line.replace("/ID", f"/{measured['id']}").split()[1:]
        if name in ("estimate", "verify", "build") and arguments and "--port" not in arguments:
            found[name] = json.loads(job.run("heddle", name, *arguments, "--json")[0])
    assert job.made(before) <= {"bitstream"}
    metrics = measured["metrics"]
    assert found["estimate"]["cycles"] == metrics["cycles"] and found["estimate"]["fits"]
    assert (found["verify"]["level"], found["verify"]["inputs"], found["verify"]["mismatches"]) == ("soc", 32, 0)
    assert set(found["verify"]["engine_cycles"]) == {metrics["cycles"]} and not found["verify"]["first_mismatch"]
    assert found["build"]["fmax_mhz"] == metrics["fmax_mhz"] and found["build"]["timing_met"]
    assert (job.folder / "build" / "heddle.bit").read_bytes() == (job.out / measured["bitstream"]).read_bytes()
    path = f"{job.folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    assert "programmed with heddle.bit" in job.run("heddle", "flash", "build", PATH=path)[1]
    assert (job.folder / "build" / "asked").read_text(encoding="utf-8").endswith("/build/heddle.bit\n")


def write_idx(path, array):
    """Bytes in MNIST's format."""
    path.write_bytes(struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
                     + array.astype(np.uint8).tobytes())


@pytest.mark.slow
def test_data_in_mnists_format(job, measured):
    """The command of the README, in the small space: other weights, on the SoC that was routed before."""
    multiplier = load_design(str(job.out / measured["design"])).multiplier
    (job.folder / "one.toml").write_text(SPACE.replace('["lut", "trunc"]', f'["{multiplier}"]'), encoding="utf-8")
    data, digits = job.folder / "PATH", load_dataset("digits")
    data.mkdir()
    for part, splits in (("train", ("train", "valid")), ("t10k", ("test",))):
        for what, arrays in (("images-idx3", digits.inputs), ("labels-idx1", digits.labels)):
            whole = np.concatenate([arrays[split] for split in splits])
            write_idx(data / f"{part}-{what}-ubyte", whole.reshape(whole.shape[:3]))
    line, = (line for line in printed_commands(README.read_text(encoding="utf-8"))
             if "heddle explore" in line and "mnist:PATH" in line)
    before = job.results()
    job.run(*line.split(), "--space", "one.toml", "--out", "mnist")
    points = json.loads((job.folder / "mnist" / "pareto.json").read_text(encoding="utf-8"))["points"]
    assert points and all(point["metrics"]["valid_accuracy"] >= 0.95 for point in points)
    assert all(point["metrics"]["latency_s"] <= 0.001 for point in points)
    best, = (point for point in points if point["fidelity"] == "measured")
    assert best["verification"] == {"level": "soc", "inputs": 2, "mismatches": 0}
    assert (job.folder / "mnist" / best["bitstream"]).read_bytes() != (job.out / measured["bitstream"]).read_bytes()
    assert {"training", "bitstream"} <= job.made(before) <= {
        "untrained", "fits", "training", "accuracy", "correction", "verified", "vectors", "bitstream"}
