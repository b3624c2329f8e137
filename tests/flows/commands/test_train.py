import json
from dataclasses import replace
from pathlib import Path

import pytest

from flows.commands.train import compare_to, config_of, train_to
from flows.run.queue import Failure, Result
from flows.run.store import open_store
from flows.run.typed import read_typed
from flows.train.data import DataSource
from flows.train.latency import Latency
from flows.train.rivals import Rivals
from hw.spec.errors import HeddleError
from hw.spec.feedback import Feedback, LatencyEntry, NoiseProfile
from hw.spec.presets import PRESETS
from sw.compiler import CompileError, compile_graph
from sw.frontend import load_file
from sw.graph.graph import Graph
from sw.quant.config import TrainConfig
from sw.quant.recipe import Prune, Quantize, Recipe
from tests.support.rivals import rivals

CONFIG = TrainConfig(network="mlp", width=0.25, recipe=Recipe(passes=1), seed=2)


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("HEDDLE_CACHE", str(tmp_path / "store"))


def test_a_network_is_trained_into_a_folder(tmp_path, monkeypatch):
    out = tmp_path / "out"
    document = train_to(CONFIG, data="digits", feedback=None, out=out)
    assert {path.name for path in out.iterdir()} == {"model.npz", "model.tflite", "training.json"}
    assert load_file(out / "model.tflite").layers[0].weights.tolist() == Graph.load(
        out / "model.npz").layers[0].weights.tolist()
    assert Graph.load(out / "model.npz").input.shape == (8, 8, 1)
    stored = json.loads((out / "training.json").read_text())
    assert {look["stage"] for look in stored.pop("curves")} == {"pretrain"}
    assert {**stored, "model": str(out / "model.npz"),
            "tflite": str(out / "model.tflite")} == json.loads(json.dumps(document))
    settings = document["settings"]
    assert (settings["network"], settings["width"], settings["weight_bits"], settings["seed"]) == ("mlp", 0.25, 8, 2)
    assert (settings["data"], settings["recipe"]["passes"], document["test_inputs"]) == ("digits", 1.0, 360)
    low, high = document["test_interval"]
    assert low < document["test_accuracy"] < high and document["seconds"] > 0
    assert (document["weights"], document["macs"]) == (64 * 8 + 8 * 8 + 8 * 10 + 26, 64 * 8 + 8 * 8 + 8 * 10)
    before = (out / "model.npz").read_bytes()
    assert train_to(CONFIG, data="digits", feedback=None, out=tmp_path / "again")["test_accuracy"] \
        == document["test_accuracy"]
    assert (tmp_path / "again" / "model.npz").read_bytes() == before
    monkeypatch.setattr("flows.commands.train.tflite_of", lambda graph: None)
    assert train_to(CONFIG, data="digits", feedback=None, out=out)["tflite"] is None
    assert not (out / "model.tflite").exists(), "it is of a training before"


def test_a_design_that_does_not_run_it_is_said_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.setattr("flows.commands.train.run_queue", lambda *arguments, **options: pytest.fail("started"))
    (tmp_path / "tiny.toml").write_text("act_bytes = 1024\nweight_bytes = 1024\n", encoding="utf-8")
    with pytest.raises(CompileError, match="weight_bytes"):
        train_to(replace(CONFIG, width=16.0), data="digits", feedback=None, out=tmp_path / "out",
                 design=str(tmp_path / "tiny.toml"))
    assert not (tmp_path / "out").exists()


def test_a_users_network_is_trained_with_its_settings(tmp_path):
    path = tmp_path / "own.py"
    path.write_text("from torch import nn\ndef net(shape, classes, hidden=4):\n"
                    "    first, last = nn.Linear(64, hidden), nn.Linear(hidden, classes)\n"
                    "    return nn.Sequential(nn.Flatten(), first, nn.Tanh(), last)\n", encoding="utf-8")
    config = TrainConfig(network=f"{path}:net", settings={"hidden": 12}, recipe=Recipe(passes=1))
    document = train_to(config, data="digits", feedback=None, out=tmp_path / "out")
    graph = Graph.load(tmp_path / "out" / "model.npz")
    assert (graph.name, [layer.op for layer in graph.layers]) == ("own-net", ["dense", "table", "dense"])
    assert document["settings"]["settings"] == {"hidden": 12} and graph.layers[0].weights.shape == (12, 64)


def test_a_feedback_record_reaches_the_training(tmp_path, monkeypatch):
    noise = NoiseProfile(multiplier="trunc", weight_bits=8, mean=(0.0,) * 256, variance=(0.0,) * 256, pairs=65536,
                         simulator="none")
    record = Feedback(design="d", fingerprint=1, clock_mhz=50.0, noise=noise, latency=(
        LatencyEntry(network="mlp", width=0.25, weight_bits=8, cycles=10),))
    record.save(tmp_path / "feedback.json")
    asked = []

    def run_queue(function, tasks, *, jobs, name):
        asked.extend(tasks)
        return [Result(task=tasks[0], value=Failure(reason="mlp: no memory left"))]
    monkeypatch.setattr("flows.commands.train.run_queue", run_queue)
    with pytest.raises(HeddleError, match="^mlp: no memory left$"):
        train_to(CONFIG, data="digits", feedback=tmp_path / "feedback.json", out=tmp_path / "out")
    assert [task.feedback for task in asked] == [record]
    assert not (tmp_path / "out").exists()


def test_what_a_network_is_worth_on_hardware_that_errs_is_in_the_document(tmp_path):
    (tmp_path / "flips.json").write_text('{"faults": {"activations": {"rate": 0.02}}}', encoding="utf-8")
    config = replace(CONFIG, recipe=Recipe(passes=1))
    document = train_to(config, data="digits", feedback=tmp_path / "flips.json", out=tmp_path / "out")
    assert document["settings"]["feedback"] == document["under_errors"]["what"] == "2% of the bits of activations flip"
    assert 0.1 < document["under_errors"]["test_accuracy"] < 1 and document["under_errors"]["devices"] == 5
    assert json.loads((tmp_path / "out" / "training.json").read_text())["under_errors"] == document["under_errors"]
    narrow = '{"faults": {"accumulator": {"bits": 15, "overflow": "wrap"}}}'
    (tmp_path / "narrow.json").write_text(narrow, encoding="utf-8")
    found = train_to(config, data="digits", feedback=tmp_path / "narrow.json", out=tmp_path / "again")["under_errors"]
    assert found["devices"] == 1 and found["worst_test_accuracy"] == found["test_accuracy"], "all err alike"


def test_a_comparison_says_its_time_first_and_leaves_a_document_and_a_picture(tmp_path, monkeypatch):
    (tmp_path / "flips.json").write_text('{"faults": {"activations": {"rate": 0.02}}}', encoding="utf-8")
    asked, said = {}, []

    def compare(store, config, data, feedback, **options):
        asked.update(options, config=config, feedback=feedback)
        return rivals()
    monkeypatch.setattr("flows.commands.train.expected_s", lambda *arguments, **options: 1234.0)
    monkeypatch.setattr("flows.commands.train.compare", compare)
    monkeypatch.setattr("flows.commands.train.note", said.append)
    config = replace(CONFIG, seed=3)
    document = compare_to(config, data="digits", out=tmp_path / "out", feedback=tmp_path / "flips.json", seeds=4,
                          jobs=2)
    assert said == ["4 seeds with 4 trainings each: about 21 minutes where nothing of it is in the store"]
    assert list(asked["seeds"]) == [3, 4, 5, 6] and asked["jobs"] == 2 and asked["config"] == config
    assert asked["feedback"].label == "2% of the bits of activations flip"
    assert document["verdict"] == "feedback"
    assert Path(document["picture"]).read_text(encoding="utf-8").startswith("<svg")
    assert read_typed(Rivals, tmp_path / "out" / "rivals.json") == rivals()


def test_a_network_that_is_not_there_is_said_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.setattr("flows.commands.train.run_queue", lambda *arguments, **options: pytest.fail("started"))
    with pytest.raises(HeddleError, match="^network 'resnet': unknown"):
        train_to(TrainConfig(network="resnet"), data="digits", feedback=None, out=tmp_path / "out")


def test_the_command_line_goes_before_the_file(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text("[network]\nwidth = 2\nblocks = 3\n[recipe]\npasses = 20\nbatch = 64\n", encoding="utf-8")
    config = config_of("mlp", weight_bits=4, seed=2, recipe=path, settings=[("blocks", 1)], changes={"passes": 5.0})
    assert config == TrainConfig(network="mlp", width=2, settings={"blocks": 1}, weight_bits=4, seed=2,
                                 recipe=Recipe(passes=5, batch=64))
    assert config_of("mlp", weight_bits=8, seed=1, recipe=path, width=0.5).width == 0.5
    assert config_of("mlp", weight_bits=8, seed=1, settings=[("width", 0.25)]).width == 0.25


@pytest.fixture
def in_process(monkeypatch):
    """Trainings here: a process of their own loads torch once more."""
    monkeypatch.setattr("flows.commands.train.run_queue", lambda function, tasks, *, jobs, name: [
        Result(task=tasks[0], value=function(tasks[0]))])


@pytest.mark.usefixtures("in_process")
def test_pruning_counts_with_the_cycles_of_the_design_or_of_the_record(tmp_path):
    recipe = Recipe(passes=1, steps=("pretrain", "prune", "quantize"), prune=Prune(share=0.2))
    config = replace(CONFIG, width=1.0, recipe=recipe)
    document = train_to(config, data="digits", design="ecp5-25", out=tmp_path / "out")
    said = document["stages"][1]["did"]
    assert f" to {document['cycles']} cycles on {PRESETS['ecp5-25'].label}, " in said
    graph = Graph.load(tmp_path / "out" / "model.npz")
    assert document["cycles"] == compile_graph(graph, PRESETS["ecp5-25"]).cycles
    entry = Latency(config=config, data=DataSource.of("digits"), design=PRESETS["ecp5-25"]).value(open_store())
    noise = NoiseProfile(multiplier="dsp", weight_bits=8, mean=(0.0,) * 256, variance=(0.0,) * 256, pairs=65536,
                         simulator="none")
    Feedback(design="d", fingerprint=1, clock_mhz=50.0, noise=noise, latency=(entry,)).save(tmp_path / "feedback.json")
    informed = train_to(config, data="digits", feedback=tmp_path / "feedback.json", out=tmp_path / "again")
    assert informed["stages"][1]["did"] == said and "cycles" not in informed
    narrower = replace(config, recipe=replace(recipe, quantize=Quantize(layers=(("3", 4),))))
    document = train_to(narrower, data="digits", feedback=tmp_path / "feedback.json", out=tmp_path / "narrow")
    assert " multiply-accumulates (no --design" in document["stages"][1]["did"], "the record is of another network"


@pytest.mark.sim
def test_what_was_trained_is_verified_on_the_design(tmp_path):
    document = train_to(CONFIG, data="digits", out=tmp_path, design="ecp5-25", level="engine", inputs=2)
    found = document["verification"]
    assert (found["level"], found["inputs"], found["mismatches"], found["first_mismatch"]) == ("engine", 2, 0, None)
    assert found["model"] == str(tmp_path)


def test_verifying_takes_a_design(tmp_path):
    with pytest.raises(HeddleError, match="--verify engine: on which design. add --design ecp5-25, for example"):
        train_to(CONFIG, data="digits", out=tmp_path, level="engine")


@pytest.mark.usefixtures("in_process")
def test_a_network_is_pruned_until_it_fits(tmp_path):
    """Its weights and the calls take more than 4 KB before, and less behind."""
    (tmp_path / "tiny.toml").write_text("cols = 4\nact_bytes = 1024\nweight_bytes = 4096\n", encoding="utf-8")
    wide = replace(CONFIG, width=1.5)
    with pytest.raises(CompileError, match="weight_bytes"):
        train_to(wide, data="digits", design=str(tmp_path / "tiny.toml"), out=tmp_path / "out")
    steps = ("pretrain", "prune", "quantize")
    for share, fits in ((0.01, False), (0.5, True)):
        recipe = Recipe(passes=1, steps=steps, prune=Prune(share=share, rounds=1))
        document = train_to(replace(wide, recipe=recipe), data="digits", design=str(tmp_path / "tiny.toml"),
                            out=tmp_path / "out")
        assert (document["cycles"] is not None) == fits
