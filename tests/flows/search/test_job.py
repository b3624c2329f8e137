import json
from dataclasses import replace

import numpy as np
import pytest

from flows.commands.explore import explore_to
from flows.report.folder import claimed
from flows.report.page import write_report
from flows.run.progress import listening
from flows.search import job as module
from flows.search.job import ExploreError, Request, explore
from flows.search.measure import Best
from flows.search.point import Check, Failed, MeasuredLayer, Measurement
from flows.search.trainings import Prepared
from flows.search.worth import Trainings
from hw.spec.errors import HeddleError
from hw.spec.presets import load_design
from sw.compiler import compile_graph
from sw.data import load_dataset
from sw.graph.graph import Graph, Layer, TensorType
from sw.models import NETWORKS, LayerSpec
from tests.support.listener import Heard

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


def measure(space, store, data, evaluator, points, **options):
    """Everything that is feasible, the first as if it had been measured."""
    first, *others = [point for point in points if point.feasible]
    bits = store.root.parent / "bits"
    bits.write_bytes(b"bits")
    layers = tuple(MeasuredLayer(name=plan.name, op=plan.op, macs=plan.macs, cycles=plan.cycles, roof=1,
                                 bound="weights", predicted_cycles=plan.cycles)
                   for plan in evaluator.program(first.candidate).layers)
    check = Check(level="soc", inputs=32, mismatches=0, engine_cycles=1, predicted_cycles=1, cycles=2)
    measured = replace(first, measurement=Measurement(metrics=replace(first.estimate, lut=9999), checks=(check,),
                                                      layers=layers, seed=2))
    return Best(points=(measured, *others), files={first.id: {"heddle.bit": bits}},
                failures=(Failed(id="x", doing="routing, seed 1", reason="hung"),))


@pytest.fixture
def request_(tmp_path, monkeypatch):
    monkeypatch.setenv("HEDDLE_CACHE", str(tmp_path / "store"))
    path = tmp_path / "mlp.npz"
    classifier().save(path)

    def train_all(space, store, data, *, jobs):
        return Prepared(trainings=Trainings(plain={space.config("mlp", 1.0, 8): path}), records=(), feedback=None,
                        comparison=None, failures=())

    monkeypatch.setattr(module, "train_all", train_all)
    monkeypatch.setattr(module, "measure_best", measure)
    (tmp_path / "space.toml").write_text(SPACE)
    return Request(space_file=tmp_path / "space.toml", out=tmp_path / "out")


def test_outputs_keep_the_contract(request_):
    document = explore_to(request_)
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
        assert list(point) == ["id", "design", "model", "board", "metrics", "estimated", "fidelity", "verification",
                               "bitstream"]
        assert set(point["metrics"]) == METRICS and set(point["estimated"]) == METRICS
        design = load_design(str(out / point["design"]))
        program = compile_graph(Graph.load(out / point["model"]), design)
        assert program.cycles == point["metrics"]["cycles"]
        assert design.board == point["board"]
    record = json.loads((out / "run.json").read_text())
    assert len(record["trials"]) == 9
    assert record["failures"] == [{"id": "x", "doing": "routing, seed 1", "reason": "hung"}]
    assert record["data"]["counts"] == {"train": 1257, "valid": 180, "test": 360}
    before = (out / "report.html").read_bytes()
    write_report(out)
    assert (out / "report.html").read_bytes() == before


def test_again_gives_the_same_and_forgets_old_points(request_):
    first = explore_to(request_)
    (request_.out / "points" / "stale").mkdir()
    assert explore_to(request_) == first
    assert not (request_.out / "points" / "stale").exists()


@pytest.mark.parametrize("wish, misses, remedy", [
    ({"min_accuracy": 0.99}, "accuracy", r"lower --min-accuracy to 0\.\d+, or add wider networks to the space$"),
    ({"max_latency": 1e-9}, "latency_s", r"raise --max-latency to \S+, or add larger arrays to the space$"),
])
def test_a_requirement_that_nothing_meets_says_what_is_closest_and_what_to_change(request_, wish, misses, remedy):
    with pytest.raises(ExploreError, match=rf"^none of 9 candidates meets the requirement; the closest, mlp-1-w8-\S+, "
                                           rf"misses {misses} by \d+%; {remedy}"):
        explore_to(replace(request_, **wish))


def test_a_clock_that_nothing_reaches_is_refused_before_any_training(request_, monkeypatch):
    monkeypatch.setattr(module, "train_all", lambda *arguments, **options: pytest.fail("trained"))
    request_.space_file.write_text(SPACE.replace("requantizers = [1]", "requantizers = [1]\nclock_mhz = 200.0"))
    with pytest.raises(ExploreError, match=r"^clock_mhz = 200: no design of the space is estimated to run above "
                                           r"\d+\.\d MHz; lower clock_mhz in \[hardware\] to \d+ or less$"):
        explore(request_)


def test_a_network_that_cannot_be_built_is_refused_before_any_training(request_, monkeypatch):
    def wrong(shape, classes):
        return (LayerSpec(op="dense", channels=classes + 1, scaled=False, relu=False),)

    monkeypatch.setattr(module, "train_all", lambda *arguments, **options: pytest.fail("trained"))
    monkeypatch.setitem(NETWORKS, "wrong", wrong)
    request_.space_file.write_text(SPACE.replace('["mlp"]', '["mlp", "wrong"]'))
    with pytest.raises(HeddleError, match=r"^network 'wrong'.*11"):
        explore(request_)


def test_what_is_odd_about_the_data_is_noted(request_, monkeypatch):
    heard = Heard()
    data = replace(load_dataset("digits"), warnings=("class 2 has no input",))
    monkeypatch.setattr(module.DataSource, "load", lambda source: data)
    with listening(heard):
        explore(request_)
    assert heard.noted_ == ["warning: class 2 has no input"]


def test_two_at_once_do_not_mix(request_):
    with claimed(request_.out), pytest.raises(ExploreError, match="another exploration writes to it"):
        explore_to(request_)


@pytest.mark.parametrize("options, says", [
    ({"boards": ("zynq",)}, "board 'zynq': unknown"),
    ({"data": "digits:x"}, "take no path"),
])
def test_wrong_requests(request_, options, says):
    with pytest.raises(HeddleError, match=says):
        explore(replace(request_, **options))


def test_an_unknown_network(request_):
    request_.space_file.write_text('[networks]\nnames = ["resnet"]\n')
    with pytest.raises(HeddleError, match=r"network 'resnet' is unknown; choose mlp or dscnn"):
        request_.space()
