"""Model images with something else in them, and a header that agrees."""

from hw.spec.commands import COMMAND_BITS, decode, encode
from hw.spec.image import ENGINE, HEADER_BYTES, Call, pack_calls, pack_header, unpack_calls, unpack_header
from sw.compiler import Program

__all__ = ["run_image", "program_of", "with_body", "with_changed_command", "with_flipped_bit"]

SIZE = COMMAND_BITS // 8


def run_image(body: bytes, *, program: int = 0, layers: int = 1, calls: list[Call] | None = None,
             stream_bytes: int = 0, **header: int) -> bytes:
    """An image of one run of the engine, or of ``calls``; the last ``stream_bytes`` of ``body`` are not resident."""
    listed = bytes(-len(body) % 4) + pack_calls(
        [Call(runner=ENGINE, words=(program, layers, 0))] if calls is None else calls)
    start = HEADER_BYTES + len(body) + -len(body) % 4
    ends = (header.get(f"{name}_address", 0) + header.get(f"{name}_bytes", 0) for name in ("input", "output"))
    fields = {"fingerprint": 0, "input_address": 0, "input_bytes": 0, "output_address": 0, "output_bytes": 0,
              "layers": layers, "calls_offset": start, "act_bytes": min(max(ends), (1 << 32) - 1), **header}
    if stream_bytes:
        fields["stream_bytes"] = stream_bytes + len(listed)
    return pack_header(fields, body + listed) + body + listed


def program_of(image: bytes) -> int:
    """First weight word of the image's first run."""
    return next(call for call in unpack_calls(image, unpack_header(image))
                if call.runner == ENGINE).run["program"]


def with_body(image: bytes, body: bytes | bytearray) -> bytes:
    """Something else behind the header."""
    return pack_header(unpack_header(image), bytes(body)) + bytes(body)


def _byte(program: Program, weight_word: int) -> int:
    """Its place behind the header."""
    return weight_word * program.design.weight_word_bits // 8 - HEADER_BYTES


def with_changed_command(program: Program, number: int, **changes: int) -> bytes:
    """The image with other fields in its command ``number``, whose checksum is right."""
    body = bytearray(program.image[HEADER_BYTES:])
    at = _byte(program, program_of(program.image)) + number * SIZE
    command = decode(int.from_bytes(body[at:at + SIZE], "little")) | changes
    body[at:at + SIZE] = encode(command).to_bytes(SIZE, "little")
    return with_body(program.image, body)


def with_flipped_bit(program: Program, *, weight_word: int, bit: int) -> bytes:
    """The image with ``bit`` counted from the lowest one of a weight word."""
    body = bytearray(program.image[HEADER_BYTES:])
    body[_byte(program, weight_word) + bit // 8] ^= 1 << bit % 8
    return with_body(program.image, body)
