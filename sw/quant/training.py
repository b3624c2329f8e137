"""Quantization-aware training, from a configuration and data to an integer graph."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hw.spec.design import DesignPoint
from hw.spec.feedback import Feedback
from sw import golden
from sw.data import Dataset
from sw.graph.graph import Graph
from sw.models import build
from sw.quant.config import TrainConfig
from sw.quant.lower import lower
from sw.quant.network import QuantNetwork
from sw.quant.noise import Noise

__all__ = ["EpochRecord", "Progress", "Trained", "evaluate", "train"]

WIDE_START = 0.4        # of the epochs, the first ones, train narrow weights with 8 bits
WARM_UP = 0.1           # of the steps, until the learning rate is at its peak
SETTLING = 32           # batches after the last step, for statistics and ranges to settle
UNSHIFTED = 0.5         # of the images of a batch stay where they are
EVALUATION_BATCH = 512  # images


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """Where training stood after one epoch."""

    epoch: int            # from 1
    loss: float           # mean over the epoch's training images
    accuracy: float       # of the fake-quantized network on the validation split, 0 to 1


Progress = Callable[[EpochRecord], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A trained network."""

    graph: Graph
    config: TrainConfig                # as trained: width and weight bits are those picked
    curves: tuple[EpochRecord, ...]
    fake_accuracy: float               # of the fake-quantized network on the test split, 0 to 1
    valid_accuracy: float              # integer, exact products, on the validation split
    test_accuracy: float               # integer, exact products, on the test split


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread: the order of additions, and so the result, does not depend on the machine's cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def images_of(data: Dataset, split: str) -> Tensor:
    """Images of a split as float32 ``(N, C, H, W)``."""
    return torch.from_numpy(np.ascontiguousarray(data.real(split).transpose(0, 3, 1, 2)))


def evaluate(graph: Graph, data: Dataset, design: DesignPoint | None = None, *, split: str = "test") -> float:
    """Share of a split's images that the integer graph gets right, with the multiplier of ``design`` (else exact).

    The answer is the first of the largest outputs, as the firmware has it.
    """
    outputs = golden.run(graph, data.quantized(split, graph.input), design)[-1]
    return float((outputs.reshape(len(outputs), -1).argmax(1) == data.labels[split]).mean())


@torch.no_grad()
def fake_accuracy(network: QuantNetwork, data: Dataset, split: str) -> float:
    """Share of a split's images that the fake-quantized network gets right."""
    network.eval()
    logits = torch.cat([network(part) for part in images_of(data, split).split(EVALUATION_BATCH)])
    network.train()
    return float((logits.argmax(1).numpy() == data.labels[split]).mean())


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


def _fit(network: QuantNetwork, data: Dataset, config: TrainConfig, generator: torch.Generator,
         progress: Progress | None) -> tuple[EpochRecord, ...]:
    images, labels = images_of(data, "train"), torch.from_numpy(data.labels["train"])
    optimizer = torch.optim.Adam(network.parameters(), foreach=True)
    curves: list[EpochRecord] = []
    endless = batches(data, config, generator)
    for epoch, parts in zip(range(config.epochs), endless, strict=False):
        network.set_bits(8 if epoch < WIDE_START * config.epochs else config.weight_bits)
        total = 0.0
        for step, part in enumerate(parts):
            optimizer.param_groups[0]["lr"] = rate((epoch + step / len(parts)) / config.epochs, config.learning_rate)
            loss = functional.cross_entropy(network(shifted(images[part], config.shift, generator)), labels[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(part)
        if epoch == config.epochs - 1:
            _settle(network, images, config, endless, generator)
        curves.append(EpochRecord(epoch=epoch + 1, loss=total / sum(map(len, parts)),
                                  accuracy=fake_accuracy(network, data, "valid")))
        if progress:
            progress(curves[-1])
    return tuple(curves)


@torch.no_grad()
def _settle(network: QuantNetwork, images: Tensor, config: TrainConfig, endless: Iterator[list[Tensor]],
            generator: torch.Generator) -> None:
    """Let statistics and ranges forget the weights that were before: narrow weights jump until the last step."""
    done = 0
    while done < SETTLING:
        for part in next(endless):
            network(shifted(images[part], config.shift, generator))
            done += 1


def train(config: TrainConfig, data: Dataset, *, feedback: Feedback | None = None,
          progress: Progress | None = None) -> Trained:
    with _one_thread():
        generator = torch.Generator().manual_seed(config.seed)
        layers = build(config.network, data.shape, data.classes, config.width)
        network = QuantNetwork(layers, data.shape, config.weight_bits, generator)
        if feedback is not None:
            noise = Noise(feedback.noise, config.weight_bits, generator)
            network.add_noise(None if noise.silent else noise)
        curves = _fit(network, data, config, generator, progress)
        network.add_noise(None)
        fake = fake_accuracy(network, data, "test")
        graph = lower(network, config.network)
    return Trained(graph=graph, config=config, curves=curves, fake_accuracy=fake,
                   valid_accuracy=evaluate(graph, data, split="valid"), test_accuracy=evaluate(graph, data))
