"""Folders in MNIST's IDX format: files of a big-endian header (type, rank, sizes) and then numbers."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from sw.data.arrays import BYTE_PEAK
from sw.data.assemble import Part, assemble, usual
from sw.data.dataset import Dataset
from sw.data.errors import DataError
from sw.data.options import Options

__all__ = ["load_folder", "read_idx"]

#: type byte of the header -> numbers as they lie in the file
TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_AXES = 8            # of a file that is looked into at all
PARTS = ("train", "t10k")


def _find(folder: Path, part: str, what: str) -> Path:
    """The file of one part, under any of the names it is published by."""
    found = sorted(path for gap in "-." for path in folder.glob(f"{part}-{what}{gap}idx[1-9]*") if path.is_file())
    kept = [path for path in found if path.suffix != ".gz" or path.with_suffix("") not in found]
    if not kept:
        rank = 3 if what == "images" else 1
        raise DataError(f"{folder / f'{part}-{what}-idx{rank}-ubyte'}: no such file (nor with .gz); put MNIST's four "
                        f"files into this folder")
    if len(kept) > 1:
        raise DataError(f"{folder}: both {kept[0].name} and {kept[1].name}; keep the one that is meant")
    return kept[0]


def read_idx(path: Path) -> np.ndarray:
    """The array of one file in the machine's byte order, float32 where the file has float64; ``.gz`` is unpacked.

    Raises
    ------
    DataError
        If the file cannot be read or is no IDX file.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); fetch it again") from error
    if len(data) < 4 or len(data) < 4 + 4 * min(data[3], MOST_AXES):
        raise DataError(f"{path}: truncated, {len(data)} bytes are no IDX header; fetch it again")
    magic, rank = int.from_bytes(data[:4], "big"), data[3]
    if magic >> 16 or data[2] not in TYPES or not 1 <= rank <= MOST_AXES:
        raise DataError(f"{path}: magic number {magic:#010x} is no IDX file's; it starts with two zero bytes, a type "
                        f"({', '.join(f'{code:#04x}' for code in TYPES)}) and a rank")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", rank, offset=4))
    stored = np.dtype(TYPES[data[2]])
    body, expected = len(data) - 4 - 4 * rank, int(np.prod(shape, dtype=object)) * stored.itemsize
    if body != expected:
        raise DataError(f"{path}: {'truncated' if body < expected else 'too long'}, {body} bytes of data where the "
                        f"header promises {expected}; fetch it again")
    array = np.frombuffer(data, stored, offset=4 + 4 * rank).reshape(shape)
    return array.astype(np.float32 if stored.kind == "f" else stored.newbyteorder("="))


def _inputs(path: Path) -> np.ndarray:
    """Rank 1 is one feature, rank 2 features, rank 3 grey images, rank 4 images with their channels last."""
    array = read_idx(path)
    if array.ndim > 4:
        raise DataError(f"{path}: rank {array.ndim}; give (N, height, width, channels) or fewer axes")
    return array[..., None] if array.ndim in (1, 3) else array


def _labels(path: Path) -> np.ndarray:
    array = read_idx(path)
    if array.ndim != 1 or array.dtype.kind == "f":
        raise DataError(f"{path}: {array.dtype} of rank {array.ndim}; labels are whole numbers of rank 1")
    return array.astype(np.int64)


def load_folder(path: str, options: Options) -> Dataset:
    """The data set of a folder with MNIST's four files, as they are or with ``.gz``, of any type and rank up to 4.

    Unsigned bytes are pixels, 255 of which mean 1; all other numbers mean themselves. Images of more than one row and
    more than one column may be moved by a pixel. Numbers in one row are a table: a place has a meaning of its own.

    Raises
    ------
    DataError
        If a file is missing or damaged, or cannot be trained on; the message names it.
    """
    folder = Path(path)
    if not path or not folder.is_dir():
        raise DataError(f"data 'mnist:{path}': no such folder; give the one that holds train-images-idx3-ubyte")
    parts = []
    for part in PARTS:
        images, labels = _find(folder, part, "images"), _find(folder, part, "labels")
        parts.append(Part(inputs=_inputs(images), labels=_labels(labels), inputs_from=str(images),
                          labels_from=str(labels)))
    train, test = parts
    return assemble("mnist", train, test, options=options, augmentations=usual(train.inputs.shape[1:]),
                    scale=1 / BYTE_PEAK if train.inputs.dtype == np.uint8 else 1.0)
