"""Labelled images, split once and for all, with a digest that says which ones they are."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np

from hw.spec.errors import HeddleError
from sw.data.idx import read_images, read_labels
from sw.graph.graph import TensorType

__all__ = ["SEED", "SPLITS", "DataError", "Dataset", "load_dataset"]

SEED = 0                 # of the split
SPLITS = ("train", "valid", "test")
DIGITS_TEST = 360        # images
DIGITS_VALID = 180       # images
DIGITS_PEAK = 16         # grey value of full ink


class DataError(HeddleError, ValueError):
    """A data set cannot be read; the message names the file."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Images uint8 ``(N, height, width, channels)`` with labels int64 ``(N,)``, in three disjoint splits.

    ``valid`` is for choosing between networks; ``test`` is only reported.
    """

    name: str
    classes: int
    peak: int                 # pixel value that means 1.0
    seed: int                 # of the split
    inputs: dict[str, np.ndarray]   # by split
    labels: dict[str, np.ndarray]

    def __post_init__(self) -> None:
        for split in SPLITS:
            images, labels = self.inputs[split], self.labels[split]
            if images.dtype != np.uint8 or images.ndim != 4 or labels.shape != (len(images),):
                raise DataError(f"{self.name}: {split} has images {images.dtype}{images.shape} and labels "
                                f"{labels.shape}; expected uint8 (N, height, width, channels) and (N,)")
            if not len(images):
                raise DataError(f"{self.name}: no images in the {split} split; give a larger data set")
            if labels.min() < 0 or labels.max() >= self.classes:
                raise DataError(f"{self.name}: {split} has the label {labels.max()}; there are {self.classes} classes")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one input."""
        return self.inputs["train"].shape[1:]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that training and testing read."""
        state = sha256(repr((self.name, self.classes, self.peak, self.seed, self.shape)).encode())
        for split in SPLITS:
            state.update(np.ascontiguousarray(self.inputs[split]).tobytes())
            state.update(self.labels[split].astype("<i8").tobytes())
        return state.hexdigest()

    def real(self, split: str) -> np.ndarray:
        """Inputs of a split as float32 from 0 to 1."""
        return self.inputs[split].astype(np.float32) / np.float32(self.peak)

    def quantized(self, split: str, kind: TensorType) -> np.ndarray:
        """Inputs of a split as int8 of type ``kind``, as a network takes them."""
        scaled = np.round(self.real(split).astype(np.float64) / kind.scale) + kind.zero_point
        return np.clip(scaled, -128, 127).astype(np.int8)


def _split(images: np.ndarray, labels: np.ndarray, held: int, seed: int) -> tuple[np.ndarray, ...]:
    """Images and labels that stay, then those held back, with the classes in proportion."""
    from sklearn.model_selection import train_test_split

    stay, out = train_test_split(np.arange(len(labels)), test_size=held, stratify=labels, random_state=seed)
    stay, out = np.sort(stay), np.sort(out)
    return images[stay], labels[stay], images[out], labels[out]


def _splits(train: tuple[np.ndarray, ...], test: tuple[np.ndarray, ...]) -> dict[str, dict[str, np.ndarray]]:
    """``inputs`` and ``labels`` of a data set; ``train`` is images and labels that stay, then those of ``valid``."""
    images, labels, valid_images, valid_labels = train
    return {"inputs": {"train": images, "valid": valid_images, "test": test[0]},
            "labels": {"train": labels, "valid": valid_labels, "test": test[1]}}


def _digits(path: str) -> Dataset:
    """scikit-learn's 1,797 handwritten digits of 8x8 pixels; they come with the library."""
    from sklearn.datasets import load_digits

    if path:
        raise DataError(f"data 'digits:{path}': the digits come with scikit-learn and take no path; write digits")
    bunch = load_digits()
    images, labels = bunch.images.astype(np.uint8)[..., None], bunch.target.astype(np.int64)
    images, labels, *test = _split(images, labels, DIGITS_TEST, SEED)
    return Dataset(name="digits", classes=10, peak=DIGITS_PEAK, seed=SEED,
                   **_splits(_split(images, labels, DIGITS_VALID, SEED), tuple(test)))


def _mnist(path: str) -> Dataset:
    """Images in MNIST's IDX format, from a folder with its four files, as they are or with ``.gz``."""
    folder = Path(path)
    if not path or not folder.is_dir():
        raise DataError(f"data 'mnist:{path}': no such folder; give the one that holds train-images-idx3-ubyte")
    pairs = {}
    for part in ("train", "t10k"):
        images, labels = read_images(folder, part), read_labels(folder, part)
        if len(images) != len(labels):
            raise DataError(f"{folder}: {part} has {len(images)} images but {len(labels)} labels; "
                            f"fetch both files again")
        pairs[part] = images, labels
    images, labels = pairs["train"]
    classes = int(labels.max()) + 1
    train = _split(images, labels, max(classes, len(images) // 12), SEED)
    return Dataset(name="mnist", classes=classes, peak=255, seed=SEED, **_splits(train, pairs["t10k"]))


SOURCES: dict[str, Callable[[str], Dataset]] = {"digits": _digits, "mnist": _mnist}


def load_dataset(name: str) -> Dataset:
    """``digits``, or ``mnist:PATH`` with the folder of an IDX data set.

    Raises
    ------
    DataError
        If the name is unknown, or a file is missing or damaged.

    >>> load_dataset("digits").inputs["test"].shape
    (360, 8, 8, 1)
    """
    source, _, path = name.partition(":")
    if source not in SOURCES:
        raise DataError(f"data {name!r}: unknown; choose digits or mnist:PATH")
    try:
        return SOURCES[source](path)
    except DataError:
        raise
    except (OSError, ValueError) as error:
        raise DataError(f"data {name!r}: {error}") from error
