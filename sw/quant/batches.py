"""What training sees, and when: inputs in their order and as they are varied, and the course of its settings."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from sw.data import Augmentation, Dataset
from sw.quant.config import TrainConfig

__all__ = ["WIDE_START", "augmented", "batches", "images_of", "rate"]

WIDE_START = 0.4        # of the steps, the first ones, train narrow weights with 8 bits
WARM_UP = 0.1           # of the steps, until the learning rate is at its peak


def images_of(data: Dataset, split: str) -> Tensor:
    """Inputs of a split by their real values, float32 ``(N, C, H, W)``."""
    return torch.from_numpy(np.array(data.real(split).transpose(0, 3, 1, 2), order="C"))   # the data may be read-only


def augmented(images: Tensor, changes: Iterable[Augmentation], generator: torch.Generator) -> Tensor:
    """Images ``(N, C, H, W)`` after each of the changes, in order."""
    for change in changes:
        images = change(images, generator)
    return images


def batches(data: Dataset, config: TrainConfig, generator: torch.Generator) -> Iterator[list[Tensor]]:
    """Without end, for each epoch the numbers of the inputs of each batch.

    A batch has two inputs at least, since one alone has no statistics: a last one joins the batch before, or waits
    for another order.
    """
    order, position = torch.randperm(len(data.labels["train"]), generator=generator), 0
    while True:
        if position >= len(order) - 1:
            order, position = torch.randperm(len(order), generator=generator), 0
        epoch = order[position:position + config.epoch_images]
        position += len(epoch)
        parts = list(epoch.split(config.batch))
        if len(parts[-1]) == 1:
            parts[-2:] = [torch.cat(parts[-2:])]
        yield parts


def rate(done: float, peak: float) -> float:
    """Learning rate after a share ``done`` of the training: a linear rise, then half a cosine down to 0."""
    if done < WARM_UP:
        return peak * (done + 0.01) / WARM_UP
    return peak * 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))
