from dataclasses import replace

import pytest

from flows.run.progress import listening
from flows.run.store import Store
from flows.train.accuracy import Accuracy
from flows.train.data import DataSource
from flows.train.training import MODEL, Training
from hw.spec.feedback import Feedback, NoiseProfile
from sw.data import load_dataset
from sw.graph.graph import Graph
from sw.models import NETWORKS, LayerSpec
from sw.quant.config import TrainConfig
from tests.support.listener import Heard

CONFIG = TrainConfig(network="mlp", width=0.25, seed=3, epochs=2, epoch_images=256)


@pytest.fixture(scope="module")
def source():
    return DataSource.of("digits")


def silence(**more):
    noise = NoiseProfile(multiplier="trunc", weight_bits=8, mean=(0.0,) * 256, variance=(0.0,) * 256, pairs=65536,
                         simulator="none")
    return Feedback(**{"design": "d", "fingerprint": 1, "clock_mhz": 50.0, "noise": noise, "latency": (), **more})


def test_a_training_is_made_once_and_tells_its_epochs(source, tmp_path):
    store, heard = Store(tmp_path), Heard()
    training = Training(config=CONFIG, data=source)
    with listening(heard):
        made = training.value(store)
    assert made.path.name == MODEL
    assert Graph.load(made.path).input.shape == (8, 8, 1)
    assert made.record.config == CONFIG and [epoch.epoch for epoch in made.record.curves] == [1, 2]
    assert 0.1 < made.record.test_accuracy <= 1
    assert [text for _, text in heard.told_] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert training.value(store) == made
    assert (store.made, store.reused) == (1, 1)
    for split, recorded in (("valid", made.record.valid_accuracy), ("test", made.record.test_accuracy)):
        # the trainer says what the search will say
        assert Accuracy(model=made.path, data=source, split=split).value(store) == recorded


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


def test_a_network_that_its_function_makes_from_something_else_is_another_training(monkeypatch):
    """A closure over a value, which no source says."""
    def deep(count):
        def make(shape, classes):
            return (*[LayerSpec(op="dense", channels=8)] * count,
                    LayerSpec(op="dense", channels=classes, scaled=False, relu=False))
        return make

    digests = set()
    for count in (1, 3, 1):
        monkeypatch.setitem(NETWORKS, "deep", deep(count))
        digests.add(Training(config=TrainConfig(network="deep"), data=DataSource.of("digits")).digest)
    assert len(digests) == 2


def test_another_instruction_set_is_another_training(monkeypatch):
    training = Training(config=TrainConfig(network="mlp"), data=DataSource.of("digits"))
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    before = training.digest
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    assert training.digest == before
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    assert training.digest != before
