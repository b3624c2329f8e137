"""What a feedback record is worth, seed by seed."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from hw.spec.design import DesignPoint
from hw.spec.feedback import Feedback
from sw.data import Dataset
from sw.quant.config import QuantError, TrainConfig
from sw.quant.training import evaluate, train

__all__ = ["paired_accuracy"]


def paired_accuracy(config: TrainConfig, data: Dataset, feedback: Feedback, design: DesignPoint, seeds: Iterable[int],
                    *, progress: Callable[[int], None] | None = None) -> list[tuple[float, float]]:
    """Integer test accuracy on ``design`` without and with training on ``feedback``, one pair for each seed.

    Raises
    ------
    QuantError
        If the feedback is of another multiplier than the design's.
    """
    noise = feedback.noise
    if (noise.multiplier, noise.weight_bits) != (design.multiplier, design.weight_bits):
        raise QuantError(f"design {design.label}: the feedback's noise is of {noise.multiplier!r} with "
                         f"{noise.weight_bits}-bit weights; measure this design's multiplier")
    pairs = []
    for seed in seeds:
        one = replace(config, seed=seed)
        without, informed = (train(one, data, feedback=record).graph for record in (None, feedback))
        pairs.append((evaluate(without, data, design), evaluate(informed, data, design)))
        if progress:
            progress(seed)
    return pairs
