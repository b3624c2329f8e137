"""``heddle data``: what a data set holds, and what is wrong with it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from flows.report.samples import samples_svg
from flows.run.files import write_whole
from sw.data import BrokenFiles, Dataset, load_dataset, text_of
from sw.data.dataset import SPLITS
from sw.data.duplicates import find_duplicates

__all__ = ["describe_data"]

LISTED = 50             # duplicates that the document names
BLOCK = 4096            # inputs whose mean is taken at a time


def describe_data(source: str, *, picture: Path | None = None) -> dict[str, Any]:
    """The document of ``heddle data``; a page of samples is written as SVG to ``picture``.

    Broken files are listed, and the others described.

    Raises
    ------
    DataError
        If there is nothing that could be trained on.
    """
    try:
        data = load_dataset(source)
    except BrokenFiles:
        data = load_dataset(f"{source},broken=skip")
    if picture:
        write_whole(picture, samples_svg(data, source))
    return {
        "data": source, "kind": data.kind, "shape": list(data.shape), "dtype": str(data.inputs["train"].dtype),
        "scale": data.scale, "offset": data.offset, "rate": data.rate or None, "seed": data.seed,
        "splits": {split: _split(data, split) for split in SPLITS},
        "classes": _classes(data),
        "augment": [text_of(change) for change in data.augmentations],
        "standard": [{"mean": mean, "deviation": deviation} for mean, deviation in data.standard],
        "duplicates": _duplicates(data),
        "broken": [{"file": str(path), "reason": reason} for path, reason in data.broken],
        "warnings": list(data.warnings), "digest": data.digest, "picture": str(picture) if picture else None}


def _classes(data: Dataset) -> list[dict[str, Any]]:
    counts = {split: np.bincount(data.labels[split], minlength=data.classes).tolist() for split in SPLITS}
    return [{"name": data.called(label), **{split: counts[split][label] for split in SPLITS}}
            for label in range(data.classes)]


def _duplicates(data: Dataset) -> dict[str, Any]:
    every = find_duplicates(data)
    across = sum(each.across for each in every)
    listed = sorted(every, key=lambda each: not each.across)[:LISTED]
    return {"across_splits": across, "within_splits": len(every) - across,
            "contradicting": sum(each.contradicts for each in every),
            "listed": [{**asdict(each), "label": data.called(each.label), "of_label": data.called(each.of_label)}
                       for each in listed]}


def _split(data: Dataset, split: str) -> dict[str, Any]:
    """How many, and what their real values are."""
    inputs = data.inputs[split]
    total = squares = 0.0
    for start in range(0, len(inputs), BLOCK):
        part = inputs[start:start + BLOCK].astype(np.float64)
        total, squares = total + float(part.sum()), squares + float((part ** 2).sum())
    mean = total / inputs.size
    deviation = max(squares / inputs.size - mean ** 2, 0.0) ** 0.5
    low, high, middle = ((float(each) - data.offset) * data.scale for each in (inputs.min(), inputs.max(), mean))
    return {"inputs": len(inputs), "low": low, "high": high, "mean": middle, "deviation": deviation * data.scale}
