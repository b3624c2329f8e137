"""What a student may follow of its teacher, by ways of the field; a small class each.

``response``: its softened answers (Hinton et al., Distilling the Knowledge in a Neural Network, 2015). ``feature``:
what its last layer reads, behind a trained projection of what the student's reads (Romero et al., FitNets, 2015).
``relation``: how far the inputs of a batch are from each other there (Park et al., Relational Knowledge Distillation,
2019).
"""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from sw.quant.network import QuantNetwork
from sw.quant.product import Product, Signal

__all__ = ["FOLLOWED", "Follower", "Seen", "watched"]

SMALLEST = 1e-6


class Seen(NamedTuple):
    """What a network makes of a batch."""

    logits: Tensor         # (N, classes)
    features: Tensor       # (N, values), what its last layer with weights reads


class Follower(Protocol):
    """A loss between the two; it may have parameters, which train with the student."""

    def parameters(self) -> list[nn.Parameter]: ...

    def __call__(self, student: Seen, teacher: Seen) -> Tensor: ...


class _Plain:
    """Without parameters."""

    def __init__(self, student: int, teacher: int, temperature: float, generator: torch.Generator) -> None:
        self.temperature = temperature

    def parameters(self) -> list[nn.Parameter]:
        return []


class Response(_Plain):
    """Divergence of the softened answers, times the square of the temperature, so that gradients keep their size."""

    def __call__(self, student: Seen, teacher: Seen) -> Tensor:
        warm = self.temperature
        return warm ** 2 * functional.kl_div(functional.log_softmax(student.logits / warm, 1),
                                             functional.softmax(teacher.logits / warm, 1), reduction="batchmean")


class Feature:
    """Squared distance behind the projection, of vectors of length 1: scales differ, and need not be learned."""

    def __init__(self, student: int, teacher: int, temperature: float, generator: torch.Generator) -> None:
        self.projection = nn.Parameter(torch.randn(teacher, student, generator=generator) / math.sqrt(student))

    def parameters(self) -> list[nn.Parameter]:
        return [self.projection]

    def __call__(self, student: Seen, teacher: Seen) -> Tensor:
        one, other = (functional.normalize(each, eps=SMALLEST)
                      for each in (student.features @ self.projection.T, teacher.features))
        return (one - other).square().sum(1).mean()


class Relation(_Plain):
    """Huber's loss between the distances of all pairs of a batch, each in the mean distance of its network."""

    def __call__(self, student: Seen, teacher: Seen) -> Tensor:
        return functional.smooth_l1_loss(_distances(student.features), _distances(teacher.features))


def _distances(features: Tensor) -> Tensor:
    found = torch.pdist(features)
    return found / found.mean().clamp_min(SMALLEST)


#: Each is made for so many features of student and teacher, a temperature, and the generator of random numbers.
FOLLOWED: dict[str, Callable[[int, int, float, torch.Generator], Follower]] = {
    "response": Response, "feature": Feature, "relation": Relation}


def watched(network: QuantNetwork) -> Callable[[Tensor], Seen]:
    """What the network, as it is then, makes of inputs."""
    last = max(number for number, node in enumerate(network.traced.nodes)
               if number and isinstance(network.unit_of(number), Product))
    read = network.traced.nodes[last].reads[0]

    def see(inputs: Tensor) -> Seen:
        signals: list[Signal] = network.signals(inputs)
        return Seen(signals[-1].value, signals[read].value.flatten(1))
    return see
