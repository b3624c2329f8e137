"""How right outputs are: the one place that accuracy comes from, wherever the outputs were computed."""

from typing import NamedTuple

import numpy as np

from sw.data.dataset import Dataset

__all__ = ["Judged", "judge"]


class Judged(NamedTuple):
    """A share, by its two counts."""

    right: int
    total: int

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.right / self.total


def judge(data: Dataset, split: str, outputs: np.ndarray) -> Judged:
    """Outputs ``(N, ...)`` by their real values, of the inputs of a split.

    Of classes, how many inputs have the first of the largest outputs at their label, as the firmware answers. Of data
    that a network reconstructs, the area under the receiver operating characteristic of the mean squared error: of all
    pairs of a normal and an anomalous input, those whose anomalous one has the larger error, counted in halves, since
    equal errors are half right (Hanley and McNeil, 1982).
    """
    labels, flat = data.labels[split], outputs.reshape(len(outputs), -1)
    if not data.reconstructs:
        return Judged(int((flat.argmax(1) == labels).sum()), len(labels))
    errors = np.square(flat.astype(np.float64) - data.targets(split)).mean(1)
    normal, anomalous = np.sort(errors[labels == 0]), errors[labels == 1]
    below, upto = (int(np.searchsorted(normal, anomalous, side).sum()) for side in ("left", "right"))
    return Judged(below + upto, 2 * len(normal) * len(anomalous))
