"""The words that a program reads: commands, channel parameters and weights, in the order in which they come."""

from collections.abc import Callable

import numpy as np

from hw.spec.commands import COMMAND_BITS
from hw.spec.design import PARAM_BITS, DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.requant import MAX_SHIFT
from hw.spec.timing import table_words

__all__ = ["Endless", "ProgramError", "Refused", "Resident", "Undefined", "Words", "integer"]


class ProgramError(HeddleError, ValueError):
    """A program does not run to its end, or not as defined; the message names the command."""


class Refused(ProgramError):
    """The engine stops at the command with ``error``, a name of ``hw.spec.commands.ERRORS``."""

    def __init__(self, message: str, error: str):
        super().__init__(message)
        self.error = error


class Endless(ProgramError):
    """The engine stays busy for ever."""


class Undefined(ProgramError):
    """The engine goes on, but what it computes or reads is not defined."""


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

    def weights(self, count: int, split: int = 0) -> np.ndarray:
        """int8 ``(count, cols, lanes)``; a set bit of a binary weight is -1, a clear one +1. Of weights that are split
        ``(count, cols << split, lanes)``: the first pieces of all columns, then the second ones.
        """
        design, width = self.design, self.design.weight_bits >> split
        bits = self.take(count).reshape(count, design.cols, design.lanes, -1, width).astype(np.int64)
        bits = bits.transpose(0, 3, 1, 2, 4).reshape(count, -1, design.lanes, width)
        if width == 1:
            return (1 - 2 * bits[..., 0]).astype(np.int8)
        place = 1 << np.arange(width)
        place[-1] *= -1
        return (bits @ place).astype(np.int8)

    def table(self) -> np.ndarray:
        """int8 ``(256,)``: what -128, -127, ... 127 become."""
        return np.packbits(self.take(table_words(self.design)).reshape(-1), bitorder="little").view(np.int8)

    def params(self) -> dict[str, np.ndarray]:
        """Bias, multiplier and shift of ``cols`` channels from one set of parameter words: the bits that count."""
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
                "multiplier": np.array([value >> 32 & 0x7FFFFFFF for value in values], np.int64),
                "shift": np.array([value >> 64 & MAX_SHIFT for value in values], np.int64)}


class Resident:
    """The weight scratchpad; the engine counts words up to the power of two above its end."""

    def __init__(self, design: DesignPoint, content: bytes):
        if len(content) > design.weight_bytes:
            raise ProgramError(f"image of {len(content)} bytes: weight_bytes={design.weight_bytes}; raise weight_bytes")
        memory = np.frombuffer(content.ljust(design.weight_bytes, b"\0"), np.uint8)
        self._design = design
        self._words = np.unpackbits(memory, bitorder="little").reshape(-1, design.weight_word_bits)
        self._streamed = np.zeros(len(self._words), bool)

    def stream_to(self, first_byte: int, end_byte: int) -> None:
        """From now on the loader writes there, whenever it likes."""
        size = self._design.weight_word_bits // 8
        self._streamed[first_byte // size:-(-end_byte // size)] = True

    @property
    def counted(self) -> int:
        """Words that the engine's pointers tell apart; behind the last one they start from 0."""
        return 1 << len(self._words).bit_length()

    def command(self, word: int) -> int:
        """An encoded command."""
        return integer(self._read(word, COMMAND_BITS // self._design.weight_word_bits).reshape(-1))

    def words(self, first: int) -> Words:
        """From word ``first`` on."""
        return Words(self._design, self._read, first)

    def _read(self, first: int, count: int) -> np.ndarray:
        words = (first + np.arange(count)) % self.counted
        if self._design.weights_wrap:
            words = words % len(self._words)
        if words.max() >= len(self._words):
            raise Undefined(f"reads weight word {words.max()} of {len(self._words)}, behind the end of the weight "
                            f"memory; compile the model again")
        if self._streamed[words].any():
            raise Undefined(f"reads weight word {words[self._streamed[words]][0]}, which streams; "
                            f"compile the model again")
        return self._words[words]
