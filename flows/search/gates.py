"""Gates: a softmax for each axis of a space, whose networks are as likely as the values that they have."""

from collections.abc import Sequence

import numpy as np

from flows.search.candidate import NetworkChoice
from flows.search.parameters import axes_of, parameters_of

__all__ = ["Gates"]


class Gates:
    """Over the networks of a space; what breaks a condition is none of them, so that probabilities sum to 1.

    An axis that a network has not says nothing of it.
    """

    def __init__(self, choices: Sequence[NetworkChoice]) -> None:
        values = [(name, value) for name, found in axes_of(choices).items() for value in found]
        places = {value: place for place, value in enumerate(values)}
        #: bool (choices, values): which values each network has
        self.has = np.zeros((len(choices), len(values)), bool)
        for number, choice in enumerate(choices):
            self.has[number, [places[value] for value in parameters_of(choice).items()]] = True
        names = [name for name, _ in values]
        #: bool (values, values): which are of the same axis
        self.same = np.array([[one == other for other in names] for one in names])
        self.logits = np.zeros(len(values))

    @property
    def scores(self) -> np.ndarray:
        """Sums of the logarithms of the softmaxes, float64 ``(choices,)``."""
        powers = np.exp(self.logits - self.logits.max())
        return self.has @ np.log(powers / (self.same @ powers))

    @property
    def probabilities(self) -> np.ndarray:
        """Of the networks, float64 ``(choices,)``."""
        powers = np.exp(self.scores - self.scores.max())
        found: np.ndarray = powers / powers.sum()
        return found

    def descend(self, change: np.ndarray) -> None:
        """Logits become less by so much."""
        self.logits = self.logits - change

    def gradient(self, costs: np.ndarray) -> np.ndarray:
        """Of the expected cost by the logits, in closed form; ``costs`` are float64 ``(choices,)``."""
        likely = self.probabilities
        return self._by_logits(likely * (costs - likely @ costs))

    def score_function(self, chosen: int) -> np.ndarray:
        """Gradient of the logarithm of a network's probability by the logits (Williams, 1992)."""
        by_score = -self.probabilities
        by_score[chosen] += 1
        return self._by_logits(by_score)

    def _by_logits(self, by_score: np.ndarray) -> np.ndarray:
        """Back through the logarithms of the softmaxes."""
        by_value = by_score @ self.has
        powers = np.exp(self.logits - self.logits.max())
        found: np.ndarray = by_value - powers / (self.same @ powers) * (self.same @ by_value)
        return found
