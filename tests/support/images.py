"""Model images with something else in them, and a header that agrees."""

from hw.spec.commands import COMMAND_BITS, decode, encode
from hw.spec.image import HEADER_BYTES, pack_header, unpack_header
from sw.compiler import Program

__all__ = ["with_changed_command", "with_flipped_bit"]

SIZE = COMMAND_BITS // 8


def _repacked(image: bytes, body: bytearray) -> bytes:
    return pack_header(unpack_header(image), bytes(body)) + bytes(body)


def _byte(program: Program, weight_word: int) -> int:
    """Its place behind the header."""
    return weight_word * program.design.weight_word_bits // 8 - HEADER_BYTES


def with_changed_command(program: Program, number: int, **changes: int) -> bytes:
    """The image with other fields in its command ``number``, whose checksum is right."""
    body = bytearray(program.image[HEADER_BYTES:])
    at = _byte(program, unpack_header(program.image)["program"]) + number * SIZE
    command = decode(int.from_bytes(body[at:at + SIZE], "little")) | changes
    body[at:at + SIZE] = encode(command).to_bytes(SIZE, "little")
    return _repacked(program.image, body)


def with_flipped_bit(program: Program, *, weight_word: int, bit: int) -> bytes:
    """The image with ``bit`` counted from the lowest one of a weight word."""
    body = bytearray(program.image[HEADER_BYTES:])
    body[_byte(program, weight_word) + bit // 8] ^= 1 << bit % 8
    return _repacked(program.image, body)
