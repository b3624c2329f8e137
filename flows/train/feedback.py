"""The co-design loop: hardware is measured, training uses it, and seeds in pairs say whether it helped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path
from statistics import mean, stdev

from flows.estimate.memories import fit_memories
from flows.run.store import Store
from flows.train.noise import MultiplierNoise
from hw.spec.design import DesignPoint
from hw.spec.feedback import Feedback, LatencyEntry
from sw.graph.graph import Graph
from sw.quant.config import TrainConfig

__all__ = ["Effect", "latency_table", "make_feedback", "paired_effect"]

#: 97.5% quantile of Student's t by degrees of freedom; beyond the table the normal one
T_QUANTILE = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
              2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045)
NORMAL_QUANTILE = 1.96


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a change does to accuracy, over paired seeds."""

    difference: float                 # mean of (with - without)
    interval: tuple[float, float]     # 95%, by Student's t
    conclusion: str


def latency_table(models: Mapping[TrainConfig, Path], design: DesignPoint) -> tuple[LatencyEntry, ...]:
    """Engine cycles of each trained network on arrays like ``design``, from the cycle model."""
    entries = []
    for config, path in models.items():
        program = fit_memories(Graph.load(path), replace(design, weight_bits=config.weight_bits))
        entries.append(LatencyEntry(network=config.network, width=config.width, weight_bits=config.weight_bits,
                                    cycles=program.cycles))
    return tuple(sorted(entries, key=lambda entry: (entry.network, entry.width, entry.weight_bits)))


def make_feedback(store: Store, design: DesignPoint, clock_mhz: float, models: Mapping[TrainConfig, Path]) -> Feedback:
    """The record through which training learns of ``design``: its multiplier's noise, the cycles of ``models``."""
    noise = MultiplierNoise(multiplier=design.multiplier, weight_bits=design.weight_bits).value(store)
    return Feedback(design=design.label, fingerprint=design.fingerprint, clock_mhz=clock_mhz, noise=noise,
                    latency=latency_table(models, design))


def paired_effect(pairs: Sequence[tuple[float, float]]) -> Effect:
    """Mean of the differences of pairs (without, with), its 95% interval by Student's t, and what follows.

    >>> paired_effect([(0.9, 0.92), (0.91, 0.93), (0.9, 0.93)]).conclusion
    'It helps: the whole interval is above 0.'
    """
    differences = [after - before for before, after in pairs]
    freedom = len(differences) - 1
    quantile = T_QUANTILE[freedom - 1] if freedom <= len(T_QUANTILE) else NORMAL_QUANTILE
    middle, half = mean(differences), quantile * stdev(differences) / sqrt(len(differences))
    if middle - half > 0:
        conclusion = "It helps: the whole interval is above 0."
    elif middle + half < 0:
        conclusion = "It hurts: the whole interval is below 0."
    else:
        conclusion = "No effect is shown: the interval contains 0."
    return Effect(difference=middle, interval=(middle - half, middle + half), conclusion=conclusion)
