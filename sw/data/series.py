"""Time series as the UCR and UEA archives have them: folders with ``NAME_TRAIN.ts`` and ``NAME_TEST.ts``."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sw.data.assemble import Part, assemble, usual
from sw.data.dataset import Dataset
from sw.data.errors import DataError
from sw.data.labels import number_labels
from sw.data.options import NumberOptions, option

__all__ = ["SeriesOptions", "load_series", "read_ts"]

FLAGS = {"true": True, "false": False}


@dataclass(frozen=True, kw_only=True)
class SeriesOptions(NumberOptions):
    """How series are read."""

    name: str = option("", "of the data set, in a folder of several: NAME of NAME_TRAIN.ts")
    length: int = option(0, "samples that every series is cut or filled to with its last ones; for series of different "
                            "lengths")


@dataclass(kw_only=True, eq=False)
class _File:
    """What a file says before its data, and the data."""

    path: Path
    univariate: bool = False
    series: list[list[np.ndarray]] = field(default_factory=list)    # channels of each
    labels: list[str] = field(default_factory=list)


def load_series(path: str, options: SeriesOptions) -> Dataset:
    """The data set of a folder: its two files, or a single one that is split.

    Raises
    ------
    DataError
        If a file is missing, damaged, or of values instead of classes; the message names it and the line.
    """
    folder = Path(path)
    if not path or not folder.is_dir():
        raise DataError(f"data 'ts:{path}': no such folder; give the one that holds NAME_TRAIN.ts and NAME_TEST.ts")
    files = [read_ts(each) for each in _find(folder, options.name)]
    length = options.length or _length(files)
    labels, names = number_labels([np.array(each.labels, str) for each in files], str(files[0].path))
    parts = [Part(inputs=_filled(each, length), labels=numbers, inputs_from=str(each.path), labels_from=str(each.path))
             for each, numbers in zip(files, labels, strict=True)]
    return assemble(files[0].path.stem.removesuffix("_TRAIN"), *parts, options=options, class_names=names,
                    augmentations=usual(parts[0].inputs.shape[1:]))


def _find(folder: Path, name: str) -> list[Path]:
    every = sorted(folder.glob("*.ts"))
    firsts = [each for each in every if each.stem.upper().endswith("_TRAIN")]
    found = [each for each in (firsts or every) if not name or each.stem.upper().removesuffix("_TRAIN") == name.upper()]
    if not found:
        there = ", ".join(each.name for each in every[:4]) or "none"
        raise DataError(f"{folder}/{name or 'NAME'}_TRAIN.ts: no such file, the .ts files here are: {there}; give "
                        f"the folder, or name=NAME for NAME_TRAIN.ts")
    if len(found) > 1:
        raise DataError(f"{folder}: {found[0].name} and {found[1].name}; add name={found[0].stem.split('_')[0]}, or "
                        f"that of another")
    first = found[0]
    wanted = first.stem[:-len("TRAIN")].upper() + "TEST"
    seconds = [each for each in every if firsts and each.stem.upper() == wanted]
    if firsts and not seconds:
        other = first.with_name(first.stem[:-len("TRAIN")] + "TEST.ts")
        raise DataError(f"{other}: no such file beside {first.name}; put it there, or name the file otherwise for a "
                        f"split to be made")
    return [first, *seconds]


def read_ts(path: Path) -> _File:
    """One file.

    Raises
    ------
    DataError
        If it is damaged or not of that kind; the message names the line.
    """
    file, data = _File(path=path), False
    head: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8", errors="strict") as lines:
            for number, line in enumerate(lines, 1):
                text = line.strip()
                if not text or text.startswith("#"):
                    continue
                if data:
                    _add(file, text, f"{path}: line {number}")
                elif text.lower() == "@data":
                    data = True
                    _check_head(path, head)
                elif text.startswith("@"):
                    key, _, value = text[1:].partition(" ")
                    head[key.lower()] = value.strip()
                else:
                    raise DataError(f"{path}: line {number}: {text[:40]!r} before @data; is this a .ts file?")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text ({error.reason}); fetch it again") from error
    if not file.series:
        raise DataError(f"{path}: no series after @data; fetch it again")
    return file


def _check_head(path: Path, head: dict[str, str]) -> None:
    if FLAGS.get(head.get("timestamps", "false").lower()):
        raise DataError(f"{path}: @timeStamps true: samples with their times are not read; write them at one "
                        f"rate, without")
    if "targetlabel" in head or not FLAGS.get(head.get("classlabel", "").lower().split(" ")[0], True):
        raise DataError(f"{path}: has values to be predicted, no classes; give a data set with @classLabel true")


def _add(file: _File, text: str, where: str) -> None:
    *channels, label = text.split(":")
    if not channels:
        raise DataError(f"{where}: no class behind the last colon; fetch it again")
    if "?" in text:
        raise DataError(f"{where}: a missing value (?); fill the gap, or remove the line")
    try:
        arrays = [np.array(channel.split(","), np.float32) for channel in channels]
    except ValueError as error:
        raise DataError(f"{where}: {error}; mend or remove it") from None
    if len({len(array) for array in arrays}) > 1:
        raise DataError(f"{where}: channels of {len(arrays[0])} and of other numbers of samples; make them alike")
    if file.series and len(arrays) != len(file.series[0]):
        raise DataError(f"{where}: {len(arrays)} channels, where the lines before have {len(file.series[0])}; mend or "
                        f"remove it")
    if not all(np.isfinite(array).all() for array in arrays):
        raise DataError(f"{where}: a value that is not finite; fill the gap, or remove the line")
    file.series.append(arrays)
    file.labels.append(label.strip())


def _length(files: list[_File]) -> int:
    lengths = sorted({len(series[0]) for file in files for series in file.series})
    if len(lengths) > 1:
        raise DataError(f"{files[0].path}: series of {lengths[0]} to {lengths[-1]} samples; add length=N, which cuts "
                        f"longer ones and holds the last samples of shorter ones")
    return lengths[0]


def _filled(file: _File, length: int) -> np.ndarray:
    """float32 ``(N, length, channels)``."""
    found = np.empty((len(file.series), length, len(file.series[0])), np.float32)
    for number, channels in enumerate(file.series):
        for place, values in enumerate(channels):
            found[number, :len(values), place] = values[:length]
            found[number, len(values):, place] = values[-1]
    return found
