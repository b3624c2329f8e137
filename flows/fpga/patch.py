"""New contents for a memory inside a routed design, without new synthesis.

A design is built once with :func:`placeholder` in its memory. Every column of a block RAM then holds a stretch of one
column of that memory and, the contents being random, no other: comparing the two tells where each bit went, whatever
way the synthesizer laid the memory out.
"""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from hw.spec.errors import HeddleError

__all__ = ["PatchError", "block_of", "patch_blocks", "patch_memory", "placeholder", "words_of"]

_WORDS, _WORD_BITS = 2048, 9     # one block RAM in the text configuration
_WIDTHS = (36, 18, 9, 4, 2, 1)   # data widths of a block RAM; below 9 the ninth bits are not used
_MIN_ROWS = 64                   # a shorter column could match by chance

Bits = NDArray[np.uint8]
Places = dict[bytes, tuple[int, int]]


class PatchError(HeddleError):
    """The memory is not in the design as it was said to be."""


def placeholder(size_bytes: int) -> bytes:
    """Random contents, the same each time, that :func:`patch_memory` finds again."""
    return Random(f"heddle placeholder {size_bytes}").randbytes(size_bytes)


def patch_memory(textcfg: Path, *, before: bytes, after: bytes, word_bits: int, out: Path) -> int:
    """Write ``textcfg`` to ``out`` with the memory that holds ``before`` now holding ``after``.

    Parameters
    ----------
    textcfg
        Routed design in the text format of Project Trellis.
    before, after
        The whole memory, word 0 first, each word little-endian; ``before`` comes from :func:`placeholder`.
    word_bits
        Width of the memory, a multiple of 8.

    Returns
    -------
    int
        Block RAMs that were changed.

    Raises
    ------
    PatchError
        If the sizes differ or a bit of the memory is in no block RAM of the design.
    """
    lines = textcfg.read_text(encoding="utf-8").splitlines(keepends=True)
    ranges = _blocks(lines)
    blocks = [_read_block(lines[start:end]) for start, end in ranges]
    changed = patch_blocks(blocks, before=before, after=after, word_bits=word_bits, where=str(textcfg))
    for number in changed:
        start, end = ranges[number]
        lines[start:end] = _write_block(blocks[number])
    partial = out.with_name(out.name + ".partial")
    partial.write_text("".join(lines), encoding="utf-8")
    partial.replace(out)
    return len(changed)


def patch_blocks(blocks: Sequence[Bits], *, before: bytes, after: bytes, word_bits: int, where: str) -> list[int]:
    """As :func:`patch_memory`, in the contents of block RAMs, uint8 (2048, 9) each; ``where`` is for errors.

    Returns the numbers of those that were changed.
    """
    if len(before) != len(after) or len(before) * 8 % word_bits:
        raise PatchError(f"{where}: contents of {len(before)} and {len(after)} bytes for words of {word_bits} bits; "
                         f"both must be the whole memory")
    old, new = (_bits(contents, word_bits) for contents in (before, after))
    if len(old) < _MIN_ROWS:
        raise PatchError(f"{where}: a memory of {len(old)} words is too short to be told apart; raise weight_bytes")
    found = np.zeros(old.shape, bool)
    places = {width: _places(old, min(_rows(width), len(old))) for width in _WIDTHS}
    changed = [number for number, block in enumerate(blocks) if _patch_block(block, places, new, found)]
    if not found.all():
        raise PatchError(f"{where}: {int((~found).sum())} of {found.size} bits of the memory are in no block RAM "
                         f"of it; build the bitstream again, with the placeholder as its contents")
    return changed


def _bits(contents: bytes, word_bits: int) -> Bits:
    """(words, word_bits), column 0 the least significant bit."""
    return np.unpackbits(np.frombuffer(contents, np.uint8), bitorder="little").reshape(-1, word_bits)


def _blocks(lines: list[str]) -> list[tuple[int, int]]:
    """Line ranges of the contents of each block RAM."""
    found = []
    for number, line in enumerate(lines):
        if line.startswith(".bram_init "):
            end = number + 1
            while end < len(lines) and lines[end].strip() and not lines[end].startswith("."):
                end += 1
            found.append((number + 1, end))
    return found


def _read_block(lines: list[str]) -> Bits:
    words = np.array([int(word, 16) for line in lines for word in line.split()], np.uint16)
    if words.size != _WORDS:
        raise PatchError(f"text configuration: a block RAM of {words.size} words, expected {_WORDS}")
    return block_of(words)


def block_of(words: NDArray[np.uint16]) -> Bits:
    """A block RAM's words, as bits (2048, 9)."""
    return (words[:, None] >> np.arange(_WORD_BITS) & 1).astype(np.uint8)


def words_of(block: Bits) -> NDArray[np.uint16]:
    """A block RAM's bits, as words."""
    return (block.astype(np.uint16) << np.arange(_WORD_BITS)).sum(axis=1).astype(np.uint16)


def _write_block(block: Bits) -> list[str]:
    words = words_of(block)
    return [" ".join(f"{word:03x}" for word in row) + "\n" for row in words.reshape(-1, 8)]


def _used_bits(width: int) -> int:
    return _WORD_BITS if width >= _WORD_BITS else 8


def _rows(width: int) -> int:
    return _WORDS * _used_bits(width) // width


def _patch_block(block: Bits, places: dict[int, Places], new: Bits, found: NDArray[np.bool_]) -> bool:
    """Put ``new`` where ``block`` holds columns of the old contents; marks them in ``found``. False without one."""
    for width in _WIDTHS:
        used, rows = _used_bits(width), min(_rows(width), len(new))
        columns = block[:, :used].reshape(-1, width)
        hits = [(column, places[width][key]) for column in range(width)
                if (key := np.packbits(columns[:rows, column]).tobytes()) in places[width]]
        for column, (base, bit) in hits:
            columns[:rows, column] = new[base:base + rows, bit]
            found[base:base + rows, bit] = True
        if hits:
            block[:, :used] = columns.reshape(-1, used)
            return True
    return False


def _places(old: Bits, rows: int) -> Places:
    """Where each stretch of ``rows`` bits of a column comes from: contents -> (first word, bit)."""
    return {np.packbits(old[base:base + rows, bit]).tobytes(): (base, bit)
            for base in range(0, len(old), rows) for bit in range(old.shape[1])}
