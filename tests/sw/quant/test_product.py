"""Layers with weights, while they are trained."""

import math

import pytest
import torch
from torch import nn

from sw.quant.weights import weight_limit
from tests.sw.quant.modules import images_of, network_of

IMAGE = (5, 6, 4)


def test_convolutions_have_a_scale_a_channel_and_dense_layers_one():
    network = network_of(nn.Sequential(nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(72, 5)), IMAGE)
    conv, dense = network.products
    assert len(set(conv.scales().tolist())) == 6 and len(set(dense.scales().tolist())) == 1


def test_a_normalization_learns_the_statistics_of_integer_sums():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6))
    network = network_of(module, IMAGE)
    layer, = network.products
    images = images_of(64, torch.Generator().manual_seed(0), network.input)
    with torch.no_grad():
        for _ in range(60):
            network.train()(images)
    sums = layer.products(network.signals(images)[0].value, layer.integers(layer.scales()))
    assert torch.allclose(layer.mean, sums.mean((0, 2, 3)).detach(), rtol=0.05, atol=1)


def test_the_statistics_of_a_trained_module_are_those_of_its_integers():
    """What comes out is what the module gives, up to the rounding of weights and activations."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6)).train()
    kind = network_of(module, IMAGE).input
    images = images_of(256, torch.Generator().manual_seed(0), kind)
    for _ in range(60):
        module(images)
    network = network_of(module, IMAGE)          # forgets nothing: momentum only moves towards the same statistics
    with torch.no_grad():
        apart = (network(images) - module.eval()(images)).abs()
    assert float(apart.mean()) < 0.05


def test_a_frozen_parameter_is_not_trained():
    module = nn.Conv2d(4, 6, 3)
    module.weight.requires_grad_(False)
    assert [name for name, _ in network_of(module, IMAGE).named_parameters()] == ["units.0.bias"]


def test_shared_weights_are_one_parameter():
    conv = nn.Conv2d(4, 4, 1, bias=False)
    network = network_of(nn.Sequential(conv, nn.Tanh(), conv), IMAGE)
    assert len(list(network.parameters())) == 1
    assert network.products[0].weight is network.products[1].weight


@pytest.mark.parametrize("bits", [8, 4, 2, 1])
def test_narrow_weights_have_few_values(bits):
    layer, = network_of(nn.Conv2d(4, 32, 3), IMAGE, bits).products
    values = layer.integers(layer.scales()).detach().unique()
    assert len(values) <= max(2, 2 ** bits - 1) and float(values.abs().max()) == weight_limit(bits)


@pytest.mark.parametrize("module, scales", [(nn.Conv2d(4, 6, 3), 6),
                                            (nn.Sequential(nn.Flatten(), nn.Linear(120, 5)), 1)])
def test_learned_scales_begin_as_they_are_and_stay_positive(module, scales):
    layer, = network_of(module, IMAGE, 2).products
    before = layer.scales().detach()
    layer.learn()
    assert torch.equal(layer.scales(), before) and layer.factor.shape == (scales,)
    with torch.no_grad():
        layer.factor -= 3
        layer.weight *= 7
    assert torch.allclose(layer.scales(), before * math.exp(-3)), "the weights' statistics are nothing to them"
