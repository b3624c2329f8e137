"""What training sees, and when: images in their order and place, and the course of its settings."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sw.data import Dataset
from sw.quant.config import TrainConfig

__all__ = ["SHIFT", "WIDE_START", "batches", "images_of", "rate", "shifted"]

WIDE_START = 0.4        # of the steps, the first ones, train narrow weights with 8 bits
WARM_UP = 0.1           # of the steps, until the learning rate is at its peak
SHIFT = 1               # pixels, the largest random displacement of a training image
UNSHIFTED = 0.5         # of the images of a batch stay where they are


def images_of(data: Dataset, split: str) -> Tensor:
    """Images of a split as float32 ``(N, C, H, W)``."""
    return torch.from_numpy(np.ascontiguousarray(data.real(split).transpose(0, 3, 1, 2)))


def shifted(images: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Half of the images moved by up to ``pixels`` in both directions; what comes in is 0."""
    if not pixels:
        return images
    count, _, height, width = images.shape
    padded = functional.pad(images, [pixels] * 4).permute(0, 2, 3, 1)
    y, x = torch.randint(0, 2 * pixels + 1, (2, count, 1), generator=generator)
    stays = torch.rand(count, 1, generator=generator) < UNSHIFTED
    y, x = y.masked_fill(stays, pixels), x.masked_fill(stays, pixels)
    rows, columns = y + torch.arange(height), x + torch.arange(width)
    picked = padded[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)


def batches(data: Dataset, config: TrainConfig, generator: torch.Generator) -> Iterator[list[Tensor]]:
    """Without end, for each epoch the numbers of the images of each batch."""
    order, position = torch.randperm(len(data.labels["train"]), generator=generator), 0
    while True:
        if position >= len(order):
            order, position = torch.randperm(len(order), generator=generator), 0
        epoch = order[position:position + config.epoch_images]
        position += len(epoch)
        yield list(epoch.split(config.batch))


def rate(done: float, peak: float) -> float:
    """Learning rate after a share ``done`` of the training: a linear rise, then half a cosine down to 0."""
    if done < WARM_UP:
        return peak * (done + 0.01) / WARM_UP
    return peak * 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))
