"""What the loader of weights promises, as hardware that counts along: simulator and prover check the same."""

from amaranth import Assert, Module, Mux, Signal
from amaranth.hdl import Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw.gateware.contract import StreamContract
from hw.gateware.stream import WeightStream
from hw.spec.stream import CHUNK_BYTES, word_bytes, write_bytes

__all__ = ["MarkedWrite", "RingContract"]

def _times(value, factor):
    """By a power of two; a solver finds shifts easier than products."""
    return value << factor.bit_length() - 1


def _aligned(value, step):
    return value[:step.bit_length() - 1] == 0


class RingContract(wiring.Component):
    """The ring's account, kept beside the loader from its ports alone, in bytes.

    - Requests follow each other through the stream, without gap or overlap, never beyond its end, and never for more
      than the ring has room for: what was asked for and not released fits in it.
    - Every beat of the stream is written, in the next cycle or with the next beat; no other is.
    - The n-th byte of the stream is written to byte n of the ring, counted around, and no more than the ring holds is
      written and not released: a byte that was not released is never overwritten, nor released before it was written.
    - ``ready`` is high exactly if the words were written and not released.
    - The loader never rests while a block that fits in the ring and in what is left of the stream is missing: with no
      request under way and ``enable`` high it offers one in the next cycle. So if the memory answers, ``ready`` comes.

    Its environment gives beats only for accepted requests, from the cycle after the acceptance on, releases only what
    is ready, and keeps the ring's place constant between starts.

    Parameters
    ----------
    loader : WeightStream
        Only observed.
    assume : bool
        For the prover: require of the environment what is its part, instead of asserting it.
    """

    def __init__(self, loader: WeightStream, *, assume: bool = False):
        self._loader, self._assume = loader, assume
        self.bits = loader.design.weight_bytes.bit_length() + 1
        #: Bytes asked for and not released; of them those that came but are not written; those that are.
        self.held = Signal(self.bits)
        self.unwritten = Signal(self.bits)
        self.stored = Signal(self.bits)
        #: What is left of the stream to ask for, and where it lies.
        self.rest = Signal(33)
        self.address = Signal(32)
        #: Beats to come; whether they, or the offered request, are of an earlier stream.
        self.owed = Signal(10)
        self.stale = Signal()
        #: Place of the next write in the ring, bytes.
        self.lap = Signal(self.bits)
        #: A stream has started and was not stopped.
        self.running = Signal()
        #: A beat of the running stream.
        self.beat = Signal()
        super().__init__({})

    def elaborate(self, platform: object) -> Module:
        m, dut = Module(), self._loader
        m.submodules.request = StreamContract(dut.request)
        self._environment(m, dut)
        port, whole = dut.design.stream_port_bytes, write_bytes(dut.design)
        ends = Signal()
        accepted = Signal()
        m.d.comb += [ends.eq(dut.start | dut.stop), accepted.eq(dut.request.valid & dut.request.ready),
                     self.beat.eq(dut.data.valid & ~self.stale & ~ends)]
        size, given, came, gone = (Signal(self.bits) for _ in range(4))
        m.d.comb += [size.eq(_times(dut.request.p.beats, port)), given.eq(_times(dut.need, word_bytes(dut.design))),
                     came.eq(Mux(self.beat, port, 0)), gone.eq(Mux(dut.write.valid, whole, 0))]
        room_for = self.held + size <= dut.ring_bytes

        m.d.sync += self.owed.eq(self.owed + Mux(accepted, dut.request.p.beats, 0) - dut.data.valid)
        with m.If((self.owed == 0) & ~dut.request.valid):
            m.d.sync += self.stale.eq(0)
        with m.Elif(ends):
            m.d.sync += self.stale.eq(1)
        taken = Mux(accepted & ~self.stale, size, 0)
        released = Mux(dut.release, given, 0)
        m.d.sync += [self.held.eq(self.held + taken - released), self.stored.eq(self.stored + gone - released),
                     self.unwritten.eq(self.unwritten + came - gone), self.rest.eq(self.rest - taken),
                     self.address.eq(self.address + taken)]
        with m.If(accepted & ~self.stale & ~ends):
            self._check(m, dut.request.p.address == self.address, "a request out of order")
            self._check(m, size <= self.rest, "a request beyond the stream")
            self._check(m, room_for, "a request without room in the ring")
            self._check(m, (size != 0) & (size <= CHUNK_BYTES), "a request of a wrong size")
        with m.If(dut.write.valid):
            m.d.sync += self.lap.eq(Mux(self.lap + whole == dut.ring_bytes, 0, self.lap + whole))
            with m.If(~ends):
                self._check(m, dut.write.p.address == dut.ring_base + self.lap, "a write to a wrong place")
                self._check(m, self.stored + whole <= dut.ring_bytes, "an unreleased word overwritten")
        with m.If(~ends):
            self._check(m, (self.unwritten >= gone) & (self.unwritten < gone + whole), "a beat lost or written twice")
            wanted = _times(dut.need, word_bytes(dut.design))
            self._check(m, ~dut.release | (wanted <= self.stored), "more released than written")
            self._check(m, dut.ready == (wanted <= self.stored), "ready is wrong")
        with m.If(~self.running & ~ends):
            self._check(m, ~dut.write.valid, "a write without a stream")
        self._progress(m, dut, ends)
        self._invariants(m, dut)
        with m.If(ends):
            m.d.sync += [signal.eq(0) for signal in (self.held, self.unwritten, self.stored, self.rest, self.lap)]
            m.d.sync += self.running.eq(dut.start)
        with m.If(dut.start):
            m.d.sync += [self.rest.eq(dut.stream_bytes), self.address.eq(dut.base)]
        return m

    @staticmethod
    def _check(m, condition, message):
        # At the clock edge: before it, the simulator has not yet settled what depends on the inputs.
        m.d.sync += Assert(condition, message)

    def _environment(self, m, dut):
        def require(condition, message):
            m.d.comb += Assume(condition) if self._assume else []
            m.d.sync += [] if self._assume else Assert(condition, message)

        require(~dut.data.valid | (self.owed != 0), "a beat that nobody asked for")
        require(~dut.release | dut.ready, "a release of words that are not ready")
        constant = [dut.base, dut.ring_base, dut.ring_bytes, dut.stream_bytes]
        same = 1
        for value in constant:
            held = Signal.like(value, name="held", reset_less=True)
            m.d.sync += held.eq(value)
            same = same & (held == value)
        require(~self.running | dut.start | same, "the ring changed while the stream runs")
        step = max(word_bytes(dut.design), write_bytes(dut.design))
        fits = ((_aligned(dut.ring_base, step)) & (_aligned(dut.ring_bytes, step)) & (dut.ring_bytes != 0)
                & (dut.ring_base + dut.ring_bytes <= dut.design.weight_bytes)
                & (_aligned(dut.stream_bytes, write_bytes(dut.design))))
        require(~self.running & ~dut.start | fits, "a ring outside the scratchpad, or not of whole words")

    def _progress(self, m, dut, ends):
        """A block that is possible, but neither ready nor coming, is asked for."""
        waste = max(0, write_bytes(dut.design) - word_bytes(dut.design))
        given = _times(dut.need, word_bytes(dut.design))
        quiet = (self.owed == 0) & ~dut.request.valid & ~dut.write.valid
        possible = (given + waste <= dut.ring_bytes) & (given <= self.stored + self.rest)
        must_ask = Signal()
        m.d.sync += must_ask.eq(self.running & ~ends & dut.enable & quiet & possible & ~dut.ready)
        with m.If(must_ask):
            self._check(m, dut.request.valid, "the loader rests while a block is missing")

    def _invariants(self, m, dut):
        """How the loader's own registers follow from the account; what induction needs."""
        port, whole, unit = dut.design.stream_port_bytes, write_bytes(dut.design), dut.unit_bytes
        beats = Signal(10)
        offered = Signal(self.bits)
        coming = Signal(self.bits)
        m.d.comb += [beats.eq(Mux(dut.request.valid, dut.request.p.beats, 0)),
                     offered.eq(Mux(self.stale, 0, _times(beats, port))),
                     coming.eq(Mux(self.stale, 0, _times(self.owed, port)))]
        following = dut.request.p.address + _times(dut.request.p.beats, port)
        for name, fact in {
            "beats": (dut.due == self.owed + beats) & (dut.due <= CHUNK_BYTES // port),
            "offers": ~dut.request.valid | (self.owed == 0) & (dut.request.p.beats == beats) & (beats != 0),
            "halves": dut.part == (dut.due[0] if whole != port else 0),
            "dropped beats": Mux(dut.due == 0, ~self.stale | dut.drop, dut.drop == self.stale),
            "the level": _times(dut.level, unit) == self.stored,
            "what is held": self.held == coming + self.unwritten + self.stored,
            "the rest": _times(dut.left, whole) + offered == self.rest + _times(dut.asked, whole),
            "a request": (dut.asked == 0) | dut.request.valid & (self.owed == 0) & (dut.due != 0) & (
                offered == _times(dut.asked, whole)) & (dut.asked <= dut.left) & (
                _times(dut.asked, whole) <= _times(dut.room, unit)),
            "the next request": (dut.due != 0) | (dut.asked == 0) & (
                dut.left_chunk == Mux(dut.left >= CHUNK_BYTES // whole, CHUNK_BYTES // whole, dut.left)),
            "writes": self.unwritten == Mux(dut.write.valid, whole, 0) + Mux(dut.part & ~self.stale, port, 0),
            "stops": self.running | (self.held == 0) & (self.rest == 0) & ((dut.due == 0) | self.stale),
            "the first request": ~self.running | dut.first | (following[:32] == (self.address + offered)[:32]),
        }.items():
            self._check(m, fact, f"lost count of {name}")
        with m.If(self.running & ~dut.start):     # what the loader is told may change with a start
            for name, fact in {
                "room": _times(dut.room, unit) + self.held + offered == dut.ring_bytes + _times(dut.asked, whole),
                "the place": (_times(dut.place, whole) == dut.ring_base + self.lap) & (self.lap < dut.ring_bytes),
                "addresses": ~dut.first | (offered == 0) & (self.address == dut.base),
            }.items():
                self._check(m, fact, f"lost count of {name}")


class MarkedWrite(wiring.Component):
    """Any one write of the stream, chosen by the prover, carries the beats that came for it: no loss, no reordering.

    Members
    -------
    number : In(32)
        Which write since ``start``; constant.
    content : In
        What the memory holds there; constant, and assumed of the beats.
    """

    def __init__(self, loader: WeightStream, ring: RingContract):
        self._loader, self._ring = loader, ring
        super().__init__({"number": In(32), "content": In(8 * write_bytes(loader.design))})

    def elaborate(self, platform: object) -> Module:
        m, dut, ring = Module(), self._loader, self._ring
        port, whole = dut.design.stream_port_bytes, write_bytes(dut.design)
        number = Signal(32, reset_less=True)
        content = Signal.like(self.content, reset_less=True)
        started = Signal()
        m.d.sync += [number.eq(self.number), content.eq(self.content), started.eq(1)]
        with m.If(started):
            m.d.comb += Assume((number == self.number) & (content == self.content))
        come = Signal(32)
        written = Signal(32)
        half = Signal()
        m.d.comb += half.eq(dut.part & ~ring.stale)
        with m.If(ring.beat & (come == self.number)):
            m.d.comb += Assume(dut.data.payload == (Mux(half, self.content[-8 * port:], self.content[:8 * port])))
        with m.If(ring.beat & (half | (whole == port))):
            m.d.sync += come.eq(come + 1)
        with m.If(dut.write.valid):
            m.d.sync += written.eq(written + 1)
        with m.If(dut.start | dut.stop):
            m.d.sync += [come.eq(0), written.eq(0)]
        m.d.comb += Assert(come == (written + dut.write.valid)[:32], "a write lost or made twice")
        if whole != port:
            m.d.comb += Assert(~half | (come != self.number) | (dut.write.p.data[8 * port:] == self.content[:8 * port]),
                               "half a word lost")
        with m.If(dut.write.valid & (written == self.number)):
            m.d.comb += Assert(dut.write.p.data == self.content, "a word written that the memory does not hold")
        return m
