"""What the scratchpads of block RAM promise for what is written to them, as hardware that counts along."""

from amaranth import Assert, Module, Signal, Value
from amaranth.hdl import Assume
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from hw.gateware.scratchpad import ActivationScratchpad, WeightScratchpad
from hw.spec.design import DesignPoint

__all__ = ["ActivationContract", "Activations", "WeightContract", "Weights"]

BUS_BYTES = 4


class _Store(data.Struct):
    """What a bank of memory is told to store in this cycle."""

    enable: 1
    address: 24
    value: 32


class Activations(ActivationScratchpad):
    """The scratchpad, with what its banks store in view."""

    def __init__(self, design: DesignPoint):
        super().__init__(design)
        self.stores = [Signal(_Store, name=f"store{bank}") for bank in range(design.fetch_bytes)]

    def _write(self, m, ports):
        super()._write(m, ports)
        for store, port in zip(self.stores, ports, strict=True):
            m.d.comb += [store.enable.eq(port.en), store.address.eq(port.addr), store.value.eq(port.data)]


class Weights(WeightScratchpad):
    """The scratchpad, with what its banks store in view."""

    def __init__(self, design: DesignPoint):
        super().__init__(design)
        self.stores = [Signal(_Store, name=f"store{bank}") for bank in range(design.weight_port_bits // 32)]

    def _write(self, m, bank, bank_bits):
        write, store = super()._write(m, bank, bank_bits), self.stores[bank]
        m.d.comb += [store.enable.eq(write.valid), store.address.eq(write.line), store.value.eq(write.data)]
        return write


def _constant(m: Module, address: Value, inside: Value) -> None:
    """The followed place stays the same, and exists."""
    before = Signal.like(address)
    started = Signal()
    m.d.sync += [before.eq(address), started.eq(1)]
    m.d.comb += [Assume(inside), Assume(~started | (before == address))]


def _stored(m: Module, stores: list[Signal], place: Value, *, due: Value, value: Value) -> None:
    """Exactly what is due goes to ``place`` (bank lowest), and where it is due."""
    bits = (len(stores) - 1).bit_length()
    mine = Signal(_Store)
    for bank, store in enumerate(stores):
        with m.If(place[:bits] == bank):
            m.d.comb += mine.eq(store)
    hit = mine.enable & (mine.address == place[bits:])
    m.d.comb += [Assert(hit == due, "a write was lost or made twice, or nobody made it"),
                 Assert(~hit | (mine.value[:len(value)] == value), "what was written was changed")]


class ActivationContract(wiring.Component):
    """The bus and the engine write activations: none is lost, doubled, changed or stored elsewhere.

    One activation is followed, at an address that the prover chooses. Its bank stores it in the cycle after an
    accepted write, and then only. The engine's writes are always taken; the bus waits exactly in the cycles in which
    the engine writes, so it never waits when nobody is in its way.

    Parameters
    ----------
    unit : Activations
        Only observed.

    Members
    -------
    address : In(24)
        Of the followed activation; constant.
    """

    address: In(24)

    def __init__(self, unit: Activations):
        self._unit = unit
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        m, unit = Module(), self._unit
        design, bus, write = unit.design, unit.bus_write, unit.write
        size = (design.act_bytes - 1).bit_length()
        _constant(m, self.address, self.address < design.act_bytes)
        m.d.comb += [Assume(~bus.valid | (bus.p.address[:2] == 0)),
                     Assert(bus.ready == ~write.valid, "the bus waits without a reason, or does not with one")]
        parts = [(write.valid & write.p.mask[lane], write.p.address + lane, write.p.data[lane])
                 for lane in range(design.requantizers)]
        parts += [(bus.valid & bus.ready & bus.p.select[lane], bus.p.address + lane, bus.p.data.word_select(lane, 8))
                  for lane in range(BUS_BYTES)]
        due = Signal()
        value = Signal(design.act_bits)
        m.d.sync += due.eq(0)
        for valid, address, given in parts:
            with m.If(valid & (address[:size] == self.address[:size])):
                m.d.sync += [due.eq(1), value.eq(given)]
        _stored(m, unit.stores, self.address[:size], due=due, value=value)
        return m


class WeightContract(wiring.Component):
    """The bus and the stream write weights: no word is lost, doubled, changed or stored elsewhere.

    One word is followed, at an address that the prover chooses. Its bank stores it in the cycle of an accepted write,
    and then only. The stream's writes are always taken; the bus waits exactly in the cycles in which the stream
    writes.

    Parameters
    ----------
    unit : Weights
        Only observed.

    Members
    -------
    address : In(24)
        Of the followed word of 32 bits, in words; constant.
    """

    address: In(24)

    def __init__(self, unit: Weights):
        self._unit = unit
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        m, unit = Module(), self._unit
        bus, streamed = unit.bus_write, unit.stream_write
        words = unit.design.weight_bytes // 4
        width = len(streamed.p.data) // 32
        _constant(m, self.address, self.address < words)
        for address, aligned in ((bus.p.address, 2), (streamed.p.address, 2 + (width - 1).bit_length())):
            m.d.comb += Assume((address < 4 * words) & (address[:aligned] == 0))
        m.d.comb += Assert(bus.ready == ~streamed.valid, "the bus waits without a reason, or does not with one")
        due = Signal()
        value = Signal(32)
        with m.If(bus.valid & bus.ready & (bus.p.address >> 2 == self.address)):
            m.d.comb += [due.eq(1), value.eq(bus.p.data)]
        for place in range(width):
            with m.If(streamed.valid & ((streamed.p.address >> 2) + place == self.address)):
                m.d.comb += [due.eq(1), value.eq(streamed.p.data.word_select(place, 32))]
        _stored(m, unit.stores, self.address[:(words - 1).bit_length()], due=due, value=value)
        return m
