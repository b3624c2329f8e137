"""What a training leaves beside its graph. Loads no torch: a report reads it too."""

from dataclasses import dataclass

from sw.quant.config import TrainConfig

__all__ = ["EpochRecord", "TrainingRecord"]


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """Where training stood after one epoch."""

    epoch: int            # from 1
    loss: float           # mean over the epoch's training inputs
    accuracy: float       # of the fake-quantized network on the validation split, 0 to 1


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """How a network was trained and what it came to."""

    config: TrainConfig
    curves: tuple[EpochRecord, ...]
    fake_accuracy: float               # of the fake-quantized network on the test split, 0 to 1
    valid_accuracy: float              # integer, exact products, on the validation split
    test_accuracy: float               # integer, exact products, on the test split
