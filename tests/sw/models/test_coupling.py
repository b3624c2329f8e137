import pytest
import torch
from torch import nn
from torch.nn import functional

from sw.models import build, traced
from sw.models.coupling import coupling
from tests.sw.quant.modules import Applied, Scaled, excited, shuffled

IMAGE = (5, 6, 4)


def groups(network):
    """Names of the layers that make the units of each group, and how many there are; names of those that stay."""
    found, names = coupling(network.nodes), [node.name for node in network.nodes]
    made = [("+".join(dict.fromkeys(names[maker] for maker in group.makers)), len(group.units))
            for group in found.groups]
    return made, [names[number] for number in found.fixed]


def test_layers_that_meet_in_a_sum_keep_the_same_channels():
    found, fixed = groups(build("resnet8", (8, 8, 1), 10, width=0.5))
    assert found == [("1.1+2.second.1", 8), ("2.first.1", 8), ("3.first.1", 16), ("3.second.1+3.beside.1", 16),
                     ("4.first.1", 32), ("4.second.1+4.beside.1", 32)]
    assert fixed == ["5.classifier"]


def test_depthwise_layers_keep_the_channels_of_what_they_read():
    found, _ = groups(build("dscnn", (8, 8, 1), 10))
    assert found == [("1.1", 16), ("2.1.1", 24), ("3.1.1", 32), ("4.1.1", 32)]




@pytest.mark.parametrize("module, expected, fixed", [
    (nn.Sequential(nn.BatchNorm2d(8), nn.PReLU(8), nn.MaxPool2d(2)), [("0", 8)], []),
    (nn.Conv2d(8, 16, 3, groups=8), [("0", 8)], []),
    (nn.Conv2d(8, 8, 3, groups=2), [], ["0"]),
    (Applied(lambda x, one: torch.cat([x, one(x)], 1), one=nn.Conv2d(8, 6, 1)), [("0", 8), ("1.one", 6)], []),
    (Applied(lambda x, one: torch.cat([x, one(x)], 2), one=nn.Conv2d(8, 8, 1)), [("0+1.one", 8)], []),
    (Applied(excited, conv=nn.Conv2d(8, 6, 1), gate=nn.Conv2d(6, 6, 1)), [("0", 8), ("1.conv+1.gate", 6)], []),
    (Applied(lambda x, one: x * torch.sigmoid(one(x)), one=nn.Conv2d(8, 1, 1)), [("0+1.one", 1)], []),
    (Scaled(8), [("0", 8)], []),
    (Applied(lambda x: functional.pad(x, (1, 0, 0, 0, 2, 0))), [], ["0"]),
    (Applied(lambda x, one: one(one(x)), one=nn.Conv2d(8, 8, 1)), [], ["0", "1.one", "1.one2"]),
], ids=["passed on", "depthwise", "groups", "beside", "below", "gated", "one gate", "scaled", "padded channels",
        "twice"])
def test_what_is_coupled(module, expected, fixed):
    network = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), module, nn.Flatten(), nn.LazyLinear(5))
    network(torch.zeros(2, 4, 5, 6))
    found, stays = groups(traced("test", network, IMAGE))
    assert (found, stays) == (expected, [*fixed, "3"])


def test_a_unit_says_which_channel_of_each_layer_it_is():
    module = Applied(lambda x, one, two: one(x) + two(x).flip(1), one=nn.Conv2d(4, 3, 1), two=nn.Conv2d(4, 3, 1))
    network = nn.Sequential(module, nn.Flatten(), nn.Linear(90, 5))
    (group,) = coupling(traced("test", network, IMAGE).nodes).groups
    assert group.channels.tolist() == [[0, 1, 2], [2, 1, 0]]


def test_shuffled_channels_are_followed():
    module = Applied(shuffled, conv=nn.Conv2d(4, 6, 1))
    network = nn.Sequential(module, nn.Flatten(), nn.Linear(180, 5))
    found = coupling(traced("test", network, IMAGE).nodes)
    assert found.owners[-2][::30].tolist() == [found.groups[0].units[channel] for channel in (0, 3, 1, 4, 2, 5)]
