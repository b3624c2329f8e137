"""Quantization-aware training, from a configuration and data to an integer graph."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from hw.spec.design import DesignPoint
from hw.spec.feedback import Feedback
from sw import golden
from sw.data import Augmentation, Dataset
from sw.graph.graph import Graph
from sw.models import Traced, build
from sw.quant.batches import WIDE_START, augmented, batches, images_of, rate
from sw.quant.config import QuantError, TrainConfig, short_name
from sw.quant.lower import lower
from sw.quant.network import QuantNetwork
from sw.quant.noise import Noise
from sw.quant.record import EpochRecord, TrainingRecord

__all__ = ["Progress", "Trained", "draft", "evaluate", "train", "traced_of"]

SETTLING = 32           # batches after the last step, for statistics and ranges to settle
EVALUATION_BATCH = 512  # inputs
DRAFTING = 64           # inputs that a draft sees


Progress = Callable[[EpochRecord], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A trained network."""

    graph: Graph
    record: TrainingRecord


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread: the order of additions, and so the result, does not depend on the machine's cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def traced_of(config: TrainConfig, data: Dataset) -> Traced:
    """What a configuration trains, before it is trained. Raises ModelError where it cannot be."""
    return build(config.network, data.shape, data.classes, width=config.width, settings=dict(config.settings),
                 seed=config.seed)


def _network(config: TrainConfig, data: Dataset, generator: torch.Generator) -> QuantNetwork:
    return QuantNetwork(traced_of(config, data), data.input_type, config.weight_bits, generator)


def draft(config: TrainConfig, data: Dataset) -> Graph:
    """The graph of the untrained network, with ranges of its activations on random inputs: what of a design can be
    known before training is known of it.

    Raises
    ------
    QuantError, ModelError
        If the network cannot be trained or lowered; the message names the layer.
    """
    with _one_thread():
        return _draft(config, data)


@torch.no_grad()
def _draft(config: TrainConfig, data: Dataset) -> Graph:
    generator = torch.Generator().manual_seed(config.seed)
    network, (height, width, channels), (low, high) = _network(config, data, generator), data.shape, data.range
    inputs = low + (high - low) * torch.rand(DRAFTING, channels, height, width, generator=generator)
    for training in (True, True, False):
        network.train(training)(inputs)
    return lower(network, short_name(config.network))


def evaluate(graph: Graph, data: Dataset, design: DesignPoint | None = None, *, split: str = "test") -> float:
    """Share of a split's inputs that the integer graph gets right, with the multiplier of ``design`` (else exact).

    The answer is the first of the largest outputs, as the firmware has it.
    """
    outputs = golden.run(graph, data.quantized(split, graph.input), design)[-1]
    return float((outputs.reshape(len(outputs), -1).argmax(1) == data.labels[split]).mean())


@torch.no_grad()
def fake_accuracy(network: QuantNetwork, data: Dataset, split: str) -> float:
    """Share of a split's inputs that the fake-quantized network gets right."""
    network.eval()
    logits = torch.cat([network(part) for part in images_of(data, split).split(EVALUATION_BATCH)])
    network.train()
    return float((logits.argmax(1).numpy() == data.labels[split]).mean())


def _fit(network: QuantNetwork, data: Dataset, config: TrainConfig, generator: torch.Generator,
         progress: Progress | None) -> tuple[EpochRecord, ...]:
    images, labels = images_of(data, "train"), torch.from_numpy(data.labels["train"])
    changes = data.augmentations if config.augment else ()
    optimizer = torch.optim.Adam(network.parameters(), foreach=True)
    curves: list[EpochRecord] = []
    endless = batches(data, config, generator)
    for epoch, parts in zip(range(config.epochs), endless, strict=False):
        network.set_bits(8 if epoch < WIDE_START * config.epochs else config.weight_bits)
        total = 0.0
        for step, part in enumerate(parts):
            optimizer.param_groups[0]["lr"] = rate((epoch + step / len(parts)) / config.epochs, config.learning_rate)
            loss = functional.cross_entropy(network(augmented(images[part], changes, generator)), labels[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(part)
        if epoch == config.epochs - 1:
            _settle(network, images, endless, changes, generator)
        curves.append(EpochRecord(epoch=epoch + 1, loss=total / sum(map(len, parts)),
                                  accuracy=fake_accuracy(network, data, "valid")))
        if progress:
            progress(curves[-1])
    return tuple(curves)


@torch.no_grad()
def _settle(network: QuantNetwork, images: Tensor, endless: Iterator[list[Tensor]], changes: Sequence[Augmentation],
            generator: torch.Generator) -> None:
    """Let statistics and ranges forget the weights that were before: narrow weights jump until the last step."""
    done = 0
    while done < SETTLING:
        for part in next(endless):
            network(augmented(images[part], changes, generator))
            done += 1


def train(config: TrainConfig, data: Dataset, *, feedback: Feedback | None = None,
          progress: Progress | None = None) -> Trained:
    """Train and lower one network; the same arguments give the same graph, bit for bit.

    With ``feedback``, the noise of its multiplier is added in the forward pass.

    Raises
    ------
    QuantError, ModelError
        If the configuration cannot be trained; the message names the field.
    """
    if feedback and config.weight_bits != feedback.noise.weight_bits:
        bits = feedback.noise.weight_bits
        raise QuantError(f"weight_bits={config.weight_bits}: the feedback's noise is of {bits}-bit weights; "
                         f"train with weight_bits={bits} or measure another multiplier")
    with _one_thread():
        _draft(config, data)      # what cannot be lowered is said before training
        generator = torch.Generator().manual_seed(config.seed)
        network = _network(config, data, generator)
        if feedback is not None:
            network.add_noise(Noise(feedback.noise, generator))
        curves = _fit(network, data, config, generator, progress)
        network.add_noise(None)
        fake = fake_accuracy(network, data, "test")
        graph = lower(network, short_name(config.network))
    return Trained(graph=graph, record=TrainingRecord(
        config=config, curves=curves, fake_accuracy=fake,
        valid_accuracy=evaluate(graph, data, split="valid"), test_accuracy=evaluate(graph, data)))
