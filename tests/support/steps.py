"""What a training step takes, of one network beside another."""

import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sw.quant.optimizer import Optimizer

__all__ = ["step_ratio"]

WARM = 5        # steps that are not counted


def step_ratio(one: nn.Module, other: nn.Module, inputs: Tensor, labels: Tensor, *, count: int = 40) -> float:
    """Time of a step of ``one`` in that of ``other``: the median over pairs that were taken in turns, since other work
    slows a machine for seconds, in time of the processor."""
    modules: Sequence[nn.Module] = (one.train(), other.train())
    optimizers = [Optimizer("adam", module.parameters()) for module in modules]
    ratios = []
    for _ in range(count + WARM):
        first, second = (_step(module, optimizer, inputs, labels)
                         for module, optimizer in zip(modules, optimizers, strict=True))
        ratios.append(first / second)
    return statistics.median(ratios[WARM:])


def _step(module: nn.Module, optimizer: Optimizer, inputs: Tensor, labels: Tensor) -> float:
    began = time.process_time()
    loss = functional.cross_entropy(module(inputs), labels)
    optimizer.clear()
    torch.autograd.backward(loss)
    optimizer.step(1e-3)
    return time.process_time() - began
