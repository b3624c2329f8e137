"""MNIST's IDX format: a big-endian header (magic, sizes), then bytes."""

import gzip
import zlib
from pathlib import Path

import numpy as np

__all__ = ["IMAGES_MAGIC", "LABELS_MAGIC", "read_idx", "read_images", "read_labels"]

IMAGES_MAGIC = 0x803   # unsigned bytes, 3 dimensions
LABELS_MAGIC = 0x801   # unsigned bytes, 1 dimension


def _find(folder: Path, part: str, what: str, rank: int) -> Path:
    """The file of one part, under any of the names it is published by."""
    stems = (f"{part}-{what}-idx{rank}-ubyte", f"{part}-{what}.idx{rank}-ubyte")
    for stem in stems:
        for path in (folder / stem, folder / f"{stem}.gz"):
            if path.is_file():
                return path
    raise ValueError(f"{folder / stems[0]}: no such file (nor with .gz); put MNIST's four files into this folder")


def read_idx(path: Path, magic: int) -> np.ndarray:
    """The array of one file, uint8; ``.gz`` is unpacked. Raises ValueError with one clear line."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: cannot be read ({error}); fetch it again") from error
    rank = magic & 0xFF
    header = np.frombuffer(data[:4 + 4 * rank], ">u4") if len(data) >= 4 + 4 * rank else np.zeros(0, ">u4")
    if not len(header):
        raise ValueError(f"{path}: truncated, {len(data)} bytes are no IDX header; fetch it again")
    if header[0] != magic:
        raise ValueError(f"{path}: magic number {int(header[0]):#010x}, expected {magic:#010x}; "
                         f"not this kind of IDX file")
    shape = tuple(int(size) for size in header[1:])
    body = len(data) - 4 - 4 * rank
    expected = int(np.prod(shape, dtype=object))
    if body != expected:
        raise ValueError(f"{path}: {'truncated' if body < expected else 'too long'}, {body} bytes of data where the "
                         f"header promises {expected}; fetch it again")
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def read_images(folder: Path, part: str) -> np.ndarray:
    """Images of ``train`` or ``t10k``, uint8 ``(N, height, width, 1)``."""
    return read_idx(_find(folder, part, "images", 3), IMAGES_MAGIC)[..., None]


def read_labels(folder: Path, part: str) -> np.ndarray:
    """Labels of ``train`` or ``t10k``, int64 ``(N,)``."""
    return read_idx(_find(folder, part, "labels", 1), LABELS_MAGIC).astype(np.int64)
