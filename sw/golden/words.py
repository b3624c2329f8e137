"""The words that a program reads: commands, channel parameters and weights, in the order in which they come."""

from collections.abc import Callable

import numpy as np

from hw.spec.commands import COMMAND_BITS
from hw.spec.design import PARAM_BITS, DesignPoint
from hw.spec.errors import HeddleError

__all__ = ["ProgramError", "Resident", "Words", "integer"]


class ProgramError(HeddleError, ValueError):
    """A program cannot be run; the message names the command."""


def integer(bits: np.ndarray) -> int:
    """Of bits, least significant first."""
    return int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")


class Words:
    """Weight words one after the other; ``take`` gives bits ``(count, weight_word_bits)``, least significant first."""

    def __init__(self, design: DesignPoint, take: Callable[[int, int], np.ndarray], position: int = 0):
        self.design, self._take, self.position = design, take, position

    def copy(self) -> "Words":
        """From the same word on."""
        return Words(self.design, self._take, self.position)

    def take(self, count: int) -> np.ndarray:
        bits = self._take(self.position, count)
        self.position += count
        return bits

    def weights(self, count: int) -> np.ndarray:
        """int8 ``(count, cols, lanes)``; a set bit of a binary weight is -1, a clear one +1."""
        design, width = self.design, self.design.weight_bits
        bits = self.take(count).reshape(count, design.cols, design.lanes, width).astype(np.int64)
        if width == 1:
            return (1 - 2 * bits[..., 0]).astype(np.int8)
        place = 1 << np.arange(width)
        place[-1] *= -1
        return (bits @ place).astype(np.int8)

    def params(self) -> dict[str, np.ndarray]:
        """Bias, multiplier and shift of ``cols`` channels from one set of parameter words."""
        design = self.design
        bits = self.take(design.param_words)
        if design.record_per_word:
            records = list(bits)
        else:
            parts = bits.reshape(design.param_words, design.cols, -1)
            records = [parts[:, column].reshape(-1) for column in range(design.cols)]
        values = [integer(record[:PARAM_BITS]) for record in records]
        bias = [(value + (1 << 31)) % (1 << 32) - (1 << 31) for value in values]
        return {"bias": np.array(bias, np.int64),
                "multiplier": np.array([value >> 32 & 0xFFFFFFFF for value in values], np.int64),
                "shift": np.array([value >> 64 & 0xFF for value in values], np.int64)}


class Resident:
    """The weight scratchpad; addresses wrap at its end."""

    def __init__(self, design: DesignPoint, content: bytes):
        if len(content) > design.weight_bytes:
            raise ProgramError(f"image of {len(content)} bytes: weight_bytes={design.weight_bytes}; raise weight_bytes")
        memory = np.frombuffer(content.ljust(design.weight_bytes, b"\0"), np.uint8)
        self._design, self._bits = design, np.unpackbits(memory, bitorder="little")

    def command(self, word: int) -> int:
        """An encoded command."""
        start = word * self._design.weight_word_bits
        if start + COMMAND_BITS > len(self._bits):
            raise ProgramError("the weight memory ends there; the program has no END")
        return integer(self._bits[start:start + COMMAND_BITS])

    def words(self, first: int) -> Words:
        """From word ``first`` on."""
        memory = self._bits.reshape(-1, self._design.weight_word_bits)
        return Words(self._design, lambda at, count: memory[np.arange(at, at + count) % len(memory)], first)
