"""What training sees, and when: inputs in their order and place, and the course of its settings."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sw.data import Dataset
from sw.quant.config import TrainConfig

__all__ = ["WIDE_START", "batches", "images_of", "moved", "rate"]

WIDE_START = 0.4        # of the steps, the first ones, train narrow weights with 8 bits
WARM_UP = 0.1           # of the steps, until the learning rate is at its peak
UNSHIFTED = 0.5         # of the inputs of a batch stay where they are


def images_of(data: Dataset, split: str) -> Tensor:
    """Inputs of a split by their real values, float32 ``(N, C, H, W)``."""
    return torch.from_numpy(np.array(data.real(split).transpose(0, 3, 1, 2), order="C"))   # the data may be read-only


def moved(images: Tensor, reach: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Half of the images moved by up to ``reach`` rows and columns, either way; what comes in is 0."""
    if not any(reach):
        return images
    count, _, height, width = images.shape
    up, left = reach
    padded = functional.pad(images, [left, left, up, up]).permute(0, 2, 3, 1)
    y, x = (torch.randint(0, 2 * most + 1, (count, 1), generator=generator) for most in reach)
    stays = torch.rand(count, 1, generator=generator) < UNSHIFTED
    rows, columns = y.masked_fill(stays, up) + torch.arange(height), x.masked_fill(stays, left) + torch.arange(width)
    picked = padded[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)


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
