"""Programs with commands that no compiler makes: any pattern of bits, so long as it ends soon."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from hw.spec.commands import COMMAND_BITS, COMMAND_FIELDS, MAGIC, OPCODES, STREAM_FIELDS, checksum, decode
from hw.spec.design import DesignPoint
from hw.spec.fields import counts, taken
from hw.spec.image import HEADER_BYTES, pack_header, unpack_header
from sw.compiler import Program
from sw.compiler.cycles import block_words
from tests.support.engines import random_programs
from tests.support.images import program_of

__all__ = ["Spoiled", "spoiled_programs"]

MOST_PHASES = 20_000     # of a layer; a phase takes a cycle
MOST_TILES = 2_000
SIZE = COMMAND_BITS // 8
LOOPS = ("blocks", "bands", "groups", "kernel_rows", "segments", "first_segments")
FIRST_BITS = 8 + 4       # magic and opcode


@dataclass(frozen=True, kw_only=True)
class Spoiled:
    """A program's image with one command replaced."""

    image: bytes
    command: int      # as it is in memory
    how: str


def spoiled_programs(design: DesignPoint, count: int, seed: int) -> Iterator[Spoiled]:
    """So many programs, each with one command in which some fields, some bits or all bits are random."""
    rng = np.random.default_rng(seed)
    programs = [program for program, _ in random_programs(design, 12, seed)]
    for _ in range(count):
        program = programs[rng.integers(len(programs))]
        yield _spoil(design, program, rng)


def _spoil(design: DesignPoint, program: Program, rng: np.random.Generator) -> Spoiled:
    header, body = unpack_header(program.image), bytearray(program.image[HEADER_BYTES:])
    commands = len(program.layers) + bool(program.streamed_bytes) + 1
    at = program_of(program.image) * design.weight_word_bits // 8 - HEADER_BYTES + int(rng.integers(commands)) * SIZE
    word = int.from_bytes(body[at:at + SIZE], "little")
    how = str(rng.choice(["fields", "fields", "flags", "bits", "all", "damaged"]))
    word = _short(design, {"fields": _fields, "flags": _flags, "bits": _bits, "all": _all,
                           "damaged": _bits}[how](word, rng), rng)
    if rng.integers(4):
        word = _counted(design, word)
    if how == "damaged":
        word ^= 1 << int(rng.integers(COMMAND_BITS))
    body[at:at + SIZE] = word.to_bytes(SIZE, "little")
    return Spoiled(image=pack_header(header, bytes(body)) + bytes(body), command=word, how=how)


def _table(word: int) -> Mapping[str, tuple[int, bool]]:
    return STREAM_FIELDS if word >> 8 & 15 == OPCODES["STREAM"] else COMMAND_FIELDS


def _place(word: int, name: str) -> tuple[int, int]:
    """Lowest bit and width of a field."""
    table = list(_table(word))
    return sum(_table(word)[other][0] for other in table[:table.index(name)]), _table(word)[name][0]


def _with(word: int, name: str, value: int) -> int:
    low, bits = _place(word, name)
    mask = (1 << bits) - 1
    return word & ~(mask << low) | (value & mask) << low


def _mended(word: int) -> int:
    """With a right checksum."""
    return _with(word, "checksum", _place_value(word, "checksum") ^ checksum(word))


def _place_value(word: int, name: str) -> int:
    low, bits = _place(word, name)
    return word >> low & (1 << bits) - 1


def _random_value(bits: int, rng: np.random.Generator) -> int:
    """Any, small ones and extremes more often."""
    kind = rng.integers(4)
    if kind == 0:
        return int(rng.integers(4))
    if kind == 1:
        return [0, 1, (1 << bits) - 1, 1 << bits - 1][rng.integers(4)]
    return int(rng.integers(1 << int(rng.integers(1, bits + 1)), dtype=np.uint64))


def _fields(word: int, rng: np.random.Generator) -> int:
    """One to four fields are anything."""
    table = [name for name in _table(word) if name not in ("magic", "checksum", "opcode")]
    for name in rng.choice(table, int(rng.integers(1, 5)), replace=False):
        word = _with(word, str(name), _random_value(_table(word)[str(name)][0], rng))
    return _mended(word)


def _flags(word: int, rng: np.random.Generator) -> int:
    """Any kind of layer with the numbers of another."""
    for name in (name for name, (bits, _) in _table(word).items() if bits == 1):
        if rng.integers(3) == 0:
            word = _with(word, name, int(rng.integers(2)))
    return _mended(word)


def _bits(word: int, rng: np.random.Generator) -> int:
    """One to six bits are others, magic and opcode included."""
    for place in rng.integers(COMMAND_BITS, size=int(rng.integers(1, 7))):
        word ^= 1 << int(place)
    return _mended(word)


def _all(word: int, rng: np.random.Generator) -> int:
    """All bits are random, so that only magic and the opcode LAYER are right; tiles and flags sometimes too."""
    old, bits = word, int.from_bytes(rng.bytes(SIZE), "little")
    word = bits >> FIRST_BITS << FIRST_BITS | OPCODES["LAYER"] << 8 | MAGIC
    if old >> 8 & 15 == OPCODES["LAYER"] and rng.integers(4):
        for name in ("tile_rows", "tile_cols", "spacing", "window", "local", "local_words", "stream", "block_words",
                     "port_cycles", "tail_steps", "segment_steps"):
            word = _with(word, name, _place_value(old, name))
    return _mended(word)


def _counted(design: DesignPoint, word: int) -> int:
    """A LAYER whose weights stream with as many words as it takes."""
    if word >> 8 & 15 != OPCODES["LAYER"] or not _place_value(word, "stream"):
        return word
    command = taken(design, decode(word))
    return _mended(_with(word, "block_words", block_words(design, command)))


def _short(design: DesignPoint, word: int, rng: np.random.Generator) -> int:
    """A LAYER with counts of fewer bits, until it ends soon."""
    while word >> 8 & 15 == OPCODES["LAYER"] and word & 255 == MAGIC:
        if any(not decode(word)[name] for name in counts(design)):
            break
        command = taken(design, decode(word))
        tiles = command["blocks"] * command["bands"] * command["groups"]
        segments = max(command["segments"], command["first_segments"] if command["window"] else 0)
        phases = tiles * max(command["kernel_rows"] * segments * max(command["segment_steps"], command["tail_steps"]),
                             command["spacing"])
        if phases <= MOST_PHASES and tiles <= MOST_TILES:
            break
        name = str(rng.choice([name for name in LOOPS if command[name] > 1] or ["spacing"]))
        word = _mended(_with(word, name, _place_value(word, name) >> 1 or 1))
    return word
