"""Handshake contracts as hardware: the simulator and the prover check the same assertions."""

from amaranth import Assert, Module, Signal
from amaranth.hdl import Assume
from amaranth.lib import stream, wiring

__all__ = ["CPU_IN_FLIGHT", "CfuBusContract", "LatencyContract", "StreamContract"]

CPU_IN_FLIGHT = 2  # commands of the CPU without their response taken: in its execute and in its memory stage


class StreamContract(wiring.Component):
    """Once offered, a payload stays offered and unchanged until it is taken.

    Parameters
    ----------
    watched : stream interface
        The stream; only observed.
    assume : bool
        For the prover: require it of the environment instead of asserting it of the design.
    """

    def __init__(self, watched: stream.Interface, *, assume: bool = False):
        self._watched = watched
        self._state = Assume if assume else Assert
        super().__init__({})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        owed = Signal()
        held = Signal.like(self._watched.payload)
        m.d.sync += owed.eq(self._watched.valid & ~self._watched.ready)
        m.d.sync += held.eq(self._watched.payload)
        with m.If(owed):
            m.d.comb += self._state(self._watched.valid, "valid was withdrawn before a transfer")
            m.d.comb += self._state(self._watched.payload == held, "payload changed before a transfer")
        return m


class LatencyContract(wiring.Component):
    """A pipeline without stalls: what goes in comes out after ``latency`` cycles, and nothing else does.

    Parameters
    ----------
    inward, outward : stream interfaces
        Both sides; only observed.
    latency : int
        Cycles, at least 1.
    """

    def __init__(self, inward: stream.Interface, outward: stream.Interface, *, latency: int):
        self._inward, self._outward, self._latency = inward, outward, latency
        super().__init__({})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        due = Signal(self._latency)
        m.d.sync += due.eq(due << 1 | (self._inward.valid & self._inward.ready))
        m.d.comb += Assert(self._outward.valid == due[-1], "an output without its input, or the reverse")
        return m


class CfuBusContract(wiring.Component):
    """What the CPU relies on at its custom-function port.

    A response comes with or after its command, each command has exactly one response, a response stays offered
    and unchanged until it is taken, no more than ``capacity`` commands are in flight, and a command is answered within
    ``patience`` cycles in which the CPU does not stall the responses. A command waits at most as long to be taken. So
    the bus never deadlocks: a CPU that takes its responses gets on.

    The unit is ready whenever fewer than ``CPU_IN_FLIGHT`` commands are in flight or a response is taken, whether or
    not a command is offered: while an instruction waits in the CPU's execute stage with its command already taken, a
    unit that is not ready makes the CPU issue a command for the next instruction, whatever that is, and it may hang.

    Parameters
    ----------
    cmd, rsp : stream interfaces
        The two halves of the bus; only observed. Nothing is required of the CPU: commands may be withdrawn,
        repeated and changed while they wait.
    capacity : int
        Commands that may be in flight, at least ``CPU_IN_FLIGHT``.
    patience : int
        Cycles without a stall from a command to its response.
    """

    def __init__(self, cmd: stream.Interface, rsp: stream.Interface, *, capacity: int, patience: int):
        self._cmd, self._rsp, self._capacity, self._patience = cmd, rsp, capacity, patience
        #: Commands in flight, for induction over a design's own state.
        self.in_flight = Signal(range(capacity + 2))
        super().__init__({})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.rsp = StreamContract(self._rsp)
        came = Signal()
        went = Signal()
        waited = Signal(range(self._patience + 2))
        refused = Signal(range(self._patience + 2))
        m.d.comb += came.eq(self._cmd.valid & self._cmd.ready)
        m.d.comb += went.eq(self._rsp.valid & self._rsp.ready)
        m.d.sync += self.in_flight.eq(self.in_flight + came - went)
        with m.If(went | (self.in_flight == 0)):
            m.d.sync += waited.eq(0)
        with m.Elif(self._rsp.ready):
            m.d.sync += waited.eq(waited + 1)
        m.d.comb += Assert(self.in_flight <= self._capacity, "more commands taken than the unit can hold")
        m.d.comb += Assert(waited <= self._patience, "a command was left without a response")
        with m.If(~self._cmd.valid | self._cmd.ready):
            m.d.sync += refused.eq(0)
        with m.Elif(self._rsp.ready):
            m.d.sync += refused.eq(refused + 1)
        m.d.comb += Assert(refused <= self._patience, "a command was never taken")
        with m.If(self._rsp.valid):
            m.d.comb += Assert((self.in_flight != 0) | came, "a response without a command")
        with m.If((self.in_flight < CPU_IN_FLIGHT) | went):
            # At the clock edge: before it, the simulator has not yet settled what depends on the response.
            m.d.sync += Assert(self._cmd.ready, "the unit was not ready for a command that it has to take")
        return m
