import pytest
import torch
from torch import nn

from sw.quant.optimizer import Optimizer
from sw.quant.recipe import OPTIMIZERS


def parameters():
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(3, 4, generator=generator)), nn.Parameter(torch.randn(5, generator=generator)),
            nn.Parameter(torch.randn(2, generator=generator))]


def loss(given):
    return (given[0] ** 2).sum() + (given[1] - 1).abs().sum()


REFERENCE = {
    "adam": lambda given, decay: torch.optim.Adam(given, lr=0.1, weight_decay=decay),
    "adamw": lambda given, decay: torch.optim.AdamW(given, lr=0.1, weight_decay=decay),
    "sgd": lambda given, decay: torch.optim.SGD(given, lr=0.1, weight_decay=decay, momentum=0.9, nesterov=True)}


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_it_steps_as_torchs_own_does(kind, decay):
    ours, theirs = parameters(), parameters()
    mine, reference = Optimizer(kind, ours, weight_decay=decay), REFERENCE[kind](theirs, decay)
    for _ in range(5):
        for given, clear in ((ours, mine.clear), (theirs, reference.zero_grad)):
            clear()
            loss(given).backward()
        mine.step(0.1)
        reference.step()
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(ours, theirs, strict=True))
    assert torch.equal(ours[2], parameters()[2]), "it has no gradient"


def test_what_needs_no_gradient_stays():
    still = nn.Parameter(torch.ones(2), requires_grad=False)
    optimizer = Optimizer("adam", [still, *parameters()])
    assert len(optimizer.parameters) == 3
    optimizer.step(0.1)
    assert torch.equal(still, torch.ones(2))
