"""What the ticket register promises: a start that is repeated changes nothing."""

from amaranth import Assert, Module, Signal
from amaranth.hdl import Assume
from amaranth.lib import wiring

from hw.gateware.bus import BusState
from hw.gateware.engine import Engine
from hw.gateware.scratchpad import ActivationScratchpad, WeightScratchpad
from hw.gateware.sequencer import Sequencer
from hw.gateware.spram import SpramScratchpad
from hw.spec.design import DesignPoint
from hw.spec.registers import LAYER_LOG, REGISTERS

__all__ = ["EngineBus", "TicketContract"]


class _Hollow(wiring.Component):
    """Ports without anything behind them."""

    def elaborate(self, platform: object) -> Module:
        return Module()


class _Sequencer(_Hollow, Sequencer):
    pass


class _Activations(_Hollow, ActivationScratchpad):
    pass


class _Spram(SpramScratchpad):
    """The memories are there, and nothing else."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules += self.banks
        return m


class _Weights(_Hollow, WeightScratchpad):
    pass


class EngineBus(Engine):
    """The engine's own bus and registers; sequencer and scratchpads answer as the environment wants.

    Members
    -------
    ends : Signal
        The running program ends, if there is one.
    paused, ready, word : Signal
        What else they answer.
    start, running : Signal
        The sequencer is started; it runs.
    """

    def __init__(self, design: DesignPoint):
        super().__init__(design)
        self.ends = Signal()
        self.paused = Signal()
        self.ready = Signal()
        self.word = Signal(32)
        self.start = Signal()
        self.running = Signal()

    def elaborate(self, platform: object) -> Module:
        m, design = Module(), self.design
        m.submodules.sequencer = sequencer = _Sequencer(design)
        m.submodules.acts = acts = _Spram(design) if design.memory == "spram" else _Activations(design)
        m.submodules.weights = weights = _Weights(design)
        m.d.sync += self.running.eq(sequencer.start | (self.running & ~self.ends))
        m.d.comb += [self.start.eq(sequencer.start), sequencer.busy.eq(self.running),
                     sequencer.paused.eq(self.paused & sequencer.pause)]
        for scratchpad in (acts, weights):
            m.d.comb += [scratchpad.bus_write.ready.eq(self.ready), scratchpad.bus_data.eq(self.word)]
        if design.memory == "spram":
            m.d.comb += acts.idle.eq(1)
        self._bus(m, sequencer, acts, weights)
        return m


class TicketContract(wiring.Component):
    """The engine starts once for each ticket: at a write that brings another than it took last, while it is idle.

    - A start comes only with a bus cycle that writes ``TICKET``, at most once in it, never while the engine runs, and
      never for the ticket that was taken last. So a write that is repeated, whenever that is, starts nothing.
    - Another ticket that is written to an idle engine is taken; by one that keeps its
      registers in the log from the second idle cycle on.
    - ``TICKET`` is the last one taken and ``DONE`` that of the last run that ended, and so they read; nothing else
      changes them. So a repeated write changes nothing that can be read. A design that keeps its
      registers in the log answers both from there; what is proved of it is what ``TICKET`` is compared with.

    The environment keeps Wishbone's rule: a request stays as it is until it is acknowledged.

    Parameters
    ----------
    unit : EngineBus
        Only observed.
    """

    def __init__(self, unit: EngineBus):
        self._unit = unit
        super().__init__({})

    def elaborate(self, platform: object) -> Module:
        m, unit, bus = Module(), self._unit, self._unit.bus
        request = bus.cyc & bus.stb
        waiting = Signal()
        m.d.sync += waiting.eq(request & ~bus.ack)
        with m.If(waiting):
            m.d.comb += Assume(request)
        for signal in (bus.adr, bus.dat_w, bus.we):
            before = Signal.like(signal)
            m.d.sync += before.eq(signal)
            with m.If(waiting):
                m.d.comb += Assume(signal == before)

        number = {name: offset >> 2 for name, (offset, _) in REGISTERS.items()}
        taken = Signal.like(unit.ticket)
        done = Signal.like(unit.done)
        written = bus.dat_w[:len(taken)]      # what counts of it
        started = Signal()
        was_running = Signal()
        taken_before = Signal.like(taken)
        done_before = Signal.like(done)
        ran = Signal()
        logged = unit.design.registers_in_log
        writes = request & bus.we & (bus.adr == number["TICKET"])
        m.d.sync += [was_running.eq(unit.running), ran.eq(was_running), taken_before.eq(taken), done_before.eq(done),
                     started.eq((started | unit.start) & ~bus.ack)]
        with m.If(unit.start):
            m.d.sync += taken.eq(written)
        with m.If(was_running & ~unit.running):
            m.d.sync += done.eq(taken)
        m.d.comb += [
            Assert(~unit.start | writes, "a start that nobody asked for"),
            Assert(~unit.start | ~started, "a write started twice"),
            Assert(~started | bus.ack, "a write that started was not acknowledged"),
            Assert((unit.bus_state == BusState.IDLE) | waiting, "the bus answers nobody"),
            Assert((unit.bus_state == BusState.IDLE) | (unit.bus_state == BusState.DONE) | (bus.adr << 2 >= LAYER_LOG)
                   | ((unit.bus_state == BusState.LOG) & ~bus.we & logged), "a register takes longer than it may"),
            Assert(~unit.start | ~unit.running, "a start while the engine runs"),
            Assert(~unit.start | (written != taken), "a repeated ticket started again"),
            Assert(unit.ticket == taken, "the ticket is not the last one taken"),
        ]
        with m.If(bus.ack & bus.we & (bus.adr == number["TICKET"])):
            m.d.comb += Assert(started | unit.running | was_running | (written == taken) | (ran & logged),
                               "a new ticket was not taken")
        if logged:
            return m
        m.d.comb += Assert(unit.done == done, "done is not the ticket of the last run that ended")
        with m.If(bus.ack & ~bus.we & (bus.adr == number["TICKET"])):
            m.d.comb += Assert(bus.dat_r == taken_before, "TICKET reads as another")
        with m.If(bus.ack & ~bus.we & (bus.adr == number["DONE"])):
            m.d.comb += Assert(bus.dat_r == done_before, "DONE reads as another")
        return m
