"""Outputs are looked up in what was loaded, for ever, by k-induction; planted faults are found."""

import pytest
from amaranth import Module, Signal

from hw.formal import ProofError, prove
from hw.formal.table import TableContract, Tables
from hw.spec.design import DesignPoint
from tests.support.faulty import spoiled

pytestmark = pytest.mark.formal
DESIGN = DesignPoint(rows=2, cols=4, lanes=4, requantizers=2, table_unit=True)
NARROW = DesignPoint(rows=2, cols=2, lanes=4, weight_bits=2, act_bits=4, multiplier="lut", requantizers=1,
                     table_unit=True)     # two entries in a weight word, outputs of four bits


def tables(dut):
    m = Module()
    m.submodules.dut = dut
    m.submodules.contract = contract = TableContract(dut)
    return m, [dut.use, dut.word.as_value(), dut.weights, dut.valid, dut.outputs.as_value(), contract.entry]


@pytest.mark.parametrize("design", [pytest.param(DESIGN, marks=pytest.mark.slow), NARROW],
                         ids=["four entries", "two entries"])
def test_every_output_becomes_its_entry(design, tmp_path):
    proof = prove(*tables(Tables(design)), tmp_path, depth=4)
    assert (proof.assertions, proof.cycles) == (1 + 3 * design.requantizers, None)


class WithEntries(Tables):
    """With what is written, for a fault to change; once for each memory."""

    def __init__(self, design):
        super().__init__(design)
        self.written = []

    def _memory(self, m, q, entries):
        mine = Signal.like(entries, name=f"written{q}")
        m.d.comb += mine.eq(entries)
        self.written.append(mine)
        return super()._memory(m, q, mine)


def second_memory_stays(m, unit):
    m.d.comb += unit.written[1].valid.eq(0)


def first_entry_twice(m, unit):
    data = unit.written[0].data
    m.d.comb += data[24:].eq(data[:8])


def one_word_further(m, unit):
    m.d.comb += unit.written[0].index.eq(unit.word.index)


def always_used(m, unit):
    before = Signal()
    m.d.sync += before.eq(unit.use)
    with m.If(~unit.use):
        m.d.sync += unit.found[0].eq(0)


def sign_forgotten(m, unit):
    """The entry of the output 128 higher, or lower."""
    with m.If(unit.outputs[0] < 0):
        m.d.sync += unit.found[0].eq(unit.found[1])


def a_cycle_early(m, unit):
    early = Signal()
    m.d.sync += early.eq(unit.valid)
    m.d.comb += unit.found_valid.eq(early)


@pytest.mark.parametrize("spoil, message", [
    (second_memory_stays, "an entry was lost, changed or put elsewhere"),
    (first_entry_twice, "an entry was lost, changed or put elsewhere"),
    pytest.param(one_word_further, "an entry was lost, changed or put elsewhere", marks=pytest.mark.slow),
    (always_used, "an output that is not looked up was changed"),
    (sign_forgotten, "an output became another entry|an output that is not looked up was changed"),
    pytest.param(a_cycle_early, "a turn without its outputs, or the reverse", marks=pytest.mark.slow),
])
def test_a_planted_fault_is_found(spoil, message, tmp_path):
    with pytest.raises(ProofError, match=rf"top.contract: .*({message}); trace in"):
        prove(*tables(spoiled(WithEntries, DESIGN, spoil=spoil)), tmp_path, depth=4)
