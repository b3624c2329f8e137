"""Parameters and weights as words, read back by the golden interpreter's eyes; what cannot overflow, and what may."""

from dataclasses import replace

import numpy as np
import pytest

from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.multipliers import MULTIPLIERS, product
from hw.spec.presets import PRESETS
from sw.compiler.channels import (
    Channels,
    add_words,
    check_accumulator,
    exceeds_total,
    fold,
    join,
    param_words,
    pooling_channels,
    pooling_scale,
    weight_words,
)
from sw.golden.sums import requantize
from sw.golden.words import Words
from sw.graph.graph import TensorType
from tests.support.layers import random_add, random_layer

KIND = TensorType(shape=(1, 1, 12), scale=0.05, zero_point=9)
DESIGNS = [DesignPoint(rows=2, cols=2, lanes=2), DesignPoint(rows=2, cols=4, lanes=4, weight_bits=4),
           DesignPoint(rows=4, cols=4, lanes=8, weight_bits=1, multiplier="lut"), PRESETS["up5k"], PRESETS["ecp5-85"]]
every_design = pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.label)


def dense(outputs=5, **fields):
    return replace(random_layer(np.random.default_rng(2), "dense", KIND, outputs=outputs), **fields)


def requantized(total, channels, layer):
    return requantize(total, bias=channels.bias, multiplier=channels.multiplier, shift=channels.shift,
                      zero=layer.output.zero_point, low=-128, high=127)


def test_a_folded_zero_point_gives_the_same_outputs():
    layer, acts = dense(), np.random.default_rng(3).integers(-128, 128, (50, 12))
    weights = layer.weights.astype(np.int64)
    folded = fold(layer, layer.weights, KIND.zero_point, DesignPoint())
    plain = Channels(bias=layer.bias.astype(np.int64), multiplier=layer.multiplier, shift=layer.shift)
    assert np.array_equal(requantized(acts @ weights.T, folded, layer),
                          requantized((acts - KIND.zero_point) @ weights.T, plain, layer))


def test_an_enormous_bias_of_a_channel_without_weights_becomes_one_that_fits():
    """The outputs, which are clamped, stay."""
    layer = dense(weights=np.zeros((5, 12), np.int8), bias=np.array([2**31 - 1, -2**31, 2**30, 5, 0], np.int32))
    folded = fold(layer, layer.weights, KIND.zero_point, DesignPoint())
    plain = Channels(bias=layer.bias.astype(np.int64), multiplier=layer.multiplier, shift=layer.shift)
    assert np.array_equal(requantized(np.zeros((1, 5), np.int64), folded, layer),
                          requantized(np.zeros((1, 5), np.int64), plain, layer))
    assert np.abs(folded.bias).max() < 2**31 - 1


def test_a_bias_and_a_sum_that_may_exceed_32_bits_name_the_channel():
    layer = dense(bias=np.array([0, 0, 2**31 - 100, 0, 0], np.int32))
    with pytest.raises(SpecError, match=r"^channel 2: bias and sum may exceed 30 bits; train with a smaller bias$"):
        fold(layer, layer.weights, KIND.zero_point, DesignPoint())


@pytest.mark.parametrize("op", ["conv", "depthwise", "dense"])
def test_a_bias_and_a_sum_that_no_requantizer_holds_are_told_before(op):
    """But not where a larger accumulator is the way out."""
    layer = random_layer(np.random.default_rng(2), op, KIND, outputs=4, kernel=(3, 3), padding=(1, 1, 1, 1))
    large = replace(layer, bias=np.full_like(layer.bias, 1 << 29))
    design = DesignPoint()
    assert exceeds_total(large, KIND.zero_point, design) and not exceeds_total(layer, KIND.zero_point, design)
    narrow = replace(large, weights=np.full_like(large.weights, -128))
    sums = 128 * 128 * {"conv": 9 * 12, "depthwise": 9, "dense": 12}[op]
    assert exceeds_total(narrow, 0, replace(design, acc_bits=sums.bit_length() + 1))
    assert not exceeds_total(narrow, 0, replace(design, acc_bits=sums.bit_length()))


def test_the_bits_that_are_asked_for_are_enough_and_no_more():
    """31 products of -128 and -128 fit into 20 bits, 32 do not."""
    design = DesignPoint(acc_bits=20)
    check_accumulator(np.full((1, 31), -128), design)
    with pytest.raises(SpecError, match=r"^sums reach 524288, acc_bits=20 holds 524287; raise acc_bits to 21$"):
        check_accumulator(np.full((1, 32), -128), design)
    check_accumulator(np.full((1, 32), -128), replace(design, acc_bits=21))


@pytest.mark.parametrize("weight", [-128, -127, -5, 1, 85, 127])
def test_what_a_truncated_multiplier_drops_is_counted(weight):
    """As many products of the worst activation as reach the limit are refused, whatever the weight."""
    design = DesignPoint(multiplier="trunc", acc_bits=20)
    worst = max(abs(product(MULTIPLIERS["trunc"], act, weight)) for act in range(-128, 128))
    with pytest.raises(SpecError, match=r"^sums reach \d+, acc_bits=20 holds"):
        check_accumulator(np.full((1, -(-(1 << 19) // worst)), weight), design)


@pytest.mark.parametrize("count, bits", [(1, 8), (2, 2), (4, 1), (9, 8), (49, 8), (64, 4)])
def test_a_pooling_weight_averages_exactly(count, bits):
    weight, multiplier, shift = pooling_scale(count, bits)
    sums = np.arange(-128 * count, 127 * count + 1)
    got = requantize(sums * weight, bias=np.zeros(1), multiplier=np.array(multiplier), shift=np.array(shift), zero=0,
                     low=-128, high=127)
    away = np.where(sums < 0, -((-2 * sums + count) // (2 * count)), (2 * sums + count) // (2 * count))
    assert np.array_equal(got, away)
    weights, channels = pooling_channels(count, count, 3, DesignPoint(weight_bits=8)) if bits == 8 else (None, None)
    if bits == 8:
        assert weights.shape == (count, 3) and set(weights.flat) == {weight}
        assert channels.multiplier.tolist() == [multiplier] * 3


def test_a_window_that_no_weight_averages_is_refused():
    with pytest.raises(SpecError, match=r"^a pooling window of 9 values cannot be averaged exactly with 2-bit weights"):
        pooling_scale(9, 2)


def words_of(bits, design):
    """A block's packed words as the interpreter takes them."""
    flat = bits.reshape(-1, design.weight_word_bits)
    return Words(design, lambda first, count: flat[first:first + count])


@every_design
def test_weights_come_back_from_their_words(design):
    half = 1 << design.weight_bits - 1
    values = [-1, 1] if design.weight_bits == 1 else np.arange(-half, half)
    weights = np.random.default_rng(1).choice(values, (7, design.cols, design.lanes)).astype(np.int8)
    assert np.array_equal(words_of(weight_words(weights, design), design).weights(7), weights)


@every_design
def test_parameters_come_back_from_their_words(design):
    rng, count = np.random.default_rng(1), design.cols + 1
    channels = Channels(bias=rng.integers(-2**31, 2**31, count), multiplier=rng.integers(0, 2**31, count),
                        shift=rng.integers(0, 32, count))
    wanted = np.arange(2 * design.cols).reshape(2, 1, design.cols)
    words = words_of(param_words(channels, wanted, design), design)
    first, second = words.params(), words.params()
    for name in ("bias", "multiplier", "shift"):
        whole = getattr(channels, name)
        assert first[name].tolist() == whole[:design.cols].tolist()
        assert second[name].tolist() == [whole[design.cols], *[0] * (design.cols - 1)], "zero beyond the last channel"


@pytest.mark.parametrize("swapped", [False, True])
def test_an_adds_operands_come_in_the_order_of_the_drain(swapped):
    design = PRESETS["ecp5-25"]
    layer = random_add(np.random.default_rng(1), (0, 1), [KIND, replace(KIND, scale=0.2)])
    found = words_of(add_words(layer, (3, -7), swapped, design), design).params()
    order = [0, 1, 2] if swapped else [1, 0, 2]
    assert found["multiplier"][:3].tolist() == layer.multiplier[order].tolist()
    assert found["shift"][:3].tolist() == layer.shift[order].tolist()
    zeros = [-3 << 20, 7 << 20]
    assert found["bias"][:3].tolist() == [*(zeros if swapped else zeros[::-1]), 0]


def test_an_add_needs_three_columns():
    layer = random_add(np.random.default_rng(1), (0, 1), [KIND, KIND])
    with pytest.raises(SpecError, match="^residual add: needs cols of 4 or more, cols=2; raise cols$"):
        add_words(layer, (0, 0), False, DesignPoint(cols=2))


def test_parts_of_one_block_serve_all():
    joined = join(np.ones((1, 2, 1, 1)), np.arange(3).reshape(3, 1, 1, 1))
    assert joined[..., 0, 0].tolist() == [[1, 1, 0], [1, 1, 1], [1, 1, 2]]
