import numpy as np
import pytest

from sw.data import DataError, load_dataset
from sw.data.augment import Shift
from sw.data.dataset import SPLITS


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def test_digits_are_all_there_once(digits):
    from sklearn.datasets import load_digits

    assert [len(digits.inputs[split]) for split in SPLITS] == [1257, 180, 360]
    everything = np.concatenate([digits.inputs[split] for split in SPLITS]).reshape(1797, 64)
    assert sorted(everything.tolist()) == sorted(load_digits().data.astype(int).tolist())
    assert (digits.shape, digits.classes, digits.augmentations) == ((8, 8, 1), 10, (Shift(rows=1, columns=1),))
    assert digits.warnings == ()
    assert (digits.real("train").min(), digits.real("train").max()) == (0, 1)


def test_the_split_is_stratified_and_fixed(digits):
    for split in SPLITS:
        counts = np.bincount(digits.labels[split])
        assert counts.min() >= 0.9 * counts.max()
    again = load_dataset("digits")
    assert again.digest == digits.digest
    assert digits.digest.startswith("2bf80378c6ac"), "the split or the data changed: stored results no longer compare"


def test_digits_take_no_path():
    with pytest.raises(DataError, match=r"data 'digits:x': .* take no path; write digits"):
        load_dataset("digits:x")


def test_another_seed_and_another_share():
    other = load_dataset("digits,seed=1,valid=0.25,augment=none")
    assert [len(other.inputs[split]) for split in SPLITS] == [1078, 359, 360]
    assert (other.seed, other.augmentations) == (1, ())
    assert other.digest != load_dataset("digits,valid=0.25,augment=none").digest
