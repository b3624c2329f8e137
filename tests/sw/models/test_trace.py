"""What a module asks of torch is written down with the place that asked; the rest is refused in a line."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from sw.models import ModelError, traced
from sw.models.trace import placed
from tests.sw.quant.modules import Applied

IMAGE = (5, 6, 4)


def nodes(module):
    return traced("test", module, IMAGE).nodes


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        if x.shape[1] == x.size(1) == 4 and len(x) == 2 and x.dim() == x.ndim == 4:
            x = x + self.conv(x)
        return x


def test_nodes_have_the_names_of_their_modules_and_their_places():
    found = nodes(nn.Sequential(Block(), nn.Sequential(Block(), nn.Sigmoid())))
    assert [node.name for node in found[1:]] == ["0.conv", "0.add", "1.0.conv", "1.0.add", "1.1"]
    assert found[2].where.startswith("0 (Block), line ") and found[2].where.endswith("of test_trace.py")


def test_a_module_that_is_called_twice_has_two_nodes_and_one_set_of_weights():
    conv = nn.Conv2d(4, 4, 1)
    found = traced("test", nn.Sequential(conv, nn.Tanh(), conv), IMAGE)
    assert len({node.name for node in found.nodes}) == 4
    assert found.nodes[1].tensors == found.nodes[3].tensors
    assert found.weights == 16


def test_what_the_output_does_not_need_is_left_out_and_the_mode_comes_back():
    module = Applied(lambda x, a, b: (b(x), a(x))[1], a=nn.Conv2d(4, 3, 1), b=nn.LeakyReLU()).train()
    assert [node.op for node in nodes(module)] == ["input", "conv"]
    assert module.training


def test_what_is_changed_in_place_is_another_value():
    def forward(x, conv):
        y = conv(x)
        y += x
        functional.relu(y, inplace=True)
        return y

    _, conv, add = nodes(Applied(forward, conv=nn.Conv2d(4, 4, 1)))
    assert (conv.op, add.op, add.low, add.reads) == ("conv", "add", 0, (1, 0))


def test_dropout_changes_nothing_but_its_own_output():
    _, dropped, add = nodes(Applied(lambda x, drop: drop(x) + x, drop=nn.Dropout(0.5)))
    assert (dropped.op, dropped.numbers, add.reads) == ("dropout", (0.5, 0.0), (1, 0))


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x):
        return functional.linear(x, self.fc.weight * 2)


class Ones(nn.Module):
    def forward(self, x):
        return torch.ones(2, 3)


@pytest.mark.parametrize("module, error", [
    (nn.LayerNorm(6), r"\(LayerNorm\): torch\.nn\.functional\.layer_norm: no operator of the integer graph computes "
                      r"it; docs/networks\.md lists those that there are$"),
    (nn.Sequential(nn.Conv2d(4, 4, 1), nn.Sequential(nn.GroupNorm(2, 4))), r"1\.0 \(GroupNorm\).*\.group_norm: no"),
    (nn.Softmax(1), r"functional\.softmax: a network gives logits, and its training knows the rest; leave it out$"),
    (Applied(lambda x: x * x.tolist()[0][0][0][0]), r"line \d+ of test_trace\.py: tolist: a decision or number that "
                                                    r"depends on the values of the input; an integer network"),
    (Applied(lambda x: x[0, 0, 0, 0].item()), r"getitem: gives \(\) of a batch of 2"),
    (Applied(lambda x: x @ x.transpose(2, 3)), r"torch\.Tensor\.matmul: no operator"),
    (Masked(), r"\(Masked\), line \d+ of test_trace\.py: linear: its weights are computed from parameters"),
    (Applied(lambda x: functional.linear(x.flatten(1), x.flatten(1))), r"linear: its weights depend on the"),
    (Applied(lambda x: torch.relu_(x.flatten(1))), r"relu: changes in place what another tensor shares; write it with"),
    (Applied(lambda x: x.half()), r"torch\.Tensor\.half: no operator"),
    (Applied(lambda x: x.to(torch.float64)), r"to: gives torch\.float64; activations stay torch\.float32"),
    (Applied(lambda x: x.flatten(0)), r"flatten: gives \(240,\) of a batch of 2; the first axis is the batch"),
    (Applied(lambda x: x.mean()), r"mean: over dim=None of \(2, 4, 5, 6\): only height and width can be"),
    (Ones(), r": forward gives what does not depend on its input"),
])
def test_what_is_no_integer_network_is_one_line(module, error):
    with pytest.raises(ModelError, match=r"^network 'test'.*" + error) as caught:
        nodes(module)
    assert "\n" not in str(caught.value)


def test_a_module_without_a_source_is_placed_where_it_was_made():
    with placed():
        module = nn.Sequential(nn.Conv2d(4, 4, 1),
                               nn.GroupNorm(2, 4))
    with pytest.raises(ModelError, match=r"1 \(GroupNorm\), line \d+ of test_trace\.py: torch"):
        nodes(module)


def test_an_error_of_a_module_names_it_and_its_inputs():
    with pytest.raises(ModelError, match=r"^network 'test', 1 \(Linear\): RuntimeError: mat1 and mat2 .*; it gets "
                                         r"inputs of \(2, 4, 5, 6\)$"):
        nodes(nn.Sequential(nn.Flatten(), nn.Linear(7, 3)))
