import json

import numpy as np
import pytest

from flows.report.console import Display
from flows.report.folder import Point
from flows.report.page import write_report
from flows.search import job as module
from flows.search.job import ExploreError, Request, explore
from flows.search.prepare import Prepared
from flows.search.worth import Trainings
from hw.spec.errors import HeddleError
from hw.spec.presets import load_design
from sw.compiler import compile_graph
from sw.graph.graph import Graph, Layer, TensorType

SPACE = """
[networks]
names = ["mlp"]
widths = [1.0]
weight_bits = [8]
[hardware]
geometries = [[1, 2, 4], [2, 4, 4]]
requantizers = [1]
[search]
trials = 9
[measure]
points = 1
"""
METRICS = {"accuracy", "cycles", "latency_s", "clock_mhz", "fmax_mhz", "timing_met", "lut", "ff", "dsp", "bram",
           "energy_j"}


def classifier():
    """Digits by a random dense layer: poor, but a network."""
    rng = np.random.default_rng(0)
    layer = Layer(name="fc", op="dense", output=TensorType(shape=(1, 1, 10), scale=0.1, zero_point=0),
                  weights=rng.integers(-128, 128, (10, 64)).astype(np.int8), bias=np.zeros(10, np.int32),
                  multiplier=np.full(10, 1 << 30, np.int32), shift=np.full(10, 9, np.int32))
    return Graph(name="mlp", input=TensorType(shape=(8, 8, 1), scale=1 / 255, zero_point=-128), layers=(layer,))


def measure(space, store, source, evaluator, outcomes, **options):
    """Everything that is feasible, the first as if it had been measured."""
    points = [Point(outcome=item, program=evaluator.program(item.candidate), model=evaluator.model(item.candidate))
              for item in outcomes if item.feasible]
    first = points[0]
    bits = store.root.parent / "bits"
    bits.write_bytes(b"bits")
    layers = [{"name": plan.name, "op": plan.op, "macs": plan.macs, "cycles": plan.cycles,
               "predicted_cycles": plan.cycles} for plan in first.program.layers]
    check = {"level": "soc", "inputs": 32, "mismatches": 0, "engine_cycles": 1, "predicted_cycles": 1, "cycles": 2}
    measured = Point(outcome=first.outcome, program=first.program, model=first.model, measured={
        "metrics": {"lut": 9999, "clock_mhz": 50.0}, "checks": [check], "layers": layers, "seed": 2,
        "files": {"heddle.bit": bits}})
    return [measured, *points[1:]], [{"id": "x", "stage": "routing, seed 1", "reason": "hung"}]


@pytest.fixture
def request_(tmp_path, monkeypatch):
    monkeypatch.setenv("HEDDLE_CACHE", str(tmp_path / "store"))
    path = tmp_path / "mlp.npz"
    classifier().save(path)
    prepared = Prepared(trainings=Trainings(plain={("mlp", 1.0, 8): path}), records=[], feedback=None, comparison=None,
                        failures=[])
    monkeypatch.setattr(module, "prepare", lambda *arguments, **options: prepared)
    monkeypatch.setattr(module, "choose_measured", measure)
    (tmp_path / "space.toml").write_text(SPACE)
    return Request(space_file=tmp_path / "space.toml", out=tmp_path / "out")


def test_outputs_keep_the_contract(request_):
    document = explore(request_, Display(quiet=True))
    out = request_.out
    assert json.loads((out / "pareto.json").read_text()) == document
    assert {path.name for path in out.iterdir()} == {".lock", "pareto.json", "points", "study.db", "run.json",
                                                     "report.html", "front.svg"}
    assert {path.name for path in (out / "points").iterdir()} == {point["id"] for point in document["points"]}
    measured = [point for point in document["points"] if point["fidelity"] == "measured"]
    assert len(measured) == 1
    assert measured[0]["verification"] == {"level": "soc", "inputs": 32, "mismatches": 0}
    assert measured[0]["metrics"]["lut"] == 9999 != measured[0]["estimated"]["lut"]
    assert (out / measured[0]["bitstream"]).read_bytes() == b"bits"
    for point in document["points"]:
        assert set(point["metrics"]) == METRICS and set(point["estimated"]) == METRICS
        design = load_design(str(out / point["design"]))
        program = compile_graph(Graph.load(out / point["model"]), design)
        assert program.cycles == point["metrics"]["cycles"]
        assert design.board == point["board"]
    record = json.loads((out / "run.json").read_text())
    assert len(record["trials"]) == 9
    assert record["failures"] == [{"id": "x", "stage": "routing, seed 1", "reason": "hung"}]
    assert record["data"]["counts"] == {"train": 1257, "valid": 180, "test": 360}
    before = (out / "report.html").read_bytes()
    write_report(out)
    assert (out / "report.html").read_bytes() == before


def test_again_gives_the_same_and_forgets_old_points(request_):
    first = explore(request_, Display(quiet=True))
    (request_.out / "points" / "stale").mkdir()
    assert explore(request_, Display(quiet=True)) == first
    assert not (request_.out / "points" / "stale").exists()


def test_a_budget_that_nothing_meets_says_what_is_closest(request_):
    wish = Request(**{**vars(request_), "min_accuracy": 0.99})
    with pytest.raises(ExploreError, match=r"none of 9 candidates meets the budget; the closest, mlp-1-w8-\S+, misses "
                                           r"accuracy by \d+%; relax"):
        explore(wish, Display(quiet=True))


def test_two_at_once_do_not_mix(request_):
    with module._claimed(request_.out), pytest.raises(ExploreError, match="another exploration writes to it"):
        explore(request_, Display(quiet=True))


@pytest.mark.parametrize("options, says", [
    ({"boards": ("zynq",)}, "board 'zynq': unknown"),
    ({"data": "digits:x"}, "take no path"),
])
def test_wrong_requests(request_, options, says):
    with pytest.raises(HeddleError, match=says):
        explore(Request(**{**vars(request_), **options}), Display(quiet=True))


def test_an_unknown_network(request_):
    request_.space_file.write_text('[networks]\nnames = ["resnet"]\n')
    with pytest.raises(HeddleError, match=r"network 'resnet' is unknown; choose mlp or dscnn"):
        request_.space()
