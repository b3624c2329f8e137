"""Tables and time series in files of comma-separated values: a row is an input, or a sample of a window."""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sw.data.assemble import Part, assemble, usual
from sw.data.dataset import Dataset
from sw.data.errors import DataError
from sw.data.folders import File, Files, FolderOptions, find_files, parts_of, without_broken
from sw.data.labels import number_labels
from sw.data.options import NumberOptions, option

__all__ = ["TableOptions", "load_table"]

SUFFIXES = (".csv", ".tsv", ".txt")          # of files in a folder
SEPARATORS = ",;\t|"
#: Names of the column of labels, where none is named; else it is the last.
LABELS = ("label", "labels", "class", "target", "activity", "y")
#: What a column of splits may say.
SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test", "valid": "valid", "val": "valid",
          "validation": "valid"}


@dataclass(frozen=True, kw_only=True)
class TableOptions(NumberOptions, FolderOptions):
    """How a table is read, or a folder of tables, each of which is a recording."""

    label: str = option("", "the column of labels; without it the one called label or class or the like, else the last")
    columns: tuple[str, ...] = option((), "the columns that are inputs, such as ax,ay,az or first..last; without it "
                                          "all others")
    drop: tuple[str, ...] = option((), "columns that are no inputs")
    window: int = option(0, "rows in a row that make one input, a sequence; without it a row is an input")
    hop: int = option(0, "rows from one window to the next; without it half a window")
    group: str = option("", "a column that says of which recording or person a row is: none is in two splits; without "
                            "it rows of one label in a row are a recording")
    piece: int = option(0, "rows that a recording is cut into, as if each piece were one; for few, long recordings")
    split: str = option("", "a column that says train, valid or test")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("window", "hop", "piece"):
            if getattr(self, name) < 0:
                raise DataError(f"{name}={getattr(self, name)}: write a number of rows")
        if (self.hop or self.piece) and not self.window:
            raise DataError(f"{'hop' if self.hop else 'piece'}: goes with window=ROWS; add it")
        if self.piece and self.piece < self.window:
            raise DataError(f"piece={self.piece}: is shorter than a window of {self.window}; write more")


@dataclass(frozen=True, kw_only=True)
class _Head:
    """Columns of a file by name, and where its numbers begin."""

    path: Path
    names: tuple[str, ...]
    separator: str | None       # None: blanks
    skipped: int                # lines before the first row

    def place(self, name: str) -> int:
        if name in self.names:
            return self.names.index(name)
        if name.isdecimal() and int(name) < len(self.names) and not self.skipped:
            return int(name)
        raise DataError(f"{self.path}: no column {name!r}; there are {', '.join(self.names[:12])}"
                        f"{f' and {len(self.names) - 12} more' if len(self.names) > 12 else ''}")

    def places(self, names: Sequence[str]) -> list[int]:
        found: list[int] = []
        for name in names:
            first, dots, last = name.partition("..")
            found += (range(self.place(first), self.place(last) + 1) if dots and name not in self.names
                      else [self.place(name)])
        return found

    def read(self, places: Sequence[int], kind: type) -> np.ndarray:
        """Those columns, ``(rows, columns)``."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)        # of empty lines, which count for nothing
                return np.loadtxt(self.path, kind, delimiter=self.separator, skiprows=self.skipped, usecols=places,
                                  ndmin=2, quotechar='"', comments=None, encoding="utf-8")
        except ValueError as error:
            raise DataError(f"{self.path}: {self._said(str(error), places)}") from None

    def _said(self, error: str, places: Sequence[int]) -> str:
        if found := re.search(r"could not convert string '(.*)' to \w+ at row (\d+), column (\d+)", error):
            text, row, column = found[1], int(found[2]), int(found[3]) - 1    # counted from 0 and from 1
            return (f"line {row + self.skipped + 1}: {text!r} in column {self.names[column]!r} is no number; mend it, "
                    f"or leave the column out with drop={self.names[column]}")
        if found := re.search(r"invalid column index (\d+) at row (\d+) with (\d+) columns", error):
            return (f"line {int(found[2]) + self.skipped}: {found[3]} columns, where the first row has "
                    f"{len(self.names)}; mend or remove it")
        return f"cannot be read ({error}); save it as UTF-8 with one row a line"


def load_table(path: str, options: TableOptions) -> Dataset:
    """Rows, or windows of rows, with their labels.

    Raises
    ------
    DataError
        If the file is missing, a column unknown, a value no number; the message names line and column.
    """
    file = Path(path)
    if path and file.is_dir():
        return _load_folder(file, options)
    if not file.is_file():
        raise DataError(f"data 'csv:{path}': no such file; give one of comma-separated values, or a folder of them")
    if wrong := next((name for name in ("names", "labels", "by", "broken") if getattr(options, name)), ""):
        raise DataError(f"data 'csv:{path}': {wrong}: goes with a folder of files; leave it out")
    head = _head(file)
    label = head.place(options.label) if options.label else _label(head)
    texts = {name: head.place(name) for name in (options.group, options.split) if name}
    apart = {label, *texts.values(), *head.places(options.drop)}
    places = head.places(options.columns) if options.columns else [
        place for place in range(len(head.names)) if place not in apart]
    if label in places or not places:
        wrong = f"the column of labels, {head.names[label]!r}, is an input too" if places else "no column of inputs"
        raise DataError(f"{file}: {wrong}; name the inputs with columns= and the labels with label=")
    values, text = head.read(places, np.float32), np.char.strip(head.read([label, *texts.values()], str))
    _check_finite(head, values, places)
    (labels,), names = number_labels([text[:, 0]], f"{file}: column {head.names[label]!r}")
    group = text[:, 1] if options.group else None
    split = text[:, -1] if options.split else None
    rows, notes = (_windows(labels, group, split, options, str(file)) if options.window
                      else (np.arange(len(values))[:, None], []))
    first = rows[:, 0]
    inputs = values[rows] if options.window else values
    groups = _recordings(labels, group, options)[first].astype(str) if options.window and group is None else (
        None if group is None else group[first])
    whole = Part(inputs=inputs, labels=labels[first], inputs_from=str(file), labels_from=str(file), groups=groups)
    parts = _given(whole, split[first], f"{file}: column {options.split!r}") if split is not None else {"train": whole}
    return assemble(file.stem, parts["train"], parts.get("test"), valid=parts.get("valid"), options=options,
                    class_names=names, augmentations=usual(inputs.shape[1:]), warnings=notes)


def _load_folder(folder: Path, options: TableOptions) -> Dataset:
    """Files of one recording each, whose class their folders or names tell; all columns are inputs, or those named."""
    if wrong := next((name for name in ("label", "group", "split") if getattr(options, name)), ""):
        raise DataError(f"data 'csv:{folder}': {wrong}: goes with a single file; folders and names say it here")
    files = find_files(folder, SUFFIXES, options, "table")
    tables: list[np.ndarray] = []
    reasons = []
    for each in files.files:
        try:
            tables.append(_recording(each.path, options))
            reasons.append("")
        except DataError as error:
            reasons.append(str(error).removeprefix(f"{each.path}: "))
    if any(reasons):
        without_broken(files, reasons, options)
    _check_columns(files, tables)
    inputs = _cut(files, tables, options) if options.window else _whole(files, tables)
    parts, names = parts_of(files, inputs, options)
    return assemble(folder.resolve().name, parts["train"], parts.get("test"), valid=parts.get("valid"), options=options,
                    class_names=names, augmentations=usual(inputs.shape[1:]), warnings=files.warnings,
                    broken=files.broken)


def _recording(path: Path, options: TableOptions) -> np.ndarray:
    """float32 ``(rows, columns)``."""
    head = _head(path)
    apart = head.places(options.drop)
    places = head.places(options.columns) if options.columns else [
        place for place in range(len(head.names)) if place not in apart]
    values = head.read(places, np.float32)
    _check_finite(head, values, places)
    return values


def _check_columns(files: Files, tables: list[np.ndarray]) -> None:
    for each, table in zip(files.files, tables, strict=True):
        if table.shape[1] != tables[0].shape[1]:
            raise DataError(f"{each.path}: {table.shape[1]} columns, where {files.files[0].name} has "
                            f"{tables[0].shape[1]}; name those wanted with columns=")


def _whole(files: Files, tables: list[np.ndarray]) -> np.ndarray:
    lengths = sorted({len(table) for table in tables})
    if len(lengths) > 1:
        raise DataError(f"{files.folder}: recordings of {lengths[0]} to {lengths[-1]} rows; add window=ROWS, at most "
                        f"{lengths[0]}")
    return np.stack(tables)


def _cut(files: Files, tables: list[np.ndarray], options: TableOptions) -> np.ndarray:
    """Windows of all recordings; ``files`` then has one entry a window, kept together by the recording."""
    hop = options.hop or max(1, options.window // 2)
    found, named, short = [], [], 0
    for each, number, part in _pieces(files, tables, options.piece):
        if len(part) < options.window:
            short += 1
            continue
        windows = np.lib.stride_tricks.sliding_window_view(part, options.window, axis=0)[::hop].transpose(0, 2, 1)
        found.append(windows)
        named += [replace(each, fields={"recording": f"{each.name} {number}", **each.fields})] * len(windows)
    if not found:
        raise DataError(f"{files.folder}: the longest recording has {max(map(len, tables))} rows, a window "
                        f"{options.window}; write a shorter one")
    if short:
        files.warnings.append(f"{files.folder}: {short} recordings or pieces are shorter than a window of "
                              f"{options.window} rows and left out")
    files.files = named
    return np.concatenate(found)


def _pieces(files: Files, tables: list[np.ndarray], piece: int) -> Iterator[tuple[File, int, np.ndarray]]:
    for each, table in zip(files.files, tables, strict=True):
        for number, start in enumerate(range(0, len(table), piece or len(table))):
            yield each, number, table[start:start + (piece or len(table))]


def _head(path: Path) -> _Head:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            first, second = (next(lines, "") for _ in range(2))
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no UTF-8 text ({error.reason}); save it as one") from error
    if not first.strip():
        raise DataError(f"{path}: its first line is empty; give a row of names, or of values")
    counts = {each: first.count(each) for each in SEPARATORS}
    separator = max(counts, key=lambda each: counts[each]) if any(counts.values()) else None
    one, two = (_fields(line, separator) for line in (first, second))
    if not two:
        raise DataError(f"{path}: one line only; give a row of names and rows of values")
    named = not any(map(_is_number, one)) or any(
        _is_number(b) and not _is_number(a) for a, b in zip(one, two, strict=False))
    names = tuple(one) if named else tuple(map(str, range(len(one))))
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise DataError(f"{path}: two columns are called {twice!r}; rename one")
    return _Head(path=path, names=names, separator=separator, skipped=int(named))


def _fields(line: str, separator: str | None) -> list[str]:
    import csv

    if separator is None:
        return line.split()
    return [each.strip() for each in next(csv.reader([line], delimiter=separator), [])]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _label(head: _Head) -> int:
    return next((place for wanted in LABELS for place, name in enumerate(head.names) if name.lower() == wanted),
                len(head.names) - 1)


def _check_finite(head: _Head, values: np.ndarray, places: Sequence[int]) -> None:
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise DataError(f"{head.path}: line {row + head.skipped + 1}: {values[row, column]} in column "
                        f"{head.names[places[column]]!r}; fill the gap, or remove the line")


def _recordings(labels: np.ndarray, group: np.ndarray | None, options: TableOptions) -> np.ndarray:
    """The number of each row's recording: a new one begins where label or group change, and after a piece."""
    changes = labels[1:] != labels[:-1]
    if group is not None:
        changes |= group[1:] != group[:-1]
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    number = np.zeros(len(labels), np.int64)
    number[starts[1:]] = 1
    number = number.cumsum()
    if options.piece:
        within = np.arange(len(labels)) - starts[number]
        number = np.cumsum(np.concatenate([[0], (number[1:] != number[:-1]) | (within[1:] % options.piece == 0)]))
    return number


def _windows(labels: np.ndarray, group: np.ndarray | None, split: np.ndarray | None, options: TableOptions,
             where: str) -> tuple[np.ndarray, list[str]]:
    """Numbers of the rows of each window, none of which crosses the end of a recording."""
    number = _recordings(labels, group, options)
    if split is not None:
        _, codes = np.unique(split, return_inverse=True)
        number = np.cumsum(np.concatenate([[0], (number[1:] != number[:-1]) | (codes[1:] != codes[:-1])]))
    starts = np.concatenate([[0], np.flatnonzero(number[1:] != number[:-1]) + 1])
    ends = np.append(starts[1:], len(number))
    hop = options.hop or max(1, options.window // 2)
    firsts = np.concatenate([np.arange(start, end - options.window + 1, hop)
                             for start, end in zip(starts, ends, strict=True)])
    short = int((ends - starts < options.window).sum())
    if not firsts.size:
        raise DataError(f"{where}: the longest recording has {int((ends - starts).max())} rows, a window "
                        f"{options.window}; write a shorter one")
    notes = [f"{where}: {short} of {len(starts)} recordings are shorter than a window of {options.window} rows and "
                f"left out"] if short else []
    return firsts[:, None] + np.arange(options.window), notes


def _given(whole: Part, split: np.ndarray, where: str) -> dict[str, Part]:
    """Parts as a column says."""
    wrong = sorted({each for each in split.tolist() if each.lower() not in SPLITS})
    if wrong:
        raise DataError(f"{where}: {wrong[0]!r}; write train, valid or test")
    kinds = np.array([SPLITS[each.lower()] for each in split.tolist()])
    parts = {kind: whole.take(np.flatnonzero(kinds == kind))
             for kind in ("train", "valid", "test") if (kinds == kind).any()}
    if "train" not in parts:
        raise DataError(f"{where}: no row says train; mark those to train on")
    return parts
