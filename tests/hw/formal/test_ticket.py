"""A start that is written twice runs once, for ever, by k-induction; faults planted in the registers are found."""

from dataclasses import replace

import pytest
from amaranth import Module, Mux, Signal

from hw.formal import ProofError, prove
from hw.formal.ticket import EngineBus, TicketContract
from hw.spec.design import DesignPoint
from hw.spec.registers import REGISTERS

pytestmark = pytest.mark.formal
DESIGN = DesignPoint(rows=1, cols=1, lanes=4, weight_bits=8, act_bytes=1024, weight_bytes=1024)


COMPACT = DesignPoint(engine="compact", rows=1, cols=4, lanes=4, multiplier="mac16", requantizer_cycles=2,
                      requantizer_dsps=0, memory="spram", act_bytes=131072, weight_bytes=4096)


BYTES = replace(COMPACT, layer_log=False)


@pytest.fixture(autouse=True)
def one_identity(monkeypatch):
    """Nothing that is proved depends on the constant in ID, but the solver's time does: one minute, or ten."""
    monkeypatch.setattr(DesignPoint, "fingerprint", 0x12345678)


def under_contract(dut):
    m = Module()
    m.submodules.dut = dut
    m.submodules.contract = TicketContract(dut)
    bus = dut.bus
    return m, [bus.cyc, bus.stb, bus.we, bus.sel, bus.adr, bus.dat_w, dut.ends, dut.paused, dut.ready, dut.word]


class Faulty(EngineBus):
    """``spoil`` gets the module, whose signals it may assign anew, the unit and the sequencer's side."""

    def __init__(self, spoil, design=DESIGN):
        self.spoil = spoil
        super().__init__(design)

    def _registers(self, m, sequencer, writes, log):
        found = super()._registers(m, sequencer, writes, log)
        self.spoil(m, self, sequencer, writes & (self.bus.adr == REGISTERS["TICKET"][0] >> 2))
        return found


def start_whatever_the_ticket(m, unit, sequencer, writes):
    m.d.comb += sequencer.start.eq(writes & ~sequencer.busy)


def start_while_busy(m, unit, sequencer, writes):
    m.d.comb += sequencer.start.eq(writes & (unit.bus.dat_w != unit.ticket))


def forget_the_ticket(m, unit, sequencer, writes):
    with m.If(unit.irq):
        m.d.sync += unit.ticket.eq(0)


def take_it_without_a_start(m, unit, sequencer, writes):
    with m.If(writes):
        m.d.sync += unit.ticket.eq(unit.bus.dat_w)


def finish_early(m, unit, sequencer, writes):
    with m.If(sequencer.start):
        m.d.sync += unit.done.eq(unit.bus.dat_w)


def start_alone(m, unit, sequencer, writes):
    again = Signal()
    m.d.sync += again.eq(Mux(sequencer.start, 1, again & ~unit.irq))
    with m.If(again & ~sequencer.busy):
        m.d.comb += sequencer.start.eq(1)


def never_start(m, unit, sequencer, writes):
    m.d.comb += sequencer.start.eq(0)


def test_a_repeated_start_changes_nothing(tmp_path):
    assert prove(*under_contract(EngineBus(DESIGN)), tmp_path, depth=4).assertions == 12


@pytest.mark.slow       # the compact preset has tickets of a byte, which are proved below
def test_nor_does_it_in_a_compact_design(tmp_path):
    assert prove(*under_contract(EngineBus(COMPACT)), tmp_path, depth=4).assertions == 9


def test_nor_with_tickets_of_a_byte(tmp_path):
    """Without a log, as the UP5K's preset is: all is in registers again."""
    assert prove(*under_contract(EngineBus(BYTES)), tmp_path, depth=4).assertions == 12


@pytest.mark.parametrize("spoil, message", [
    (start_whatever_the_ticket, "a repeated ticket started again|a write started twice"),
    (forget_the_ticket, "the ticket is not the last one taken"),
    (finish_early, "done is not the ticket of the last run")])
def test_a_planted_fault_is_found_with_tickets_of_a_byte(spoil, message, tmp_path):
    with pytest.raises(ProofError, match=rf"top.contract: .*({message}).*; trace in"):
        prove(*under_contract(Faulty(spoil, BYTES)), tmp_path, depth=6)


@pytest.mark.parametrize("spoil, message", [
    (start_whatever_the_ticket, "a repeated ticket started again|a write started twice"),
    (start_while_busy, "a start while the engine runs"),
    (forget_the_ticket, "the ticket is not the last one taken"),
    (take_it_without_a_start, "the ticket is not the last one taken"),
    (finish_early, "done is not the ticket of the last run"),
    (start_alone, "a start that nobody asked for|a repeated ticket"),
    (never_start, "a new ticket was not taken"),
])
def test_a_planted_fault_is_found(spoil, message, tmp_path):
    with pytest.raises(ProofError, match=rf"top.contract: .*({message}).*; trace in"):
        prove(*under_contract(Faulty(spoil)), tmp_path, depth=6)


@pytest.mark.parametrize("spoil, message", [
    (start_while_busy, "a start while the engine runs"),
    (forget_the_ticket, "the ticket is not the last one taken"),
    (never_start, "a new ticket was not taken"),
])
@pytest.mark.slow
def test_a_compact_design_with_a_planted_fault_is_not_proved(spoil, message, tmp_path):
    # It clears its registers for longer than these steps from reset, so that only the induction reaches the fault.
    with pytest.raises(ProofError, match=rf"top.contract: ({message}): holds .* but does not follow by induction"):
        prove(*under_contract(Faulty(spoil, COMPACT)), tmp_path, depth=4)
