"""Control and status on the bus; each kind adds to the engine's own module."""

from amaranth import Array, Cat, Const, Module, Signal, Value
from amaranth.lib import wiring

from hw.gateware.log import LayerLog
from hw.spec.design import DesignPoint
from hw.spec.registers import REGISTERS, VERSION

__all__ = ["FewRegisters", "LoggedRegisters", "Registers"]

NUMBER = {name: offset >> 2 for name, (offset, _) in REGISTERS.items()}


class Registers:
    """All registers are registers.

    Parameters
    ----------
    ticket, done : Signal
        Last ticket taken, and that of the last run that ended.
    irq : Signal
        A run ends.
    """

    def __init__(self, design: DesignPoint, bus: wiring.PureInterface, *, ticket: Signal, done: Signal, irq: Signal):
        self.design, self.bus, self.ticket, self.done, self.irq = design, bus, ticket, done, irq

    def add(self, m: Module, sequencer: wiring.Component, writes: Value, log: LayerLog) -> tuple[Signal, Signal]:
        """The value of the addressed register, and where the stream lies; ``writes``: one is written."""
        bus, design, ticket = self.bus, self.design, self.ticket
        cycles = Signal(32)
        program = Signal.like(sequencer.program)
        stream = Signal(design.act_bytes.bit_length() if design.memory == "spram" else 32)
        was_busy = Signal()
        m.d.sync += was_busy.eq(sequencer.busy)
        m.d.comb += [
            sequencer.program.eq(program),
            sequencer.start.eq(writes & (bus.adr == NUMBER["TICKET"]) & (bus.dat_w[:len(ticket)] != ticket)
                               & self._rests(was_busy, sequencer.busy)),
            self.irq.eq(was_busy & ~sequencer.busy),
        ]
        with m.If(sequencer.start):
            m.d.sync += [ticket.eq(bus.dat_w), cycles.eq(0)]
        with m.Elif(sequencer.busy):
            m.d.sync += cycles.eq(cycles + 1)
        with m.If(writes & (bus.adr == NUMBER["PROGRAM"])):
            m.d.sync += program.eq(bus.dat_w)
        with m.If(writes & (bus.adr == NUMBER["STREAM"])):
            m.d.sync += stream.eq(bus.dat_w)
        readable = {"STATUS": Cat(sequencer.busy, Const(0, 7), sequencer.error, sequencer.layer), "CYCLES": cycles,
                    "PC": sequencer.pc, **self._others(m, sequencer, writes, log, program, stream)}
        value = Signal(32)
        places = {NUMBER[name]: content for name, content in readable.items()}
        m.d.comb += value.eq(Array(places.get(place, 0) for place in range(16))[bus.adr[:4]])
        return value, stream

    def _rests(self, was_busy: Signal, busy: Signal) -> Value:
        """A ticket is taken."""
        return ~busy

    def _others(self, m: Module, sequencer: wiring.Component, writes: Value, log: LayerLog, program: Signal,
                stream: Signal) -> dict[str, Value | int]:
        """Registers that the engine does not need itself, and what is read of them."""
        with m.If(self.irq):
            m.d.sync += self.done.eq(self.ticket)
        return {"ID": self.design.fingerprint, "VERSION": VERSION, "TICKET": self.ticket, "DONE": self.done,
                "PROGRAM": program, "STREAM": stream}


class LoggedRegisters(Registers):
    """Those that the engine does not need itself lie in the layer log's memory (``RegisterLog``).

    A ticket that is written in the very cycle after a run's last one is not taken.
    """

    def _rests(self, was_busy: Signal, busy: Signal) -> Value:
        return ~was_busy & ~busy

    def _others(self, m: Module, sequencer: wiring.Component, writes: Value, log: LayerLog, program: Signal,
                stream: Signal) -> dict[str, Value | int]:
        bus = self.bus
        # a cycle later, so that the bus need not wait for the sequencer; the ticket is the same then
        m.d.sync += log.ends.eq(self.irq)
        m.d.comb += [log.ticket.eq(self.ticket), log.register.eq(bus.adr[:4]),
                     log.register_data.eq(bus.dat_w), log.register_write.eq(sequencer.start | (writes & (
                         (bus.adr == NUMBER["PROGRAM"]) | (bus.adr == NUMBER["STREAM"]))))]
        return {}


class FewRegisters(Registers):
    """Without a log to keep them: where program and stream lie cannot be read back."""

    def _others(self, m: Module, sequencer: wiring.Component, writes: Value, log: LayerLog, program: Signal,
                stream: Signal) -> dict[str, Value | int]:
        found = super()._others(m, sequencer, writes, log, program, stream)
        return {name: value for name, value in found.items() if name not in ("PROGRAM", "STREAM")}
