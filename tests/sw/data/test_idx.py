import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from sw.data import DataError, load_dataset
from sw.data.augment import Shift
from sw.data.dataset import SPLITS
from sw.data.idx import TYPES, read_idx

SHARED = Path(__file__).parents[4] / "shared"
MNIST = SHARED / "data/mnist"
CASES = SHARED / "cases/idx"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the small data sets are not beside this checkout")


def idx(array, code=0x08):
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return head + array.astype(TYPES[code]).tobytes()


def write(folder, shape=(4, 5), code=0x08, labels_code=0x08, gz=False):
    """A small data set in MNIST's four files: 48 + 24 inputs of 4 classes."""
    rng = np.random.default_rng(0)
    pack, end = (gzip.compress, ".gz") if gz else (bytes, "")
    for part, count in (("train", 48), ("t10k", 24)):
        images, labels = rng.integers(0, 128, (count, *shape)), np.arange(count) % 4
        (folder / f"{part}-images-idx{1 + len(shape)}-ubyte").write_bytes(idx(images, code))
        (folder / f"{part}-labels-idx1-ubyte{end}").write_bytes(pack(idx(labels, labels_code)))


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, gz=True)
    return tmp_path


def test_raw_and_packed_files_load(folder):
    data = load_dataset(f"mnist:{folder}")
    assert {split: images.shape for split, images in data.inputs.items()} == {
        "train": (44, 4, 5, 1), "valid": (4, 4, 5, 1), "test": (24, 4, 5, 1)}
    assert data.classes == 4
    assert data.labels["test"].tolist() == [0, 1, 2, 3] * 6
    assert load_dataset(f"idx:{folder}").digest == data.digest


@pytest.mark.parametrize("shape, stored, seen, moves", [
    ((), (1,), (1, 1, 1), False), ((6,), (6,), (1, 1, 6), False), ((4, 5), (4, 5, 1), (4, 5, 1), True),
    ((1, 6), (1, 6, 1), (1, 6, 1), False), ((6, 1), (6, 1, 1), (6, 1, 1), False),
    ((4, 5, 3), (4, 5, 3), (4, 5, 3), True)])
def test_any_rank_loads_and_only_images_may_move(tmp_path, shape, stored, seen, moves):
    write(tmp_path, shape)
    data = load_dataset(f"mnist:{tmp_path}")
    assert data.inputs["train"].shape[1:] == stored
    assert (data.shape, data.augmentations) == (seen, (Shift(rows=1, columns=1),) if moves else ())


@pytest.mark.parametrize("code, kind, scale", [
    (0x08, np.uint8, 1 / 255), (0x09, np.int8, 1), (0x0B, np.int16, 1), (0x0C, np.int32, 1), (0x0D, np.float32, 1),
    (0x0E, np.float32, 1)])
def test_any_type_of_number_loads(tmp_path, code, kind, scale):
    write(tmp_path, (3,), code)
    data = load_dataset(f"mnist:{tmp_path}")
    assert (data.inputs["test"].dtype, data.scale) == (kind, scale)
    plain = np.random.default_rng(0)
    plain.integers(0, 128, (48, 3))
    np.testing.assert_array_equal(data.inputs["test"], plain.integers(0, 128, (24, 3)))


def test_negative_numbers_keep_their_sign(tmp_path):
    (tmp_path / "x").write_bytes(idx(np.array([-3, 300, 0]), 0x0B))
    assert read_idx(tmp_path / "x").tolist() == [-3, 300, 0]
    (tmp_path / "x").write_bytes(idx(np.array([[-0.5], [2.25]]), 0x0E))
    assert read_idx(tmp_path / "x").tolist() == [[-0.5], [2.25]]


def test_labels_of_any_whole_type(tmp_path):
    write(tmp_path, labels_code=0x0C)
    assert load_dataset(f"mnist:{tmp_path}").labels["test"].tolist() == [0, 1, 2, 3] * 6


def truncate(path):
    path.write_bytes(path.read_bytes()[:-3])


def float_magic(path):
    path.write_bytes(b"\0\0\x0d\x03" + path.read_bytes()[4:])


def other_magic(path):
    path.write_bytes(b"\x89PNG" + path.read_bytes()[4:])


def shorten(path):
    path.write_bytes(path.read_bytes()[:7])


def lengthen(path):
    path.write_bytes(path.read_bytes() + b"x")


def twice(path):
    path.with_name("t10k-images-idx4-ubyte").write_bytes(path.read_bytes())


@pytest.mark.parametrize("file, damage, error", [
    ("train-images-idx3-ubyte", lambda path: path.unlink(), r"train-images-idx3-ubyte: no such file \(nor with .gz\)"),
    ("t10k-images-idx3-ubyte", truncate, r"t10k-images-idx3-ubyte: truncated, 477 bytes of data where .* 480"),
    ("t10k-images-idx3-ubyte", lengthen, r"too long, 481 bytes"),
    ("t10k-images-idx3-ubyte", shorten, r"truncated, 7 bytes are no IDX header"),
    ("t10k-images-idx3-ubyte", twice, r"both t10k-images-idx3-ubyte and t10k-images-idx4-ubyte; keep the one"),
    ("train-images-idx3-ubyte", float_magic, r"train-images-idx3-ubyte: truncated, 960 bytes of data where .* 3840"),
    ("train-images-idx3-ubyte", other_magic, r"magic number 0x89504e47 is no IDX file's; it starts with two zero"),
    ("train-images-idx3-ubyte", lambda path: path.write_bytes(idx(np.zeros((48, 1, 1, 1, 1)))),
     r"train-images-idx3-ubyte: rank 5; give \(N, height, width, channels\) or fewer axes"),
    ("train-labels-idx1-ubyte.gz", truncate, r"train-labels-idx1-ubyte.gz: cannot be read"),
    ("train-labels-idx1-ubyte.gz", lambda path: path.write_bytes(gzip.compress(idx(np.arange(7)))),
     r"train-images-idx3-ubyte: 48 images, but \S+train-labels-idx1-ubyte.gz has 7 labels"),
    ("train-labels-idx1-ubyte.gz", lambda path: path.write_bytes(gzip.compress(idx(np.zeros((48, 2))))),
     r"train-labels-idx1-ubyte.gz: uint8 of rank 2; labels are whole numbers of rank 1"),
    ("train-labels-idx1-ubyte.gz", lambda path: path.write_bytes(gzip.compress(idx(np.zeros(48), 0x0D))),
     r"train-labels-idx1-ubyte.gz: float32 of rank 1; labels are whole numbers"),
    ("train-labels-idx1-ubyte.gz", lambda path: path.write_bytes(b"no gzip"), r"cannot be read"),
])
def test_damage_is_one_clear_line(folder, file, damage, error):
    damage(folder / file)
    with pytest.raises(DataError, match=error) as caught:
        load_dataset(f"mnist:{folder}")
    assert "\n" not in str(caught.value)


@needs_cases
def test_one_image_of_a_class_names_file_and_class():
    with pytest.raises(DataError, match=r"one_of_a_class/train-labels-idx1-ubyte: class 3 has one image, two are"):
        load_dataset(f"mnist:{CASES / 'one_of_a_class'}")


@needs_cases
def test_test_images_of_another_size_name_both_files():
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte: images of 9x8x1 .*train-images-idx3-ubyte .* 8x8x1"):
        load_dataset(f"mnist:{CASES / 'other_test_size'}")


@needs_cases
def test_a_gap_in_the_labels_is_a_warning():
    (warning,) = load_dataset(f"mnist:{CASES / 'label_gap'}").warnings
    assert "label_gap/train-labels-idx1-ubyte: class 2 has no image" in warning


@needs_cases
def test_colour_and_tables_load():
    colour, table = (load_dataset(f"mnist:{CASES / name}") for name in ("rgb_idx4", "tabular_1x6"))
    assert (colour.shape, colour.augmentations, colour.warnings) == ((12, 12, 3), (Shift(rows=1, columns=1),), ())
    assert (table.shape, table.augmentations, table.warnings) == ((1, 6, 1), (), ())


@pytest.mark.skipif(not MNIST.is_dir(), reason="the MNIST files are not beside this checkout")
def test_mnist_loads():
    data = load_dataset(f"mnist:{MNIST}")
    assert [len(data.inputs[split]) for split in SPLITS] == [55000, 5000, 10000]
    assert (data.shape, data.classes, data.range, data.warnings) == ((28, 28, 1), 10, (0, 1), ())
    assert np.bincount(data.labels["test"]).min() > 800
    assert (data.real("test") == data.inputs["test"].astype(np.float32) / np.float32(255)).all()
