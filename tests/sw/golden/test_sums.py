import numpy as np

from hw.spec.requant import requantize as requantize_one
from sw.golden.sums import requantize


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
