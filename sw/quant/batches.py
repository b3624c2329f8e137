"""What training sees, and when: inputs in their order and as they are varied, and the course of its settings."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from sw.data import Augmentation, Dataset

__all__ = ["augmented", "batches", "images_of", "rate"]


def images_of(data: Dataset, split: str) -> Tensor:
    """Inputs of a split by their real values, float32 ``(N, C, H, W)``."""
    return torch.from_numpy(np.array(data.real(split).transpose(0, 3, 1, 2), order="C"))   # the data may be read-only


def augmented(images: Tensor, changes: Iterable[Augmentation], generator: torch.Generator) -> Tensor:
    """Images ``(N, C, H, W)`` after each of the changes, in order."""
    for change in changes:
        images = change(images, generator)
    return images


def batches(count: int, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Without end, the numbers of the inputs of each batch, of ``count`` inputs: pass by pass, in another order each.

    The batches of a pass are alike, as near to ``batch`` as that allows, and have two inputs at least, since one alone
    has no statistics.
    """
    parts = max(1, min(round(count / batch), count // 2))
    while True:
        yield from torch.randperm(count, generator=generator).tensor_split(parts)


def rate(done: float, peak: float, schedule: str = "cosine", warm_up: float = 0.1) -> float:
    """Learning rate after a share ``done`` of a fit: a linear rise over ``warm_up``, then half a cosine or a line down
    to 0, or no change.
    """
    if done < warm_up:
        return peak * min(1.0, (done + 0.1 * warm_up) / warm_up)
    left = (1 - done) / (1 - warm_up) if warm_up < 1 else 1.0
    return peak * {"cosine": 0.5 * (1 - math.cos(math.pi * left)), "linear": left, "constant": 1.0}[schedule]
