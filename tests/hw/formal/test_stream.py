"""The loader keeps its account for ever, by k-induction; faults planted in it are found."""

from dataclasses import replace

import pytest
from amaranth import Assert, Cat, Module, Mux, Signal
from amaranth.hdl import Assume

from hw.formal import ProofError, prove
from hw.formal.stream import MarkedWrite, RingContract
from hw.gateware.stream import SpramSource, WeightStream
from hw.spec.design import DesignPoint
from hw.spec.stream import CHUNK_BYTES
from tests.support.faulty import spoiled

pytestmark = pytest.mark.formal

NARROW = DesignPoint(rows=4, cols=4, lanes=4, weight_bytes=1024, stream_bytes=2)
SPRAM = DesignPoint(rows=1, cols=4, lanes=4, memory="spram", act_bytes=131072, weight_bytes=4096)


def inputs_of(dut):
    return [dut.start, dut.stop, dut.enable, dut.base, dut.ring_base, dut.ring_bytes, dut.stream_bytes,
            dut.request.ready, dut.data.valid, dut.data.payload, dut.need, dut.release]


def ring_under_contract(dut):
    m = Module()
    m.submodules.dut = dut
    m.submodules.ring = RingContract(dut, assume=True)
    return m, inputs_of(dut)


def marked_under_contract(dut):
    m = Module()
    m.submodules.dut = dut
    m.submodules.ring = ring = RingContract(dut, assume=True)
    m.submodules.marked = marked = MarkedWrite(dut, ring)
    return m, [*inputs_of(dut), marked.number, marked.content]


@pytest.mark.slow
def test_the_loader_keeps_its_account(tmp_path):
    """By k-induction, for every length of time, every ring, stream, content and behaviour of the memory."""
    assert prove(*marked_under_contract(WeightStream(NARROW)), tmp_path, depth=2).assertions == 31


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"stream_bytes": 4}, {"weight_bits": 1, "multiplier": "lut", "lanes": 8}])
def test_other_widths_keep_their_account(changes, tmp_path):
    assert prove(*marked_under_contract(WeightStream(replace(NARROW, **changes))), tmp_path, depth=2).assertions >= 28


def withdraw(m, dut):
    with m.If(dut.start):
        m.d.sync += dut.request.valid.eq(0)


def keep_stale_beats(m, dut):
    m.d.sync += dut.drop.eq(0)


def always_ready(m, dut):
    m.d.comb += dut.ready.eq(1)


def forget_to_wrap(m, dut):
    with m.If(dut.write.valid):
        m.d.sync += dut.place.eq(dut.place + 1)


def write_every_beat(m, dut):
    m.d.sync += dut.write.valid.eq(dut.data.valid & ~dut.drop & ~dut.start & ~dut.stop)


def forget_a_release(m, dut):
    with m.If(dut.release & ~dut.start):
        m.d.sync += dut.room.eq(dut.room)


def ask_without_room(m, dut):
    with m.If(~dut.start):
        m.d.sync += dut.room.eq(dut.ring_bytes >> 2)


def write_on_after_a_stop(m, dut):
    with m.If(dut.stop & ~dut.start):
        m.d.sync += dut.write.valid.eq(dut.data.valid & dut.part)


@pytest.mark.parametrize("spoil, message", [
    (withdraw, "valid was withdrawn before a transfer|lost count of beats"),
    (keep_stale_beats, "lost count of (dropped beats|what is held|writes)|a beat lost"),
    (always_ready, "ready is wrong"),
    (forget_to_wrap, "a write to a wrong place|lost count of the place"),
    (write_every_beat, "lost count of writes|a beat lost or written twice"),
    (forget_a_release, "lost count of room|the loader rests"),
    (ask_without_room, "lost count of room|a request without room in the ring"),
    (write_on_after_a_stop, "a write without a stream|lost count of writes"),
])
def test_a_planted_fault_is_found(spoil, message, tmp_path):
    with pytest.raises(ProofError, match=message):
        prove(*ring_under_contract(spoiled(WeightStream, NARROW, spoil=spoil)), tmp_path, depth=2)


def swap_halves(m, dut):
    with m.If(dut.data.valid):
        m.d.sync += dut.write.p.data.eq(Cat(dut.data.payload, dut.write.p.data[16:]))


def test_swapped_halves_are_found(tmp_path):
    with pytest.raises(ProofError, match="half a word lost|a word written that the memory does not hold"):
        prove(*marked_under_contract(spoiled(WeightStream, NARROW, spoil=swap_halves)), tmp_path, depth=2)


def source_under_contract(dut):
    """Each request's beats come, all of them and no more, from neighbouring words that are read while enabled."""
    m, owed, place = Module(), Signal(10), Signal.like(dut.address)
    m.submodules.dut = dut
    accepted = dut.request.valid & dut.request.ready
    begins = Mux(dut.first, dut.base, place)[:len(place)]     # the loader's requests follow each other
    m.d.comb += [Assume(dut.request.p.beats <= CHUNK_BYTES // 8),
                 Assume(~accepted | (dut.request.p.address[:len(place)] == begins))]
    m.d.sync += owed.eq(owed + Mux(accepted, dut.request.p.beats, 0) - dut.data.valid)
    with m.If(accepted):
        m.d.sync += place.eq(dut.request.p.address[:len(place)])
    with m.Elif(dut.read):
        m.d.sync += place.eq(place + 8)
        m.d.comb += Assert(dut.address == place, "a word out of order")
    m.d.comb += [Assert(~dut.read | dut.enable, "a read while the port is taken"),
                 Assert(~dut.data.valid | (owed != 0), "a beat that nobody asked for"),
                 Assert(dut.address == place, "lost count of the place"),
                 Assert(owed == dut.left + sum(bit for bit in dut.coming), "lost count of beats"),
                 Assert(~dut.enable | dut.read | (owed == sum(bit for bit in dut.coming)), "the source rests")]
    return m, [dut.request.payload.as_value(), dut.request.valid, dut.start, dut.base, dut.enable, dut.word]


class Hasty(SpramSource):
    """Reads whether or not the port is free."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.read.eq(self.left != 0)
        return m


def test_the_spram_source_serves_every_request(tmp_path):
    assert prove(*source_under_contract(SpramSource(SPRAM)), tmp_path, depth=3).assertions == 6


def test_a_hasty_source_is_found(tmp_path):
    with pytest.raises(ProofError, match="a read while the port is taken"):
        prove(*source_under_contract(Hasty(SPRAM)), tmp_path, depth=3)
