"""The co-design loop: hardware is measured, training uses it, and seeds in pairs say whether it helped."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from flows.estimate.memories import fit_memories
from flows.run.files import to_json
from flows.run.store import Store, sources
from flows.search.space import Space
from hw.spec.design import DesignPoint
from hw.spec.feedback import Feedback, LatencyEntry, NoiseProfile
from hw.spec.multipliers import MULTIPLIERS
from hw.tools import versions
from sw.graph.graph import Graph

__all__ = ["compare", "inexact", "latency_table", "make_feedback", "measured_noise", "reference_design"]

#: 97.5% quantile of Student's t by degrees of freedom; beyond the table the normal one
T_QUANTILE = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
              2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045)
NORMAL_QUANTILE = 1.96


def inexact(space: Space, weight_bits: int) -> str | None:
    """A multiplier of the space that errs with weights of that width, or None."""
    return next((kind for kind in space.hardware.multipliers if not MULTIPLIERS[kind].exact(weight_bits)), None)


def reference_design(space: Space, multiplier: str, weight_bits: int) -> DesignPoint:
    """The fastest array of the space, for the latency table."""
    rows, cols, lanes = max(space.hardware.geometries, key=lambda item: item[0] * item[1] * item[2])
    return DesignPoint(rows=rows, cols=cols, lanes=lanes, weight_bits=weight_bits, multiplier=multiplier,
                       requantizers=max(count for count in (1, *space.hardware.requantizers) if count <= cols),
                       depthwise_taps=max(taps for taps in (1, *space.hardware.depthwise_taps) if taps <= lanes),
                       board=space.hardware.boards[0])


def measured_noise(store: Store, multiplier: str, weight_bits: int) -> NoiseProfile:
    """Errors of the multiplier's RTL, run over every pair of operands."""
    key = {"multiplier": multiplier, "weight_bits": weight_bits, "tools": versions("verilator_bin", "g++"),
           "sources": sources("cosim.multiplier", "cosim.verilate", "cosim.process", "hw.gateware.multipliers",
                              "hw.gateware.adders", "hw.gateware.ice40", "hw.emit",
                              "hw.spec.multipliers", "hw.spec.feedback")}

    def make(folder: Path) -> None:
        from cosim.multiplier import multiplier_table, noise_profile

        table = multiplier_table(multiplier, weight_bits, folder / "build")
        (folder / "noise.json").write_text(to_json(asdict(noise_profile(multiplier, table))))

    record = json.loads((store.get("noise", key, make) / "noise.json").read_text())
    return NoiseProfile(**{**record, "mean": tuple(record["mean"]), "variance": tuple(record["variance"])})


def latency_table(models: Mapping[tuple[str, float, int], Path], design: DesignPoint) -> tuple[LatencyEntry, ...]:
    """Engine cycles of each (network, width, weight bits) on arrays like ``design``, from the cycle model."""
    entries = []
    for (network, width, bits), path in sorted(models.items()):
        program = fit_memories(Graph.load(path), replace(design, weight_bits=bits))
        entries.append(LatencyEntry(network=network, width=width, weight_bits=bits, cycles=program.cycles))
    return tuple(entries)


def make_feedback(store: Store, space: Space, models: Mapping[tuple[str, float, int], Path], multiplier: str,
                  weight_bits: int) -> Feedback:
    """The record through which training learns of the hardware."""
    design = reference_design(space, multiplier, weight_bits)
    return Feedback(design=design.label, fingerprint=design.fingerprint, clock_mhz=space.hardware.clock_mhz,
                    noise=measured_noise(store, multiplier, weight_bits), latency=latency_table(models, design))


def compare(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Mean of the differences of pairs (without, with), its 95% interval by Student's t, and what follows.

    >>> compare([(0.9, 0.92), (0.91, 0.93), (0.9, 0.93)])["conclusion"]
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
    return {"difference": middle, "interval": [middle - half, middle + half], "conclusion": conclusion}


def trainings(space: Space) -> Iterable[dict[str, Any]]:
    """Settings of every network of the space, as it is trained for the search."""
    for network in space.networks.names:
        for width in space.networks.widths:
            for bits in space.networks.weight_bits:
                yield settings(space, network=network, width=width, weight_bits=bits)


def settings(space: Space, **changes: Any) -> dict[str, Any]:
    training = space.training
    return {"seed": training.seed, "epochs": training.epochs, "augment": training.augment, **changes}
