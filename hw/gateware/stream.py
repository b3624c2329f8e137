"""The loader: keeps a ring in the weight scratchpad filled with weights from a memory outside."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.scratchpad import stream_layout
from hw.spec.design import DesignPoint
from hw.spec.stream import CHUNK_BYTES, SPRAM_LATENCY_CYCLES, check_streams, word_bytes, write_bytes

__all__ = ["Request", "SpramSource", "WeightStream"]


class Request(data.Struct):
    address: 32     # bytes, of the first beat
    beats: 16


def _log2(value: int) -> int:
    return value.bit_length() - 1


class WeightStream(wiring.Component):
    """Fills a ring in the order of the stream, and hands it out block by block in the same order.

    A request asks for what the ring has room for, at most ``CHUNK_BYTES`` and no more than the stream has left. The
    next one comes when all beats of the one before have arrived. ``sw.compiler.stream`` is its exact timeline; with
    ``start`` in cycle 0 and ``enable`` high, the first request is offered in cycle 2.

    Members
    -------
    start : In(1)
        Begins the stream anew; beats still to come for an earlier request are dropped.
    stop : In(1)
        Ends the stream: nothing is written from the next cycle on, ``ready`` falls, and beats still to come are
        dropped. An offered request stays offered. May stay high; ``start`` comes first.
    base, ring_base, ring_bytes, stream_bytes : In
        First byte in the memory outside; ring in the weight scratchpad; length of the stream. Constant while the
        stream runs. The last three are multiples of ``hw.spec.stream.write_bytes``, the ring of the weight word too.
    enable : In(1)
        No request is decided on while low.
    request : Out(stream)
        Keeps the stream contract even over ``start`` and ``stop``.
    data : In(stream)
        The beats of the accepted requests in order, least significant byte first, with any pauses; always taken. From
        the SPRAM a beat's payload comes one cycle later.
    write : Out(stream)
        For the weight scratchpad, in the cycle after the last beat of the word.
    need, ready : In(12), Out(1)
        ``ready`` says in the same cycle that the next ``need`` weight words were written in earlier cycles. It stays
        until ``release`` or a larger ``need``. ``need`` may be at most the ring; see ``sw.compiler.stream.check_ring``.
    release : In(1)
        Gives the next ``need`` words back; only while ``ready``. Counts from the next cycle on: with ``release`` in
        cycle c, words given back are not overwritten before cycle c + 4 (the memory's latency is at least 1).
    first_word, end_word : Out(24)
        Ring in weight words; a pointer that reaches ``end_word`` goes to ``first_word``.
    """

    def __init__(self, design: DesignPoint):
        check_streams(design)
        self.design = design
        #: Smallest part that is counted, bytes.
        self.unit_bytes = min(word_bytes(design), write_bytes(design))
        super().__init__({
            "start": In(1), "stop": In(1), "enable": In(1, init=1),
            "base": In(32), "ring_base": In(24), "ring_bytes": In(24), "stream_bytes": In(32),
            "request": Out(stream.Signature(Request)),
            "data": In(stream.Signature(8 * design.stream_port_bytes, always_ready=True)),
            "write": Out(stream.Signature(stream_layout(design), always_ready=True)),
            "need": In(12), "ready": Out(1), "release": In(1), "first_word": Out(24), "end_word": Out(24),
        })
        units = range(design.weight_bytes // self.unit_bytes + 1)
        #: For proofs by induction: units of the ring without a request, units written and not released,
        #: beats to come of the last request, and whether they are dropped.
        self.room = Signal(units)
        self.level = Signal(units)
        self.due = Signal(range(CHUNK_BYTES // design.stream_port_bytes + 1))
        self.drop = Signal()
        #: What is left to ask for, in writes; no request since ``start``; beats in the word to come; its place.
        longest = design.act_bytes if design.memory == "spram" else (1 << 32) - 1     # stream, bytes
        self.left = Signal(longest.bit_length() - _log2(write_bytes(design)))
        #: Size of the latest request, for a cycle; until then ``left`` and ``room`` do not know of it.
        self.asked = Signal(range(CHUNK_BYTES // write_bytes(design) + 1))
        #: What of it fits into a request; follows by a cycle, in which no request is decided on.
        self.left_chunk = Signal(range(CHUNK_BYTES // write_bytes(design) + 1))
        self.first = Signal()
        self.part = Signal(1)
        self.place = Signal(range(design.weight_bytes // write_bytes(design)))

    def elaborate(self, platform):
        m = Module()
        whole = write_bytes(self.design)
        asked = self._ask(m)
        written = self._write(m)
        in_word = _log2(word_bytes(self.design) // self.unit_bytes)
        in_write = _log2(whole // self.unit_bytes)
        m.d.comb += [
            self.ready.eq((self.level >> in_word) >= self.need),
            self.first_word.eq(self.ring_base >> _log2(word_bytes(self.design))),
            self.end_word.eq((self.ring_base + self.ring_bytes) >> _log2(word_bytes(self.design))),
        ]
        freed = self.need << in_word
        room, level = self.room - (self.asked << in_write), self.level + (written << in_write)
        m.d.sync += [self.asked.eq(asked), self.left.eq(self.left - self.asked)]
        for register, kept, released in ((self.room, room, room + freed), (self.level, level, level - freed)):
            # both are there when it is known whether words are released
            either = [Signal(len(register), name=f"{register.name}_{name}", attrs={"keep": 1})
                      for name in ("kept", "released")]
            m.d.comb += [either[0].eq(kept), either[1].eq(released)]
            m.d.sync += register.eq(Mux(self.release, either[1], either[0]))
        whole_chunk = CHUNK_BYTES // whole

        def chunk_of(left: Value) -> Value:
            return Mux(left >= whole_chunk, whole_chunk, left[:len(self.left_chunk)])

        m.d.sync += self.left_chunk.eq(chunk_of(self.left))
        with m.If(self.stop):
            m.d.sync += [self.left.eq(0), self.left_chunk.eq(0), self.level.eq(0)]
        with m.If(self.start):
            m.d.sync += [self.left.eq(self.stream_bytes >> _log2(whole)),
                         self.left_chunk.eq(chunk_of(self.stream_bytes >> _log2(whole))),
                         self.first.eq(1), self.level.eq(0),
                         self.room.eq(self.ring_bytes >> _log2(self.unit_bytes)),
                         self.place.eq(self.ring_base >> _log2(whole))]
        return m

    def _ask(self, m):
        """Request what there is room for; returns its size in writes, 0 for none in this cycle."""
        whole, port = write_bytes(self.design), self.design.stream_port_bytes
        chunk = CHUNK_BYTES // whole
        room = Signal(range(chunk + 1))
        left = self.left_chunk
        size = Signal(range(chunk + 1))
        free = self.room >> _log2(whole // self.unit_bytes)
        asks = Signal()
        m.d.comb += [room.eq(Mux(free >= chunk, chunk, free)),
                     asks.eq((self.due == 0) & self.enable & ~self.start & ~self.stop & (free != 0) & (left != 0))]
        with m.If(asks):
            m.d.comb += size.eq(Mux(room < left, room, left))
        offered = self.request.p
        with m.If(asks):
            m.d.sync += [
                self.request.valid.eq(1), self.first.eq(0), self.due.eq(size << _log2(whole // port)),
                offered.beats.eq(size << _log2(whole // port)),
                offered.address.eq(Mux(self.first, self.base, offered.address + (offered.beats << _log2(port)))),
            ]
        with m.Elif(self.request.ready):
            m.d.sync += self.request.valid.eq(0)
        with m.If(self.data.valid):
            m.d.sync += self.due.eq(self.due - 1)
        with m.If(self.due == 0):
            m.d.sync += self.drop.eq(0)
        with m.Elif(self.start | self.stop):
            m.d.sync += self.drop.eq(1)
        return size

    def _write(self, m):
        """Collect beats to words of the scratchpad; returns whether one is written in this cycle."""
        whole, port = write_bytes(self.design), self.design.stream_port_bytes
        complete = Signal()
        m.d.comb += complete.eq(self.data.valid)
        if self.design.memory == "spram":
            m.d.comb += self.write.p.data.eq(self.data.payload)
        elif whole == port:
            m.d.sync += self.write.p.data.eq(self.data.payload)
        else:
            with m.If(self.data.valid):
                m.d.sync += [self.part.eq(~self.part),
                             self.write.p.data.eq(Cat(self.write.p.data, self.data.payload)[8 * port:])]
            m.d.comb += complete.eq(self.data.valid & self.part)
        m.d.sync += self.write.valid.eq(complete & ~self.drop & ~self.start & ~self.stop)
        m.d.comb += self.write.p.address.eq(self.place << _log2(whole))
        with m.If(self.write.valid):
            following = Signal.like(self.place)
            m.d.comb += following.eq(self.place + 1)
            end = (self.ring_base + self.ring_bytes) >> _log2(whole)
            m.d.sync += self.place.eq(Mux(following == end[:len(following)], self.ring_base >> _log2(whole), following))
        return self.write.valid


class SpramSource(wiring.Component):
    """Serves the loader's requests from the SPRAM that holds the activations: one read per cycle with ``enable``.

    A request accepted in cycle a is read from cycle a + 1 on; a read's beat comes ``SPRAM_LATENCY_CYCLES`` cycles
    later, and its payload in the cycle after, whatever ``enable`` is then.

    Members
    -------
    request, data : the other ends of the loader's
        Every request begins where the one before ended.
    start, base : In
        The loader's; its next request begins at ``base``.
    enable : In(1)
        The SPRAM's port is free in this cycle.
    read, address : Out(1), Out(24)
        Reads the word of 8 bytes at this byte address; only in cycles with ``enable``.
    word : In(64)
        What was read ``SPRAM_LATENCY_CYCLES + 1`` cycles ago.
    """

    def __init__(self, design: DesignPoint):
        port_bits = 8 * design.stream_port_bytes
        self.step_bytes = design.stream_port_bytes
        super().__init__({
            "request": In(stream.Signature(Request)), "enable": In(1), "start": In(1), "base": In(32),
            "read": Out(1), "address": Out(24), "word": In(port_bits),
            "data": Out(stream.Signature(port_bits, always_ready=True)),
        })
        self.left = Signal(range(CHUNK_BYTES // self.step_bytes + 1))     # reads to come
        self.first = Signal()      # no request since ``start``
        self.coming = Signal(SPRAM_LATENCY_CYCLES)                              # reads under way, the oldest last

    def elaborate(self, platform):
        m = Module()
        accepted = Signal()
        m.d.comb += [self.request.ready.eq(self.left == 0), self.read.eq(self.enable & (self.left != 0)),
                     self.data.valid.eq(self.coming[-1]), self.data.payload.eq(self.word)]
        m.d.sync += [self.coming.eq(Cat(self.read, self.coming)), self.first.eq(self.start | (self.first & ~accepted))]
        with m.If(self.read):
            m.d.sync += [self.left.eq(self.left - 1), self.address.eq(self.address + self.step_bytes)]
        m.d.comb += accepted.eq(self.request.valid & self.request.ready)
        with m.If(accepted):
            m.d.sync += self.left.eq(self.request.p.beats)
            with m.If(self.first):      # requests follow each other
                m.d.sync += self.address.eq(self.base)
        return m
