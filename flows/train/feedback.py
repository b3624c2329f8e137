"""The co-design loop: hardware is measured, and training uses it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from flows.estimate.memories import fit_memories
from flows.run.store import Store
from flows.train.latency import latency_entry
from flows.train.noise import MultiplierNoise
from hw.spec.design import DesignPoint
from hw.spec.feedback import Feedback, LatencyEntry
from sw.graph.graph import Graph
from sw.quant.config import TrainConfig

__all__ = ["latency_table", "make_feedback"]


def latency_table(models: Mapping[TrainConfig, Path], design: DesignPoint) -> tuple[LatencyEntry, ...]:
    """Engine cycles of each trained network and its layers on arrays like ``design``, from the cycle model."""
    entries = []
    for config, path in models.items():
        program = fit_memories(Graph.load(path), replace(design, weight_bits=config.weight_bits))
        entries.append(latency_entry(config, program))
    return tuple(sorted(entries, key=lambda entry: (entry.network, entry.width, entry.weight_bits)))


def make_feedback(store: Store, design: DesignPoint, clock_mhz: float, models: Mapping[TrainConfig, Path]) -> Feedback:
    """The record through which training learns of ``design``: its multiplier's noise, the cycles of ``models``."""
    noise = MultiplierNoise(multiplier=design.multiplier, weight_bits=design.weight_bits).value(store)
    return Feedback(design=design.label, fingerprint=design.fingerprint, clock_mhz=clock_mhz, noise=noise,
                    latency=latency_table(models, design))
