from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sw.graph.graph import TensorType
from sw.models import NETWORKS, build, traced
from sw.models.coupling import coupling
from sw.models.ir import Traced
from sw.models.shrink import NotRectangular, shrunk
from sw.quant.network import QuantNetwork
from tests.support.networks import outputs_of
from tests.sw.quant.modules import ALONE, Applied, random_module, shuffled

OPERATORS = ("conv strided", "conv groups", "depthwise many", "conv norm relu", "norm", "prelu", "average",
             "most padded", "mean", "residual", "excitation", "transpose", "function silu", "linear over channels")


def chosen(found, rng):
    alive = np.ones(found.count, bool)
    for group in found.groups:
        alive[rng.permutation(group.units)[:int(rng.integers(len(group.units)))]] = False
    return alive


def outputs(network: Traced, inputs):
    kind = TensorType(shape=tuple(inputs.permute(0, 2, 3, 1).shape[1:]), scale=1 / 255, zero_point=-128)
    made = QuantNetwork(network, kind, 8, torch.Generator().manual_seed(0))
    made.become(quantized=False)
    with torch.no_grad():
        return made.eval()(inputs)


def without(network: Traced, found, alive) -> Traced:
    """The whole network, in which nobody reads what is not alive."""
    tensors = dict(network.tensors)
    for node in network.nodes:
        if node.op in ("conv", "linear") and node.groups == 1:
            owner = found.owners[node.reads[0]]
            read = torch.from_numpy(alive[owner.reshape(len(owner), -1)[:, 0]])
            weight = tensors[node.tensors["weight"]]
            shape = (1, -1, *[1] * (weight.dim() - 2))
            tensors[node.tensors["weight"]] = (weight * read.reshape(shape)).detach().requires_grad_()
    return replace(network, tensors=tensors)


def differ(network, seed, image):
    rng = np.random.default_rng(seed)
    found = coupling(network.nodes)
    alive = chosen(found, rng)
    inputs = torch.from_numpy(rng.random((3, image[2], image[0], image[1]), np.float32))
    less = shrunk(network, found, alive)
    assert less.macs < network.macs or alive.all()
    one, other = outputs(without(network, found, alive), inputs), outputs(less, inputs)
    return float((one - other).abs().max() / one.abs().max().clamp_min(1))


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_left_computes_what_the_whole_does_without_what_went(name):
    image = (1, 40, 3) if name in ("cnn1d", "tcn") else (9, 8, 2)
    for seed in range(2):
        assert differ(build(name, image, outputs_of(name, image, 7), width=0.75), seed, image) < 1e-4


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_does_without_channels(name):
    image, make = ALONE[name]
    torch.manual_seed(3)
    parts = [nn.Conv2d(image[2], image[2], 1), make(), nn.Flatten()]
    size = nn.Sequential(*parts).eval()(torch.zeros(1, image[2], image[0], image[1])).shape[1]
    module = nn.Sequential(*parts, nn.Linear(size, 5))
    network = traced("test", module, image)
    assert differ(network, 1, image) < 1e-4


@pytest.mark.parametrize("seed", range(6))
def test_random_networks_do_without_channels(seed):
    image, module = random_module(seed)
    network = traced("test", module, image)
    try:
        assert differ(network, seed, image) < 1e-4
    except NotRectangular as error:
        assert str(error).endswith(("moved by steps that would not be even", "of its output is no array"))


def test_a_wrong_channel_is_seen(monkeypatch):
    monkeypatch.setattr("sw.models.shrink._channels",
                        lambda mask: np.arange(np.count_nonzero(mask.reshape(len(mask), -1).any(1))))
    assert differ(build("dscnn", (9, 8, 2), 7), 1, (9, 8, 2)) > 1e-2


def test_what_cannot_be_moved_is_said():
    network = traced("test", nn.Sequential(Applied(shuffled, conv=nn.Conv2d(4, 6, 1)), nn.Flatten(), nn.Linear(180, 5)),
                     (5, 6, 4))
    found = coupling(network.nodes)
    alive = np.ones(found.count, bool)
    alive[found.groups[0].units[1]] = False
    with pytest.raises(NotRectangular, match="^0.transpose: what is left of its output is no array$"):
        shrunk(network, found, alive)
