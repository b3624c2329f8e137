"""Changes of a training input that keep its class: one class a kind, each with its name and its text form.

A data set carries those that suit it (``Dataset.augmentations``); a trainer applies them one after another and knows
no kind. All work on real values ``(N, C, H, W)``, of any data: features are channels of one
pixel, a sequence is one row.
"""

from dataclasses import dataclass, fields
from math import isfinite
from typing import TYPE_CHECKING, ClassVar, Protocol

from sw.data.errors import DataError

if TYPE_CHECKING:
    from torch import Generator, Tensor

__all__ = ["AUGMENTATIONS", "Augmentation", "FrequencyMask", "Noise", "Shift", "TimeMask", "TimeShift",
           "augmentations_of", "text_of"]

UNCHANGED = 0.5         # of the inputs of a batch stay as they are
MOST_NOISE = 10.0       # times an input's own deviation

Shape = tuple[int, int, int]


class Augmentation(Protocol):
    """One kind of change; equal ones change alike."""

    name: ClassVar[str]

    def check(self, shape: Shape) -> str:
        """What is wrong with it for inputs of that height, width and channels, and the way out; else nothing."""

    def __call__(self, images: "Tensor", generator: "Generator") -> "Tensor":
        """``(N, C, H, W)`` with half of them changed, by draws of the generator alone."""


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Moved by up to ``rows`` and ``columns``, either way; what comes in is 0."""

    name: ClassVar[str] = "shift"
    rows: int
    columns: int

    def check(self, shape: Shape) -> str:
        for axis, moved, size in zip(("rows", "columns"), (self.rows, self.columns), shape, strict=False):
            if not 0 <= moved < size:
                return f"{axis}={moved}: an input with {size} {axis} moves by 0 to {size - 1} of them"
        return ""

    def __call__(self, images: "Tensor", generator: "Generator") -> "Tensor":
        return _moved(images, (self.rows, self.columns), generator, "constant") if self.rows or self.columns else images


@dataclass(frozen=True, kw_only=True)
class TimeShift:
    """A sequence, or a picture of a sound whose rows are moments, that begins up to ``steps`` earlier or later; its
    ends are held.
    """

    name: ClassVar[str] = "time-shift"
    steps: int

    def check(self, shape: Shape) -> str:
        length = _length(shape)
        return "" if 0 <= self.steps < length else (
            f"steps={self.steps}: an input of {length} steps begins 0 to {length - 1} of them earlier or later")

    def __call__(self, images: "Tensor", generator: "Generator") -> "Tensor":
        reach = (0, self.steps) if images.shape[2] == 1 else (self.steps, 0)
        return _moved(images, reach, generator, "replicate") if self.steps else images


@dataclass(frozen=True, kw_only=True)
class FrequencyShift:
    """A sequence whose channels are frequencies, or a picture of a sound whose columns are, that sounds up to
    ``channels`` higher or lower, as another speaker may; the outer ones are held.
    """

    name: ClassVar[str] = "frequency-shift"
    channels: int

    def check(self, shape: Shape) -> str:
        size = _frequencies(shape)
        return "" if 0 <= self.channels < size else (
            f"channels={self.channels}: of {size} frequencies, an input sounds 0 to {size - 1} higher or lower")

    def __call__(self, images: "Tensor", generator: "Generator") -> "Tensor":
        if not self.channels:
            return images
        if images.shape[2] > 1:
            return _moved(images, (0, self.channels), generator, "replicate")
        return _moved(images.transpose(1, 2), (self.channels, 0), generator, "replicate").transpose(1, 2)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Normal noise, whose deviation is ``share`` of each input's own."""

    name: ClassVar[str] = "noise"
    share: float

    def check(self, shape: Shape) -> str:
        right = isfinite(self.share) and 0 <= self.share <= MOST_NOISE
        return "" if right else f"share={self.share:g}: 0 to {MOST_NOISE:g} of an input's deviation can be added"

    def __call__(self, images: "Tensor", generator: "Generator") -> "Tensor":
        import torch

        drawn = torch.randn(images.shape, generator=generator)
        own = images.flatten(1).std(1, correction=0) * self.share * ~_stays(images, generator)
        return images + drawn * own[:, None, None, None]


@dataclass(frozen=True, kw_only=True)
class TimeMask:
    """Up to ``most`` steps in a row that are 0."""

    name: ClassVar[str] = "time-mask"
    most: int

    def check(self, shape: Shape) -> str:
        return _check_mask(self.most, _length(shape), "steps")

    def __call__(self, images: "Tensor", generator: "Generator") -> "Tensor":
        return _masked(images, 3 if images.shape[2] == 1 else 2, self.most, generator)


@dataclass(frozen=True, kw_only=True)
class FrequencyMask:
    """Up to ``most`` channels of a sequence in a row, or columns of a picture of a sound, that are 0."""

    name: ClassVar[str] = "frequency-mask"
    most: int

    def check(self, shape: Shape) -> str:
        return _check_mask(self.most, _frequencies(shape), "frequencies")

    def __call__(self, images: "Tensor", generator: "Generator") -> "Tensor":
        return _masked(images, 1 if images.shape[2] == 1 else 3, self.most, generator)


#: Name -> its class.
AUGMENTATIONS: dict[str, type] = {each.name: each for each in (
    Shift, TimeShift, FrequencyShift, Noise, TimeMask, FrequencyMask)}


def augmentations_of(text: str) -> tuple[Augmentation, ...]:
    """From ``NAME:AMOUNT``, several joined by ``+``; nothing from ``none``.

    Raises
    ------
    DataError
        If a name is unknown or an amount is none; whether it suits the inputs is seen when a data set gets it.

    >>> augmentations_of("shift:2x1+noise:0.1")
    (Shift(rows=2, columns=1), Noise(share=0.1))
    >>> augmentations_of("none")
    ()
    """
    return () if text == "none" else tuple(_one(part) for part in text.split("+"))


def text_of(change: Augmentation) -> str:
    """As :func:`augmentations_of` reads it.

    >>> text_of(Shift(rows=2, columns=1)), text_of(Noise(share=0.05))
    ('shift:2x1', 'noise:0.05')
    """
    return f"{change.name}:{'x'.join(f'{amount:g}' for amount in vars(change).values())}"


def _one(text: str) -> Augmentation:
    name, _, amount = text.partition(":")
    if name not in AUGMENTATIONS:
        raise DataError(f"augment={text!r}: unknown; join some of {', '.join(AUGMENTATIONS)} by +, each with its "
                        f"amount, such as shift:1+noise:0.05, or write none")
    kind = AUGMENTATIONS[name]
    names = [field.name for field in fields(kind)]
    amounts = amount.split("x") if len(names) > 1 and "x" in amount else [amount] * len(names)
    number = float if kind is Noise else int
    try:
        return kind(**dict(zip(names, map(number, amounts), strict=True)))
    except ValueError:
        raise DataError(f"augment={text!r}: {amount!r} is no amount; write {name}:{'0.05' if number is float else '2'}"
                        f"{', or shift:2x1 for rows and columns' if kind is Shift else ''}") from None


def _length(shape: Shape) -> int:
    """Steps in time: of a sequence its columns, of a picture of a sound its rows."""
    return shape[1] if shape[0] == 1 else shape[0]


def _frequencies(shape: Shape) -> int:
    return shape[2] if shape[0] == 1 else shape[1]


def _check_mask(most: int, size: int, noun: str) -> str:
    return "" if 0 <= most < size else f"most={most}: of {size} {noun}, 0 to {size - 1} can be hidden"


def _stays(images: "Tensor", generator: "Generator") -> "Tensor":
    import torch

    return torch.rand(len(images), generator=generator) < UNCHANGED


def _moved(images: "Tensor", reach: tuple[int, int], generator: "Generator", edge: str) -> "Tensor":
    import torch
    from torch.nn import functional

    count, _, height, width = images.shape
    up, left = reach
    padded = functional.pad(images, [left, left, up, up], mode=edge).permute(0, 2, 3, 1)
    y, x = (torch.randint(0, 2 * most + 1, (count, 1), generator=generator) for most in reach)
    stays = torch.rand(count, 1, generator=generator) < UNCHANGED
    rows, columns = y.masked_fill(stays, up) + torch.arange(height), x.masked_fill(stays, left) + torch.arange(width)
    picked = padded[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)


def _masked(images: "Tensor", axis: int, most: int, generator: "Generator") -> "Tensor":
    """Up to ``most`` places of an axis, in a row, set to 0."""
    import torch

    count, size = len(images), images.shape[axis]
    wide = torch.randint(0, most + 1, (count, 1), generator=generator).masked_fill(
        _stays(images, generator)[:, None], 0)
    first = (torch.rand(count, 1, generator=generator) * (size - wide + 1)).long()
    places = torch.arange(size)
    hidden = (places >= first) & (places < first + wide)
    return images.masked_fill(hidden.reshape(count, *(size if each == axis else 1 for each in (1, 2, 3))), 0)
