import numpy as np
import pytest

from sw.golden.kernels import OPERATORS, call_of, run_call
from sw.golden.movement import constant, copies, enlargement, in_four, merged, nearest, row_major, span
from sw.graph.layer import TensorType
from tests.support.layers import made_kernel

ROWS = np.arange(24, dtype=np.int8).reshape(2, 3, 4)


def kind(shape):
    return TensorType(shape=shape, scale=0.5, zero_point=3)


def moved(op, values, shape, *parameters):
    operands = values if isinstance(values, list) else [values]
    layer = made_kernel(op, kind(shape), parameters=parameters)
    found = OPERATORS[op].batch(layer, [kind(one.shape) for one in operands], [one[None] for one in operands])
    assert found.shape == (1, *shape)
    return found[0]


def test_gather_is_every_affine_movement():
    assert np.array_equal(moved("gather", ROWS, (4, 3, 2), 0, 1, 4, 12), ROWS.transpose(2, 1, 0))
    assert np.array_equal(moved("gather", ROWS, (2, 2, 2), 5, 12, 4, 2), ROWS[:, 1:, 1::2])
    assert np.array_equal(moved("gather", ROWS, (2, 3, 4), 3, 12, 4, -1), ROWS[..., ::-1])
    assert np.array_equal(moved("gather", ROWS, (2, 3, 2, 4), 0, 12, 4, 0, 1), ROWS[:, :, None].repeat(2, axis=2))


def test_concat_puts_operands_side_by_side():
    assert np.array_equal(moved("concat", [ROWS, -ROWS], (2, 3, 8), -1), np.concatenate([ROWS, -ROWS], axis=2))
    # an operand of rank 3 is one of the others' first axis
    four = np.stack([ROWS, -ROWS])
    assert np.array_equal(moved("concat", [four, ROWS], (3, 2, 3, 4), -4), np.stack([ROWS, -ROWS, ROWS]))


def test_pad_goes_before_behind_and_between():
    assert np.array_equal(moved("pad", ROWS, (2, 6, 4), 0, 0, 0, 1, 2, 0, 0, 0, 0, -9),
                          np.pad(ROWS, ((0, 0), (1, 2), (0, 0)), constant_values=-9))
    between = moved("pad", ROWS, (2, 7, 4), 0, 0, 0, 0, 0, 2, 0, 0, 0, 5)
    assert np.array_equal(between[:, ::3], ROWS) and np.unique(between[:, 1::3]).tolist() == [5]


def test_a_pad_that_adds_nothing_fills_nothing():
    layer = made_kernel("pad", kind((2, 3, 4)), parameters=(0,) * 9 + (1,))
    assert len(OPERATORS["pad"].calls(layer, [kind((2, 3, 4))], sources=[0], output=30)) == 1


@pytest.mark.parametrize("taken, given, flags, wanted", [
    (3, 6, (False, False), [0, 0, 1, 1, 2, 2]), (5, 3, (False, False), [0, 1, 3]),
    (3, 5, (True, False), [0, 1, 1, 2, 2]), (3, 5, (False, True), [0, 0, 1, 2, 2]), (7, 1, (True, False), [0])])
def test_the_nearest_row(taken, given, flags, wanted):
    assert [nearest(place, taken, given, *flags) for place in range(given)] == wanted


def test_what_lies_on_is_one_dimension():
    assert merged((2, 3, 4), (12, 4, 1), (12, 4, 1)) == ([24], [[1], [1]])
    assert merged((2, 3, 4), (12, 4, 1), (24, 4, 1)) == ([2, 12], [[12, 1], [24, 1]])
    assert merged((1, 1), (5, 6)) == ([], [[]])
    assert row_major((2, 3, 4)) == (12, 4, 1)


def test_more_than_four_dimensions_are_several():
    parts = list(in_four((2, 3, 1, 1, 1, 1), [(100, 10, 0, 0, 0, 0)]))
    assert [further for _, _, further in parts] == [(0,), (10,), (20,), (100,), (110,), (120,)]
    assert {counts for counts, _, _ in parts} == {(1, 1, 1, 1)}


def test_a_copy_reaches_no_further_than_it_says():
    task, = copies((2, 3, 2), (-12, 4, 1), (6, 2, 1), source=40, output=80)
    assert task.fields["run"] == 2
    assert span(40, (2, 3), (-12, 4), 2) == (28, 22)


def test_a_constant_of_any_size():
    for size in range(1, 9):
        memory, values = np.zeros(20, np.int8), -1 - np.arange(size, dtype=np.int8)
        run_call(call_of(constant(values, 5)), memory)
        assert memory.tolist() == [0] * 5 + values.tolist() + [0] * (15 - size)


@pytest.mark.parametrize("taken, given, parameters, factors", [
    ((2, 3, 4), (4, 9, 4), (0, 0), (2, 3)), ((2, 3, 4), (4, 9, 4), (0, 1), (2, 3)),
    ((2, 3, 4), (2, 3, 4), (1, 0), (1, 1)),
    ((2, 3, 4), (4, 9, 4), (1, 0), None),       # the last of each lie at the ends: other rows stand twice
    ((2, 3, 4), (5, 6, 4), (0, 0), None), ((4, 4, 2), (2, 2, 2), (0, 0), None)])
def test_an_enlargement_repeats_rows_and_columns(taken, given, parameters, factors):
    layer = made_kernel("resize", kind(given), parameters=parameters)
    assert enlargement(layer, kind(taken)) == factors
    if factors:
        values = np.arange(np.prod(taken), dtype=np.int8).reshape(taken)
        assert np.array_equal(moved("resize", values, given, *parameters),
                              values.repeat(factors[0], axis=0).repeat(factors[1], axis=1))
