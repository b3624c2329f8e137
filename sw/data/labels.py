"""From the labels of a file to the numbers of classes."""

from collections.abc import Sequence

import numpy as np

from sw.data.dataset import MOST_CLASSES
from sw.data.errors import DataError
from sw.data.split import order_names

__all__ = ["number_labels", "whole_labels"]


def number_labels(texts: Sequence[np.ndarray], where: str) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Arrays of texts as int64 numbers of their classes, which are all texts in their order, and the classes' names.

    Raises
    ------
    DataError
        If there are more of them than classes can be told apart.
    """
    names = order_names(np.unique(np.concatenate(texts)).tolist())
    if len(names) > MOST_CLASSES:
        raise DataError(f"{where}: {len(names)} different labels, such as {names[0]!r} and {names[1]!r}; up to "
                        f"{MOST_CLASSES} classes can be told apart: name the labels of classes")
    if "" in names:
        raise DataError(f"{where}: an input without a label; give it one, or leave it out")
    numbers = {name: number for number, name in enumerate(names)}
    found = []
    for each in texts:
        every, place = np.unique(each, return_inverse=True)
        found.append(np.array([numbers[name] for name in every.tolist()], np.int64)[place.reshape(-1)])
    return found, tuple(names)


def whole_labels(labels: np.ndarray, where: str) -> np.ndarray:
    """Numbers of classes as int64 ``(N,)``, from whole numbers of any type, ``(N,)`` or ``(N, 1)``.

    Raises
    ------
    DataError
        If they are something else.
    """
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.ndim != 1:
        raise DataError(f"{where}: labels of shape {'x'.join(map(str, labels.shape))}; give the number of a class for "
                        f"each input, such as y.argmax(1)")
    if flat.dtype.kind not in "biuf" or flat.dtype.kind == "f" and not (flat == np.round(flat)).all():
        raise DataError(f"{where}: labels {flat.dtype} are no numbers of classes; give whole numbers from 0, or texts")
    return flat.astype(np.int64)
