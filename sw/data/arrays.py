"""Data sets that are arrays already: of an ``.npz`` file, or from a user's function."""

import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from sw.data.assemble import Part, assemble, usual
from sw.data.dataset import Dataset
from sw.data.errors import DataError
from sw.data.labels import number_labels, whole_labels
from sw.data.options import NumberOptions, option

__all__ = ["BYTE_PEAK", "ArrayOptions", "from_arrays", "load_npz", "stored"]

BYTE_PEAK = 255          # unsigned bytes are pixels, from 0 to this, which means 1
SPLITS = {"train": "train", "test": "test", "valid": "valid", "val": "valid", "validation": "valid", "": ""}
INPUTS, LABELS = ("x", "images", "inputs", "data", "features"), ("y", "labels", "targets")
CHANNELS = (1, 3, 4)     # of an image, as files have them


@dataclass(frozen=True, kw_only=True)
class ArrayOptions(NumberOptions):
    """How arrays are read."""

    layout: Literal["", "hwc", "chw", "hw", "lc", "cl"] = option(
        "", "axes of an input: h, w, c of images (height, width, channels), l, c of sequences (length, channels); "
            "without it hwc, of rank 3 lc, or hw of bytes")


def load_npz(path: str, options: ArrayOptions) -> Dataset:
    """The arrays of an ``.npz`` file: ``x_train``, ``y_train``, and the same of ``test`` and ``valid``, else ``x`` and
    ``y``; names as ``train_images`` and ``val_labels`` are as good.

    Raises
    ------
    DataError
        If the file cannot be read or lacks an array; the message names it.
    """
    if not Path(path).is_file():
        raise DataError(f"data 'npz:{path}': no such file; give one that numpy.savez wrote")
    try:
        with open(path, "rb") as opened:
            file = np.load(opened, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise DataError(f"{path}: is one array; save two, x and y, with numpy.savez")
            wanted = [name for name in file.files if _role(name)]
            arrays = {name: _array(file, name, path) for name in wanted}
            return from_arrays(Path(path).stem, arrays, options, where=path, others=file.files)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); save it again with numpy.savez") from error
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: is no .npz file ({error}); save one with numpy.savez") from error


def _array(file: Mapping[str, np.ndarray], name: str, path: str) -> np.ndarray:
    try:
        return file[name]
    except ValueError as error:
        raise DataError(f"{path}: {name} cannot be read ({error}); save plain numbers or texts") from error


def from_arrays(name: str, arrays: Mapping[str, np.ndarray], options: ArrayOptions, *, where: str,
                others: list[str] | None = None) -> Dataset:
    """A data set from arrays by their names, as :func:`load_npz` has them.

    ``classes`` may have the names of classes. Labels are whole numbers from 0, or texts.

    Raises
    ------
    DataError
        If an array is missing or cannot be used; the message leads with ``where`` and names it.
    """
    roles = {role: key for key in arrays if (role := _role(key))}
    splits = [split for split in ("train", "valid", "test") if ("x", split) in roles] or [""]
    if splits != [""] and "train" not in splits:
        raise DataError(f"{where}: has {', '.join(sorted(arrays))}, but no x_train; add it")
    for split in splits:
        for end in ("x", "y"):
            if (end, split) not in roles:
                there = ", ".join(others if others is not None else arrays) or "no array"
                raise DataError(f"{where}: no {end}_{split or 'train'}; there is {there}: name them x_train, y_train, "
                                f"x_test, y_test, or x and y for a split to be made")
    inputs = {split: stored(np.asarray(arrays[roles["x", split]]), options.layout, f"{where}: {roles['x', split]}")
              for split in splits}
    labels, names = _labels([np.asarray(arrays[roles["y", split]]) for split in splits],
                            [f"{where}: {roles['y', split]}" for split in splits])
    if "classes" in arrays and not names:
        names = tuple(str(each) for each in np.asarray(arrays["classes"]).reshape(-1))
    parts = {split: Part(inputs=inputs[split], labels=numbers, inputs_from=f"{where}: {roles['x', split]}",
                         labels_from=f"{where}: {roles['y', split]}")
             for split, numbers in zip(splits, labels, strict=True)}
    train = parts.get("train") or parts[""]
    return assemble(name, train, parts.get("test"), valid=parts.get("valid"), options=options, class_names=names,
                    scale=1 / BYTE_PEAK if train.inputs.dtype == np.uint8 else 1.0,
                    augmentations=usual(train.inputs.shape[1:]))


def _role(name: str) -> tuple[str, str] | None:
    """What an array is, ``x`` or ``y``, and of which split.

    >>> _role("x_train"), _role("val_labels"), _role("Y"), _role("weights")
    (('x', 'train'), ('y', 'valid'), ('y', ''), None)
    """
    if name == "classes":
        return "classes", ""
    parts = [part for part in re.split(r"[_\W]+", name.lower()) if part]
    ends = [part for part in parts if part in INPUTS + LABELS]
    split = [part for part in parts if part not in ends]
    if len(ends) != 1 or len(split) > 1 or "".join(split) not in SPLITS:
        return None
    return "x" if ends[0] in INPUTS else "y", SPLITS["".join(split)]


def _labels(arrays: list[np.ndarray], where: list[str]) -> tuple[list[np.ndarray], tuple[str, ...]]:
    if all(array.dtype.kind in "US" for array in arrays):
        return number_labels([array.reshape(-1).astype(str) for array in arrays], where[0])
    return [whole_labels(array, place) for array, place in zip(arrays, where, strict=True)], ()


def stored(array: np.ndarray, layout: str, where: str) -> np.ndarray:
    """Inputs as a :class:`Dataset` keeps them: channels last, float32 or integers of up to 32 bits.

    Raises
    ------
    DataError
        If rank or type cannot be used; the message leads with ``where``.
    """
    if not 2 <= array.ndim <= 4:
        raise DataError(f"{where}: rank {array.ndim}; give (N, features), (N, length, channels), (N, height, width) or "
                        f"(N, height, width, channels)")
    return _typed(_laid(array, layout, where), where)


def _laid(array: np.ndarray, layout: str, where: str) -> np.ndarray:
    if array.ndim == 2:
        if layout not in ("", "lc", "cl"):
            raise DataError(f"{where}: layout={layout} for inputs of one axis; leave it out")
        return array[..., None] if layout else array
    if not layout:
        if array.ndim == 4 and array.shape[1] in CHANNELS and array.shape[3] not in CHANNELS:
            raise DataError(f"{where}: inputs of {'x'.join(map(str, array.shape[1:]))} look as if channels came first; "
                            f"add layout=chw, or layout=hwc if they come last")
        layout = "hwc" if array.ndim == 4 else "hw" if array.dtype == np.uint8 else "lc"
    if len(layout) != array.ndim - 1:
        raise DataError(f"{where}: layout={layout} for inputs of {array.ndim - 1} axes; write "
                        f"{'hwc or chw' if array.ndim == 4 else 'hw, lc or cl'}")
    if layout in ("chw", "cl"):
        return np.ascontiguousarray(np.moveaxis(array, 1, -1))
    return array[..., None] if layout == "hw" else array


def _typed(array: np.ndarray, where: str) -> np.ndarray:
    kind = array.dtype.kind
    if kind == "b":
        return array.astype(np.uint8)
    if kind == "f":
        return array.astype(np.float32, copy=False)
    if kind not in "iu":
        raise DataError(f"{where}: values are {array.dtype}; give floats or whole numbers")
    if array.dtype.itemsize <= 4:
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    bound = np.iinfo(np.int32)
    if array.size and not bound.min <= int(array.min()) <= int(array.max()) <= bound.max:
        raise DataError(f"{where}: whole numbers of more than 32 bits; give floats")
    return array.astype(np.int32)
