"""How much an output channel matters, by criteria of the field.

``scale``: the magnitude of its batch normalization's factor (Liu et al., Learning Efficient Convolutional Networks
through Network Slimming, 2017); of a layer without one, as ``magnitude``. ``magnitude``: the norm of its weights (Li et
al., Pruning Filters for Efficient ConvNets, 2017, there of absolute values). ``taylor``: how much the loss would change
without it, to first order, squared and averaged over batches of training inputs (Molchanov et al., Importance
Estimation for Neural Network Pruning, 2019), at the normalization's factor and offset, or at the weights. It is of one
measure in all layers; the others are not, and count as a share of what their layer has.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sw.quant.product import Product
from sw.quant.run import Run

__all__ = ["CRITERIA", "Criterion"]

BATCHES = 16       # of training inputs, for the mean of ``taylor``
Scores = dict[int, Tensor]      # number of the node -> a value for each of its channels


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """How output channels of nodes with weights are judged."""

    judge: Callable[[Run, dict[int, Product]], Scores]
    comparable: bool            # between layers; else each is in its layer's own measure

    def scores(self, run: Run, numbers: list[int]) -> Scores:
        """Of the channels of the nodes with these numbers; in a layer's own measure, their length is 1."""
        layers = {number: run.network.unit_of(number) for number in numbers}
        found = self.judge(run, {number: unit for number, unit in layers.items() if isinstance(unit, Product)})
        if self.comparable:
            return found
        return {number: scores / scores.norm().clamp_min(1e-30) for number, scores in found.items()}


@torch.no_grad()
def _magnitude(run: Run, layers: dict[int, Product]) -> Scores:
    return {number: layer.kernel().flatten(1).norm(dim=1) for number, layer in layers.items()}


@torch.no_grad()
def _scale(run: Run, layers: dict[int, Product]) -> Scores:
    found = _magnitude(run, layers)
    return found | {number: layer.gamma.abs() for number, layer in layers.items() if layer.normalized}


def _taylor(run: Run, layers: dict[int, Product]) -> Scores:
    found = {number: torch.zeros(layer.channels) for number, layer in layers.items()}
    run.network.train()
    for _ in range(BATCHES):
        for value in run.network.parameters():
            value.grad = None
        run.loss(*run.batch()).backward()
        for number, layer in layers.items():
            found[number] += _change(layer) ** 2
    return found


@torch.no_grad()
def _change(layer: Product) -> Tensor:
    """Of the loss, by the gradients that are there, with 0 for what a channel multiplies with."""
    changed = torch.zeros(layer.channels)
    for value in (layer.gamma, layer.bias) if layer.normalized else (layer.weight,):
        if value is not None and value.grad is not None:
            changed += (value * value.grad).reshape(layer.channels, -1).sum(1)
    return changed


CRITERIA = {
    "taylor": Criterion(judge=_taylor, comparable=True),
    "scale": Criterion(judge=_scale, comparable=False),
    "magnitude": Criterion(judge=_magnitude, comparable=False)}
