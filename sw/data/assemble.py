"""From the arrays of a data set's files to a :class:`Dataset`: what every source checks and splits alike."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from sw.data.augment import Augmentation
from sw.data.dataset import MOST_CLASSES, STEPS, Dataset
from sw.data.errors import DataError

__all__ = ["SEED", "Part", "assemble", "divide"]

SEED = 0                 # of the split
VALID_SHARE = 12         # one in so many training inputs is held back for choosing between networks
NARROW = 4               # steps of the quantized input; what varies by less is lost in its rounding
LISTED = 6               # classes or channels that one message names


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Inputs and their labels, with the files that messages name."""

    inputs: np.ndarray       # as in Dataset
    labels: np.ndarray       # int64 (N,)
    inputs_from: str
    labels_from: str

    @property
    def noun(self) -> str:
        return "image" if self.inputs.ndim == 4 else "input"


def divide(labels: np.ndarray, held: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the inputs that stay, then of the ``held`` ones held back, with the classes in proportion."""
    from sklearn.model_selection import train_test_split

    stay, out = train_test_split(np.arange(len(labels)), test_size=held, stratify=labels, random_state=SEED)
    return np.sort(stay), np.sort(out)


def assemble(name: str, train: Part, test: Part, *, valid: int | None = None, scale: float = 1.0, offset: float = 0.0,
             augmentations: tuple[Augmentation, ...] = ()) -> Dataset:
    """A data set whose ``valid`` split, of a size that can be given, is taken from ``train``.

    What can be trained on but looks wrong is in ``Dataset.warnings``.

    Raises
    ------
    DataError
        If it cannot be trained on; the message names the file, and the class where it is about one.
    """
    for part in (train, test):
        _check_labels(part)
    if train.inputs.shape[1:] != test.inputs.shape[1:] or train.inputs.dtype != test.inputs.dtype:
        raise DataError(f"{test.inputs_from}: {_sizes(test)}, but {train.inputs_from} has {_sizes(train)}; make "
                        f"both of one size and type")
    classes = 1 + int(max(train.labels.max(), test.labels.max()))
    _check_classes(train, test, classes)
    stay, out = divide(train.labels, valid or max(len(np.unique(train.labels)), len(train.labels) // VALID_SHARE))
    return Dataset(
        name=name, classes=classes, seed=SEED, scale=scale, offset=offset, augmentations=augmentations,
        inputs={"train": train.inputs[stay], "valid": train.inputs[out], "test": test.inputs},
        labels={"train": train.labels[stay], "valid": train.labels[out], "test": test.labels},
        warnings=(*_class_warnings(train, test, out, classes), *_range_warnings(train, offset)))


def _sizes(part: Part) -> str:
    return f"{part.noun}s of {'x'.join(map(str, part.inputs.shape[1:]))} {part.inputs.dtype}"


def _check_labels(part: Part) -> None:
    if len(part.inputs) != len(part.labels):
        raise DataError(f"{part.inputs_from}: {len(part.inputs)} {part.noun}s, but {part.labels_from} has "
                        f"{len(part.labels)} labels; fetch both again")
    if not len(part.labels):
        raise DataError(f"{part.inputs_from}: no {part.noun}s; give a larger data set")
    low, high = int(part.labels.min()), int(part.labels.max())
    if low < 0 or high >= MOST_CLASSES:
        raise DataError(f"{part.labels_from}: label {low if low < 0 else high}; labels count the classes from 0 to at "
                        f"most {MOST_CLASSES - 1}")


def _check_classes(train: Part, test: Part, classes: int) -> None:
    trained, tested = (np.bincount(part.labels, minlength=classes) for part in (train, test))
    if unseen := _has(np.flatnonzero((trained == 0) & (tested > 0))):
        raise DataError(f"{train.labels_from}: {unseen} no {train.noun} to train on, but some in {test.labels_from}; "
                        f"add {train.noun}s, or take those out")
    if single := _has(np.flatnonzero(trained == 1)):
        raise DataError(f"{train.labels_from}: {single} one {train.noun}, two are needed: one to train on, one to "
                        f"choose networks by; add one, or remove the class")
    if np.count_nonzero(trained) < 2:
        raise DataError(f"{train.labels_from}: every {train.noun} is of class {train.labels[0]}; give at least two "
                        f"classes to tell apart")


def _class_warnings(train: Part, test: Part, out: np.ndarray, classes: int) -> Iterator[str]:
    """``out`` has the numbers of the training inputs that make the ``valid`` split."""
    trained, tested, held = (np.bincount(labels, minlength=classes)
                             for labels in (train.labels, test.labels, train.labels[out]))
    gaps = np.flatnonzero(trained + tested == 0)
    if gaps.size:
        reason = "labels are counted from 0, not from 1" if gaps.tolist() == [0] else "is a file incomplete?"
        yield (f"{train.labels_from}: {_has(gaps)} no {train.noun}, nor in {test.labels_from}; the network has an "
               f"output that is never right ({reason})")
    if untested := _has(np.flatnonzero((trained > 0) & (tested == 0))):
        yield f"{test.labels_from}: {untested} no {test.noun}; the accuracy says nothing about it"
    if unheld := _has(np.flatnonzero((trained > 0) & (held == 0))):
        yield (f"{train.labels_from}: {unheld} so few {train.noun}s that none is among the {len(out)} that networks "
               f"are chosen by; add some")


def _range_warnings(train: Part, offset: float) -> Iterator[str]:
    """All channels of an input share one scale; those whose values hardly differ on it are lost."""
    axes = tuple(range(train.inputs.ndim - 1))
    low, high = (bound.astype(np.float64) for bound in (train.inputs.min(axes), train.inputs.max(axes)))
    step = (max(high.max(), offset) - min(low.min(), offset)) / STEPS
    lost = np.flatnonzero((high > low) & (high - low < NARROW * step))
    if lost.size:
        yield (f"{train.inputs_from}: {_named('channel', lost)} {'varies' if lost.size == 1 else 'vary'} by less than "
               f"{NARROW} of the {STEPS} steps that the input, from {low.min():g} to {high.max():g}, is rounded to; "
               f"bring all channels to one scale around {offset:g}")


def _has(classes: Iterable[int]) -> str:
    """``class 2 has``, ``classes 2, 3 have``, or nothing where there are none.

    >>> _has([2]), _has([2, 3]), _has([])
    ('class 2 has', 'classes 2, 3 have', '')
    """
    numbers = list(classes)
    return _named("class", numbers) + (" has" if len(numbers) == 1 else " have" if numbers else "")


def _named(noun: str, numbers: Iterable[int]) -> str:
    """The things with those numbers, the first of them by number.

    >>> _named("channel", range(9))
    'channels 0, 1, 2, 3, 4, 5 and 3 more'
    """
    every = [int(number) for number in numbers]
    if not every:
        return ""
    plural = "" if len(every) == 1 else "es" if noun.endswith("s") else "s"
    more = f" and {len(every) - LISTED} more" if len(every) > LISTED else ""
    return f"{noun}{plural} {', '.join(map(str, every[:LISTED]))}{more}"
