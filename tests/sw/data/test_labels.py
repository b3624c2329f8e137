import numpy as np
import pytest

from sw.data import DataError
from sw.data.labels import number_labels, whole_labels


def test_texts_become_numbers_of_all_their_classes():
    found, names = number_labels([np.array(["b", "a", "b"]), np.array(["c"])], "file")
    assert names == ("a", "b", "c")
    assert [each.tolist() for each in found] == [[1, 0, 1], [2]]
    assert found[0].dtype == np.int64
    assert number_labels([np.array(["10", "9", "1"])], "file")[1] == ("1", "9", "10")


@pytest.mark.parametrize("labels", [np.array([0, 1], np.uint8), np.array([[0], [1]]), np.array([0.0, 1.0]),
                                    np.array([False, True])])
def test_whole_numbers_of_any_type(labels):
    found = whole_labels(labels, "file")
    assert (found.dtype, found.tolist()) == (np.int64, [0, 1])


@pytest.mark.parametrize("call, error", [
    (lambda: whole_labels(np.eye(3), "f: y"), r"^f: y: labels of shape 3x3; give the number of a class for each"),
    (lambda: whole_labels(np.array([0.5]), "f: y"), r"^f: y: labels float64 are no numbers of classes; give whole"),
    (lambda: whole_labels(np.array([np.nan]), "f: y"), r"labels float64 are no numbers"),
    (lambda: whole_labels(np.array([None]), "f: y"), r"labels object are no numbers"),
    (lambda: number_labels([np.arange(5000).astype(str)], "f"), r"^f: 5000 different labels, such as '0' and '1'; up"),
    (lambda: number_labels([np.array(["a", ""])], "f"), r"^f: an input without a label; give it one, or leave it out"),
])
def test_what_are_no_labels_is_one_line(call, error):
    with pytest.raises(DataError, match=error) as caught:
        call()
    assert "\n" not in str(caught.value)
