"""The model image describes itself to the firmware: a header, what is resident in the weight scratchpad, what streams.

The image up to ``stream_offset``, header included, is written to the start of the weight scratchpad. The
``stream_bytes`` behind it go to the memory that weights stream from, and their address there to the register
``STREAM``: an address of the loader's own choice in a memory outside, ``stream_address`` in the activation scratchpad
of a design with ``memory="spram"``.
"""

from collections.abc import Mapping
from zlib import crc32

from hw.spec.errors import SpecError

__all__ = ["HEADER_BYTES", "HEADER_FIELDS", "IMAGE_MAGIC", "IMAGE_VERSION", "pack_header", "unpack_header"]

IMAGE_MAGIC = int.from_bytes(b"HEDL", "little")
IMAGE_VERSION = 2
HEADER_BYTES = 64
#: 32-bit little-endian words, in order; the rest of the header is zero.
HEADER_FIELDS = ("magic", "version", "fingerprint", "program", "input_address", "input_bytes", "output_address",
                 "output_bytes", "layers", "image_bytes", "crc32", "stream_offset", "stream_bytes", "stream_address")


def pack_header(values: Mapping[str, int], body: bytes) -> bytes:
    """Header for ``body`` (everything behind it); magic, version, size and CRC-32 of the body are filled in.

    Without ``stream_bytes`` in ``values`` nothing streams; else the last so many bytes of the body do.
    """
    streamed = values.get("stream_bytes", 0)
    filled = {"stream_bytes": 0, "stream_address": 0, **values, "stream_offset": HEADER_BYTES + len(body) - streamed,
              "magic": IMAGE_MAGIC, "version": IMAGE_VERSION,
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
    if values["stream_offset"] + values["stream_bytes"] != len(image) or values["stream_offset"] < HEADER_BYTES:
        raise SpecError("model image: damaged (the streamed part lies elsewhere); compile the model again")
    return values
