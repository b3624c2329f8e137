from dataclasses import replace

import numpy as np
import pytest

from sw.data import DataError, load_dataset
from sw.data.anomalies import learning_normal


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def test_only_normal_inputs_are_trained_on_and_all_are_told_apart(digits):
    found = learning_normal(digits, "3+4")
    normal = np.isin(digits.labels["train"], [3, 4])
    assert np.array_equal(found.inputs["train"], digits.inputs["train"][normal]) and not found.labels["train"].any()
    for split in ("valid", "test"):
        assert np.array_equal(found.inputs[split], digits.inputs[split])
        assert np.array_equal(found.labels[split], ~np.isin(digits.labels[split], [3, 4]))
    assert (found.outputs, found.metric, found.classes) == (64, "auc", 2)
    assert (digits.outputs, digits.metric) == (10, "accuracy")


def test_it_is_an_option_of_every_source_and_another_data_set(digits, tmp_path):
    found = load_dataset("digits,normal=3")
    assert found.reconstructs and found.digest != digits.digest
    (tmp_path / "mine.py").write_text("import numpy as np\n\ndef made():\n    rng = np.random.default_rng(1)\n"
                                      "    return rng.normal(0, 1, (60, 4)), np.arange(60) % 3\n")
    mine = load_dataset(f"{tmp_path / 'mine.py'}:made,normal=0+1")
    assert mine.reconstructs and set(mine.labels["test"]) == {0, 1}


def test_what_was_wrong_with_the_data_is_still_said(digits):
    assert learning_normal(replace(digits, warnings=("too dark",)), "3").warnings == ("too dark",)


def test_names_of_files_stay_with_their_inputs(digits):
    names = {split: tuple(f"{split}{number}" for number in range(len(digits.labels[split])))
             for split in ("train", "test")}
    found = learning_normal(replace(digits, names=names), "7")
    kept = np.flatnonzero(digits.labels["train"] == 7)
    assert found.names == {"train": tuple(f"train{number}" for number in kept), "test": names["test"]}


@pytest.mark.parametrize("normal, says", [
    ("11", "no class '11'; there are 0, 1, 2"),
    ("+".join(map(str, range(10))), "the valid split has normal inputs alone"),
    ("0+", "no class ''")])
def test_what_cannot_be_told_apart_is_refused(digits, normal, says):
    with pytest.raises(DataError, match=says):
        learning_normal(digits, normal)
