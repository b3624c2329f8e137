"""Labelled arrays, split once and for all, with a digest that says which ones they are."""

from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from math import prod
from pathlib import Path

import numpy as np

from sw.data.augment import Augmentation
from sw.data.errors import DataError
from sw.graph.audio import FeatureSpec
from sw.graph.graph import TensorType

__all__ = ["SPLITS", "Dataset", "image_shape"]

SPLITS = ("train", "valid", "test")
MOST_CLASSES = 4096
STEPS = 255              # of an int8 input
LOWEST = -128
BLOCK = 4096             # inputs that are converted at a time: their float64 copies would fill the memory

Shape = tuple[int, int, int]


def image_shape(shape: tuple[int, ...]) -> Shape:
    """Height, width and channels, as a graph has them, of one input: features are the channels of a single pixel, a
    sequence is a single row. Nothing else maps ranks.

    >>> image_shape((6,)), image_shape((128, 9)), image_shape((12, 12, 3))
    ((1, 1, 6), (1, 128, 9), (12, 12, 3))
    """
    height, width, channels = (1,) * (3 - len(shape)) + shape
    return height, width, channels


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Inputs with labels int64 ``(N,)`` in three disjoint splits.

    Inputs are ``(N, features)``, ``(N, length, channels)`` or ``(N, height, width, channels)``, all splits alike:
    float32, which mean themselves, or integers, which mean ``(stored - offset) * scale``. Real values may be negative;
    0 is what stands around an image. ``valid`` is for choosing between networks; ``test`` is only reported.

    Raises
    ------
    DataError
        If arrays, labels or fields do not go together; the message names the split or the field.
    """

    name: str
    classes: int
    seed: int                         # of the split
    inputs: dict[str, np.ndarray]     # by split
    labels: dict[str, np.ndarray]
    scale: float = 1.0                # real value of one step of a stored integer
    offset: float = 0.0               # stored integer that means 0
    augmentations: tuple[Augmentation, ...] = ()    # changes of a training input that keep its class
    warnings: tuple[str, ...] = ()    # what the data lacks though they can be trained on, a line each
    class_names: tuple[str, ...] = ()  # by number; nothing where classes are numbers
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)    # of the inputs of a split, where they are files
    rate: float = 0.0                 # samples a second, of recordings of sound
    standard: tuple[tuple[float, float], ...] = ()   # of each channel, what was subtracted, then divided by
    broken: tuple[tuple[Path, str], ...] = ()        # files left out, each with the reason
    spec: FeatureSpec | None = None   # of the front end that made the inputs of recordings
    reconstructs: bool = False        # a network gives its inputs back; label 0 is normal, 1 anomalous

    def __post_init__(self) -> None:
        for split in SPLITS:
            self._check_split(split)
        if not 2 <= self.classes <= MOST_CLASSES:
            raise DataError(f"{self.name}: classes={self.classes}; 2 to {MOST_CLASSES} can be told apart")
        if self.class_names and len(self.class_names) != self.classes:
            raise DataError(f"{self.name}: {len(self.class_names)} names for {self.classes} classes; give each its own")
        if not (np.isfinite(self.scale) and self.scale > 0 and np.isfinite(self.offset)):
            raise DataError(f"{self.name}: scale={self.scale:g}, offset={self.offset:g}; the scale is above 0 and both "
                            f"are finite")
        if self.inputs["train"].dtype.kind == "f" and (self.scale, self.offset) != (1.0, 0.0):
            raise DataError(f"{self.name}: scale={self.scale:g}, offset={self.offset:g}: float inputs mean themselves; "
                            f"multiply them before")
        for each in self.augmentations:
            if wrong := each.check(self.shape):
                raise DataError(f"{self.name}: augment={each.name}: {wrong}")
        if (first := self.inputs["train"]).min() == first.max():
            raise DataError(f"{self.name}: every value of the train split is {first.flat[0]:g}; there is nothing to "
                            f"learn from")

    def _check_split(self, split: str) -> None:
        inputs, labels, first = self.inputs[split], self.labels[split], self.inputs["train"]
        stored = inputs.dtype == np.float32 or inputs.dtype.kind in "iu" and inputs.dtype.itemsize <= 4
        if not stored or not 2 <= inputs.ndim <= 4 or labels.shape != (len(inputs),) or labels.dtype != np.int64:
            raise DataError(f"{self.name}: {split} has inputs {inputs.dtype}{inputs.shape} and labels "
                            f"{labels.dtype}{labels.shape}; expected float32 or integers of up to 32 bits, "
                            f"(N, features), (N, length, channels) or (N, height, width, channels), and int64 (N,)")
        if (inputs.shape[1:], inputs.dtype) != (first.shape[1:], first.dtype):
            raise DataError(f"{self.name}: {split} has inputs {inputs.dtype}{inputs.shape[1:]}, train has "
                            f"{first.dtype}{first.shape[1:]}; make them alike")
        if not inputs.size:
            raise DataError(f"{self.name}: no inputs in the {split} split; give a larger data set")
        if inputs.dtype.kind == "f" and not np.isfinite(inputs).all():
            number = int(np.argwhere(~np.isfinite(inputs))[0][0])
            raise DataError(f"{self.name}: input {number} of the {split} split has a value that is not finite; "
                            f"remove it or fill the gap")
        if labels.min() < 0 or labels.max() >= self.classes:
            wrong = labels.min() if labels.min() < 0 else labels.max()
            raise DataError(f"{self.name}: {split} has the label {wrong}; there are {self.classes} classes, from 0")

    @property
    def shape(self) -> Shape:
        """Height, width and channels of one input."""
        return image_shape(self.inputs["train"].shape[1:])

    @property
    def outputs(self) -> int:
        """How many values a network gives of an input."""
        return prod(self.shape) if self.reconstructs else self.classes

    @property
    def metric(self) -> str:
        """What an accuracy is: the share of ``accuracy``, or the area under the curve, ``auc``."""
        return "auc" if self.reconstructs else "accuracy"

    @property
    def kind(self) -> str:
        """What an input is: ``image``, ``recording`` (of sound), ``features`` of one, ``sequence`` or ``table``."""
        if self.rate:
            return "features" if self.spec else "recording"
        rank = self.inputs["train"].ndim
        return "table" if rank == 2 or rank == 4 and self.shape[0] == 1 else "image" if rank == 4 else "sequence"

    def called(self, label: int) -> str:
        """The class of that number by its name."""
        return self.class_names[label] if self.class_names else str(label)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that training and testing read; names count for nothing."""
        kinds = [(str(self.inputs[split].dtype), self.inputs[split].shape) for split in SPLITS]
        fields = (self.classes, self.seed, float(self.scale), float(self.offset), self.augmentations, kinds,
                  *(["reconstructs"] if self.reconstructs else []))
        state = sha256(repr(fields).encode())
        for split in SPLITS:
            state.update(np.ascontiguousarray(self.inputs[split]).tobytes())
            state.update(self.labels[split].astype("<i8").tobytes())
        return state.hexdigest()

    def real(self, split: str) -> np.ndarray:
        """Inputs of a split by their real values, float32 ``(N, height, width, channels)``."""
        stored = self.inputs[split]
        if stored.dtype.kind != "f":
            values = np.empty(stored.shape, np.float32)
            for start in range(0, len(stored), BLOCK):
                part = slice(start, start + BLOCK)
                values[part] = (stored[part].astype(np.float64) - self.offset) * self.scale
            stored = values
        return stored.reshape(len(stored), *self.shape)

    @cached_property
    def range(self) -> tuple[float, float]:
        """Least and largest real value of the train split, and 0, which every quantized type has to hold."""
        stored = self.inputs["train"]
        bounds = ((float(bound) - self.offset) * self.scale for bound in (stored.min(), stored.max()))
        low, high = (float(np.float32(bound)) for bound in bounds)
        return min(low, 0.0), max(high, 0.0)

    @property
    def input_type(self) -> TensorType:
        """The int8 type that spans the range of the train split; others are clamped to it."""
        low, high = self.range
        scale = (high - low) / STEPS
        return TensorType(shape=self.shape, scale=scale, zero_point=round(LOWEST - low / scale))

    @property
    def magnitude(self) -> float:
        """Largest of a real input: what a network measures its inputs in."""
        kind = self.input_type
        return kind.scale * max(kind.high - kind.zero_point, kind.zero_point - kind.low)

    def targets(self, split: str) -> np.ndarray:
        """What a network that reconstructs is to give of a split: float32 ``(N, outputs)``, inputs in their largest
        magnitude, in the order of torch: all of a channel, then the next.
        """
        values = self.real(split).transpose(0, 3, 1, 2)
        return np.ascontiguousarray(values).reshape(len(values), -1) / np.float32(self.magnitude)

    def sample(self, kind: TensorType, count: int) -> np.ndarray:
        """So many training inputs, or all, as a network of ``kind`` takes them, evenly spread: neighbours may be of one
        class.
        """
        every = self.quantized("train", kind)
        count = min(count, len(every))
        return every[np.arange(count) * len(every) // count]

    def quantized(self, split: str, kind: TensorType) -> np.ndarray:
        """Inputs of a split as a network takes them: integers of type ``kind``, or the real values for float32.

        Raises
        ------
        DataError
            If ``kind`` has another shape.
        """
        if kind.shape != self.shape:
            raise DataError(f"{self.name}: inputs are {_by(self.shape)}, but the model takes {_by(kind.shape)}; give "
                            f"the data set that it was trained on")
        if kind.dtype == "float32":
            return self.real(split)
        scaled = np.round(self.real(split).astype(np.float64) / kind.scale) + kind.zero_point
        return np.clip(scaled, kind.low, kind.high).astype(kind.dtype)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
