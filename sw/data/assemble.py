"""From the arrays of a data set's files to a :class:`Dataset`: what every source checks and splits alike."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sw.data.augment import Augmentation, Noise, Shift, TimeShift, augmentations_of
from sw.data.dataset import MOST_CLASSES, STEPS, Dataset
from sw.data.errors import DataError
from sw.data.options import NumberOptions, Options, SplitOptions
from sw.data.split import divide, hold_back
from sw.graph.audio import FeatureSpec

__all__ = ["Part", "assemble", "usual"]

TEST_SHARE = 0.2         # of the inputs, where the data have no test split
VALID_SHARE = 12         # one in so many training inputs is held back for choosing between networks
NARROW = 4               # steps of the quantized input; what varies by less is lost in its rounding
LISTED = 6               # classes or channels that one message names
SHIFT = 1                # pixels, by which an image may be moved
TIME_SHIFT = 20          # one part in so many of a sequence's length, by which it may begin earlier or later
NOISE = 0.05             # of a sequence's deviation


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Inputs and their labels, with the files that messages name."""

    inputs: np.ndarray                  # as in Dataset
    labels: np.ndarray                  # int64 (N,)
    inputs_from: str
    labels_from: str
    names: tuple[str, ...] = ()         # of each input, where it is a file
    groups: np.ndarray | None = None    # text (N,): inputs of one group are never in two splits
    valid_groups: np.ndarray | None = None  # text (N,): those that train and valid share none of, if these are others

    @property
    def noun(self) -> str:
        return "image" if self.inputs.ndim == 4 else "input"

    def take(self, numbers: np.ndarray) -> "Part":
        """Those inputs."""
        return replace(self, inputs=self.inputs[numbers], labels=self.labels[numbers],
                       names=tuple(self.names[number] for number in numbers) if self.names else (),
                       groups=None if self.groups is None else self.groups[numbers],
                       valid_groups=None if self.valid_groups is None else self.valid_groups[numbers])


def usual(shape: Sequence[int]) -> tuple[Augmentation, ...]:
    """Changes that keep the class of most inputs of that shape, without ``N``: images may move, sequences begin later
    and carry noise; a place in a table has a meaning of its own.

    >>> usual((28, 28, 1)), usual((1, 6, 1)), usual((6,))
    ((Shift(rows=1, columns=1),), (), ())
    >>> usual((100, 3))
    (TimeShift(steps=5), Noise(share=0.05))
    """
    if len(shape) == 3:
        return (Shift(rows=SHIFT, columns=SHIFT),) if min(shape[:2]) > SHIFT else ()
    return (TimeShift(steps=shape[0] // TIME_SHIFT), Noise(share=NOISE)) if len(shape) == 2 else ()


def assemble(name: str, train: Part, test: Part | None = None, *, valid: Part | None = None, held: int | None = None,
             options: Options | None = None, scale: float = 1.0, offset: float = 0.0,
             augmentations: tuple[Augmentation, ...] = (), class_names: Sequence[str] = (), rate: float = 0.0,
             warnings: Sequence[str] = (), broken: Sequence[tuple[Path, str]] = (),
             spec: FeatureSpec | None = None) -> Dataset:
    """A data set of the splits that are given; what is not is taken from ``train`` as ``options`` say.

    ``held`` is the number of inputs for ``valid`` where the options name no share. ``augmentations`` are those that
    suit, where the options name none. What can be trained on but looks wrong is in ``Dataset.warnings``.

    Raises
    ------
    DataError
        If it cannot be trained on; the message names the file, and the class where it is about one.
    """
    options = options or Options()
    classes = _Classes(class_names)
    for part in filter(None, (train, valid, test)):
        _check_labels(part)
    classes.count = 1 + int(max(part.labels.max() for part in (train, valid, test) if part))
    train, test = _test_of(train, test, options, classes)
    for part in filter(None, (valid, test)):
        _check_alike(train, part)
    _check_classes(train, test, classes)
    if valid is not None and options.valid:
        raise DataError(f"valid={options.valid}: {valid.inputs_from} is the valid split; leave the option out")
    if valid is None:
        train, valid = _valid_of(train, held, options)
        _check_trained(train, valid, classes)
    standard = _standard(train) if isinstance(options, NumberOptions) and options.standardize else ()
    if standard:
        train, valid, test = (_standardized(part, standard) for part in (train, valid, test))
    parts = {"train": train, "valid": valid, "test": test}
    return Dataset(
        name=name, classes=len(classes), seed=options.seed, scale=scale if not standard else 1.0,
        offset=offset if not standard else 0.0,
        augmentations=augmentations_of(options.augment) if options.augment else augmentations,
        inputs={split: part.inputs for split, part in parts.items()},
        labels={split: part.labels for split, part in parts.items()},
        names={split: part.names for split, part in parts.items() if part.names},
        class_names=tuple(class_names), rate=rate, spec=spec, standard=standard, broken=tuple(broken),
        warnings=(*warnings, *_broken_warnings(broken), *_class_warnings(train, test, valid, classes),
                  *_range_warnings(train, 0.0 if standard else offset,
                                   ", as standardize=1 does" if isinstance(options, NumberOptions) else "")))


def _test_of(train: Part, test: Part | None, options: Options, classes: "_Classes") -> tuple[Part, Part]:
    wanted = options.test if isinstance(options, SplitOptions) else ""
    if test is not None:
        if wanted:
            raise DataError(f"test={wanted}: {test.inputs_from} is the test split; leave the option out")
        return train, test
    few = np.flatnonzero(np.isin(classes.counts(train.labels), (1, 2)))
    if train.groups is None and few.size:
        raise DataError(f"{train.labels_from}: {classes.has(few)} fewer than three {train.noun}s, one each to train "
                        f"on, to choose networks by and to test; add some, or remove the class")
    stay, out = hold_back(train.labels, train.groups, wanted, share=TEST_SHARE, seed=options.seed,
                          where=f"{train.labels_from}: test")
    return train.take(stay), train.take(out)


def _valid_of(train: Part, held: int | None, options: Options) -> tuple[Part, Part]:
    groups = train.groups if train.valid_groups is None else train.valid_groups
    if groups is None and not options.valid:
        classes = len(np.unique(train.labels))
        stay, out = divide(train.labels, held or max(classes, len(train.labels) // VALID_SHARE), options.seed)
    else:
        stay, out = hold_back(train.labels, groups, options.valid, share=1 / VALID_SHARE, seed=options.seed,
                              where=f"{train.labels_from}: valid")
    return train.take(stay), train.take(out)


def _standard(train: Part) -> tuple[tuple[float, float], ...]:
    """Mean and deviation of each channel; a deviation of 0 is 1."""
    rows = train.inputs.reshape(-1, train.inputs.shape[-1])
    means, deviations = rows.mean(0, dtype=np.float64).tolist(), rows.std(0, dtype=np.float64).tolist()
    return tuple((mean, deviation or 1.0) for mean, deviation in zip(means, deviations, strict=True))


def _standardized(part: Part, standard: tuple[tuple[float, float], ...]) -> Part:
    means, deviations = np.array(standard, np.float32).T
    return replace(part, inputs=((part.inputs.astype(np.float32) - means) / deviations))


class _Classes:
    """The classes of a data set, which messages call by name where they have one."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names, self.count = names, 0

    def __len__(self) -> int:
        return max(self.count, len(self.names))

    def counts(self, labels: np.ndarray) -> np.ndarray:
        return np.bincount(labels, minlength=len(self))

    def has(self, numbers: Iterable[int]) -> str:
        """``class 2 has``, ``classes 2, 3 have``, or nothing where there are none."""
        every = list(numbers)
        text = _named("class", every, self.called)
        return text + (" has" if len(every) == 1 else " have" if every else "")

    def called(self, number: int) -> str:
        return repr(self.names[number]) if self.names else str(number)


def _sizes(part: Part) -> str:
    return f"{part.noun}s of {'x'.join(map(str, part.inputs.shape[1:]))} {part.inputs.dtype}"


def _check_alike(train: Part, part: Part) -> None:
    if train.inputs.shape[1:] != part.inputs.shape[1:] or train.inputs.dtype != part.inputs.dtype:
        raise DataError(f"{part.inputs_from}: {_sizes(part)}, but {train.inputs_from} has {_sizes(train)}; make "
                        f"both of one size and type")


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


def _check_classes(train: Part, test: Part, classes: _Classes) -> None:
    trained, tested = (classes.counts(part.labels) for part in (train, test))
    if unseen := classes.has(np.flatnonzero((trained == 0) & (tested > 0))):
        raise DataError(f"{train.labels_from}: {unseen} no {train.noun} to train on, but some in {test.labels_from}; "
                        f"add {train.noun}s, or take those out")
    if single := classes.has(np.flatnonzero(trained == 1)):
        raise DataError(f"{train.labels_from}: {single} one {train.noun}, two are needed: one to train on, one to "
                        f"choose networks by; add one, or remove the class")
    if np.count_nonzero(trained) < 2:
        raise DataError(f"{train.labels_from}: every {train.noun} is of class {classes.called(train.labels[0])}; give "
                        f"at least two classes to tell apart")


def _check_trained(train: Part, valid: Part, classes: _Classes) -> None:
    """Splits by groups may leave a class without any."""
    trained, held = (classes.counts(part.labels) for part in (train, valid))
    if lost := classes.has(np.flatnonzero((trained == 0) & (held > 0))):
        raise DataError(f"{train.labels_from}: {lost} no {train.noun} to train on, all are in groups held back; name "
                        f"others with valid= and test=, or give more groups")


def _class_warnings(train: Part, test: Part, valid: Part, classes: _Classes) -> Iterator[str]:
    trained, tested, held = (classes.counts(part.labels) for part in (train, test, valid))
    trained = trained + held
    gaps = np.flatnonzero(trained + tested == 0)
    if gaps.size:
        reason = "labels are counted from 0, not from 1" if gaps.tolist() == [0] else "is a file incomplete?"
        yield (f"{train.labels_from}: {classes.has(gaps)} no {train.noun}, nor in {test.labels_from}; the network has "
               f"an output that is never right ({reason})")
    if untested := classes.has(np.flatnonzero((trained > 0) & (tested == 0))):
        yield f"{test.labels_from}: {untested} no {test.noun}; the accuracy says nothing about it"
    if unheld := classes.has(np.flatnonzero((trained > 0) & (held == 0))):
        yield (f"{train.labels_from}: {unheld} so few {train.noun}s that none is among the {len(valid.labels)} that "
               f"networks are chosen by; add some")


def _range_warnings(train: Part, offset: float, remedy: str) -> Iterator[str]:
    """All channels of an input share one scale; those whose values hardly differ on it are lost."""
    axes = tuple(range(train.inputs.ndim - 1))
    low, high = (bound.astype(np.float64) for bound in (train.inputs.min(axes), train.inputs.max(axes)))
    step = (max(high.max(), offset) - min(low.min(), offset)) / STEPS
    lost = np.flatnonzero((high > low) & (high - low < NARROW * step))
    if lost.size:
        yield (f"{train.inputs_from}: {_named('channel', lost)} {'varies' if lost.size == 1 else 'vary'} by less than "
               f"{NARROW} of the {STEPS} steps that the input, from {low.min():g} to {high.max():g}, is rounded to; "
               f"bring all channels to one scale around {offset:g}{remedy}")


def _broken_warnings(broken: Sequence[tuple[Path, str]]) -> list[str]:
    if not broken:
        return []
    path, reason = broken[0]
    others = f", and {len(broken) - 1} other broken files" if len(broken) > 1 else ""
    return [f"{path}: left out ({reason}){others}"]


def _named(noun: str, numbers: Iterable[int], called: Callable[[int], str] = str) -> str:
    """The things with those numbers, the first of them by number.

    >>> _named("channel", range(9)), _named("class", [])
    ('channels 0, 1, 2, 3, 4, 5 and 3 more', '')
    """
    every = [called(int(number)) for number in numbers]
    if not every:
        return ""
    plural = "" if len(every) == 1 else "es" if noun.endswith("s") else "s"
    more = f" and {len(every) - LISTED} more" if len(every) > LISTED else ""
    return f"{noun}{plural} {', '.join(every[:LISTED])}{more}"
