"""Layers without weights, while they are trained; that their integers follow is in ``test_lower.py``."""

import pytest
import torch
from torch import nn

from tests.sw.quant.modules import ALONE, Applied, images_of, network_of

IMAGE = (5, 6, 4)
SIGNED = {"scale": 1 / 64, "zero_point": -30}


def seen(network, seed=3):
    return images_of(16, torch.Generator().manual_seed(seed), network.input)


@pytest.mark.parametrize("name", ALONE)
def test_every_value_lies_on_the_grid_of_its_type(name):
    image, make = ALONE[name]
    torch.manual_seed(1)
    network = network_of(make(), image, **SIGNED)
    for signal in network.signals(seen(network)):
        steps = (signal.value / signal.scale).detach()
        assert torch.allclose(steps, steps.round(), atol=2e-3)
        assert steps.min() + signal.zero_point > -128.01 and steps.max() + signal.zero_point < 127.01


@pytest.mark.parametrize("name", [name for name in ALONE if ALONE[name][1]().state_dict()])
def test_every_parameter_gets_a_gradient(name):
    image, make = ALONE[name]
    torch.manual_seed(1)
    network = network_of(make(), image, **SIGNED).train()
    network(seen(network)).square().sum().backward()
    assert [name for name, one in network.named_parameters() if one.grad is None or not one.grad.abs().sum()] == []


def test_joined_tensors_have_one_type_and_what_is_fixed_is_requantized():
    network = network_of(Applied(lambda x, a, b: torch.cat([10 * 0 + a(x), torch.sigmoid(a(x)), b(x)], 1),
                                 a=nn.Conv2d(4, 3, 1), b=nn.Conv2d(4, 2, 1)), IMAGE)
    units = {node.op + node.name: unit for node, unit in zip(network.traced.nodes[1:], network.units, strict=True)}
    joined = next(unit for name, unit in units.items() if name.startswith("concat"))
    assert units["convb"].range.group is joined.range.group
    signals = network.signals(seen(network))
    assert (signals[-1].scale, signals[-1].zero_point) == (units["convb"].range.scale, units["convb"].range.zero_point)


def test_dropout_is_of_training_alone_and_of_its_generator():
    network = network_of(nn.Dropout(0.5), IMAGE)
    images = seen(network)
    assert torch.equal(network(images), network(images))
    network.train()
    one = network(images)
    assert not torch.equal(one, network(images))
    share = float((one[images > images.min()] == 0).float().mean())
    assert 0.4 < share < 0.6
    again = network_of(nn.Dropout(0.5), IMAGE)
    again.train()
    assert torch.equal(again(images), network_of(nn.Dropout(0.5), IMAGE).train()(images))


def test_whole_channels_are_dropped():
    network = network_of(nn.Sequential(nn.Conv2d(4, 8, 1), nn.Dropout2d(0.5)), IMAGE).train()
    dropped = (network(seen(network)) == 0).flatten(2).all(2)
    assert 0.3 < float(dropped.float().mean()) < 0.7
