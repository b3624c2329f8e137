"""The contracts hold for ever, and a fault planted in each design makes its proof fail."""

import pytest
from amaranth import Assert, Module, Signal, signed
from amaranth.hdl import Assume
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.formal import ProofError, prove
from hw.gateware.cfu import CFU_CAPACITY, CFU_LATENCY, CfuUnit
from hw.gateware.contract import CfuBusContract, LatencyContract, StreamContract
from hw.gateware.requantizer import Requantizer
from hw.spec.timing import requantizer_latency

pytestmark = pytest.mark.formal

LATENCY = requantizer_latency(cycles=1, dsps=4)


def cfu_under_contract(dut):
    m = Module()
    m.submodules.dut = dut
    m.submodules.bus = bus = CfuBusContract(dut.cmd, dut.rsp, capacity=CFU_CAPACITY, patience=CFU_LATENCY)
    m.d.comb += Assert(bus.in_flight == dut.in_flight, "the unit lost count of its commands")
    return m, [dut.cmd.payload.as_value(), dut.cmd.valid, dut.rsp.ready]


class Faulty(CfuUnit):
    """The unit with one wire of its handshake changed; ``spoil`` gets the module and the real unit."""

    def __init__(self, spoil):
        self.spoil = spoil
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.real = real = CfuUnit()
        m.d.comb += [
            real.cmd.payload.eq(self.cmd.payload), real.cmd.valid.eq(self.cmd.valid),
            self.cmd.ready.eq(real.cmd.ready), self.rsp.payload.eq(real.rsp.payload),
            self.rsp.valid.eq(real.rsp.valid), real.rsp.ready.eq(self.rsp.ready), self.in_flight.eq(real.in_flight),
        ]
        self.spoil(m, self, real)
        return m


def withdraw(m, outer, real):
    blink = Signal()
    m.d.sync += blink.eq(~blink)
    m.d.comb += outer.rsp.valid.eq(real.rsp.valid & ~blink)


def change_payload(m, outer, real):
    m.d.comb += outer.rsp.payload.eq(real.rsp.payload ^ outer.cmd.payload.in0)


def answer_unasked(m, outer, real):
    m.d.comb += outer.rsp.valid.eq(1)


def answer_twice(m, outer, real):
    again = Signal()
    m.d.sync += again.eq(outer.rsp.valid & outer.rsp.ready & ~again)
    with m.If(again):
        m.d.comb += [outer.rsp.valid.eq(1), real.rsp.ready.eq(0)]


def never_answer(m, outer, real):
    m.d.comb += [outer.rsp.valid.eq(0), real.rsp.ready.eq(0)]


def refuse(m, outer, real):
    m.d.comb += [outer.cmd.ready.eq(0), real.cmd.valid.eq(0)]


def one_at_a_time(m, outer, real):
    m.d.comb += [outer.cmd.ready.eq(real.in_flight == 0), real.cmd.valid.eq(outer.cmd.valid & (real.in_flight == 0))]


def swallow(m, outer, real):
    m.d.comb += outer.cmd.ready.eq(1)


def test_cfu_keeps_the_bus_contract(tmp_path):
    proof = prove(*cfu_under_contract(CfuUnit()), tmp_path)
    assert proof.assertions == 7


@pytest.mark.parametrize("spoil, message", [
    (withdraw, "valid was withdrawn before a transfer"),
    (change_payload, "payload changed before a transfer"),
    (answer_unasked, "a response without a command"),
    (answer_twice, "a response without a command"),
    (never_answer, "a command was left without a response"),
    (refuse, "the unit was not ready for a command that it has to take"),
    (one_at_a_time, "the unit was not ready for a command that it has to take"),
    (swallow, "more commands taken than the unit can hold|the unit lost count of its commands"),
])
def test_a_planted_fault_is_found(spoil, message, tmp_path):
    with pytest.raises(ProofError, match=message):
        prove(*cfu_under_contract(Faulty(spoil)), tmp_path)


class Skid(wiring.Component):
    """A stream through one register, to prove the stream contract on both sides; ``leaky`` drops what it holds."""

    def __init__(self, *, leaky=False):
        self.leaky = leaky
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        with m.If(self.o.ready | ~self.o.valid | self.leaky):
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += [self.o.valid.eq(self.i.valid), self.o.payload.eq(self.i.payload)]
        return m


class Wire(wiring.Component):
    """A stream handed through; it keeps the contract only where its source does."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def elaborate(self, platform):
        m = Module()
        wiring.connect(m, wiring.flipped(self.i), wiring.flipped(self.o))
        return m


def stream_under_contract(dut, *, honest_source=False):
    m = Module()
    m.submodules.dut = dut
    m.submodules.out = StreamContract(dut.o)
    if honest_source:
        m.submodules.source = StreamContract(dut.i, assume=True)
    return m, [dut.i.payload, dut.i.valid, dut.o.ready]


def test_a_register_keeps_the_stream_contract(tmp_path):
    assert prove(*stream_under_contract(Skid()), tmp_path).assertions == 2


def test_a_dropped_payload_is_found(tmp_path):
    with pytest.raises(ProofError, match="top.out: (valid was withdrawn|payload changed) before a transfer; trace in"):
        prove(*stream_under_contract(Skid(leaky=True)), tmp_path)


def test_an_assumed_contract_binds_the_environment(tmp_path):
    assert prove(*stream_under_contract(Wire(), honest_source=True), tmp_path / "honest").assertions == 2
    with pytest.raises(ProofError, match="before a transfer"):
        prove(*stream_under_contract(Wire()), tmp_path / "free")


def requantizer_under_contract(*, latency=LATENCY, low_limit=None):
    """In, out and the clamp; the limits are constant, as the requantizer asks, and low is not above high."""
    m, dut = Module(), Requantizer(acc_bits=16)
    m.submodules.dut = dut
    m.submodules.latency = LatencyContract(dut.acc, dut.out, latency=latency)
    low, high = Signal(signed(8), reset_less=True), Signal(signed(8), reset_less=True)
    started = Signal()
    m.d.sync += [low.eq(dut.low), high.eq(dut.high), started.eq(1)]
    m.d.comb += [Assume(dut.low <= dut.high), dut.add_low.eq(dut.low), dut.add_high.eq(dut.high)]
    with m.If(started):
        m.d.comb += Assume((low == dut.low) & (high == dut.high))
    with m.If(started & dut.out.valid):
        m.d.comb += Assert(dut.out.payload >= (dut.low if low_limit is None else low_limit), "below the lower limit")
        m.d.comb += Assert(dut.out.payload <= dut.high, "above the upper limit")
    return m, [dut.acc.payload.as_value(), dut.acc.valid, dut.zero, dut.low, dut.high]


def test_a_requantizer_keeps_its_latency_and_its_limits(tmp_path):
    assert prove(*requantizer_under_contract(), tmp_path).assertions == 3


def test_a_requantizer_of_another_latency_is_found(tmp_path):
    with pytest.raises(ProofError, match="top.latency: an output without its input, or the reverse"):
        prove(*requantizer_under_contract(latency=LATENCY - 1), tmp_path)


def test_a_requantizer_beyond_its_limits_is_found(tmp_path):
    with pytest.raises(ProofError, match="top: below the lower limit"):
        prove(*requantizer_under_contract(low_limit=0), tmp_path)


def test_an_open_induction_says_so(tmp_path):
    m, slow = Module(), Signal(8)
    m.d.sync += slow.eq(slow + 2)
    m.d.comb += Assert(slow != 201, "the counter ran away")
    with pytest.raises(ProofError, match="the counter ran away: holds for 8 cycles .* does not follow by induction"):
        prove(m, [], tmp_path)


def test_nothing_to_prove_is_an_error(tmp_path):
    with pytest.raises(ProofError, match="nothing to prove"):
        prove(Skid(), [], tmp_path)
