from dataclasses import replace

import pytest

from flows.run.progress import listening
from flows.run.store import Store
from flows.train import training as module
from flows.train.accuracy import Accuracy
from flows.train.data import DataSource
from flows.train.training import MODEL, RECORD, Training
from hw.spec.feedback import Feedback, NoiseProfile
from sw.data import load_dataset
from sw.graph.graph import Graph
from sw.models import processor
from sw.quant.config import TrainConfig
from sw.quant.recipe import Recipe
from tests.support.listener import Heard

CONFIG = TrainConfig(network="mlp", width=0.25, seed=3, recipe=Recipe(passes=2))


@pytest.fixture(scope="module")
def source():
    return DataSource.of("digits")


def silence(**more):
    noise = NoiseProfile(multiplier="trunc", weight_bits=8, mean=(0.0,) * 256, variance=(0.0,) * 256, pairs=65536,
                         simulator="none")
    return Feedback(**{"design": "d", "fingerprint": 1, "clock_mhz": 50.0, "noise": noise, "latency": (), **more})


def test_a_training_is_made_once_and_tells_how_far_it_is(source, tmp_path):
    store, heard = Store(tmp_path), Heard()
    training = Training(config=CONFIG, data=source)
    with listening(heard):
        made = training.value(store)
    assert made.path.name == MODEL
    assert Graph.load(made.path).input.shape == (8, 8, 1)
    assert made.record.config == CONFIG and [stage.name for stage in made.record.stages] == list(CONFIG.recipe.steps)
    assert 0 < made.record.test_accuracy <= 1
    assert [text.split(",")[:2] for _, text in heard.told_][:2] == [
        ["pretrain: 1 passes", " 1 to go"], ["pretrain: 2 passes", " 0 to go"]]
    assert training.value(store) == made
    assert (store.made, store.reused) == (1, 1)
    for split, recorded in (("valid", made.record.valid_accuracy), ("test", made.record.test_accuracy)):
        # the trainer says what the search will say
        assert Accuracy(model=made.path, data=source, split=split).value(store).accuracy == recorded


def test_what_decides_a_training_moves_its_key(source, monkeypatch):
    training = Training(config=CONFIG, data=source)
    others = [replace(training, config=replace(CONFIG, seed=4)), replace(training, data=DataSource.of("digits,seed=1")),
              replace(training, feedback=silence()), replace(training, feedback=silence(clock_mhz=25.0))]
    assert len({training.digest, *(other.digest for other in others)}) == 5
    monkeypatch.setattr(DataSource, "load", lambda _: load_dataset("digits"))
    assert replace(training, data=replace(source, name="a copy")).digest == training.digest


def test_the_networks_file_is_part_of_the_key(source):
    path, = Training(config=CONFIG, data=source).code()
    assert path.name == "networks.py" and "def mlp" in path.read_text(encoding="utf-8")


def test_the_label_says_whether_hardware_was_known(source):
    assert Training(config=CONFIG, data=source).label == "mlp width 0.25, 8 bits, seed 3"
    assert Training(config=CONFIG, data=source, feedback=silence()).label.endswith("seed 3, with feedback")


def test_a_users_network_counts_as_what_it_is_now(tmp_path):
    """And not by where it lies: of a file beside it that its function reads no source says anything."""
    digests = set()
    for folder, count in (("a", 4), ("b", 8), ("c", 4)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "size.txt").write_text(str(count), encoding="utf-8")
        path = tmp_path / folder / "own.py"
        path.write_text("from pathlib import Path\nfrom torch import nn\ndef net(shape, classes):\n"
                        "    size = int(Path(__file__).with_name('size.txt').read_text())\n"
                        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, size), nn.Linear(size, classes))\n",
                        encoding="utf-8")
        digests.add(Training(config=TrainConfig(network=f"{path}:net"), data=DataSource.of("digits")).digest)
    assert len(digests) == 2


def test_a_training_found_under_another_path_has_the_configuration_that_was_asked_for(source, tmp_path):
    store, records = Store(tmp_path / "store"), []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "own.py"
        path.write_text("from torch import nn\ndef net(shape, classes):\n"
                        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))\n", encoding="utf-8")
        config = replace(CONFIG, network=f"{path}:net", width=1.0, settings=())
        training = Training(config=config, data=source)
        made = training.value(store)
        assert made.record.config == config and str(tmp_path) not in (made.path.parent / RECORD).read_text()
        records.append(made.record.test_accuracy)
    assert (store.made, store.reused) == (1, 1) and records[0] == records[1]


def test_another_instruction_set_is_another_training(monkeypatch):
    training = Training(config=TrainConfig(network="mlp"), data=DataSource.of("digits"))
    before = training.digest
    assert training.key()["arithmetic"]["threads"] == 1
    for name, value in (("ONEDNN_MAX_CPU_ISA", "SSE41"), ("MKL_CBWR", "SSE4_2")):
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            assert training.digest != before
    monkeypatch.setattr(processor, "instructions", lambda: "DEFAULT")      # what torch uses, not what is asked for
    assert training.digest != before


def test_a_machine_without_the_instructions_says_so(tmp_path, monkeypatch):
    config, heard = CONFIG, Heard()
    monkeypatch.setattr(module, "instructions", lambda: "DEFAULT")
    with listening(heard):
        Training(config=config, data=DataSource.of("digits")).value(Store(tmp_path))
    assert heard.noted_ == ["torch computes with DEFAULT here, not AVX2: other machines may train "
                            f"{config.label} to other last digits"]
