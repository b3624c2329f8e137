"""The model image: what is written to the start of the weight scratchpad. It describes itself to the firmware."""

from collections.abc import Mapping
from zlib import crc32

from hw.spec.errors import SpecError

__all__ = ["HEADER_BYTES", "HEADER_FIELDS", "IMAGE_MAGIC", "IMAGE_VERSION", "pack_header", "unpack_header"]

IMAGE_MAGIC = int.from_bytes(b"HEDL", "little")
IMAGE_VERSION = 1
HEADER_BYTES = 64
#: 32-bit little-endian words, in order; the rest of the header is zero.
HEADER_FIELDS = ("magic", "version", "fingerprint", "program", "input_address", "input_bytes", "output_address",
                 "output_bytes", "layers", "image_bytes", "crc32")


def pack_header(values: Mapping[str, int], body: bytes) -> bytes:
    """Header for ``body`` (everything behind it); magic, version, size and CRC-32 of the body are filled in."""
    filled = {**values, "magic": IMAGE_MAGIC, "version": IMAGE_VERSION,
              "image_bytes": HEADER_BYTES + len(body), "crc32": crc32(body)}
    words = (filled[name].to_bytes(4, "little") for name in HEADER_FIELDS)
    return b"".join(words).ljust(HEADER_BYTES, b"\0")


def unpack_header(image: bytes) -> dict[str, int]:
    """The inverse; raises SpecError where ``image`` is not a whole, undamaged model image."""
    values = {name: int.from_bytes(image[4 * n:4 * n + 4], "little") for n, name in enumerate(HEADER_FIELDS)}
    if values["magic"] != IMAGE_MAGIC or values["version"] != IMAGE_VERSION:
        raise SpecError("model image: no Heddle header of this version; compile the model again")
    if values["image_bytes"] != len(image) or values["crc32"] != crc32(image[HEADER_BYTES:]):
        raise SpecError("model image: damaged (size or CRC-32 differ); compile the model again")
    return values
