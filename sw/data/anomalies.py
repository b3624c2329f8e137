"""Data of which a network learns what is normal alone, to tell from it what is not."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sw.data.dataset import Dataset
from sw.data.errors import DataError

__all__ = ["learning_normal"]

JOINED = "+"
CLASS_NAMES = ("normal", "anomalous")


def learning_normal(data: Dataset, normal: str) -> Dataset:
    """The same inputs, with label 0 for those of the classes ``normal`` (joined by ``+``) and 1 for all others, which
    leave the train split.

    Raises
    ------
    DataError
        If there is no such class, or none is left that is not normal.

    >>> from sw.data import load_dataset
    >>> found = learning_normal(load_dataset("digits"), "0+1")
    >>> [int(found.labels[split].sum()) for split in ("train", "valid", "test")]
    [0, 144, 288]
    """
    there = [data.called(label) for label in range(data.classes)]
    asked = [name.strip() for name in normal.split(JOINED)]
    if unknown := [name for name in asked if name not in there]:
        raise DataError(f"{data.name}: normal={normal}: no class {unknown[0]!r}; there are {', '.join(there)}")
    kept = np.isin(data.labels["train"], [there.index(name) for name in asked])
    labels = {split: (~np.isin(every, [there.index(name) for name in asked])).astype(np.int64)
              for split, every in data.labels.items()}
    for split in ("valid", "test"):
        if len(set(labels[split].tolist())) < len(CLASS_NAMES):
            raise DataError(f"{data.name}: normal={normal}: the {split} split has {_has(labels[split])} inputs alone, "
                            f"so nothing can be told apart; name other classes, or give more data")
    return replace(data, classes=len(CLASS_NAMES), class_names=CLASS_NAMES, reconstructs=True,
                   inputs={**data.inputs, "train": data.inputs["train"][kept]},
                   labels={**labels, "train": labels["train"][kept]}, names=_named(data, kept))


def _has(labels: np.ndarray) -> str:
    return CLASS_NAMES[labels[0]]


def _named(data: Dataset, kept: np.ndarray) -> dict[str, tuple[str, ...]]:
    if "train" not in data.names:
        return data.names
    names: Sequence[str] = data.names["train"]
    return {**data.names, "train": tuple(name for name, stays in zip(names, kept, strict=True) if stays)}
