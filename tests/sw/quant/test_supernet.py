"""Networks that share their weights, on a few digits."""

import numpy as np
import pytest
import torch

from sw.data import Dataset, load_dataset
from sw.quant import supernet as module
from sw.quant.config import QuantError, TrainConfig
from sw.quant.recipe import Recipe
from sw.quant.supernet import Supernet

DATA = load_dataset("digits")
RECIPE = Recipe(batch=32)
#: A user's own, whose kernel and rank follow from its arguments; what is multiplied in front is of one size.
OWN = """
from torch import nn


def net(shape, classes, channels=4, kernel=3, flat=False):
    if flat:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, channels), nn.ReLU(), nn.Linear(channels, classes))
    return nn.Sequential(nn.Identity(), nn.Conv2d(1, channels, kernel), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(channels, classes))
"""


def config(network="mlp", *, bits=8, width=1.0, recipe=RECIPE, **settings):
    return TrainConfig(network=network, width=width, settings=settings, weight_bits=bits, seed=1, recipe=recipe)


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    return lambda **settings: config(f"{tmp_path / 'own.py'}:net", **settings)


def values(net):
    return {key: value.detach().clone() for key, value in net.bank.items()}


def test_a_narrow_network_takes_and_changes_the_first_part_of_a_wide_one():
    wide, narrow = config(width=2.0, layers=1), config(width=0.5, layers=1)
    net = Supernet(1)
    net.train(wide, DATA, 0.1)
    before, taken = values(net), {name: value.detach().clone() for name, value in net.weights(narrow, DATA).items()}
    assert [tuple(value.shape) for value in taken.values()] == [(16, 64), (16,), (10, 16), (10,)]
    assert list(values(net)) == list(before), "nothing is new"
    net.train(narrow, DATA, 0.1)
    first, last = (next(key for key in before if key[1:3] == (name, "weight")) for name in ("1", ""))
    for key, part in ((first, np.s_[:16]), (last, np.s_[:, :16])):
        assert torch.equal(net.weights(narrow, DATA)[f"units.{1 if key == first else 2}.weight"], net.bank[key][part])
        moved = (net.bank[key] != before[key]).float()
        assert moved[part].mean() > 0.5


def test_a_network_that_is_wider_makes_the_bank_grow_around_what_is_there():
    net = Supernet(1)
    for step in range(3):
        net.train(config(width=0.5), DATA, step / 3)
    before = values(net)
    net.weights(config(width=2.0), DATA)
    for key, value in before.items():
        assert torch.equal(net.bank[key][tuple(map(slice, value.shape))], value)
    assert any(net.bank[key].shape != value.shape for key, value in before.items())


def test_other_kernels_and_other_ranks_share_nothing_and_the_last_layer_is_one_under_any_name(own):
    net = Supernet(1)
    counts = []
    for settings in ({"kernel": 3}, {"kernel": 5}, {"channels": 8}, {"flat": True}):
        net.train(own(**settings), DATA, 0.1)
        counts.append(len(net.bank))
    # weight and bias of the convolution and of the last layer; another kernel; nothing; the weight of the first dense
    # layer, whose bias is as long as the convolution's
    assert counts == [4, 5, 5, 6]
    assert len({key[0] for key in net.bank}) == 1


def test_one_network_sees_several_data_sets_of_other_sizes():
    """Such as a front end that looks more or less finely."""
    generator, splits = np.random.default_rng(1), ("train", "valid", "test")
    sets = [Dataset(name="some", classes=3, seed=0, labels={split: generator.integers(0, 3, 90) for split in splits},
                    inputs={split: generator.normal(size=(90, 1, length, 4)).astype("f4") for split in splits})
            for length in (12, 20)]
    net = Supernet(1)
    for step in range(4):
        net.train(config("cnn1d", width=0.5), sets[step % 2], step / 4)
    assert all(np.isfinite(net.loss(config("cnn1d", width=0.5), data)) for data in sets)


def test_networks_of_two_functions_share_nothing():
    net = Supernet(1)
    net.train(config("dense"), DATA, 0.1)
    alone = len(net.bank)
    net.train(config("mlp"), DATA, 0.1)
    assert {key[0] for key in list(net.bank)[:alone]} == {"dense"}
    assert {key[0] for key in list(net.bank)[alone:]} == {"mlp"}


@pytest.mark.parametrize("network, settings", [("cnn", {"blocks": 2}), ("mlp", {"layers": 2})])
def test_all_of_them_learn(network, settings):
    """Of each the loss falls below that of chance."""
    some = [config(network, bits=bits, width=width, **settings) for bits in (8, 4) for width in (0.5, 1.0)]
    net = Supernet(1)
    for step in range(120):
        net.train(some[step % 4], DATA, step / 120)
    assert max(net.loss(each, DATA) for each in some) < 0.75 * np.log(10)


def test_what_is_shared_is_learned_by_all_and_what_is_not_by_none(monkeypatch):
    """A network that was never trained is better for the training of others; with a planted fault, keys of their own,
    it is not.
    """
    def loss():
        net = Supernet(1)
        for step in range(60):
            net.train(config(width=(0.5, 1.0)[step % 2]), DATA, step / 60)
        return net.loss(config(width=0.75), DATA)

    shared = loss()
    keys = module._keys
    monkeypatch.setattr(module, "_keys", lambda function, network: [
        (*key, network.traced.nodes[2].shape) for key in keys(function, network)])
    assert shared < 0.7 * np.log(10) < loss()


def test_the_same_steps_give_the_same_weights_bit_for_bit_and_another_seed_others():
    def losses(seed):
        net = Supernet(seed)
        for step in range(6):
            net.train(config("dscnn", bits=(8, 4, 2)[step % 3], width=0.5), DATA, step / 6)
        return [net.loss(config("dscnn", width=0.5), DATA) for _ in range(2)]

    assert losses(1) == losses(1) != losses(2)


def test_what_does_not_fit_in_memory_is_built_again_and_the_weights_stay(monkeypatch):
    def losses():
        net = Supernet(1)
        for step in range(8):
            net.train(config(width=(0.5, 1.0)[step % 2]), DATA, step / 8)
        return net.loss(config(), DATA)

    many = losses()
    monkeypatch.setattr(module, "KEPT", 1)
    assert losses() == many


def test_one_that_does_not_converge_says_so():
    net = Supernet(1)
    with pytest.raises(QuantError, match="does not converge; lower learning_rate"):
        for step in range(20):
            net.train(config("mlp", recipe=Recipe(batch=32, learning_rate=1e30, optimizer="sgd")), DATA, step / 20)
