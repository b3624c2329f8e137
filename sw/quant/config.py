"""What is trained and how; nothing else decides the result. Loads no torch: whoever plans trainings need not either."""

import math
from dataclasses import dataclass

from hw.spec.errors import HeddleError

__all__ = ["CHOICES", "TRAINED_BITS", "QuantError", "TrainConfig"]

CHOICES = ("", "width", "bits", "both")
TRAINED_BITS = (8, 4, 2)
LARGEST_SEED = (1 << 63) - 1
LARGEST_WIDTH = 16


class QuantError(HeddleError, ValueError):
    """A training cannot be run, or its result not be lowered; the message names the field or the layer."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training; together with the data and a feedback record it decides every bit of the result.

    ``choose`` lets the latency term of a feedback record pick the width, the weight bits, or both from the
    record's entries for ``network``; what it does not pick stays as given here.

    Equal configurations have equal records (``dataclasses.asdict``), so that either names the result.

    Raises
    ------
    QuantError
        If a field cannot be used; the message names the field, its value, the rule and the way out.

    >>> TrainConfig(network="mlp", width=1, weight_bits=4, seed=3).label
    'mlp width 1, 4 bits, seed 3'
    """

    network: str = "dscnn"          # a name of sw.models
    width: float = 1.0              # multiplies the channels
    weight_bits: int = 8            # 8, 4, or 2 (ternary)
    seed: int = 0                   # of weights, order, shifts and noise
    epochs: int = 40
    epoch_images: int = 1536        # inputs per epoch at most; a larger data set takes several to go through
    batch: int = 128                # inputs
    learning_rate: float = 0.02     # of Adam at its peak
    augment: bool = True            # training inputs are varied as the data set says that they may be
    choose: str = ""                # "", "width", "bits" or "both"
    latency_weight: float = 0.3     # loss of the slowest candidate's cycles, when choosing

    def __post_init__(self) -> None:
        if not isinstance(self.network, str) or not self.network:
            raise QuantError(f"network={self.network!r}: must be text; write the name of a network, such as dscnn")
        if not isinstance(self.augment, bool):
            raise QuantError(f"augment={self.augment!r}: must be True or False")
        if self.choose not in CHOICES:
            raise QuantError(f"choose={self.choose!r}: write width, bits, both, or nothing")
        if type(self.weight_bits) is not int or self.weight_bits not in TRAINED_BITS:
            raise QuantError(f"weight_bits={self.weight_bits!r}: choose 8, 4 or 2")
        for name, low, high in (("seed", 0, LARGEST_SEED), ("epochs", 1, 1 << 20), ("epoch_images", 2, 1 << 31),
                                ("batch", 2, 1 << 20)):
            self._check_whole(name, low, high)
        for name, most in (("width", LARGEST_WIDTH), ("learning_rate", math.inf), ("latency_weight", math.inf)):
            self._check_real(name, most, zero=name == "latency_weight")
            object.__setattr__(self, name, float(getattr(self, name)))   # 1 and 1.0 are one training

    def _check_whole(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise QuantError(f"{name}={value!r}: must be a whole number")
        if not low <= value <= high:
            raise QuantError(f"{name}={value}: must be {low} to {high}")

    def _check_real(self, name: str, most: float, *, zero: bool) -> None:
        value = getattr(self, name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise QuantError(f"{name}={value!r}: must be a finite number")
        if value < 0 or (value == 0 and not zero):
            raise QuantError(f"{name}={value:g}: must {'not be negative' if zero else 'be above 0'}")
        if value > most:
            raise QuantError(f"{name}={value:g}: must be at most {most}")

    @property
    def label(self) -> str:
        """For tables and progress: what tells one training of a job from another."""
        return (f"{self.network} width {self.width:g}, {self.weight_bits} bits, seed {self.seed}"
                + (f", chooses {self.choose}" if self.choose else ""))
