import numpy as np
import pytest

from sw.data import DataError
from sw.data.split import divide, hold_back, order_names

LABELS = np.arange(120) % 3
SPEAKERS = np.array([f"s{number // 20}" for number in range(120)])       # six, each with all classes
RUNS = np.array([str(number // 10) for number in range(120)])
OF_RUNS = (np.arange(120) // 10) % 3                                     # twelve recordings, each of one class


def held(labels, groups, wanted="", share=0.2, seed=0):
    stay, out = hold_back(labels, groups, wanted, share=share, seed=seed, where="file: test")
    assert sorted([*stay, *out]) == list(range(len(labels)))
    return stay, out


def test_classes_are_in_proportion_and_the_seed_decides():
    stay, out = held(LABELS, None)
    assert np.bincount(LABELS[out]).tolist() == [8, 8, 8]
    assert held(LABELS, None)[1].tolist() == out.tolist()
    assert held(LABELS, None, seed=1)[1].tolist() != out.tolist()
    assert len(held(LABELS, None, "0.5")[1]) == 60
    assert divide(LABELS, 24)[1].tolist() == out.tolist()


def test_as_many_are_held_back_as_there_are_classes_at_least():
    assert np.bincount(LABELS[held(LABELS, None, share=0.001)[1]]).tolist() == [1, 1, 1]


@pytest.mark.parametrize("labels, groups", [(LABELS, SPEAKERS), (OF_RUNS, RUNS)])
@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_in_two_parts(labels, groups, seed):
    stay, out = held(labels, groups, seed=seed)
    assert not set(groups[stay]) & set(groups[out])
    assert set(labels[out]) == set(labels[stay]) == {0, 1, 2}
    assert 12 <= len(out) <= 40


def test_a_split_that_knows_no_groups_would_share_them():
    """So the test above can fail."""
    stay, out = held(LABELS, None)
    assert set(SPEAKERS[stay]) & set(SPEAKERS[out])


@pytest.mark.parametrize("wanted, groups", [
    ("s1", {"s1"}), ("s1,s4", {"s1", "s4"})])
def test_groups_by_name(wanted, groups):
    assert set(SPEAKERS[held(LABELS, SPEAKERS, wanted)[1]]) == groups


def test_groups_by_number():
    assert set(RUNS[held(OF_RUNS, RUNS, "0-4")[1]]) == set("01234")
    assert set(RUNS[held(OF_RUNS, RUNS, "10-11,3")[1]]) == {"10", "11", "3"}
    assert set(RUNS[held(OF_RUNS, RUNS, "1")[1]]) == {"1"}                  # a name before a share


@pytest.mark.parametrize("labels, groups, wanted, error", [
    (LABELS, SPEAKERS, "theo", r"file: test: no group 'theo'; there are s0, s1, s2, s3, s4, s5$"),
    (OF_RUNS, RUNS, "20-30", r"no group '20-30'; there are 0, 1, 2, 3, 4, 5, 6, 7 and 4 more"),
    (LABELS, None, "theo", r"'theo' is no share of the inputs, and there are no groups to name; write a share such"),
    (LABELS, None, "1.5", r"a share of 1.5 of the inputs; write one between 0 and 1$"),
    (LABELS, SPEAKERS, "0", r"a share of 0 of the inputs; write one between 0 and 1, or names of groups"),
    (LABELS, SPEAKERS, "s0,s1,s2,s3,s4,s5", r"is all there is; leave some to train on"),
    (LABELS, np.full(120, "s0"), "", r"all inputs are of one group \(s0\), which cannot be split without telling"),
    (OF_RUNS[:40], RUNS[:40], "", r"4 groups of 3 classes are too few; each class needs one to train on"),
    (LABELS[:4], None, "0.9", r"4 inputs of 3 classes are too few to hold back 4"),
])
def test_what_cannot_be_split_is_one_line(labels, groups, wanted, error):
    with pytest.raises(DataError, match=error) as caught:
        held(labels, groups, wanted)
    assert "\n" not in str(caught.value)


def test_names_are_in_their_order():
    assert order_names(["yes", "no", "10", "9", "no"]) == ["9", "10", "no", "yes"]
