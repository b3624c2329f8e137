"""What is trained and how; nothing else decides the result."""

from dataclasses import dataclass

from hw.spec.errors import HeddleError

__all__ = ["CHOICES", "QuantError", "TrainConfig"]

CHOICES = ("", "width", "bits", "both")


class QuantError(HeddleError, ValueError):
    """A training cannot be run, or its result not be lowered; the message names the field or the layer."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training; together with the data and a feedback record it decides every bit of the result.

    ``choose`` lets the latency term of a feedback record pick the width, the weight bits, or both from the
    record's entries for ``network``; what it does not pick stays as given here.
    """

    network: str = "dscnn"          # a name of sw.models
    width: float = 1.0              # multiplies the channels
    weight_bits: int = 8            # 8, 4, or 2 (ternary)
    seed: int = 0                   # of weights, order, shifts and noise
    epochs: int = 40
    epoch_images: int = 1536        # images per epoch at most; a larger data set takes several to go through
    batch: int = 128                # images
    learning_rate: float = 0.02     # of Adam at its peak
    shift: int = 1                  # pixels, the largest random displacement of a training image
    choose: str = ""                # "", "width", "bits" or "both"
    latency_weight: float = 0.3     # loss of the slowest candidate's cycles, when choosing

    def __post_init__(self) -> None:
        if self.weight_bits not in (8, 4, 2):
            raise QuantError(f"weight_bits={self.weight_bits}: choose 8, 4 or 2")
        if self.choose not in CHOICES:
            raise QuantError(f"choose={self.choose!r}: write width, bits, both, or nothing")
        for name in ("epochs", "epoch_images", "batch", "learning_rate"):
            if getattr(self, name) <= 0:
                raise QuantError(f"{name}={getattr(self, name)}: must be above 0")
        for name in ("shift", "latency_weight", "seed"):
            if getattr(self, name) < 0:
                raise QuantError(f"{name}={getattr(self, name)}: must not be negative")
