"""The model image describes itself to the firmware: a header, what is resident in the weight scratchpad, what streams,
and the list of calls: who runs what.

The image up to ``stream_offset``, header included, is written to the start of the weight scratchpad. The
``stream_bytes`` behind it go to the memory that weights stream from: at an address of the loader's own choice in a
memory outside, at ``stream_address`` in the activation scratchpad of a design with ``memory="spram"``.

The calls are the end of the image, from ``calls_offset`` on, wherever that lies. The first ``reset_bytes`` of them are
made once, when the model is loaded and whenever its states are reset: they write what states begin with. An inference
makes the others, one after the other: a run of the engine, or a function of the CPU. Each is a word with the number of
who runs, a word with the number of words that follow, and these. For the engine (``ENGINE``) they are ``ENGINE_WORDS``;
for a function of the CPU what ``sw.golden.kernels`` says. Addresses of tensors are those in the activation scratchpad,
of which the program uses the first ``act_bytes``. Several inputs lie in a row, each at a multiple of four bytes from
the first one, and so do several outputs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zlib import crc32

from hw.spec.errors import SpecError

__all__ = ["ENGINE", "ENGINE_WORDS", "HEADER_BYTES", "HEADER_FIELDS", "IMAGE_MAGIC", "IMAGE_VERSION", "MOST_LAYERS",
           "Call", "pack_calls", "pack_header", "reset_calls", "resident_part", "streams_outside", "unpack_calls",
           "unpack_header"]

IMAGE_MAGIC = int.from_bytes(b"HEDL", "little")
IMAGE_VERSION = 5
HEADER_BYTES = 64
MOST_LAYERS = 256      # LAYER commands of all runs and calls of the CPU together, in one inference
#: 32-bit little-endian words, in order; the rest of the header is zero. ``layers`` are those of all runs together.
HEADER_FIELDS = ("magic", "version", "fingerprint", "calls_offset", "input_address", "input_bytes", "output_address",
                 "output_bytes", "layers", "image_bytes", "crc32", "stream_offset", "stream_bytes", "stream_address",
                 "act_bytes", "reset_bytes")
ENGINE = 0
#: First weight word of the run's commands, its LAYER commands, and where its part of the stream begins, bytes.
ENGINE_WORDS = ("program", "layers", "stream_start")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One entry of the list: who runs (``ENGINE``, or the number of a function of the CPU), and what that is told."""

    runner: int
    words: tuple[int, ...]

    @property
    def run(self) -> dict[str, int]:
        """The words of a run of the engine by their names."""
        return dict(zip(ENGINE_WORDS, self.words, strict=True))


def pack_calls(calls: Iterable[Call]) -> bytes:
    """The end of an image.

    >>> image = pack_calls([Call(runner=ENGINE, words=(32, 5, 0))])
    >>> unpack_calls(image, {"calls_offset": 0, "reset_bytes": 0})
    [Call(runner=0, words=(32, 5, 0))]
    """
    return b"".join(word.to_bytes(4, "little") for call in calls
                    for word in (call.runner, len(call.words), *call.words))


def unpack_calls(image: bytes, header: Mapping[str, int]) -> list[Call]:
    """The calls of an inference; raises SpecError where they are none."""
    return _calls(image, header["calls_offset"] + header["reset_bytes"])


def reset_calls(image: bytes, header: Mapping[str, int]) -> list[Call]:
    """The calls that bring all states to their beginning; raises SpecError where they are none."""
    offset = header["calls_offset"]
    return _calls(image[:offset + header["reset_bytes"]], offset)


def _calls(image: bytes, offset: int) -> list[Call]:
    if offset % 4 or len(image) % 4 or not 0 <= offset <= len(image):
        raise SpecError(f"model image: its calls begin at byte {offset} of {len(image)}; compile the model again")
    words = [int.from_bytes(image[at:at + 4], "little") for at in range(offset, len(image), 4)]
    calls: list[Call] = []
    at = 0
    while at < len(words):
        runner, count = words[at], words[at + 1] if at + 1 < len(words) else 0
        given = tuple(words[at + 2:at + 2 + count])
        if at + 2 + count > len(words) or runner == ENGINE and count != len(ENGINE_WORDS):
            raise SpecError(f"model image: call {len(calls)}, of {runner}, has {count} words, {len(words) - at - 2} "
                            f"are left; compile the model again")
        calls.append(Call(runner=runner, words=given))
        at += 2 + count
    return calls


def pack_header(values: Mapping[str, int], body: bytes) -> bytes:
    """Header for ``body`` (everything behind it); magic, version, size and CRC-32 of the body are filled in.

    Without ``stream_bytes`` in ``values`` nothing streams; else the last so many bytes of the body are not resident.
    """
    streamed = values.get("stream_bytes", 0)
    filled = {"stream_bytes": 0, "stream_address": 0, "reset_bytes": 0, **values,
              "stream_offset": HEADER_BYTES + len(body) - streamed, "magic": IMAGE_MAGIC, "version": IMAGE_VERSION,
              "image_bytes": HEADER_BYTES + len(body), "crc32": crc32(body)}
    words = (filled[name].to_bytes(4, "little") for name in HEADER_FIELDS)
    return b"".join(words).ljust(HEADER_BYTES, b"\0")


def resident_part(image: bytes) -> bytes:
    """What of an image is in the weight scratchpad."""
    return image[:unpack_header(image)["stream_offset"]]


def streams_outside(header: Mapping[str, int]) -> bool:
    """Whether a part of an image of that header goes to a memory outside."""
    return bool(header["stream_bytes"]) and not header["stream_address"]


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
