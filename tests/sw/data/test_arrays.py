import numpy as np
import pytest

from sw.data import DataError, load_dataset
from sw.data.augment import Noise, Shift, TimeShift

RNG = np.random.default_rng(0)
Y = np.arange(60) % 3


def numbers(*shape, kind=np.float32):
    return (RNG.normal(0, 30, (60, *shape)) + 100).clip(0, 200).astype(kind)


@pytest.fixture
def npz(tmp_path):
    def save(options="", **arrays):
        np.savez(tmp_path / "set.npz", **arrays)
        return load_dataset(f"npz:{tmp_path / 'set.npz'}{options}")
    return save


def test_splits_that_are_given_are_kept(npz):
    x = numbers(4)
    data = npz(x_train=x, y_train=Y, x_test=x[:9], y_test=Y[:9], x_valid=x[9:18], y_valid=Y[9:18])
    for split, part in (("train", slice(None)), ("test", slice(0, 9)), ("valid", slice(9, 18))):
        np.testing.assert_array_equal(data.inputs[split], x[part])
        np.testing.assert_array_equal(data.labels[split], Y[part])
    assert (data.shape, data.classes, data.augmentations, data.scale) == ((1, 1, 4), 3, (), 1.0)
    again = npz(train_images=x, train_labels=Y[:, None], test_images=x[:9], test_labels=Y[:9, None],
                val_images=x[9:18], val_labels=Y[9:18, None], other=np.zeros(3))
    assert again.digest == data.digest


def test_splits_are_made_with_a_seed_where_there_are_none(npz):
    x = numbers(4)
    data = npz(x=x, y=Y)
    assert {split: len(labels) for split, labels in data.labels.items()} == {"train": 44, "valid": 4, "test": 12}
    together = np.concatenate([data.inputs[split] for split in data.inputs])
    assert sorted(together.tolist()) == sorted(x.tolist())
    assert npz(x=x, y=Y).digest == data.digest
    other = npz(",seed=1", x=x, y=Y)
    assert (other.seed, other.digest == data.digest) == (1, False)
    wider = npz(",test=0.5,valid=0.5", x=x, y=Y)
    assert [len(wider.labels[split]) for split in ("train", "valid", "test")] == [15, 15, 30]


@pytest.mark.parametrize("shape, kind, layout, seen, changes", [
    ((5,), np.float64, "", (1, 1, 5), ()),
    ((5,), np.float32, "lc", (1, 5, 1), (TimeShift(steps=0), Noise(share=0.05))),
    ((40, 2), np.float32, "", (1, 40, 2), (TimeShift(steps=2), Noise(share=0.05))),
    ((2, 40), np.float32, "cl", (1, 40, 2), (TimeShift(steps=2), Noise(share=0.05))),
    ((6, 7), np.uint8, "", (6, 7, 1), (Shift(rows=1, columns=1),)),
    ((6, 7), np.float32, "hw", (6, 7, 1), (Shift(rows=1, columns=1),)),
    ((6, 7, 3), np.uint8, "", (6, 7, 3), (Shift(rows=1, columns=1),)),
    ((3, 6, 7), np.float32, "chw", (6, 7, 3), (Shift(rows=1, columns=1),)),
    ((3, 6, 7), np.float32, "hwc", (3, 6, 7), (Shift(rows=1, columns=1),))])
def test_ranks_and_layouts(npz, shape, kind, layout, seen, changes):
    x = numbers(*shape, kind=kind)
    data = npz(f",layout={layout}" if layout else "", x_train=x, y_train=Y, x_test=x, y_test=Y)
    assert (data.shape, data.augmentations) == (seen, changes)
    first = np.moveaxis(x, 1, -1) if layout in ("chw", "cl") else x
    np.testing.assert_array_equal(data.inputs["test"].ravel(), first.ravel().astype(data.inputs["test"].dtype))


@pytest.mark.parametrize("kind, stored, scale", [
    (np.uint8, np.uint8, 1 / 255), (np.int8, np.int8, 1), (np.int64, np.int32, 1), (np.uint16, np.uint16, 1),
    (np.float16, np.float32, 1), (np.float64, np.float32, 1), (">i2", np.int16, 1)])
def test_types_of_numbers(npz, kind, stored, scale):
    data = npz(x=numbers(4, kind=np.float32).clip(0, 100).astype(kind), y=Y)
    assert (data.inputs["train"].dtype, data.scale) == (stored, scale)


def test_truths_are_bytes(npz):
    assert npz(x=numbers(9) > 100, y=Y).range == (0, pytest.approx(1 / 255))


def test_labels_that_are_texts_name_the_classes(npz):
    data = npz(x=numbers(4), y=np.array(["walk", "run", "sit"])[Y])
    assert (data.class_names, data.called(0)) == (("run", "sit", "walk"), "run")
    named = npz(x=numbers(4), y=Y, classes=np.array(["a", "b", "c"]))
    assert named.class_names == ("a", "b", "c")
    assert npz(x=numbers(4), y=Y).called(2) == "2"


def test_standardizing_is_by_the_training_split_and_kept(npz):
    x = numbers(4) * np.array([1, 1000, 1, 0], np.float32)
    plain, data = npz(x=x, y=Y), npz(",standardize=1", x=x, y=Y)
    assert "as standardize=1 does" in plain.warnings[0]
    assert data.warnings == ()
    assert np.allclose(data.inputs["train"][:, :3].mean(0), 0, atol=1e-5)
    assert np.allclose(data.inputs["train"][:, :3].std(0), 1, atol=1e-5)
    means, deviations = np.array(data.standard).T
    assert np.allclose(data.inputs["test"] * deviations + means, plain.inputs["test"], rtol=1e-4, atol=1e-3)
    assert deviations[3] == 1
    bytes_ = npz(",standardize=1", x=numbers(4, kind=np.uint8), y=Y)
    assert (bytes_.inputs["train"].dtype, bytes_.scale) == (np.float32, 1.0)


def test_changes_by_name(npz):
    assert npz(",augment=noise:0.5", x=numbers(4), y=Y).augmentations == (Noise(share=0.5),)
    assert npz(",augment=none", x=numbers(40, 2), y=Y).augmentations == ()
    with pytest.raises(DataError, match=r"augment=shift: rows=1: an input with 1 rows moves by 0 to 0"):
        npz(",augment=shift:1", x=numbers(40, 2), y=Y)


@pytest.mark.parametrize("options, arrays, error", [
    ("", {"a": Y}, r"set.npz: no x_train; there is a: name them x_train, y_train, x_test, y_test, or x and y"),
    ("", {"x_train": numbers(3), "x_test": numbers(3), "y_test": Y}, r"no y_train; there is x_train, x_test, y_test:"),
    ("", {"x_test": numbers(3), "y_test": Y}, r"has x_test, y_test, but no x_train; add it"),
    ("", {"x": numbers(3), "y": Y[:50]}, r"set.npz: x: 60 inputs, but \S+set.npz: y has 50 labels"),
    ("", {"x": numbers(2, 2, 2, 2), "y": Y}, r"x: rank 5; give \(N, features\), "),
    ("", {"x": Y, "y": Y}, r"x: rank 1; give"),
    ("", {"x": numbers(3, 6, 7), "y": Y}, r"x: inputs of 3x6x7 look as if channels came first; add layout=chw, or"),
    (",layout=chw", {"x": numbers(3, 6), "y": Y}, r"x: layout=chw for inputs of 2 axes; write hw, lc or cl"),
    (",layout=hw", {"x": numbers(3), "y": Y}, r"x: layout=hw for inputs of one axis; leave it out"),
    (",layout=nhwc", {"x": numbers(3), "y": Y}, r"layout=nhwc: write one of hwc, chw, hw, lc, cl"),
    ("", {"x": numbers(3).astype(complex), "y": Y}, r"x: values are complex128; give floats or whole numbers"),
    ("", {"x": np.full((60, 2), 1 << 40), "y": Y}, r"x: whole numbers of more than 32 bits; give floats"),
    ("", {"x": np.array([None] * 60), "y": Y}, r"x cannot be read \(Object arrays .*\); save plain numbers or texts"),
    ("", {"x": numbers(3), "y": np.eye(60)}, r"y: labels of shape 60x60; give the number of a class"),
    ("", {"x": np.full((60, 2), np.nan), "y": Y}, r"has a value that is not finite"),
    (",test=0.3", {"x_train": numbers(3), "y_train": Y, "x_test": numbers(3), "y_test": Y},
     r"test=0.3: \S+ x_test is the test split; leave the option out"),
    (",valid=0.3", {"x_train": numbers(3), "y_train": Y, "x_valid": numbers(3), "y_valid": Y},
     r"valid=0.3: \S+ x_valid is the valid split; leave"),
    ("", {"x_train": numbers(3), "y_train": Y, "x_test": numbers(4), "y_test": Y}, r"x_test: inputs of 4 float32, but"),
    ("", {"x": numbers(3), "y": np.array(["a", "b", "only"])[np.array([0, 1] * 29 + [2, 0])]},
     r"y: class 'only' has fewer than three inputs, one each to train on, to choose networks by and to test"),
])
def test_what_cannot_be_used_names_the_array(npz, options, arrays, error):
    with pytest.raises(DataError, match=error) as caught:
        npz(options, **arrays)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content, error", [
    (None, r"data 'npz:\S+set.npz': no such file; give one that numpy.savez wrote"),
    (b"PK\x03\x04 and then nothing", r"set.npz: cannot be read"), (b"no archive", r"set.npz: is no .npz file"),
    (b"", r"set.npz: (cannot be read|is no .npz file)")])
def test_damage_is_one_line(tmp_path, content, error):
    if content is not None:
        (tmp_path / "set.npz").write_bytes(content)
    with pytest.raises(DataError, match=error) as caught:
        load_dataset(f"npz:{tmp_path / 'set.npz'}")
    assert "\n" not in str(caught.value)


def test_a_truncated_archive_and_a_single_array(tmp_path):
    path = tmp_path / "set.npz"
    np.savez_compressed(path, x=numbers(40), y=Y)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="cannot be read"):
        load_dataset(f"npz:{path}")
    with path.open("wb") as file:
        np.save(file, Y)
    with pytest.raises(DataError, match="is one array; save two, x and y"):
        load_dataset(f"npz:{path}")
