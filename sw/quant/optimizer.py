"""The optimizers of a recipe: torch's own functions, without its classes, whose first use loads a compiler for 5 s."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

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
        self.steps = [torch.zeros(()) for _ in self.parameters]

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
        for number in numbers:
            if self.first[number] is None:
                self.first[number] = torch.zeros_like(self.parameters[number])
        adam([self.parameters[number] for number in numbers], gradients,
             [self.first[number] for number in numbers], [self.second[number] for number in numbers], [],
             [self.steps[number] for number in numbers], foreach=True, decoupled_weight_decay=self.decoupled,
             amsgrad=False, beta1=BETAS[0], beta2=BETAS[1], lr=rate, weight_decay=self.weight_decay, eps=EPSILON,
             maximize=False)

    def _sgd(self, gradients: list[Tensor], numbers: list[int], rate: float) -> None:
        buffers = [self.first[number] for number in numbers]
        sgd([self.parameters[number] for number in numbers], gradients, buffers, foreach=True,
            weight_decay=self.weight_decay, momentum=MOMENTUM, lr=rate, dampening=0.0, nesterov=True, maximize=False)
        for number, buffer in zip(numbers, buffers, strict=True):
            self.first[number] = buffer
