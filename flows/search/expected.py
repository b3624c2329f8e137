"""Expected gain of hypervolume: what training one more network promises, where only its accuracy is unknown.

What networks cost is known exactly before any is trained (:mod:`flows.search.fits`). So of the two objectives one is
predicted, by a Gaussian process over the axes, and of the front's gain the expectation is a closed form: that of
Emmerich et al. (2011) with one coordinate that is no random variable.
"""

import warnings
from collections.abc import Iterable, Sequence
from math import log2
from typing import Any

import numpy as np

from flows.search.candidate import NetworkChoice
from flows.search.parameters import parameters_of

__all__ = ["Prediction", "expected_gains", "features"]

WORST = 0.1             # accuracy below the best that still counts as gain: nobody asks for less
MARGIN = 0.1            # decades of cost beyond the dearest
LENGTHS = (0.1, 10.0)   # of the kernel, in the width of an axis
NOISE = (1e-3, 1.0)     # variance of a training's luck, in that of all accuracies
Values = Sequence[tuple[float, float]]      # accuracy, and cost so that more is better


def features(choices: Sequence[NetworkChoice]) -> np.ndarray:
    """A row for each network, float64: axes of numbers by their logarithms, others a column for each value, each from 0
    to 1; what a network has not is in the middle. Arguments of one name are one axis, whichever the network.
    """
    axes: dict[str, dict[Any, None]] = {}
    rows = [{_short(name, choice): value for name, value in parameters_of(choice).items()} for choice in choices]
    for row in rows:
        for name, value in row.items():
            axes.setdefault(name, {})[value] = None
    columns = [_column([row.get(name) for row in rows]) if _numbers(values) else
               np.array([[row.get(name) == value for value in values] for row in rows], float)
               for name, values in axes.items()]
    return np.hstack(columns)


def _short(name: str, choice: NetworkChoice) -> str:
    return f"network.{name.removeprefix(choice.name)}" if name.startswith(f"{choice.name}.") else name


def _numbers(values: Iterable[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) and value > 0 for value in values)


def _column(values: Sequence[float | None]) -> np.ndarray:
    logs = np.array([np.nan if value is None else log2(value) for value in values])
    low, width = np.nanmin(logs), np.nanmax(logs) - np.nanmin(logs)
    column: np.ndarray = np.nan_to_num((logs - low) / (width or 1.0), nan=0.5)[:, None]
    return column


class Prediction:
    """Accuracy by a Gaussian process with Matérn's kernel and noise; of a network's axes all have one length, fitted to
    what was told, or that of ``like``.
    """

    def __init__(self, table: np.ndarray, accuracies: Sequence[float], *, like: "Prediction | None" = None) -> None:
        from sklearn.exceptions import ConvergenceWarning  # slow to load; the command line does without it
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        values = np.array(accuracies)
        self._mean, self._scale = values.mean(), values.std() or 1.0
        kernel = like._process.kernel_ if like else ConstantKernel() * Matern(
            nu=2.5, length_scale_bounds=LENGTHS) + WhiteKernel(0.1, NOISE)
        self._process: Any = GaussianProcessRegressor(kernel, optimizer=None if like else "fmin_l_bfgs_b")
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            self._process.fit(table, (values - self._mean) / self._scale)

    def __call__(self, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and standard deviations of the accuracy itself, without the noise of a training."""
        mean, deviation = self._process.predict(table, return_std=True)
        variance = np.maximum(deviation ** 2 - self._process.kernel_.k2.noise_level, 1e-9)
        return self._mean + self._scale * mean, self._scale * np.sqrt(variance)


def expected_gains(told: Values, mean: np.ndarray, deviation: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """Of the area that the front of ``told`` covers; ``costs`` so that more is better.

    With cost c a network of accuracy a adds, at every cost up to c, what a is above the best that is told there.
    """
    best = max(accuracy for accuracy, _ in told)
    floor, corner = best - WORST, min(float(costs.min()), min(cost for _, cost in told)) - MARGIN
    edges = sorted({cost for _, cost in told} | {corner, float(costs.max())})
    gains = np.zeros(len(mean))
    for low, high in zip(edges, edges[1:], strict=False):
        level = max((accuracy for accuracy, cost in told if cost >= high), default=floor)
        width = np.clip(costs - low, 0, high - low)
        gains += width * _improvement(mean, deviation, max(level, floor))
    return gains


def _improvement(mean: np.ndarray, deviation: np.ndarray, level: float) -> np.ndarray:
    """Expected excess of a normal variable over ``level``."""
    from scipy.stats import norm

    scaled = (mean - level) / deviation
    excess: np.ndarray = deviation * (scaled * norm.cdf(scaled) + norm.pdf(scaled))
    return excess
