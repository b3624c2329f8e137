"""The layer log: counters of the layers of the last run, and perhaps registers of the bus."""

from amaranth import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.memories import RAM
from hw.spec.commands import LAYER_LOG_ENTRIES
from hw.spec.design import DesignPoint
from hw.spec.registers import LAYER_LOG, LOG_WORDS, REGISTERS, VERSION

__all__ = ["LayerLog", "NoLog", "RegisterLog"]

WORDS = LOG_WORDS * LAYER_LOG_ENTRIES


def _number(name):
    return REGISTERS[name][0] >> 2


def _place(register):
    """Word of the log that holds a register."""
    return LOG_WORDS * register + LOG_WORDS - 1


class LayerLog(wiring.Component):
    """A block RAM of ``LOG_WORDS`` for each layer.

    Members
    -------
    write, write_address, write_data : In
        A counter.
    address, data : In, Out
        Word from the beginning of the bus's region; its content ``latency`` cycles later.
    ready : Out(1)
        In cycles without it no register is written.
    register_write, register, register_data, ends, ticket : In
        For :class:`RegisterLog`.
    """

    #: The block RAM may be far away from the bus.
    latency = 2
    #: Registers of the bus that it keeps.
    kept: tuple[str, ...] = ()

    def __init__(self, design: DesignPoint):
        self.design = design
        super().__init__({
            "write": In(1), "write_address": In(range(WORDS)), "write_data": In(32),
            "address": In(range(LAYER_LOG // 2)), "data": Out(32), "ready": Out(1),
            "register_write": In(1), "register": In(4), "register_data": In(32), "ends": In(1), "ticket": In(32),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = storage = memory.Memory(shape=32, depth=WORDS, init=self._init(), attrs=RAM)
        writer, reader = storage.write_port(), storage.read_port()
        domain = m.d.sync if self.latency > 1 else m.d.comb
        domain += self.data.eq(reader.data)
        m.d.comb += [reader.addr.eq(self.address), self.ready.eq(1),
                     writer.addr.eq(self.write_address), writer.data.eq(self.write_data), writer.en.eq(self.write)]
        self._registers(m, writer, reader)
        return m

    def _init(self):
        return [0] * WORDS

    def _registers(self, m, writer, reader):
        """What else uses the memory."""


class RegisterLog(LayerLog):
    """With registers of the bus: number ``n`` lies in the last word of entry ``n``, which has no counter.

    Members
    -------
    register_write, register, register_data : In
        A write to a register of ``kept``.
    ends, ticket : In
        A run ends, and ``DONE`` becomes its ticket.
    """

    latency = 1
    kept = ("ID", "VERSION", "TICKET", "DONE", "PROGRAM", "STREAM")

    def _init(self):
        init = super()._init()
        init[_place(_number("ID"))], init[_place(_number("VERSION"))] = self.design.fingerprint, VERSION
        return init

    def _registers(self, m, writer, reader):
        """They share the ports with the counters, and are cleared after a reset."""
        clears = Signal(4, init=_number("TICKET"))      # the next register to be cleared; they follow the constants
        with m.If(clears != 0):
            m.d.sync += clears.eq(clears + 1)
        m.d.comb += self.ready.eq(~self.write & ~self.ends & (clears == 0))
        with m.If(~self.address[-1]):
            m.d.comb += reader.addr.eq(_place(self.address[:4]))
        with m.If(~self.write):
            m.d.comb += [
                writer.en.eq(~self.ready | self.register_write),
                writer.data.eq(Mux(self.register_write, self.register_data, Mux(self.ends, self.ticket, 0))),
                writer.addr.eq(_place(Mux(self.register_write, self.register,
                                          Mux(clears != 0, clears, _number("DONE"))))),
            ]


class NoLog(LayerLog):
    """In its place, where a design has none: reads as 0."""

    latency = 1

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.ready.eq(1)
        return m
