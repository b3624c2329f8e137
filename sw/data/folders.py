"""Folders of files, one an input: which are there, of which class, split and group each is, and which are broken."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from sw.data.assemble import Part
from sw.data.errors import BrokenFiles, DataError
from sw.data.labels import number_labels
from sw.data.options import SplitOptions, option

__all__ = ["File", "Files", "FolderOptions", "Unreadable", "find_files", "parts_of", "read_all", "reason_of",
           "without_broken"]

#: What a folder, a column or a field of a pattern may call a split.
SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test", "valid": "valid", "val": "valid",
          "validation": "valid", "dev": "valid"}
#: Lists of files that make a split, as Speech Commands has them.
LISTS = {"testing_list.txt": "test", "validation_list.txt": "valid"}
#: Fields by which files are kept together where they are there and nothing else is asked for, the first of them.
GROUPS = ("speaker", "person", "subject", "group", "session", "recording", "take")
POINTER = b"version https://git-lfs"
FILE_COLUMNS = ("file", "filename", "path", "image", "name", "id")
LABEL_COLUMNS = ("label", "class", "category", "target")


@dataclass(frozen=True, kw_only=True)
class FolderOptions(SplitOptions):
    """How files become inputs with labels."""

    names: str = option("", "a pattern of the files' names, such as {label}_{speaker}_{take}.wav, with folders where "
                            "there are; without it a folder a class, in folders train, valid and test or not")
    labels: str = option("", "a CSV file, in the folder or elsewhere, with a column of files and one of labels; "
                             "without it folders or names say the class")
    by: str = option("", "the field of the names or column of the CSV file whose inputs are kept together in one "
                         "split; without it speaker, subject and the like, or none")
    valid_by: str = option("", "another such field, for train and valid alone: by=speaker,valid_by=take tests with "
                               "speakers that were never heard, and chooses by those that were")
    broken: Literal["", "skip"] = option("", "skip goes on without files that cannot be read; without it they are an "
                                             "error")


class Unreadable(Exception):
    """Why a file is no input."""


@dataclass(frozen=True, kw_only=True)
class File:
    """One input."""

    path: Path
    name: str                       # the path from the folder, with slashes
    fields: dict[str, str]          # label, perhaps split, and what else its name says

    @property
    def label(self) -> str:
        return self.fields["label"]

    @property
    def split(self) -> str:
        return self.fields.get("split", "")


@dataclass(kw_only=True, eq=False)
class Files:
    """All inputs of a folder, in the order of their names."""

    folder: Path
    files: list[File]
    warnings: list[str] = field(default_factory=list)
    broken: list[tuple[Path, str]] = field(default_factory=list)


def find_files(folder: Path, suffixes: Sequence[str], options: FolderOptions, noun: str) -> Files:
    """The files with one of the suffixes, with what their names, folders or a table say of them.

    Raises
    ------
    DataError
        If there are none, or none says its class; the message names the folder, or the line of the table.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give one with {noun}s, a folder a class")
    if options.labels and options.names:
        raise DataError(f"{folder}: labels= and names= both say the class; write one of them")
    if options.labels:
        return _by_table(folder, options.labels)
    every = _names(folder, suffixes)
    if not every:
        raise DataError(f"{folder}: no {noun} ({', '.join(suffixes)}) in it; give a folder with some, a folder a class")
    return _by_pattern(folder, every, options.names) if options.names else _by_folder(folder, every, options)


def _names(folder: Path, suffixes: Sequence[str]) -> list[str]:
    """Paths from the folder, with slashes; what begins with a dot is passed over, and folders that begin
    with ``_``.
    """
    found = []
    for place, below, names in os.walk(folder):
        below[:] = [name for name in below if not name.startswith((".", "_"))]
        start = "" if place == str(folder) else Path(place).relative_to(folder).as_posix() + "/"
        found += [start + name for name in names
                  if not name.startswith(".") and os.path.splitext(name)[1].lower() in suffixes]
    return sorted(found, key=lambda name: name.split("/"))


def _by_pattern(folder: Path, every: Sequence[str], names: str) -> Files:
    parts = re.split(r"\{(\w+)\}", names)
    if "label" not in parts[1::2]:
        raise DataError(f"names={names}: has no {{label}}; write one where the class is, as in "
                        f"{{label}}_{{speaker}}.wav")
    if twice := next((name for name in parts[1::2] if parts[1::2].count(name) > 1), ""):
        raise DataError(f"names={names}: {{{twice}}} is there twice; call one otherwise")
    shape = "".join(f"(?P<{part}>[^/]+?)" if place % 2 else re.escape(part).replace(r"\*", "[^/]*")
                    for place, part in enumerate(parts))
    found, others = [], []
    for name in every:
        match = re.fullmatch(shape, name)
        if match:
            fields = match.groupdict()
            if "split" in fields:
                fields["split"] = _split(fields["split"], f"{folder / name}")
            found.append(File(path=folder / name, name=name, fields=fields))
        else:
            others.append(name)
    if not found:
        raise DataError(f"{folder}: no file is called as names={names} says; there is {others[0]}, and a field stands "
                        f"for anything but a slash")
    warning = [f"{folder}: {len(others)} files are not called as names={names} says and left out, such as "
               f"{others[0]}"] if others else []
    return Files(folder=folder, files=found, warnings=warning)


def _split(text: str, where: str) -> str:
    if text.lower() not in SPLITS:
        raise DataError(f"{where}: {text!r} is no split; call it train, valid or test")
    return SPLITS[text.lower()]


def _by_folder(folder: Path, every: Sequence[str], options: FolderOptions) -> Files:
    tops = sorted({name.partition("/")[0] for name in every if "/" in name})
    named = [top for top in tops if top.lower() in SPLITS]
    splits = bool(named) and len(named) == len(tops)
    if not splits and len({SPLITS[top.lower()] for top in named}) > 1:
        other = next(top for top in tops if top not in named)
        raise DataError(f"{folder}: {' and '.join(named)} are called as splits are, but {other} is not; move it away, "
                        f"or say what is what, as in names={{split}}/{{label}}/{{file}}{Path(every[0]).suffix}")
    depth = 2 if splits else 1
    loose = [name for name in every if name.count("/") < depth]
    if len(loose) == len(every):
        raise DataError(f"{folder}: {loose[0]} lies in no folder of a class; make a folder a class, or say how names "
                        f"are made, as in names={{label}}_{{take}}{Path(loose[0]).suffix}, or name a table with "
                        f"labels=")
    found = []
    for name in every:
        parts = name.split("/")
        if len(parts) > depth:
            place = {"split": SPLITS[parts[0].lower()]} if splits else {}
            found.append(File(path=folder / name, name=name, fields={**place, "label": parts[depth - 1]}))
    warnings = [f"{folder}: {len(loose)} files lie in no folder of a class and are left out, such as "
                f"{loose[0]}"] if loose else []
    warnings += _empty(folder, found, depth)
    if not splits:
        found = _as_speech_commands(folder, found, options)
    return Files(folder=folder, files=found, warnings=warnings)


def _empty(folder: Path, found: Sequence[File], depth: int) -> list[str]:
    """Folders that would be classes if anything were in them."""
    full = {"/".join(each.name.split("/")[:depth]) for each in found}
    places = [path for path in sorted(folder.glob("/".join("*" * depth))) if path.is_dir()
              and not path.name.startswith((".", "_")) and path.relative_to(folder).as_posix() not in full]
    return [f"{path}: nothing to read in this folder; it is no class" for path in places]


def _as_speech_commands(folder: Path, found: list[File], options: FolderOptions) -> list[File]:
    """With the published lists of files, else with the speakers that the names tell."""
    lists = {name: split for name, split in LISTS.items() if (folder / name).is_file()}
    if lists and not options.test and not options.by:
        split_of = {line.strip(): split for name, split in lists.items()
                    for line in (folder / name).read_text(encoding="utf-8").splitlines() if line.strip()}
        return [replace(each, fields={**each.fields, "split": split_of.get(each.name, "train")}) for each in found]
    shape = re.compile(r"(?P<speaker>\w+)_nohash_(?P<take>\d+)")
    matches = [shape.fullmatch(each.path.stem) for each in found]
    if not all(matches):
        return found
    return [replace(each, fields={**each.fields, **(match.groupdict() if match else {})})
            for each, match in zip(found, matches, strict=True)]


def _by_table(folder: Path, labels: str) -> Files:
    import csv

    table = folder / labels if (folder / labels).is_file() else Path(labels)
    if not table.is_file():
        raise DataError(f"{folder / labels}: no such file, nor {labels}; name a CSV file of files and labels")
    with table.open(encoding="utf-8-sig", newline="") as text:
        try:
            rows = list(csv.DictReader(text))
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{table}: is no CSV file ({error}); save it as UTF-8") from error
    if not rows:
        raise DataError(f"{table}: no rows; give a row of names, with file and label, and a row a file")
    columns = {name.strip().lower(): name for name in rows[0] if name}
    file = next((columns[name] for name in FILE_COLUMNS if name in columns), "")
    label = next((columns[name] for name in LABEL_COLUMNS if name in columns and columns[name] != file), "")
    if not file or not label:
        raise DataError(f"{table}: has the columns {', '.join(columns)}; call one file and one label")
    found = []
    for number, row in enumerate(rows, 2):
        fields = {name.strip().lower(): (row[name] or "").strip() for name in columns.values()}
        path = next((place / (row[file] or "") for place in (folder, table.parent)
                     if row[file] and (place / row[file]).is_file()), None)
        if path is None:
            raise DataError(f"{table}: line {number}: {row[file]!r}: no such file in {folder}; mend or remove the line")
        split = fields.get("split", fields.get("set", ""))
        found.append(File(path=path, name=row[file], fields={
            **fields, "label": fields[label.strip().lower()],
            "split": _split(split, f"{table}: line {number}") if split else ""}))
    if len({bool(each.split) for each in found}) > 1:
        raise DataError(f"{table}: some rows say of which split they are and some not; write train, valid or test in "
                        f"all, or in none")
    return Files(folder=folder, files=found)


def reason_of(path: Path, said: str) -> str:
    """Why a file is not what it is called, where a library has ``said`` so.

    >>> reason_of(Path("/nowhere"), "is no image")
    'is no image'
    """
    try:
        with path.open("rb") as file:
            if file.read(len(POINTER)) == POINTER:
                return "is a pointer of Git LFS, not the file; run git lfs pull"
    except OSError:
        return said
    return said


def read_all(files: Files, found: np.ndarray, read: Callable[[Path], np.ndarray], options: FolderOptions) -> np.ndarray:
    """Fill ``found`` with what ``read`` gives of each file; its broken files are an error, or are taken out of both.

    Raises
    ------
    BrokenFiles
        If ``read`` raises :class:`Unreadable` of any, and ``broken=skip`` is not among the options.
    """
    def fill(number: int) -> str:
        try:
            found[number] = read(files.files[number].path)
        except Unreadable as error:
            return str(error) or "no more is said"
        return ""

    with ThreadPoolExecutor() as pool:
        reasons = list(pool.map(fill, range(len(files.files))))
    return found if not any(reasons) else found[without_broken(files, reasons, options)]


def without_broken(files: Files, reasons: Sequence[str], options: FolderOptions) -> np.ndarray:
    """Numbers of the files that are whole; the others are taken out of ``files``, with a warning."""
    broken = [(each.path, reason) for each, reason in zip(files.files, reasons, strict=True) if reason]
    if broken and options.broken != "skip":
        raise BrokenFiles(broken)
    kept = [number for number, reason in enumerate(reasons) if not reason]
    files.files = [files.files[number] for number in kept]
    files.broken += broken
    if not kept:
        raise DataError(f"{files.folder}: every file is broken, such as {broken[0][0].name} ({broken[0][1]}); give "
                        f"others")
    return np.array(kept, np.int64)


def parts_of(files: Files, inputs: np.ndarray, options: FolderOptions) -> tuple[dict[str, Part], tuple[str, ...]]:
    """Parts by split, ``train`` alone where the files name none, and the names of the classes.

    Raises
    ------
    DataError
        If ``by`` names no field, or there is nothing to train on.
    """
    every = files.files
    (labels,), names = number_labels([np.array([each.label for each in every])], str(files.folder))

    def told(name: str) -> np.ndarray | None:
        return np.array([each.fields[name] for each in every]) if name else None

    groups = told(_group_field(every[0].fields, options.by) or _usual_group(every[0].fields))
    whole = Part(inputs=inputs, labels=labels, inputs_from=str(files.folder), labels_from=str(files.folder),
                 groups=groups, valid_groups=told(_group_field(every[0].fields, options.valid_by)),
                 names=tuple(each.name for each in every))
    splits = np.array([each.split for each in every])
    if not splits.any():
        return {"train": whole}, names
    parts = {split: whole.take(np.flatnonzero(splits == split)) for split in ("train", "valid", "test")
             if (splits == split).any()}
    if "train" not in parts:
        raise DataError(f"{files.folder}: nothing to train on, only {' and '.join(parts)}; add a folder train")
    return parts, names


def _group_field(fields: Iterable[str], asked: str) -> str:
    """The field that is asked for, if one is."""
    there = [name for name in fields if name not in ("label", "split")]
    if asked and asked not in there:
        raise DataError(f"by={asked}: the files tell {', '.join(there) or 'nothing but their class'}; name one of "
                        f"these, or write names= with {{{asked}}}")
    return asked


def _usual_group(fields: Iterable[str]) -> str:
    there = set(fields)
    return next((name for name in GROUPS if name in there), "")
