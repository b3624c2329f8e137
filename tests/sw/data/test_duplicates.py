import numpy as np

from sw.data import Dataset
from sw.data.duplicates import find_duplicates


def dataset(**splits):
    labels = {split: np.array([label for _, label in pairs]) for split, pairs in splits.items()}
    inputs = {split: np.array([[value, value] for value, _ in pairs], np.float32) for split, pairs in splits.items()}
    return Dataset(name="some", classes=3, seed=0, inputs=inputs, labels=labels,
                   names={"test": tuple(f"t{number}.png" for number in range(len(splits["test"])))})


def test_the_first_of_its_kind_is_named():
    data = dataset(train=[(1, 0), (2, 1), (1, 0)], valid=[(3, 0), (2, 2)], test=[(4, 1), (1, 0)])
    found = find_duplicates(data)
    assert [(each.split, each.input, each.of_split, each.of_input) for each in found] == [
        ("train", "2", "train", "0"), ("valid", "1", "train", "1"), ("test", "t1.png", "train", "0")]
    assert [each.across for each in found] == [False, True, True]
    assert [each.contradicts for each in found] == [False, True, False]
    assert (found[1].label, found[1].of_label) == (2, 1)


def test_none_where_all_differ():
    assert find_duplicates(dataset(train=[(1, 0), (2, 1)], valid=[(3, 0)], test=[(4, 1)])) == []
