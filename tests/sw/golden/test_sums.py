import numpy as np
import pytest

from hw.spec.multipliers import MULTIPLIERS, product
from hw.spec.requant import requantize as requantize_one
from sw.golden.sums import matmul, requantize

EVERY = np.arange(-128, 128, dtype=np.int8)


@pytest.mark.parametrize("weight_bits", [8, 4, 2])
def test_truncated_products_over_every_pair(weight_bits):
    trunc = MULTIPLIERS["trunc"]
    weights = np.arange(-(1 << weight_bits - 1), 1 << weight_bits - 1).astype(np.int8)
    fast = matmul(EVERY[:, None], weights[None], trunc.dropped_columns(weight_bits))
    assert fast.tolist() == [[product(trunc, int(a), int(w), weight_bits=weight_bits) for w in weights] for a in EVERY]


@pytest.mark.parametrize("terms", [1024, 1025, 4000])
def test_matmul_is_exact_at_the_extremes(terms):
    acts, weights = np.full((1, terms), -128, np.int8), np.full((terms, 1), -128, np.int8)
    acts[0, -1], weights[0, 0] = 127, 127
    exact = sum(int(a) * int(w) for a, w in zip(acts[0], weights[:, 0], strict=True))
    assert matmul(acts, weights).item() == exact


def test_requantize_equals_the_definition():
    rng = np.random.default_rng(1)
    corners = [-(1 << 31), (1 << 31) - 1, -(1 << 20), (1 << 20) - 1, -1, 0, 1, 2, 3, -2, -3]
    acc = np.array(corners + rng.integers(-(1 << 24), 1 << 24, 500).tolist())[:, None]
    multiplier = np.array([0, 1, 1 << 30, (1 << 31) - 1, 1518500250], np.int32)
    shift, bias = np.array([0, 1, 7, 31, 12], np.int32), np.array([0, -5, (1 << 31) - 1, -(1 << 31), 3], np.int32)
    got = requantize(acc, bias=bias, multiplier=multiplier, shift=shift, zero=-3, low=-128, high=100)
    want = [[requantize_one(int(a), bias=int(b), multiplier=int(m), shift=int(s), zero=-3, low=-128, high=100)
             for b, m, s in zip(bias, multiplier, shift, strict=True)] for a in acc[:, 0]]
    assert got.dtype == np.int8
    assert got.tolist() == want
