"""Functions of torch, with torch's arguments: the nodes compute the same, which ``tests/sw/quant/test_lower.py`` shows
of all that there are; here is what is refused, and why."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from sw.models import ModelError, traced
from tests.sw.quant.modules import ALONE, Applied

IMAGE = (5, 6, 4)


def nodes(module, image=IMAGE):
    return traced("test", module, image).nodes


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", ALONE)
def test_shapes_are_torchs(name):
    image, make = ALONE[name]
    module = make().eval()
    found = nodes(module, image)
    assert module(torch.zeros(3, *found[0].shape)).shape == (3, *found[-1].shape)


def apply(function, **parts):
    return Applied(function, **parts)


@pytest.mark.parametrize("module, error", [
    (nn.AvgPool2d(2, ceil_mode=True), r"avg_pool2d: ceil_mode=True: the last window hangs over the edge"),
    (nn.AvgPool2d(2, divisor_override=3), r"avg_pool2d: divisor_override=3: leave it out"),
    (nn.MaxPool2d(2, dilation=2), r"max_pool2d: dilation=2: the windows of a pool have no gaps; write 1"),
    (nn.AdaptiveAvgPool2d(4), r"adaptive_avg_pool2d: of \[5, 6\] to \[4, 4\]: windows of one size do not fit"),
    (nn.ReflectionPad2d(1), r"pad: mode='reflect', value=.*: only zeros can stand around"),
    (nn.ConstantPad2d(1, 3.0), r"pad: mode='constant', value=3\.0: only zeros"),
    (nn.ZeroPad2d(-1), r"pad: pad=\(-1, -1, -1, -1\): counts are 0 or more"),
    (nn.Conv2d(4, 3, 3, padding=1, padding_mode="circular"), r"0?.*\(Conv2d\).*pad: mode='circular'"),
    (nn.BatchNorm2d(4, track_running_stats=False), r"batch_norm: has no running statistics"),
    (nn.GELU("tanh"), r"gelu: approximate='tanh'"),
    (nn.Softplus(2), r"softplus: beta=2: write 1"),
    (apply(lambda x: x.clamp(torch.zeros(1))), r"clamp: its bounds are tensors; give numbers"),
    (apply(lambda x: x / x), r"truediv|div: divides by what is no number"),
    (apply(lambda x: torch.add(x, x, alpha=2)), r"add: alpha=2: multiply before"),
    (apply(lambda x: x + x.mean((2, 3))[:, :, None]), r"add: of \(4, 5, 6\) and \(4, 1\) for each input|RuntimeError"),
    (apply(lambda x: x + torch.ones(2, 4, 5, 6)), r"add: a constant of shape \(2, 4, 5, 6\): its first axis"),
    (apply(lambda x: torch.cat([x, x])), r"cat: joins along the batch; choose another axis"),
    (apply(lambda x: x.mean(1)), r"mean: over dim=1 of \(2, 4, 5, 6\): only height and width"),
    (apply(lambda x: x[:, [0, 1, 3]]), r"getitem: moves values in no regular way"),
    (apply(lambda x: x[0]), r"getitem: gives \(4, 5, 6\) of a batch of 2; the first axis is the batch"),
    (apply(lambda x: x.reshape(-1, 6)), r"reshape: gives \(40, 6\) of a batch of 2"),
    (apply(lambda x: functional.conv2d(x[0], torch.ones(1, 4, 1, 1))), r"getitem: gives"),
    (apply(lambda x: x.sum(2)), r"torch\.Tensor\.sum: no operator"),
    (apply(lambda x: x.max(2)[0]), r"torch\.Tensor\.max: no operator"),
])
def test_arguments_that_no_layer_has_are_named(module, error):
    with pytest.raises(ModelError, match=r"^network 'test', .*" + error) as caught:
        nodes(module)
    assert "\n" not in str(caught.value)


def test_numbers_are_functions_of_each_value():
    found = nodes(apply(lambda x: (2 - x * 3) / 4))
    assert [(node.function, node.numbers) for node in found[1:]] == [
        ("affine", (3.0, 0.0)), ("affine", (-1.0, 2.0)), ("affine", (0.25, 0.0))]


def test_zeros_of_an_average_count_where_torch_counts_them():
    assert [node.op for node in nodes(nn.AvgPool2d(3, 2, 1))[1:]] == ["pad", "avgpool"]
    inside = nodes(nn.AvgPool2d(3, 2, 1, count_include_pad=False))[1]
    assert (inside.op, inside.padding) == ("avgpool", (1, 1, 1, 1))


def test_same_padding_is_torchs():
    node = nodes(nn.Conv2d(4, 3, (2, 4), padding="same", dilation=(1, 2)))[1]
    assert (node.padding, node.shape) == ((0, 3, 1, 3), (3, 5, 6))
