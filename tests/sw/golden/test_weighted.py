"""Layers with weights on the CPU: the words of their calls, and sums that wrap."""

from dataclasses import replace

import numpy as np
import pytest

from sw.golden.reference import reference_layer
from sw.golden.weighted import weighted, weighted_plain, weighted_tasks
from sw.graph.layer import TensorType
from tests.support.layers import made_kernel, random_layer, shifted_left


def kind(*shape):
    return TensorType(shape=shape, scale=0.1, zero_point=3)


def numbered(op, taken, output, shape, pairs, **fields):
    """Weights 1, 2, 3 and so on, as they lie in the layer."""
    weights = np.arange(1, 1 + np.prod(shape)).reshape(shape).astype(np.int8)
    bias = -np.arange(1, 1 + len(pairs), dtype=np.int32)
    return made_kernel(op, output, pairs, weights=weights, bias=bias, **fields), [taken]


def bytes_of(words):
    return np.array(words, "<u4").view(np.int8).tolist()


def test_a_table_is_records_and_then_words_of_four_outputs():
    layer, taken = numbered("dense", kind(1, 1, 2), kind(1, 1, 5), (5, 2), [(7, 1), (8, -2), (9, 0), (10, 3), (11, 4)])
    task, = weighted_tasks(layer, taken, [40], 50)
    minus = 1 << 32
    assert task.table[:8] == [minus - 1, 7, 0, 1, minus - 2, 8, 2, 0]
    assert bytes_of(task.table[20:]) == [1, 3, 5, 7, 2, 4, 6, 8, 9, 0, 0, 0, 10, 0, 0, 0]
    assert [task.fields[name] for name in ("source", "output", "channels", "each")] == [40, 50, 2, 5]


def test_no_word_has_weights_of_two_groups():
    pairs = [(1, 0)] * 4
    layer, taken = numbered("depthwise", kind(1, 2, 2), kind(1, 1, 4), (1, 2, 4), pairs)
    task, = weighted_tasks(layer, taken, [0], 50)
    assert bytes_of(task.table[16:]) == [1, 2, 0, 0, 5, 6, 0, 0, 3, 4, 0, 0, 7, 8, 0, 0]
    layer, taken = numbered("conv", kind(1, 2, 2), kind(1, 1, 4), (4, 1, 2, 1), pairs)
    task, = weighted_tasks(layer, taken, [0], 50)
    assert bytes_of(task.table[16:]) == [1, 3, 0, 0, 2, 4, 0, 0, 5, 7, 0, 0, 6, 8, 0, 0]
    assert (task.fields["inputs"], task.fields["each"]) == (1, 2)


def test_a_tap_outside_adds_nothing():
    """One output sees the input's only pixel with its middle tap: 10 * (20 - 3)."""
    weights = np.full((1, 3, 3, 1), 127, np.int8)
    weights[0, 1, 1] = 10
    layer = made_kernel("conv", kind(1, 1, 1), [(1 << 30, 0)], weights=weights, bias=np.zeros(1, np.int32),
                        padding=(1, 1, 1, 1))
    assert weighted(layer, [kind(1, 1, 1)], [np.full((1, 1, 1, 1), 20, np.int8)]).item() == 85 + 3


@pytest.mark.parametrize("bias, shift, want", [
    ((1 << 31) - 1, 0, -128),                  # and a sum of 10 wrap
    ((1 << 30) - 10, -1, -128), ((1 << 30) - 11, -1, 127), ((1 << 30) - 10, 0, 127),      # left shifts wrap
    (-10, -22, 0), (-9, -22, 127), (-11, -22, -128), ((1 << 20) - 10, -12, 0)])
def test_sums_have_32_bits(bias, shift, want):
    layer = made_kernel("dense", TensorType(shape=(1, 1, 1), scale=0.1, zero_point=0), [(1 << 30, shift)],
                        weights=np.full((1, 1), 2, np.int8), bias=np.array([bias], np.int32))
    taken, data = [kind(1, 1, 1)], np.full((1, 1, 1), 8, np.int8)
    assert weighted(layer, taken, [data[None]]).item() == weighted_plain(layer, taken, [data]).item() == want


@pytest.mark.parametrize("op", ["conv", "depthwise", "dense"])
def test_a_shift_to_the_left_is_a_factor(op):
    """What it multiplies by and a smaller multiplier are nearly the same."""
    taken = kind(4, 4, 4)
    layer = random_layer(np.random.default_rng(1), op, taken)
    data = np.random.default_rng(2).integers(-128, 128, (3, *taken.shape)).astype(np.int8)
    usual, left = (weighted(one, [taken], [data]).astype(int) for one in (layer, shifted_left(layer)))
    assert np.abs(usual - left).max() <= 1 and len(np.unique(usual)) > 5
    wrong = replace(shifted_left(layer), shift=np.zeros_like(layer.shift))
    assert np.abs(weighted(wrong, [taken], [data]) - usual).max() > 5


def test_the_reference_is_the_plain_definition():
    taken = kind(3, 3, 2)
    layer = random_layer(np.random.default_rng(1), "conv", taken)
    data = np.random.default_rng(2).integers(-128, 128, taken.shape).astype(np.int8)
    assert np.array_equal(reference_layer(layer, [taken], [data]), weighted_plain(layer, [taken], [data]))
