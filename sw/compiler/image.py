"""Where commands and weights lie: in the weight scratchpad, or in the memory that they stream from; the model image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hw.spec.commands import COMMAND_BITS, OPCODES, encode
from hw.spec.design import DesignPoint
from hw.spec.fields import encode_for
from hw.spec.image import HEADER_BYTES, pack_header, unpack_header
from hw.spec.stream import MOST_BLOCK_WORDS, word_bytes
from sw.compiler.cycles import timeline
from sw.compiler.errors import CompileError
from sw.compiler.lower import Lowered
from sw.compiler.proof import Placement
from sw.compiler.stream import check_ring, smallest_ring, stream_length

__all__ = ["Commands", "end_image", "pack_image", "place_weights", "resident_bytes"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Commands:
    """A program with its weights in place."""

    stream: Mapping[str, int] | None          # the STREAM command, if something streams
    layers: tuple[Mapping[str, int], ...]     # LAYER commands
    words: tuple[np.ndarray, ...]             # of each layer, (words, cols, bits)

    @property
    def all(self) -> list[Mapping[str, int]]:
        return [*([self.stream] if self.stream else []), *self.layers]

    @property
    def stream_bytes(self) -> int:
        return self.stream["stream_bytes"] if self.stream else 0


def place_weights(name: str, lowered: Sequence[Lowered], design: DesignPoint, *, layers: Sequence[str]) -> Commands:
    """Keep all weights in the scratchpad if they fit; else those that save the most cycles for their size.

    ``layers`` are the names of ``lowered``, for errors.

    Raises
    ------
    CompileError
        If they do not fit, and cannot stream.
    """
    every = frozenset(range(len(lowered)))
    streamed: frozenset[int] = every if design.memory == "spram" else frozenset()
    best = _place(lowered, streamed, design)
    if best is not None:
        return best
    if not design.stream_port_bytes:
        need = _resident_bytes(lowered, streamed, design)
        raise CompileError(f"{name}: program and weights take {need} bytes, weight_bytes={design.weight_bytes}; "
                           f"raise weight_bytes, stream them (stream_bytes), or narrow the weights or the network")
    streamed = every if design.memory == "spram" else frozenset(
        index for index in every if lowered[index].words.shape[1] <= MOST_BLOCK_WORDS)
    best = _place(lowered, streamed, design)
    if best is None:
        raise CompileError(f"{name}: {_too_large(lowered, streamed, layers, design)}")
    if design.memory == "spram":
        return best
    while True:
        tried = [(index, placed) for index in sorted(streamed)
                 if (placed := _place(lowered, streamed - {index}, design)) is not None]
        now = _cycles(best, design)
        gains = {index: (now - _cycles(placed, design)) / _words(lowered[index]) for index, placed in tried}
        if not gains or max(gains.values()) < 0:
            return best
        index = max(gains, key=gains.__getitem__)
        streamed, best = streamed - {index}, dict(tried)[index]


def _too_large(lowered: Sequence[Lowered], streamed: frozenset[int], layers: Sequence[str], design: DesignPoint) -> str:
    """Why nothing more can stream."""
    index = max(range(len(lowered)), key=lambda index: lowered[index].words.shape[1])
    block = lowered[index].words.shape[1]
    resident = _resident_bytes(lowered, streamed, design)
    what = "" if index in streamed else f", and a streamed block holds {MOST_BLOCK_WORDS} words; raise cols or lanes"
    return (f"weight_bytes={design.weight_bytes} holds program and resident weights, {resident} bytes, and the largest "
            f"block of weights, {block * word_bytes(design)} bytes of layer {layers[index]}{what}; raise weight_bytes "
            f"or narrow that layer")


def _cycles(commands: Commands, design: DesignPoint) -> int:
    return sum(terms.total for terms in timeline(design, commands.all))


def _words(lowered: Lowered) -> int:
    return lowered.words.shape[0] * lowered.words.shape[1]


def _resident_bytes(lowered: Sequence[Lowered], streamed: frozenset[int], design: DesignPoint) -> int:
    words = sum(_words(one) for index, one in enumerate(lowered) if index not in streamed)
    return resident_bytes(words, len(lowered) + bool(streamed), design)


def resident_bytes(words: int, commands: int, design: DesignPoint) -> int:
    """What ``words`` of parameters and weights and so many commands, ``END`` aside, take in the weight scratchpad."""
    return -(-(HEADER_BYTES + (commands + 1) * COMMAND_BITS // 8 + words * word_bytes(design)) // 4) * 4


def _place(lowered: Sequence[Lowered], streamed: frozenset[int], design: DesignPoint) -> Commands | None:
    """None where it does not fit."""
    word = word_bytes(design)
    resident = _resident_bytes(lowered, streamed, design)
    if resident > design.weight_bytes:
        return None
    stream = None
    if streamed:
        largest = max(lowered[index].words.shape[1] for index in streamed)
        step = max(word, 8)
        base = -(-resident // step) * step
        room = (design.weight_bytes - base) // step * step
        length = stream_length(design, sum(_words(lowered[index]) for index in streamed))
        ring = min(room, -(-length // step) * step)
        if largest > MOST_BLOCK_WORDS or ring < smallest_ring(design, largest):
            return None
        check_ring(design, ring_base=base, ring_bytes=ring, block_words=largest, layer="the largest block")
        stream = {"opcode": OPCODES["STREAM"], "ring_base": base, "ring_bytes": ring, "stream_bytes": length}
    base = (HEADER_BYTES + (len(lowered) + 1 + bool(streamed)) * COMMAND_BITS // 8) // word
    layers = []
    for index, one in enumerate(lowered):
        placed = {"stream": 1, "block_words": one.words.shape[1]} if index in streamed else {"weight_base": base}
        base += 0 if index in streamed else _words(one)
        layers.append({**one.command, **placed})
    return Commands(stream=stream, layers=tuple(layers),
                    words=tuple(one.words.reshape(-1, *one.words.shape[2:]) for one in lowered))


def pack_image(commands: Commands, design: DesignPoint, *, source: Placement, output: Placement,
               stream_address: int = 0) -> bytes:
    """The model image (``hw.spec.image``) of a program that reads ``source`` and writes ``output``.

    ``stream_address`` is where in the activation scratchpad the stream lies (``memory="spram"``).
    """
    encoded = [encode_for(design, command) for command in commands.all] + [encode({"opcode": OPCODES["END"]})]
    body = b"".join(word.to_bytes(COMMAND_BITS // 8, "little") for word in encoded)
    streamed = b""
    for command, words in zip(commands.layers, commands.words, strict=True):
        packed = np.packbits(words.reshape(-1, design.weight_word_bits), bitorder="little", axis=1).tobytes()
        if command["stream"]:
            streamed += packed
        else:
            start = command["weight_base"] * word_bytes(design) - HEADER_BYTES
            body = body.ljust(start, b"\0")[:start] + packed
    body += b"\0" * (-len(body) % 4)
    streamed = streamed.ljust(commands.stream_bytes, b"\0")
    header = pack_header({
        "fingerprint": design.fingerprint, "program": HEADER_BYTES // word_bytes(design),
        "layers": len(commands.layers), "input_address": source.address, "input_bytes": source.size,
        "output_address": output.address, "output_bytes": output.size, "stream_bytes": len(streamed),
        "stream_address": stream_address}, body + streamed)
    return header + body + streamed


def end_image(image: bytes, design: DesignPoint, *, after: int, layers: int, output: Placement) -> bytes:
    """``image`` with its END after ``after`` commands, ``layers`` of them LAYERs, and with another output."""
    header, body = unpack_header(image), bytearray(image[HEADER_BYTES:])
    size = COMMAND_BITS // 8
    at = header["program"] * word_bytes(design) - HEADER_BYTES + after * size
    body[at:at + size] = encode({"opcode": OPCODES["END"]}).to_bytes(size, "little")
    changes = {"layers": layers, "output_address": output.address, "output_bytes": output.size}
    return pack_header({**header, **changes}, bytes(body)) + bytes(body)
