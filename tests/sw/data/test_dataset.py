from pathlib import Path

import numpy as np
import pytest

from sw.data import DataError, Dataset, load_dataset
from sw.data.dataset import SPLITS
from sw.graph.graph import TensorType

MNIST = Path(__file__).parents[4] / "shared/data/mnist"


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def test_digits_are_all_there_once(digits):
    from sklearn.datasets import load_digits

    assert [len(digits.inputs[split]) for split in SPLITS] == [1257, 180, 360]
    everything = np.concatenate([digits.inputs[split] for split in SPLITS]).reshape(1797, 64)
    assert sorted(everything.tolist()) == sorted(load_digits().data.astype(int).tolist())
    assert digits.shape == (8, 8, 1)
    assert digits.classes == 10


def test_the_split_is_stratified_and_fixed(digits):
    for split in SPLITS:
        counts = np.bincount(digits.labels[split])
        assert counts.min() >= 0.9 * counts.max()
    again = load_dataset("digits")
    assert again.digest == digits.digest
    assert digits.digest.startswith("638d1b6c8ea1"), "the split or the data changed: stored results no longer compare"


def test_the_digest_sees_one_pixel(digits):
    changed = {split: images.copy() for split, images in digits.inputs.items()}
    changed["test"][7, 3, 3, 0] ^= 1
    other = Dataset(name="digits", classes=10, peak=16, seed=0, inputs=changed, labels=digits.labels)
    assert other.digest != digits.digest


def test_real_and_quantized_agree(digits):
    kind = TensorType(shape=digits.shape, scale=1 / 255, zero_point=-128)
    real, quantized = digits.real("test"), digits.quantized("test", kind)
    assert real.min() == 0
    assert real.max() == 1
    assert quantized.dtype == np.int8
    assert np.abs(kind.scale * (quantized.astype(int) - kind.zero_point) - real).max() <= kind.scale / 2 + 1e-6


@pytest.mark.parametrize("name, error", [
    ("cifar", r"data 'cifar': unknown; choose digits or mnist:PATH"),
    ("digits:x", r"take no path; write digits"),
    ("mnist", r"data 'mnist:': no such folder"),
    ("mnist:/nonexistent", r"data 'mnist:/nonexistent': no such folder"),
])
def test_wrong_names_are_one_clear_line(name, error):
    with pytest.raises(DataError, match=error) as caught:
        load_dataset(name)
    assert "\n" not in str(caught.value)


def test_labels_outside_the_classes_are_refused(digits):
    with pytest.raises(DataError, match=r"train has the label 9; there are 9 classes"):
        Dataset(name="digits", classes=9, peak=16, seed=0, inputs=digits.inputs, labels=digits.labels)


@pytest.mark.skipif(not MNIST.is_dir(), reason="the MNIST files are not beside this checkout")
def test_mnist_loads():
    data = load_dataset(f"mnist:{MNIST}")
    assert [len(data.inputs[split]) for split in SPLITS] == [55000, 5000, 10000]
    assert data.shape == (28, 28, 1)
    assert data.classes == 10
    assert data.peak == 255
    assert np.bincount(data.labels["test"]).min() > 800
