"""The single-port scratchpad's arbiter keeps every byte, and faults planted in it are found."""

import pytest
from amaranth import Module, Signal

from hw.formal import ProofError, prove
from hw.formal.spram import SpramContract
from hw.gateware.spram import SpramScratchpad
from hw.spec.design import DesignPoint
from tests.support.faulty import spoiled

pytestmark = pytest.mark.formal
DESIGN = DesignPoint(rows=1, cols=4, lanes=4, requantizers=1, requantizer_cycles=2, requantizer_dsps=0, memory="spram",
                     act_bytes=131072, weight_bytes=4096)


def under_contract(dut, *, period):
    m = Module()
    m.submodules.dut = dut
    m.submodules.contract = contract = SpramContract(dut, period=period)
    return m, [dut.fetch.as_value(), dut.fetch_valid, dut.write.payload.as_value(), dut.write.valid, dut.write_last,
               dut.load_read, dut.load_address, dut.bus_read, dut.bus_address, dut.bus_write.valid,
               dut.bus_write.payload.as_value(), contract.address, contract.mark]


def store_twice(m, unit):
    again = Signal()
    m.d.sync += again.eq(unit.store & ~again)
    with m.If(unit.store & ~again):
        m.d.sync += unit.waiting.eq(1)


def serve_loads_first(m, unit):
    with m.If(unit.load_read):
        m.d.comb += unit.store.eq(0)


def forget_a_row(m, unit):
    with m.If(unit.bus_read):
        m.d.sync += unit.waiting.eq(0)


def take_what_the_bus_offers(m, unit):
    with m.If(unit.bus_write.valid & ~unit.bus_write.ready):
        m.d.sync += unit.stored.data.eq(unit.bus_write.p.data)


def give_twice(m, unit):
    m.d.comb += unit.load_ready.eq(~unit.fetch_valid)


def miss_the_carry(m, unit):
    m.d.comb += unit.banks[0].address.eq(unit.banks[3].address)


@pytest.mark.parametrize("period, depth", [(4, 8), pytest.param(8, 12, marks=pytest.mark.slow)])
def test_no_byte_is_lost_changed_or_stored_twice(period, depth, tmp_path):
    assert prove(*under_contract(SpramScratchpad(DESIGN), period=period), tmp_path, depth=depth).assertions == 14


@pytest.mark.parametrize("spoil, message", [
    (store_twice, "stored twice|another waiting|does not have it"),
    (serve_loads_first, "another waiting|has waited too long"),
    (forget_a_row, "the waiting row of the byte does not have it"),
    (take_what_the_bus_offers, "the waiting row of the byte has another|was changed"),
    (give_twice, "the port was given to two"),
    (miss_the_carry, "the byte was (lost|changed)"),
])
def test_a_planted_fault_is_found(spoil, message, tmp_path):
    with pytest.raises(ProofError, match=rf"top.contract: .*({message}).*; trace in"):
        prove(*under_contract(spoiled(SpramScratchpad, DESIGN, spoil=spoil), period=4), tmp_path)
