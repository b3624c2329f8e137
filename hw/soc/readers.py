"""The engine's side of a memory beside the device: beats of weights from words of LiteDRAM's."""

from typing import Any

from litex.gen import LiteXModule
from litex.soc.interconnect import stream
from migen import Array, If, Signal

from hw.spec.stream import CHUNK_BYTES

__all__ = ["StreamReader", "WideReader", "reader"]

FIFO_WORDS = 16           # that are asked for and wait: more beats than pass during a refresh


def reader(port: Any, beat_bits: int) -> Any:
    """For a port of the controller's own width: its converters answer one command before they take the next."""
    return (StreamReader if len(port.rdata.data) == beat_bits else WideReader)(port, beat_bits)


class StreamReader(LiteXModule):
    """Serves the loader of weights (``hw.gateware.stream.WeightStream``): a beat a cycle where the chip gives it.

    Parameters
    ----------
    port : LiteDRAMNativePort
    beat_bits : int
        The port's width.

    Attributes
    ----------
    request_valid, request_ready, address, beats : Signal
        The first byte's address.
    data_valid, data : Signal
        Beats in order; always taken.
    """

    def __init__(self, port: Any, beat_bits: int) -> None:
        self.request_valid, self.request_ready, self.address, self.beats = Signal(), Signal(), Signal(32), Signal(16)
        self.data_valid, self.data = Signal(), Signal(beat_bits)
        left, word, asks = Signal(16), Signal(32), Signal()
        self.comb += [
            self.data_valid.eq(port.rdata.valid), self.data.eq(port.rdata.data), port.rdata.ready.eq(1),
            self.request_ready.eq(left == 0), asks.eq(port.cmd.valid & port.cmd.ready),
            port.cmd.valid.eq(left != 0), port.cmd.we.eq(0), port.cmd.addr.eq(word), port.cmd.last.eq(left == 1),
        ]
        self.sync += [
            If(self.request_valid & self.request_ready,
               word.eq(self.address[(beat_bits // 8 - 1).bit_length():]), left.eq(self.beats)),
            If(asks, word.eq(word + 1), left.eq(left - 1)),
        ]


class WideReader(LiteXModule):
    """The same from words of several beats, of which some wait: a chip gives them in bursts, behind a refresh too.

    A request may begin and end within a word. The loader has one request under way at a time.

    Parameters
    ----------
    port : LiteDRAMNativePort
        Of the controller's own width.
    beat_bits : int
        A part of it.

    Attributes
    ----------
    As of :class:`StreamReader`.
    """

    def __init__(self, port: Any, beat_bits: int) -> None:
        self.request_valid, self.request_ready, self.address, self.beats = Signal(), Signal(), Signal(32), Signal(16)
        self.data_valid, self.data = Signal(), Signal(beat_bits)
        word_bits = len(port.rdata.data)
        parts, beat_bytes = word_bits // beat_bits, beat_bits // 8
        part_bits, in_beat = (parts - 1).bit_length(), (beat_bytes - 1).bit_length()
        self.words = words = stream.SyncFIFO([("data", word_bits)], FIFO_WORDS)
        due = Signal(max=CHUNK_BYTES // beat_bytes + 1)                     # beats to give
        left = Signal(max=CHUNK_BYTES // (beat_bytes * parts) + 2)          # words to ask for
        word, part, first = Signal(len(port.cmd.addr)), Signal(part_bits), Signal(part_bits)
        room, asks, taken, last = Signal(max=FIFO_WORDS + 1, reset=FIFO_WORDS), Signal(), Signal(), Signal()
        accepts, at, more = Signal(), Signal.like(word), Signal.like(left)
        self.comb += [
            self.request_ready.eq(due == 0), accepts.eq(self.request_valid & self.request_ready),
            first.eq(self.address[in_beat:in_beat + part_bits]),
            # the first word is asked for in the cycle of the request
            If(accepts, at.eq(self.address[in_beat + part_bits:]),
               more.eq((self.beats + first + parts - 1)[part_bits:])).Else(at.eq(word), more.eq(left)),
            port.cmd.valid.eq((more != 0) & (room != 0)), port.cmd.we.eq(0), port.cmd.addr.eq(at),
            port.cmd.last.eq(more == 1), port.rdata.ready.eq(1), asks.eq(port.cmd.valid & port.cmd.ready),
            words.sink.valid.eq(port.rdata.valid), words.sink.data.eq(port.rdata.data),
            self.data_valid.eq(words.source.valid), last.eq((part == parts - 1) | (due == 1)),
            self.data.eq(Array(words.source.data[low:low + beat_bits]
                               for low in range(0, word_bits, beat_bits))[part]),
            words.source.ready.eq(last), taken.eq(words.source.valid & last),
        ]
        self.sync += [
            room.eq(room - asks + taken), word.eq(at + asks), left.eq(more - asks),
            If(self.data_valid, part.eq(part + 1), due.eq(due - 1)),
            If(accepts, part.eq(first), due.eq(self.beats)),
        ]
