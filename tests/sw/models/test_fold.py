from math import inf

import pytest
import torch
from torch import nn
from torch.nn import functional

from sw.models import traced
from tests.sw.quant.modules import Applied

IMAGE = (5, 6, 4)


def nodes(module):
    return traced("test", module, IMAGE).nodes[1:]


def ops(module):
    return [node.op for node in nodes(module)]


@pytest.mark.parametrize("behind, bounds", [
    (nn.ReLU, (0, inf)), (nn.ReLU6, (0, 6)), (nn.Hardtanh, (-1, 1)), (lambda: nn.Hardtanh(-2, 0), (-2, 0)),
    (nn.Identity, (-inf, inf)), (lambda: Applied(lambda x: x.clamp(max=3)), (-inf, 3))])
def test_a_clamp_around_0_is_the_convolutions(behind, bounds):
    one, = nodes(nn.Sequential(nn.Conv2d(4, 3, 1), nn.BatchNorm2d(3), behind()))
    assert (one.op, one.low, one.high, one.normalized) == ("conv", *bounds, True)


@pytest.mark.parametrize("module, expected", [
    (nn.Sequential(nn.Conv2d(4, 3, 1), nn.Hardtanh(1, 2)), ["conv", "table"]),
    (nn.Sequential(nn.Conv2d(4, 3, 1), nn.ReLU(), nn.ReLU6()), ["conv", "table"]),
    (nn.Sequential(nn.ReLU(), nn.Conv2d(4, 3, 1)), ["table", "conv"]),
    (nn.Sequential(nn.Conv2d(4, 3, 1), nn.Sigmoid(), nn.BatchNorm2d(3)), ["conv", "table", "norm"]),
    (nn.Sequential(nn.Conv2d(4, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)), ["conv", "norm"]),
    (nn.Sequential(nn.MaxPool2d(2), nn.ReLU()), ["maxpool", "table"]),
    (nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(4, 3, 1)), ["pad", "conv"]),
    (nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(4, 3, 3), nn.ReLU()), ["conv"]),
    (nn.Sequential(nn.ZeroPad2d(1), nn.MaxPool2d(3)), ["pad", "maxpool"])])
def test_what_is_not_the_same_stays(module, expected):
    assert ops(module) == expected


def test_what_somebody_else_reads_stays():
    def twice(x, conv, norm):
        y = conv(x)
        return norm(y) + y

    assert ops(Applied(twice, conv=nn.Conv2d(4, 4, 1), norm=nn.BatchNorm2d(4))) == ["conv", "norm", "add"]
    assert ops(Applied(lambda x, conv: functional.relu(y := conv(x)) + y, conv=nn.Conv2d(4, 4, 1))) == [
        "conv", "table", "add"]
    assert ops(Applied(lambda x, a, b: a(y := functional.pad(x, (1, 1, 1, 1))) + b(y), a=nn.Conv2d(4, 4, 3),
                       b=nn.Conv2d(4, 4, 3))) == ["pad", "conv", "conv", "add"]


def test_sums_take_a_relu_too():
    one, = nodes(Applied(lambda x: torch.relu(x + x)))
    assert (one.op, one.low, one.high, one.reads) == ("add", 0, inf, (0, 0))


def test_paddings_add_up_as_far_as_the_kernel_reaches():
    one, = nodes(nn.Sequential(nn.ZeroPad2d((1, 0, 0, 1)), nn.Conv2d(4, 3, 3, padding=1)))
    assert one.padding == (1, 2, 2, 1)
    assert ops(nn.Sequential(nn.ZeroPad2d((2, 0, 0, 0)), nn.Conv2d(4, 3, 3, padding=1))) == ["pad", "conv"]


def test_moves_join_and_vanish():
    assert ops(nn.Sequential(nn.Flatten(), nn.Unflatten(1, (4, 5, 6)), nn.Conv2d(4, 3, 1))) == ["conv"]
    one, _ = nodes(Applied(lambda x, conv: conv(x.permute(0, 2, 3, 1).reshape(-1, 30, 4).transpose(1, 2)),
                           conv=nn.Conv1d(4, 3, 1)))
    assert (one.op, one.shape, one.strides) == ("move", (4, 30), (30, 1))
    assert ops(Applied(lambda x: x.reshape(-1, 4, 5, 6))) == ["move"], "the last node stays"
