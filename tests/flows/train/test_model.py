"""``MODEL`` of the command line."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from flows.cli import main
from flows.search.candidate import NetworkChoice
from flows.search.space_file import load_space
from flows.train.model import correct_model, load_model, named_config, tflite_of
from flows.train.training import TrainedModel
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from sw.graph.graph import Graph
from tests.support.jobs import digit_classifier
from tests.sw.frontend.files import operator, tensor, write

POOL = operator("MAX_POOL_2D", [0], 1, "Pool2DOptions", Padding=1, StrideW=2, StrideH=2, FilterWidth=2, FilterHeight=2)


@pytest.fixture
def tflite(tmp_path):
    return write(tmp_path / "net.tflite", [tensor((1, 4, 4, 2), zero=3), tensor((1, 2, 2, 2), zero=3)], [POOL])


def test_a_file_a_folder_and_what_heddle_wrote(tmp_path, tflite):
    model = load_model(str(tflite))
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/model.npz").write_bytes(model.content())
    for name in ("saved", "saved/model.npz"):
        again = load_model(str(tmp_path / name))
        assert again.path == tmp_path / "saved/model.npz"
        assert again.graph.types() == model.graph.types()
        assert again.content() == again.path.read_bytes()


def test_a_graph_is_a_tflite_file_or_a_note_says_why_not(tflite, monkeypatch):
    notes = []
    monkeypatch.setattr("flows.train.model.note", notes.append)
    graph = load_model(str(tflite)).graph
    assert tflite_of(graph)[4:8] == b"TFL3" and not notes
    assert tflite_of(replace(graph, inputs=(replace(graph.inputs[0], scale=0.3),))) is None
    assert notes[0].startswith("no model.tflite: net: cannot be a TFLite file: tensor 0 has a scale of 0.3, ")
    assert len(notes) == 1


@pytest.mark.parametrize("name", ["gone.tflite", "gone.pt", "runs/gone"])
def test_what_is_not_there_is_said(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        load_model(name)
    assert str(caught.value) == f"model {name!r}: no such file or folder"


def test_a_name_of_no_network_lists_the_networks():
    with pytest.raises(SpecError, match=r"model 'gone': neither a network \(mlp, .*\) nor a folder with model.npz"):
        load_model("gone")


@pytest.mark.parametrize("command", ["estimate", "verify", "emit", "build"])
def test_a_foreign_file_is_one_line_and_status_2(tmp_path, monkeypatch, capsys, command):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "net.pt")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([command, "net.pt", "--design", "ecp5-25", *(["--board", "ulx3s-25"] if command == "build" else [])])
    said = capsys.readouterr()
    assert (ended.value.code, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert said.err.startswith("heddle: net.pt: is a torch.save file; it holds no network that can be read")


def test_a_network_wins_over_a_folder_of_its_name(tmp_path, monkeypatch, tflite):
    (tmp_path / "stored").mkdir()
    load_model(str(tflite)).graph.save(tmp_path / "stored/model.npz")
    (tmp_path / "mlp").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("flows.train.model.Training.value", lambda training, store: TrainedModel(
        path=tmp_path / "stored/model.npz", record=None))
    assert load_model("mlp").path == tmp_path / "stored/model.npz"


def test_a_network_by_name_is_trained_as_in_the_default_space():
    assert named_config("dscnn", 4) == load_space().config(
        NetworkChoice(name="dscnn", settings=(("width", 1.0),), weight_bits=4))


@pytest.mark.parametrize("source, says", [
    ("random", "256 random inputs, those of its task correct better"),
    ("vectors.npz", "7 inputs of vectors.npz"), ("digits", "256 training inputs of digits")])
def test_biases_are_corrected_by_the_inputs_that_are_named(tmp_path, monkeypatch, source, says):
    notes = []
    monkeypatch.setattr("flows.train.model.note", notes.append)
    monkeypatch.chdir(tmp_path)
    digit_classifier().save(tmp_path / "model.npz")
    np.savez(tmp_path / "vectors.npz", inputs=np.random.default_rng(0).integers(-128, 0, (7, 8, 8, 1)).astype(np.int8))
    before = load_model(str(tmp_path))
    after = correct_model(before, DesignPoint(multiplier="broken"), source)
    assert notes == [f"{tmp_path}: biases of 1 layers corrected for multiplier='broken' with {says}"]
    assert not np.array_equal(before.graph.layers[0].bias, after.graph.layers[0].bias)
    (tmp_path / "again.npz").write_bytes(after.content())
    assert np.array_equal(Graph.load(tmp_path / "again.npz").layers[0].bias, after.graph.layers[0].bias)
    assert before.content() == (tmp_path / "model.npz").read_bytes()


def test_where_nothing_errs_nothing_is_corrected(tmp_path, monkeypatch):
    notes = []
    monkeypatch.setattr("flows.train.model.note", notes.append)
    digit_classifier().save(tmp_path / "model.npz")
    model = load_model(str(tmp_path))
    assert correct_model(model, DesignPoint(), "random") is model
    assert notes == [f"{tmp_path}: nothing to correct, multiplier='dsp' is exact"]


def test_inputs_to_correct_with_that_are_not_there_are_said(tmp_path):
    digit_classifier().save(tmp_path / "model.npz")
    model = load_model(str(tmp_path))
    with pytest.raises(SpecError, match=r"gone.npz: no vectors \(No such file or directory\)"):
        correct_model(model, DesignPoint(multiplier="trunc"), "gone.npz")
