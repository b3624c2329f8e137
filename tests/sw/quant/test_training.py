import numpy as np
import pytest
import torch

from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS
from sw.graph.graph import ARRAYS, Graph
from sw.quant import QuantError, TrainConfig
from sw.quant.batches import batches, shifted
from sw.quant.training import evaluate, train
from tests.sw.quant.records import feedback


def arrays(graph):
    return [getattr(layer, name) for layer in graph.layers for name in ARRAYS]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(arrays(one), arrays(other), strict=True))


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_a_small_dense_network_learns_the_digits(digits, bits):
    seen = []
    trained = train(TrainConfig(network="mlp", weight_bits=bits), digits, progress=seen.append)
    assert trained.test_accuracy >= 0.93
    assert abs(trained.test_accuracy - trained.fake_accuracy) <= 0.01
    assert tuple(seen) == trained.curves
    assert [record.epoch for record in seen] == list(range(1, 41))
    assert seen[-1].loss < seen[0].loss / 3


def test_a_convolutional_network_learns_the_digits(digits):
    trained = train(TrainConfig(network="dscnn", epochs=12), digits)
    assert trained.test_accuracy >= 0.95
    assert abs(trained.test_accuracy - trained.fake_accuracy) <= 0.01


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 4, 2])
def test_the_default_training_reaches_its_accuracy(digits, bits):
    assert train(TrainConfig(weight_bits=bits), digits).test_accuracy >= 0.98


@pytest.mark.parametrize("network, bits", [("mlp", 2), ("dscnn", 8)])
def test_the_same_configuration_gives_the_same_bits(digits, network, bits):
    config = TrainConfig(network=network, width=0.5, weight_bits=bits, epochs=2, seed=5)
    one = train(config, digits)
    torch.rand(7)   # the global generator is not ours
    threads = torch.get_num_threads()
    other = train(config, digits)
    assert torch.get_num_threads() == threads
    assert same(one.graph, other.graph)
    assert one.curves == other.curves
    assert not same(one.graph, train(TrainConfig(network=network, width=0.5, weight_bits=bits, epochs=2, seed=6),
                                     digits).graph)


def test_noise_is_the_same_again(digits):
    config = TrainConfig(network="mlp", epochs=2)
    one, other = (train(config, digits, feedback=feedback()).graph for _ in range(2))
    assert same(one, other)
    assert not same(one, train(config, digits).graph)


def test_an_exact_multiplier_trains_as_if_there_were_no_feedback(digits):
    config = TrainConfig(network="mlp", epochs=2)
    assert same(train(config, digits, feedback=feedback("dsp")).graph, train(config, digits).graph)


def test_accuracy_is_counted_with_the_multiplier_of_the_design(digits, tmp_path):
    graph = train(TrainConfig(network="mlp", epochs=4), digits).graph
    graph.save(tmp_path / "model.npz")
    loaded = Graph.load(tmp_path / "model.npz")
    assert evaluate(loaded, digits) == evaluate(graph, digits) == evaluate(graph, digits, DesignPoint(multiplier="lut"))
    assert 0 < MULTIPLIERS["trunc"].dropped_columns(8)
    assert evaluate(graph, digits, DesignPoint(multiplier="trunc")) > 0.5
    assert evaluate(graph, digits, split="train") > 0.8


def test_an_epoch_walks_through_the_data(digits):
    walk = batches(digits, TrainConfig(epoch_images=500, batch=128), torch.Generator().manual_seed(0))
    epochs = [torch.cat(next(walk)) for _ in range(4)]
    assert [len(epoch) for epoch in epochs] == [500, 500, 257, 500]
    assert sorted(torch.cat(epochs[:3]).tolist()) == list(range(1257))


def test_images_move_by_at_most_the_shift():
    image = torch.zeros(200, 1, 5, 5)
    image[:, 0, 2, 2] = 1
    moved = shifted(image, 1, torch.Generator().manual_seed(0))
    assert moved.sum() == 200
    assert moved[:, 0, 1:4, 1:4].sum() == 200
    assert 90 < moved[:, 0, 2, 2].sum() < 130
    assert len(moved.reshape(200, -1).argmax(1).unique()) == 9
    assert torch.equal(shifted(image, 0, torch.Generator()), image)


def test_choosing_needs_a_record(digits):
    with pytest.raises(QuantError, match=r"choose='width': needs the latencies of a feedback record; give one"):
        train(TrainConfig(choose="width"), digits)
