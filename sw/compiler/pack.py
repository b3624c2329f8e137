"""Packs bits into the bytes of the weight scratchpad."""

import numpy as np

from hw.spec.design import DesignPoint

__all__ = ["pack_layer"]


def pack_layer(words: np.ndarray, design: DesignPoint) -> bytes:
    """Words of single bits, ``(N, cols, lanes * weight_bits)``, to little-endian bytes."""
    return np.packbits(words.reshape(-1, design.weight_word_bits), bitorder="little", axis=1).tobytes()
