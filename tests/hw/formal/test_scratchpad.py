"""The arbiters of the scratchpads of block RAM lose no write, for ever, by k-induction; planted faults are found."""

import pytest
from amaranth import Module, Signal

from hw.formal import ProofError, prove
from hw.formal.scratchpad import ActivationContract, Activations, WeightContract, Weights
from hw.spec.design import DesignPoint
from tests.support.faulty import spoiled

pytestmark = pytest.mark.formal
DESIGN = DesignPoint(rows=2, cols=4, lanes=4, requantizers=2, act_bytes=1024, weight_bytes=1024, stream_bytes=4)


def activations(dut):
    m = Module()
    m.submodules.dut = dut
    m.submodules.contract = contract = ActivationContract(dut)
    return m, [dut.fetch.as_value(), dut.row_bytes, dut.zero, dut.write.payload.as_value(), dut.write.valid,
               dut.bus_read, dut.bus_address, dut.bus_write.payload.as_value(), dut.bus_write.valid, contract.address]


def weights(dut):
    m = Module()
    m.submodules.dut = dut
    m.submodules.contract = contract = WeightContract(dut)
    return m, [dut.address, dut.bus_read, dut.bus_address, dut.bus_write.payload.as_value(), dut.bus_write.valid,
               dut.stream_write.payload.as_value(), dut.stream_write.valid, contract.address]


def test_no_activation_is_lost(tmp_path):
    proof = prove(*activations(Activations(DESIGN)), tmp_path, depth=3)
    assert (proof.assertions, proof.cycles) == (3, None)


def test_no_weight_is_lost(tmp_path):
    proof = prove(*weights(Weights(DESIGN)), tmp_path, depth=3)
    assert (proof.assertions, proof.cycles) == (3, None)


class WithPorts(Activations):
    """With the banks' write ports, for a fault to change."""

    def _write(self, m, ports):
        super()._write(m, ports)
        self.ports = ports


def always_ready(m, unit):
    m.d.comb += unit.bus_write.ready.eq(1)


def never_ready(m, unit):
    m.d.comb += unit.bus_write.ready.eq(0)


def forget_the_carry(m, unit):
    """A run of two activations that begins in the last bank should go on in the next word."""
    last = Signal()
    m.d.sync += last.eq(unit.write.valid & (unit.write.p.address[:3] == 7))
    with m.If(last):
        m.d.comb += unit.stores[0].address.eq(unit.stores[7].address)


def store_again(m, unit):
    again = Signal()
    m.d.sync += again.eq(unit.write.valid & ~again)
    with m.If(again & ~unit.write.valid):
        m.d.sync += unit.ports[0].en.eq(1)


@pytest.mark.parametrize("spoil, message", [
    (always_ready, "the bus waits without a reason, or does not with one"),
    (never_ready, "the bus waits without a reason, or does not with one"),
    (forget_the_carry, "a write was lost or made twice, or nobody made it"),
    (store_again, "a write was lost or made twice, or nobody made it|what was written was changed"),
])
def test_a_planted_fault_is_found(spoil, message, tmp_path):
    with pytest.raises(ProofError, match=rf"top.contract: .*({message}); trace in"):
        prove(*activations(spoiled(WithPorts, DESIGN, spoil=spoil)), tmp_path, depth=3)


class Late(Weights):
    """The bus overwrites what the stream writes in the same cycle."""

    def _write(self, m, bank, bank_bits):
        write = super()._write(m, bank, bank_bits)
        with m.If(self.bus_write.valid):
            m.d.comb += write.data.eq(self.bus_write.p.data)
        return write


def test_a_weight_that_the_bus_overwrites_is_found(tmp_path):
    with pytest.raises(ProofError, match="what was written was changed"):
        prove(*weights(Late(DESIGN)), tmp_path, depth=3)
