"""Quantization-aware training, from a configuration and data to an integer graph."""

import time
from dataclasses import dataclass

import torch

from hw.spec.design import DesignPoint
from hw.spec.feedback import Feedback, LatencyEntry
from sw import golden
from sw.data import Dataset, judge
from sw.graph.graph import Graph
from sw.graph.layer import WEIGHTED
from sw.models import Traced, build
from sw.models.processor import one_thread
from sw.quant.config import QuantError, TrainConfig, short_name
from sw.quant.lower import lower
from sw.quant.network import QuantNetwork
from sw.quant.record import StageRecord, TrainingRecord
from sw.quant.run import Progress, Run, changes_of
from sw.quant.stages import READY, STAGES

__all__ = ["Trained", "draft", "evaluate", "train", "traced_of"]

DRAFTING = 64           # inputs that a draft sees


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A trained network."""

    graph: Graph
    record: TrainingRecord


def traced_of(config: TrainConfig, data: Dataset) -> Traced:
    """What a configuration trains, before it is trained. Raises ModelError where it cannot be."""
    return build(config.network, data.shape, data.outputs, width=config.width, settings=dict(config.settings),
                 seed=config.seed)


def _network(config: TrainConfig, data: Dataset, generator: torch.Generator) -> QuantNetwork:
    return QuantNetwork(traced_of(config, data), data.input_type, config.weight_bits, generator,
                        config.recipe.quantize)


def draft(config: TrainConfig, data: Dataset) -> Graph:
    """The graph of the untrained network, with ranges of its activations on random inputs: what of a design can be
    known before training is known of it.

    Raises
    ------
    QuantError, ModelError
        If the network cannot be trained or lowered; the message names the layer.
    """
    with one_thread():
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
    """How right the integer graph is about a split, with the multiplier of ``design`` (else exact), by the
    metric of the data.
    """
    outputs = golden.run(graph, data.quantized(split, graph.input), design)[-1]
    return judge(data, split, graph.output.real(outputs)).share


def _stage(run: Run, name: str) -> StageRecord:
    began, run.steps, run.step_s, run.did = time.perf_counter(), 0, 0.0, ""
    STAGES[name](run)
    seconds = time.perf_counter() - began
    return StageRecord(name=name, did=run.did, steps=run.steps, step_s=run.step_s / max(run.steps, 1), seconds=seconds,
                       accuracy=run.accuracy("valid"))


def train(config: TrainConfig, data: Dataset, *, feedback: Feedback | None = None,
          latency: LatencyEntry | None = None, progress: Progress | None = None) -> Trained:
    """Train and lower one network; the same arguments give the same graph, bit for bit.

    With ``feedback``, its errors are in the forward passes of the steps that the recipe has informed of them, and
    biases may be corrected for its multiplier. ``latency`` is what pruning counts with, the cycles of this network's
    layers.

    Raises
    ------
    QuantError, ModelError
        If the configuration cannot be trained; the message names the field.
    """
    if feedback and config.recipe.quantize.act_bits != 8:
        raise QuantError(f"quantize.act_bits={config.recipe.quantize.act_bits}: a feedback record is of 8-bit "
                         f"activations; train with 8 bits, or without feedback")
    if feedback and feedback.noise and config.weight_bits != feedback.noise.weight_bits:
        bits = feedback.noise.weight_bits
        raise QuantError(f"weight_bits={config.weight_bits}: the feedback's noise is of {bits}-bit weights; "
                         f"train with weight_bits={bits} or measure another multiplier")
    began, worked = time.perf_counter(), time.process_time()
    with one_thread():
        changes_of(config.recipe, data)
        _draft(config, data)      # what cannot be lowered is said before training
        generator = torch.Generator().manual_seed(config.seed)
        run = Run(_network(config, data, generator), config, data, generator, feedback=feedback, latency=latency,
                  progress=progress)
        for name in config.recipe.steps:
            if name in READY:
                READY[name](run)
        stages = tuple(_stage(run, name) for name in config.recipe.steps)
        run.network.add_noise(None)
        run.network.add_errors(None)
        fake = run.accuracy("test")
        graph = lower(run.network, short_name(config.network))
        for finish in run.finishing:
            graph = finish(graph)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - worked
    return Trained(graph=graph, record=TrainingRecord(
        config=config, metric=data.metric, stages=stages, curves=tuple(run.curves), fake_accuracy=fake,
        valid_accuracy=evaluate(graph, data, run.design, split="valid"),
        test_accuracy=evaluate(graph, data, run.design),
        weights=sum(layer.weights.size + layer.bias.size for layer in graph.layers if layer.op in WEIGHTED),
        macs=sum(map(graph.macs, range(len(graph.layers)))), seconds=seconds,
        cpu_seconds=cpu_seconds))
