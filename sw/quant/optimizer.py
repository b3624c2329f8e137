"""The optimizers of a recipe, as torch's: without its classes, whose first use loads a compiler for 5 s."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd

from sw.quant.root import root

__all__ = ["Optimizer"]

BETAS, EPSILON = (0.9, 0.999), 1e-8
MOMENTUM = 0.9


class Optimizer:
    """Of what needs a gradient among ``parameters``; ``kind`` is one of ``sw.quant.recipe.OPTIMIZERS``."""

    def __init__(self, kind: str, parameters: Iterable[nn.Parameter], *, weight_decay: float = 0.0) -> None:
        self.parameters = [each for each in parameters if each.requires_grad]
        self._step: Callable[[list[Tensor], list[int], float], None] = self._sgd if kind == "sgd" else self._adam
        self.decoupled, self.weight_decay = kind == "adamw", weight_decay
        self.first: list[Tensor | None] = [None] * len(self.parameters)
        self.second = [torch.zeros_like(each) for each in self.parameters]
        self.steps = [0] * len(self.parameters)

    def clear(self) -> None:
        """Forget the gradients."""
        for each in self.parameters:
            each.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Change what has a gradient."""
        numbers = [number for number, each in enumerate(self.parameters) if each.grad is not None]
        gradients = [each.grad for each in self.parameters if each.grad is not None]
        if numbers:
            self._step(gradients, numbers, rate)

    def _adam(self, gradients: list[Tensor], numbers: list[int], rate: float) -> None:
        """As torch's function does, which takes other roots."""
        for number in numbers:
            if self.first[number] is None:
                self.first[number] = torch.zeros_like(self.parameters[number])
            self.steps[number] += 1
        values, first, second = ([each[number] for number in numbers]
                                 for each in (self.parameters, self.first, self.second))
        if self.weight_decay and self.decoupled:
            torch._foreach_mul_(values, 1 - rate * self.weight_decay)
        elif self.weight_decay:
            gradients = list(torch._foreach_add(gradients, values, alpha=self.weight_decay))
        torch._foreach_lerp_(first, gradients, 1 - BETAS[0])
        torch._foreach_mul_(second, BETAS[1])
        torch._foreach_addcmul_(second, gradients, gradients, 1 - BETAS[1])
        left = [[1 - beta ** self.steps[number] for number in numbers] for beta in BETAS]
        spread = list(map(root, second))
        torch._foreach_div_(spread, list(map(math.sqrt, left[1])))
        torch._foreach_add_(spread, EPSILON)
        torch._foreach_addcdiv_(values, first, spread, [-rate / each for each in left[0]])

    def _sgd(self, gradients: list[Tensor], numbers: list[int], rate: float) -> None:
        buffers = [self.first[number] for number in numbers]
        sgd([self.parameters[number] for number in numbers], gradients, buffers, foreach=True,
            weight_decay=self.weight_decay, momentum=MOMENTUM, lr=rate, dampening=0.0, nesterov=True, maximize=False)
        for number, buffer in zip(numbers, buffers, strict=True):
            self.first[number] = buffer
