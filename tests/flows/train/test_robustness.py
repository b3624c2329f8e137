from dataclasses import replace

import pytest

from flows.run.store import Store
from flows.train.accuracy import Accuracy
from flows.train.data import DataSource
from flows.train.robustness import Robustness
from hw.spec.faults import Accumulator, BitFlips, Faults
from sw.golden.faults import UNSEEN, Device
from sw.graph.graph import Graph
from sw.quant.config import TrainConfig
from sw.quant.recipe import Quantize, Recipe
from sw.quant.training import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder, data = tmp_path_factory.mktemp("robustness"), DataSource.of("digits")
    recipe = Recipe(passes=6, steps=("pretrain", "quantize"), quantize=Quantize(method="post"))
    graph = train(TrainConfig(network="mlp", width=0.5, recipe=recipe), data.load()).graph
    graph.save(folder / "model.npz")
    return Robustness(model=folder / "model.npz", data=data, faults=Faults(weights=BitFlips(rate=0.01))), Store(folder)


def test_devices_err_each_in_its_own_way_and_mending_helps(trained):
    step, store = trained
    plain, mended, wholly = (replace(step, mended=mended).value(store) for mended in ("", "bias", "deviation"))
    graph, digits = Graph.load(step.model), step.data.load()
    inputs, labels = digits.quantized("test", graph.input), digits.labels["test"]
    by_hand = [int((Device(graph, step.faults, UNSEEN + seed).run(inputs).reshape(len(inputs), -1).argmax(1)
                    == labels).sum()) for seed in range(5)]
    assert [score.right for score in plain.test] == by_hand and len({score.right for score in plain.test}) > 1
    assert plain.accuracy("test") + 0.05 < mended.accuracy("test") < 1
    assert wholly.accuracy("valid") > plain.accuracy("valid")


def test_without_errors_it_is_the_accuracy(trained):
    step, store = trained
    found = replace(step, faults=Faults(accumulator=Accumulator(bits=32, overflow="wrap"))).value(store)
    wanted = [Accuracy(model=step.model, data=step.data, split=split).value(store) for split in ("valid", "test")]
    assert [found.valid, found.test] == [(wanted[0],), (wanted[1],)], "one device, since nothing is random"
