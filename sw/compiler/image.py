"""Where commands and weights lie, in the weight scratchpad or in the memory that they stream from; the model image."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import inf

import numpy as np

from hw.spec.commands import COMMAND_BITS, OPCODES, decode, encode
from hw.spec.design import DesignPoint
from hw.spec.fields import encode_for
from hw.spec.image import (
    ENGINE,
    HEADER_BYTES,
    Call,
    pack_calls,
    pack_header,
    reset_calls,
    unpack_calls,
    unpack_header,
)
from hw.spec.stream import MOST_BLOCK_WORDS, word_bytes
from hw.spec.timing import table_words
from sw.compiler.cycles import LayerCycles, timeline
from sw.compiler.errors import CompileError
from sw.compiler.proof import Placement
from sw.compiler.stream import check_ring, smallest_ring, stream_length
from sw.compiler.variants import Variant

__all__ = ["Commands", "Outline", "Run", "cut_image", "pack_image", "place_weights"]

COMMAND_BYTES = COMMAND_BITS // 8


@dataclass(frozen=True, kw_only=True)
class Outline:
    """What an image holds beside weights."""

    runs: tuple[int, ...]        # LAYER commands of each run of the engine
    calls_bytes: int             # of the list that says who runs what

    def resident_bytes(self, words: int, design: DesignPoint, *, streams: int = 0) -> int:
        """What commands and ``words`` of parameters and weights take in the weight scratchpad.

        ``streams`` are the runs that have a STREAM. The calls are there too unless something streams.
        """
        commands = sum(self.runs) + len(self.runs) + streams
        size = -(-(HEADER_BYTES + commands * COMMAND_BYTES + words * word_bytes(design)) // 4) * 4
        return size if streams else size + self.calls_bytes


@dataclass(frozen=True, kw_only=True)
class Run:
    """The commands of one run of the engine, END aside."""

    program: int                              # weight word of the first one
    stream: Mapping[str, int] | None          # the STREAM command, if something streams
    stream_start: int                         # where its part of the stream begins, bytes
    layers: tuple[Mapping[str, int], ...]     # LAYER commands

    @property
    def all(self) -> list[Mapping[str, int]]:
        return [*([self.stream] if self.stream else []), *self.layers]

    @property
    def call(self) -> Call:
        return Call(runner=ENGINE, words=(self.program, len(self.layers), self.stream_start))


@dataclass(frozen=True, kw_only=True, eq=False)
class Commands:
    """All runs with their weights in place."""

    runs: tuple[Run, ...]
    words: tuple[np.ndarray, ...]             # of each layer of all runs, (words, cols, bits)
    tables: tuple[np.ndarray | None, ...]     # of each layer of all runs, int8 (256,)

    @property
    def layers(self) -> list[Mapping[str, int]]:
        return [layer for run in self.runs for layer in run.layers]

    @property
    def stream_bytes(self) -> int:
        return sum(run.stream["stream_bytes"] for run in self.runs if run.stream)

    def timeline(self, design: DesignPoint) -> list[LayerCycles]:
        """Cycles of each layer of all runs."""
        return [terms for run in self.runs for terms in timeline(design, run.all)]


def place_weights(name: str, chosen: Sequence[Variant], design: DesignPoint, *, layers: Sequence[str],
                  outline: Outline) -> Commands:
    """Keep all weights in the scratchpad if they fit; else those that save the most cycles for their size.

    ``layers`` are the names of ``chosen``, for errors.

    Raises
    ------
    CompileError
        If they do not fit, and cannot stream.
    """
    every = frozenset(range(len(chosen)))
    streamed: frozenset[int] = every if design.memory == "spram" else frozenset()
    best = _place(chosen, streamed, design, outline)
    if best is not None:
        return best
    if not design.stream_port_bytes or not chosen:
        need = _resident_bytes(chosen, streamed, design, outline)
        stream = "stream them (stream_bytes), " if chosen else ""       # the CPU's alone do not
        raise CompileError(f"{name}: program and weights take {need} bytes, weight_bytes={design.weight_bytes}; "
                           f"raise weight_bytes, {stream}or narrow the weights or the network")
    streamed = every if design.memory == "spram" else frozenset(
        index for index in every if chosen[index].words.shape[1] <= MOST_BLOCK_WORDS)
    best = _place(chosen, streamed, design, outline)
    if best is None:
        raise CompileError(f"{name}: {_too_large(chosen, streamed, layers, design, outline)}")
    if design.memory == "spram":
        return best
    return _kept(chosen, streamed, best, design, outline)


def _kept(chosen: Sequence[Variant], streamed: frozenset[int], best: Commands, design: DesignPoint,
          outline: Outline) -> Commands:
    """With layers in the scratchpad, one after the other, whose weights save the most cycles for their size, as long as
    any does.

    What a layer saves is asked again only where what it saved before puts it first: it changes little with the others.
    """
    known: dict[Hashable, int] = {}
    saved = dict.fromkeys(sorted(streamed), inf)
    while True:
        now, asked, left = _cycles(best, design, known), dict[int, Commands](), dict(saved)
        while left and (index := max(left, key=left.__getitem__)) not in asked:
            placed = _place(chosen, streamed - {index}, design, outline)
            if placed is None:
                del left[index]         # now; it may, once the ring is for smaller blocks
                continue
            asked[index] = placed
            left[index] = saved[index] = (now - _cycles(placed, design, known)) / _words(chosen[index])
        if not left or left[index] < 0:
            return best
        del saved[index]
        streamed, best = streamed - {index}, asked[index]


def _too_large(chosen: Sequence[Variant], streamed: frozenset[int], layers: Sequence[str], design: DesignPoint,
               outline: Outline) -> str:
    """Why nothing more can stream."""
    index = max(range(len(chosen)), key=lambda index: chosen[index].words.shape[1])
    block = chosen[index].words.shape[1]
    resident = _resident_bytes(chosen, streamed, design, outline)
    what = "" if index in streamed else f", and a streamed block holds {MOST_BLOCK_WORDS} words; raise cols or lanes"
    return (f"weight_bytes={design.weight_bytes} holds program and resident weights, {resident} bytes, and the largest "
            f"block of weights, {block * word_bytes(design)} bytes of layer {layers[index]}{what}; raise weight_bytes "
            f"or narrow that layer")


def _cycles(commands: Commands, design: DesignPoint, known: dict[Hashable, int]) -> int:
    """Of all runs; ``known`` has those of runs that were asked for, whose layers stream as they do here."""
    total = 0
    for number, run in enumerate(commands.runs):
        stream = (run.stream["ring_bytes"], run.stream["stream_bytes"]) if run.stream else None
        key = number, stream, tuple(layer["stream"] for layer in run.layers)
        if key not in known:      # where the weights lie is nothing to it
            known[key] = sum(terms.total for terms in timeline(design, run.all))
        total += known[key]
    return total


def _words(variant: Variant) -> int:
    return variant.words.shape[0] * variant.words.shape[1]


def _table_words(variant: Variant, design: DesignPoint) -> int:
    return 0 if variant.table is None else table_words(design)


def _runs(outline: Outline) -> list[range]:
    """The layers of each run."""
    ends = list(accumulate(outline.runs, initial=0))
    return [range(start, end) for start, end in pairwise(ends)]


def _resident_bytes(chosen: Sequence[Variant], streamed: frozenset[int], design: DesignPoint,
                    outline: Outline) -> int:
    words = sum(_table_words(one, design) for index, one in enumerate(chosen) if index in streamed)
    words += sum(_table_words(one, design) + _words(one) for one in {
        one.content: one for index, one in enumerate(chosen) if index not in streamed}.values())
    streams = sum(not streamed.isdisjoint(run) for run in _runs(outline))
    return outline.resident_bytes(words, design, streams=streams)


def _place(chosen: Sequence[Variant], streamed: frozenset[int], design: DesignPoint,
           outline: Outline) -> Commands | None:
    """None where it does not fit. All runs share one ring."""
    word = word_bytes(design)
    resident = _resident_bytes(chosen, streamed, design, outline)
    if resident > design.weight_bytes:
        return None
    ring = {"ring_base": 0, "room": 0}
    if streamed:
        largest = max(chosen[index].words.shape[1] for index in streamed)
        step = max(word, 8)
        base = -(-resident // step) * step
        ring = {"ring_base": base, "room": (design.weight_bytes - base) // step * step}
        if largest > MOST_BLOCK_WORDS:
            return None
    program = HEADER_BYTES // word
    start, runs = 0, []
    layers = dict(enumerate(_addressed(chosen, streamed, design, outline)))
    for run in _runs(outline):
        stream = None
        if mine := streamed.intersection(run):
            length = stream_length(design, sum(_words(chosen[index]) for index in mine))
            least = smallest_ring(design, most := max(chosen[index].words.shape[1] for index in mine))
            size = min(ring["room"], max(-(-length // step) * step, least))
            if size < least:
                return None
            check_ring(design, ring_base=ring["ring_base"], ring_bytes=size, block_words=most,
                       layer="the largest block")
            stream = {"opcode": OPCODES["STREAM"], "ring_base": ring["ring_base"], "ring_bytes": size,
                      "stream_bytes": length}
        runs.append(Run(program=program, stream=stream, stream_start=start, layers=tuple(layers[n] for n in run)))
        program += (len(run) + 1 + bool(stream)) * COMMAND_BYTES // word
        start += stream["stream_bytes"] if stream else 0
    return Commands(runs=tuple(runs), words=tuple(one.words.reshape(-1, *one.words.shape[2:]) for one in chosen),
                    tables=tuple(one.table for one in chosen))


def _addressed(chosen: Sequence[Variant], streamed: frozenset[int], design: DesignPoint,
               outline: Outline) -> Iterator[Mapping[str, int]]:
    """The LAYER commands with the addresses of their weights, resident ones behind all commands; so are tables.

    Commands of the same words, such as those of the bands of a layer, share them.
    """
    streams = sum(not streamed.isdisjoint(run) for run in _runs(outline))
    base = (HEADER_BYTES + (len(chosen) + len(outline.runs) + streams) * COMMAND_BYTES) // word_bytes(design)
    places: dict[bytes, int] = {}
    for index, one in enumerate(chosen):
        table = _table_words(one, design)
        if index in streamed:
            yield {**one.command, "stream": 1, "block_words": one.words.shape[1], "weight_base": base if table else 0}
            base += table
            continue
        if one.content not in places:
            places[one.content] = base
            base += table + _words(one)
        yield {**one.command, "weight_base": places[one.content]}


def pack_image(commands: Commands, calls: Sequence[Call], design: DesignPoint, *, source: Placement,
               output: Placement, act_bytes: int, stream_address: int = 0, resets: Sequence[Call] = ()) -> bytes:
    """The model image (``hw.spec.image``) of a program that reads ``source`` and writes ``output``.

    ``stream_address`` is where in the activation scratchpad the stream lies (``memory="spram"``); ``resets`` are the
    calls that write what states begin with.
    """
    encoded = [encode_for(design, command) for run in commands.runs
               for command in (*run.all, {"opcode": OPCODES["END"]})]
    body = b"".join(word.to_bytes(COMMAND_BYTES, "little") for word in encoded)
    streamed, written = b"", set[int]()
    starts = [run.stream_start for run in commands.runs for _ in run.layers]
    for start, command, words, table in zip(starts, commands.layers, commands.words, commands.tables, strict=True):
        # what the run before took ends with a whole write, which may be more than its last word
        streamed = streamed.ljust(start, b"\0")
        packed = np.packbits(words.reshape(-1, design.weight_word_bits), bitorder="little", axis=1).tobytes()
        resident = b"" if table is None else table.tobytes()
        if command["stream"]:
            streamed += packed
        else:
            resident += packed
        place = command["weight_base"] * word_bytes(design) - HEADER_BYTES
        if resident and place not in written:
            written.add(place)
            body = body.ljust(place, b"\0")[:place] + resident
    body += b"\0" * (-len(body) % 4)
    return _packed(body, streamed.ljust(commands.stream_bytes, b"\0"), resets, calls, {
        "fingerprint": design.fingerprint, "layers": len(commands.layers), "input_address": source.address,
        "input_bytes": source.size, "output_address": output.address, "output_bytes": output.size,
        "stream_address": stream_address, "act_bytes": act_bytes})


def _packed(resident: bytes, streamed: bytes, resets: Sequence[Call], calls: Sequence[Call],
            fields: Mapping[str, int]) -> bytes:
    """The calls come last: behind what streams, if anything does, so that they take no room from it."""
    listed = pack_calls([*resets, *calls])
    body = resident + streamed + listed
    stream_bytes = len(streamed + listed) if streamed else 0
    return pack_header({**fields, "calls_offset": HEADER_BYTES + len(body) - len(listed),
                        "reset_bytes": len(pack_calls(resets)), "stream_bytes": stream_bytes}, body) + body


def cut_image(image: bytes, design: DesignPoint, *, calls: int, layers: int, output: Placement) -> bytes:
    """``image`` with its first ``calls`` calls alone, ``layers`` of the last one if that is a run, and another output.

    What lay in memory lies where it lay, but for an END.
    """
    header, body = unpack_header(image), bytearray(image[HEADER_BYTES:])
    kept = unpack_calls(image, header)[:calls]
    if kept[-1].runner == ENGINE:
        run = kept[-1].run
        kept[-1] = Call(runner=ENGINE, words=(run["program"], layers, run["stream_start"]))
        at = run["program"] * word_bytes(design) - HEADER_BYTES
        first = decode(int.from_bytes(body[at:at + COMMAND_BYTES], "little"))
        at += (layers + (first["opcode"] == OPCODES["STREAM"])) * COMMAND_BYTES
        body[at:at + COMMAND_BYTES] = encode({"opcode": OPCODES["END"]}).to_bytes(COMMAND_BYTES, "little")
    weights = bytes(body[:header["calls_offset"] - HEADER_BYTES])
    resident = min(header["stream_offset"], header["calls_offset"]) - HEADER_BYTES
    return _packed(weights[:resident], weights[resident:], reset_calls(image, header), kept, {
        **header, "layers": sum(call.run["layers"] for call in kept if call.runner == ENGINE),
        "output_address": output.address, "output_bytes": output.size})
