"""What a training leaves beside the graph."""

from dataclasses import dataclass

from sw.quant.config import TrainConfig

__all__ = ["Look", "StageRecord", "TrainingRecord"]


@dataclass(frozen=True, kw_only=True)
class Look:
    """Where training stood when it looked at the validation split."""

    stage: str            # step of the recipe
    done: float           # passes over the training inputs, of the whole training
    loss: float           # mean over the training inputs since the look before
    accuracy: float       # of the network as it was then, on the validation split, 0 to 1


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """What one step of the recipe did."""

    name: str
    did: str              # in a line: what was chosen, and why
    steps: int            # of the optimizer
    step_s: float         # seconds of one, without looks at the validation split; 0 where there are none
    seconds: float        # of the whole step
    accuracy: float       # behind it, on the validation split, 0 to 1


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """How a network was trained and what it came to."""

    config: TrainConfig
    metric: str                        # what accuracies are: accuracy, or auc where inputs are reconstructed
    stages: tuple[StageRecord, ...]
    curves: tuple[Look, ...]
    fake_accuracy: float               # of the fake-quantized network on the test split, 0 to 1
    valid_accuracy: float              # integer, on the validation split; exact products, unless biases are corrected
    test_accuracy: float               # integer, on the test split; likewise
    weights: int                       # and biases, of convolutions and dense layers
    macs: int                          # multiply-accumulates of an inference
    seconds: float                     # of the training
    cpu_seconds: float                 # of its process meanwhile
