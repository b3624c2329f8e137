"""Sums of products over a batch, as a multiplier forms each: exact ones, or those of any table."""

from functools import cache

import numpy as np

from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS, MultiplierKind, product_table, weight_value

__all__ = ["EXACT", "Products", "products_of"]

FLOAT32_TERMS = 1024    # products of two int8 are at most 2**14: so many sum to at most 2**24, exact in float32
INT32_TERMS = 1 << 15   # any other product has 16 bits: so many sum to less than 2**31
BLOCK = 4096            # rows at a time, so that their sums stay in the cache
BYTES = np.arange(256)


class Products:
    """What a multiplier makes of every activation and weight.

    Parameters
    ----------
    table
        Whole numbers of 16 bits (256, 2**weight_bits): products of the activations -128 to 127 with every weight of
        the width in order, as of ``hw.spec.multipliers.product_table``. None: those of integers.

    Below, ``acts`` and ``weights`` are int8; a weight that the width does not hold counts as its low bits.
    """

    def __init__(self, table: np.ndarray | None = None):
        self.table: np.ndarray | None = None      # int32 (256, 256), by the bytes of activation and weight
        if table is None:
            return
        bits = table.shape[1].bit_length() - 1
        values = [weight_value(code, bits) for code in range(1 << bits)]
        order = np.argsort(np.argsort(values))
        codes = (BYTES >= 128).astype(int) if bits == 1 else BYTES % (1 << bits)
        self.table = np.ascontiguousarray(np.roll(table, 128, axis=0)[:, order[codes]].astype(np.int32))

    def matmul(self, acts: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """``acts`` (..., K) times ``weights`` (K, C), as int64 (..., C)."""
        if self.table is None:
            real = np.float32 if len(weights) <= FLOAT32_TERMS else np.float64
            return (acts.astype(real) @ weights.astype(real)).astype(np.int64)
        columns = self.table[:, _bytes(weights)]      # (256, K, C)
        rows = np.ascontiguousarray(_bytes(acts).reshape(-1, len(weights)).T)
        kind = np.int32 if len(weights) <= INT32_TERMS else np.int64
        found = np.zeros((rows.shape[1], weights.shape[1]), kind)
        for start in range(0, len(found), BLOCK):
            part = slice(start, start + BLOCK)
            for term, row in enumerate(rows):
                found[part] += columns[:, term].take(row[part], axis=0)
        return found.astype(np.int64).reshape(*acts.shape[:-1], weights.shape[1])

    def elementwise(self, acts: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """``acts`` (..., C) times ``weights`` (C,), channel by channel, as int32 (..., C)."""
        if self.table is None:
            return acts.astype(np.int32) * weights.astype(np.int32)
        return self.table.reshape(-1).take(_bytes(acts).astype(np.intp) * 256 + _bytes(weights))

    def largest(self, weights: np.ndarray, act_bits: int) -> np.ndarray:
        """The largest magnitude of a product of each weight with any activation of ``act_bits``, as int64."""
        if self.table is None:
            return np.abs(weights.astype(np.int64)) << act_bits - 1
        acts = np.arange(-1 << act_bits - 1, 1 << act_bits - 1)
        most: np.ndarray = np.abs(self.table[acts]).max(axis=0).astype(np.int64)
        return most[weights]


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.int8).view(np.uint8)


EXACT = Products()


def products_of(design: DesignPoint | None) -> Products:
    """Those of the design's multiplier with weights of its width; exact without a design."""
    return EXACT if design is None else _of_kind(MULTIPLIERS[design.multiplier], design.weight_bits)


@cache
def _of_kind(kind: MultiplierKind, weight_bits: int) -> Products:
    return EXACT if kind.exact(weight_bits) else Products(np.array(product_table(kind, weight_bits)))
