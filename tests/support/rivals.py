"""A comparison of training with errors and what is cheaper, as one of them ends."""

from flows.train.intervals import Effect
from flows.train.rivals import Rivals, Way

__all__ = ["rivals"]


def rivals(**changes):
    ways = tuple(Way(name=name, informed=name == "feedback", valid_accuracy=value, test_accuracy=value,
                     by_seed=(value - 0.05, value + 0.05), seconds=12.0)
                 for name, value in (("plain", 0.5), ("settled, corrected", 0.6), ("feedback", 0.7)))
    return Rivals(**{
        "errors": "1% of the bits of <activations> flip", "network": "mlp width 0.5, 8 bits", "data": "digits",
        "seeds": (1, 2), "devices": 5, "without_errors": 0.95, "ways": ways, "rival": "settled, corrected",
        "feedback": "feedback", "verdict": "feedback",
        "effect": Effect(difference=0.1, interval=(0.02, 0.18), conclusion="No effect is shown."), **changes})
