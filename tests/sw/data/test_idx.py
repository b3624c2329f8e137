import gzip
import struct

import numpy as np
import pytest

from sw.data import DataError, load_dataset
from sw.data.idx import IMAGES_MAGIC, LABELS_MAGIC


def idx(magic, array):
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path):
    """A small data set in MNIST's four files: 48 + 24 images of 4x5, half of the files packed."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 48), ("t10k", 24)):
        images, labels = rng.integers(0, 256, (count, 4, 5)), np.arange(count) % 4
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(IMAGES_MAGIC, images))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS_MAGIC, labels)))
    return tmp_path


def test_raw_and_packed_files_load(folder):
    data = load_dataset(f"mnist:{folder}")
    assert {split: images.shape for split, images in data.inputs.items()} == {
        "train": (44, 4, 5, 1), "valid": (4, 4, 5, 1), "test": (24, 4, 5, 1)}
    assert data.classes == 4
    assert data.labels["test"].tolist() == [0, 1, 2, 3] * 6


def truncate(path):
    path.write_bytes(path.read_bytes()[:-3])


def swap_magic(path):
    path.write_bytes(b"\0\0\x0d\x03" + path.read_bytes()[4:])


def shorten(path):
    path.write_bytes(path.read_bytes()[:7])


def lengthen(path):
    path.write_bytes(path.read_bytes() + b"x")


@pytest.mark.parametrize("file, damage, error", [
    ("train-images-idx3-ubyte", lambda path: path.unlink(), r"train-images-idx3-ubyte: no such file \(nor with .gz\)"),
    ("t10k-images-idx3-ubyte", truncate, r"t10k-images-idx3-ubyte: truncated, 477 bytes of data where .* 480"),
    ("t10k-images-idx3-ubyte", lengthen, r"too long, 481 bytes"),
    ("t10k-images-idx3-ubyte", shorten, r"truncated, 7 bytes are no IDX header"),
    ("train-images-idx3-ubyte", swap_magic, r"magic number 0x00000d03, expected 0x00000803"),
    ("train-labels-idx1-ubyte.gz", truncate, r"train-labels-idx1-ubyte.gz: cannot be read"),
    ("train-labels-idx1-ubyte.gz", lambda path: path.write_bytes(gzip.compress(idx(LABELS_MAGIC, np.arange(7)))),
     r"train has 48 images but 7 labels"),
    ("train-labels-idx1-ubyte.gz", lambda path: path.write_bytes(b"no gzip"), r"cannot be read"),
])
def test_damage_is_one_clear_line(folder, file, damage, error):
    damage(folder / file)
    with pytest.raises(DataError, match=error) as caught:
        load_dataset(f"mnist:{folder}")
    assert "\n" not in str(caught.value)
