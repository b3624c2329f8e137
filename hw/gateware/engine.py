"""The engine: scratchpads, array, drain and sequencer behind one Wishbone region (map: ``hw.spec.registers``)."""

from amaranth import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.array import SystolicArray
from hw.gateware.command import STREAM
from hw.gateware.drain import Drain
from hw.gateware.log import KEPT_REGISTERS, LayerLog
from hw.gateware.scratchpad import ActivationScratchpad, WeightScratchpad
from hw.gateware.sequencer import Sequencer
from hw.gateware.spram import SpramScratchpad
from hw.gateware.stream import SpramSource, WeightStream
from hw.spec.commands import LAYER_LOG_ENTRIES
from hw.spec.design import DesignPoint
from hw.spec.registers import ACT_WINDOW, LAYER_LOG, LOG_WORDS, REGISTERS, VERSION, WEIGHT_WINDOW, WINDOW_BYTES
from hw.spec.timing import READ_LATENCY

__all__ = ["Engine", "WISHBONE"]

ADDRESS_BITS = (WINDOW_BYTES // 4 - 1).bit_length()

#: Wishbone B4 classic, 32 bits wide, word addresses inside the engine's region, seen from the initiator.
WISHBONE = wiring.Signature({
    "cyc": Out(1), "stb": Out(1), "we": Out(1), "sel": Out(4), "adr": Out(ADDRESS_BITS), "dat_w": Out(32),
    "dat_r": In(32), "ack": In(1),
})


def memory_port(design: DesignPoint) -> wiring.Signature:
    """Memory that weights stream from, seen from the engine: requests of beats, and the beats in order.

    ``request`` is a stream; beats are always taken. ``address`` is in bytes.
    """
    request = wiring.Signature({"address": Out(32), "beats": Out(16)})
    return wiring.Signature({
        "request": Out(wiring.Signature({"valid": Out(1), "ready": In(1), "payload": Out(request)})),
        "data": In(wiring.Signature({"valid": Out(1), "payload": Out(8 * design.stream_port_bytes)}))})


class BusState(enum.Enum, shape=3):
    IDLE = 0
    SCRATCHPAD = 1   # waits for a cycle without a fetch
    READ = 2         # a scratchpad's data is on its way
    LOG = 3
    DONE = 4


class Engine(wiring.Component):
    """Runs whole networks from its own memories; one write to ``TICKET`` starts it, once for each ticket.

    Parameters
    ----------
    design : DesignPoint
    weight_init : bytes
        Content of the weight scratchpad after configuration, a model image.

    Members
    -------
    bus : In(WISHBONE)
        In a compact design a ticket that is written in the very cycle after a run's last one is not taken.
        A register takes 2 cycles and the layer log 4; in a compact design the log takes 3, and so does reading a
        register. A scratchpad write takes 2 or more, a read 6 or more, up to a segment longer while the engine is busy.
        Reads of a scratchpad pause a running engine for a cycle each; writes do not.
    irq : Out(1)
        High for one cycle when a run ends.
    memory : Out(memory_port)
        Only with ``stream_bytes``.
    """

    def __init__(self, design: DesignPoint, weight_init: bytes = b""):
        self.design, self.weight_init = design, weight_init
        memory = {"memory": Out(memory_port(design))} if design.stream_bytes and design.memory != "spram" else {}
        #: Last ticket taken, and that of the last run that ended.
        self.ticket = Signal(32)
        self.done = Signal(32)
        self.bus_state = Signal(BusState)
        super().__init__({"bus": In(WISHBONE), "irq": Out(1), **memory})

    def elaborate(self, platform):
        m = Module()
        design = self.design
        m.submodules.acts = acts = SpramScratchpad(design) if design.memory == "spram" else ActivationScratchpad(design)
        m.submodules.weights = weights = WeightScratchpad(design, self.weight_init)
        m.submodules.sequencer = sequencer = Sequencer(design)
        m.submodules.array = array = SystolicArray(design)
        m.submodules.drain = drain = Drain(design)
        command = sequencer.command

        # what was issued with a fetch meets its data behind the scratchpads
        step, param = sequencer.step, sequencer.param
        before = step
        for stage in range(READ_LATENCY):
            later_step, later_param = Signal.like(step, name=f"step{stage}"), Signal.like(param, name=f"param{stage}")
            m.d.sync += [later_step.eq(step), later_param.eq(param)]
            before = step
            step, param = later_step, later_param
        modes = array.modes
        m.d.comb += [
            acts.fetch.eq(sequencer.fetch), acts.row_bytes.eq(command.in_row_bytes), acts.zero.eq(command.in_zero),
            weights.address.eq(sequencer.weight_address), sequencer.weights.eq(weights.weights),
            modes.depthwise.eq(command.depthwise), modes.window.eq(command.window),
            modes.maximum.eq(command.maximum), modes.local.eq(command.local),
            array.single.eq(command.depthwise | command.broadcast), array.tail_lanes.eq(command.tail_lanes),
            array.distance.eq(command.distance),
            array.step.eq(step), array.weights.eq(weights.weights), array.word.eq(acts.word),
            drain.command.eq(command), drain.begin.eq(sequencer.begin), drain.totals.eq(array.totals),
            drain.last.eq(step.token.valid & step.token.last), drain.odd.eq(step.odd), drain.param.eq(param),
            drain.residual.eq(step.residual), drain.residual_row.eq(step.token.row), drain.word.eq(acts.word),
            array.shift.eq(drain.shift), drain.tile.eq(sequencer.tile), drain.tile_valid.eq(sequencer.tile_valid),
            drain.weights.eq(weights.weights), sequencer.drained.eq(drain.done),
        ]
        wiring.connect(m, drain.write, acts.write)
        stream_base = self._bus(m, sequencer, acts, weights)
        if design.memory == "spram":
            m.d.comb += [acts.fetch_valid.eq(sequencer.fetch_valid),
                         # the steps after the first one of a fetch
                         acts.hold.eq(before.token.valid & ~before.fresh if design.compact else 0),
                         acts.write_last.eq(drain.write_last),
                         drain.stored.eq(acts.idle)]
        if design.stream_port_bytes:
            self._stream(m, sequencer, acts, weights, stream_base)
        return m

    def _stream(self, m, sequencer, acts, weights, base):
        """Weights from a memory outside, or from the activations' own, to their ring."""
        design = self.design
        m.submodules.loader = loader = WeightStream(design)
        ring = Signal(STREAM)
        start = Signal()
        m.d.sync += start.eq(sequencer.stream_start)
        with m.If(sequencer.stream_start):
            m.d.sync += ring.eq(sequencer.stream_command)
        m.d.comb += [
            loader.start.eq(start), loader.stop.eq(~sequencer.busy), loader.base.eq(base),
            loader.ring_base.eq(ring.ring_base), loader.ring_bytes.eq(ring.ring_bytes),
            loader.stream_bytes.eq(sequencer.stream_command.stream_bytes),
            loader.need.eq(sequencer.command.block_words),
            loader.release.eq(sequencer.stream_release), sequencer.stream_ready.eq(loader.ready),
            sequencer.ring_first.eq(loader.first_word), sequencer.ring_end.eq(loader.end_word),
        ]
        wiring.connect(m, loader.write, weights.stream_write)
        if design.memory != "spram":
            request = self.memory.request
            m.d.comb += [request.valid.eq(loader.request.valid), loader.request.ready.eq(request.ready),
                         request.payload.address.eq(loader.request.p.address),
                         request.payload.beats.eq(loader.request.p.beats),
                         loader.data.valid.eq(self.memory.data.valid), loader.data.payload.eq(self.memory.data.payload)]
            return
        m.submodules.source = source = SpramSource(design)
        wiring.connect(m, loader.request, source.request)
        wiring.connect(m, source.data, loader.data)
        m.d.comb += [source.start.eq(start), source.base.eq(base), loader.enable.eq(sequencer.stream_wait),
                     source.enable.eq(sequencer.stream_wait & acts.load_ready),
                     acts.load_read.eq(source.read), acts.load_address.eq(source.address),
                     source.word.eq(acts.load_data)]

    def _bus(self, m, sequencer, acts, weights):
        bus, state, design = self.bus, self.bus_state, self.design
        offset = Signal(ADDRESS_BITS + 2)
        m.d.comb += offset.eq(bus.adr << 2)
        in_acts = (offset >= ACT_WINDOW) & (offset < WEIGHT_WINDOW)
        in_weights = offset >= WEIGHT_WINDOW
        in_log = (offset >= LAYER_LOG) & (offset < LAYER_LOG + 4 * LOG_WORDS * LAYER_LOG_ENTRIES)
        readable = sequencer.paused
        if design.memory == "spram":     # its port has more users than the sequencer
            readable = readable & acts.idle & ~sequencer.stream_wait
        for scratchpad, chosen in (acts, in_acts), (weights, in_weights):
            reads = Signal()
            writes = Signal()
            m.d.comb += [
                writes.eq((state == BusState.SCRATCHPAD) & bus.we & chosen),
                scratchpad.bus_address.eq(offset[:19] if scratchpad is acts else offset[:20]),
                scratchpad.bus_write.valid.eq(writes),
                scratchpad.bus_write.p.address.eq(scratchpad.bus_address),
                scratchpad.bus_write.p.data.eq(bus.dat_w),
                scratchpad.bus_write.p.select.eq(bus.sel),
                reads.eq((state == BusState.SCRATCHPAD) & ~bus.we & readable),
            ]
            m.d.sync += scratchpad.bus_read.eq(reads)
        m.d.comb += sequencer.pause.eq((state == BusState.SCRATCHPAD) & ~bus.we)

        in_registers = offset < LAYER_LOG
        accepts = Signal()
        log = LayerLog(design)
        m.submodules.layer_log = log
        m.d.comb += [accepts.eq((state == BusState.IDLE) & bus.cyc & bus.stb & log.ready),
                     log.write.eq(sequencer.log_write), log.write_address.eq(sequencer.log_address),
                     log.write_data.eq(sequencer.log_data), log.address.eq(offset[2:])]
        registers, stream_base = self._registers(m, sequencer, accepts & bus.we & in_registers, log)
        kept = [REGISTERS[name][0] >> 2 for name in KEPT_REGISTERS] if design.compact else []
        in_kept = in_registers & ~bus.we & Cat(bus.adr[:4] == number for number in kept).any()
        waited = Signal(range(READ_LATENCY + 1))
        m.d.comb += bus.ack.eq(state == BusState.DONE)
        # what is right in the last cycle before the answer
        m.d.sync += bus.dat_r.eq(Mux(in_weights, weights.bus_data, Mux(in_acts, acts.bus_data, Mux(
            in_log | in_kept, log.data, registers))))
        with m.Switch(state):
            with m.Case(BusState.IDLE):
                m.d.sync += waited.eq(0)
                with m.If(accepts):
                    m.d.sync += state.eq(Mux(in_acts | in_weights, BusState.SCRATCHPAD,
                                             Mux(in_log | in_kept, BusState.LOG, BusState.DONE)))
            with m.Case(BusState.SCRATCHPAD):
                with m.If(bus.we & Mux(in_acts, acts.bus_write.ready, weights.bus_write.ready)):
                    m.d.sync += state.eq(BusState.DONE)
                with m.Elif(~bus.we & readable):
                    m.d.sync += state.eq(BusState.READ)
            with m.Case(BusState.READ):
                m.d.sync += waited.eq(waited + 1)
                with m.If(waited == READ_LATENCY):
                    m.d.sync += state.eq(BusState.DONE)
            with m.Case(BusState.LOG):
                m.d.sync += waited.eq(waited + 1)
                with m.If(waited == log.latency - 1):
                    m.d.sync += state.eq(BusState.DONE)
            with m.Case(BusState.DONE):
                m.d.sync += state.eq(BusState.IDLE)
        return stream_base

    def _registers(self, m, sequencer, writes, log):
        """Control and status; returns the value of the addressed register and where the stream lies."""
        bus, design = self.bus, self.design
        ticket, done = self.ticket, self.done
        cycles = Signal(32)
        program = Signal.like(sequencer.program)
        stream = Signal(design.act_bytes.bit_length() if design.memory == "spram" else 32)
        number = {name: offset >> 2 for name, (offset, _) in REGISTERS.items()}
        was_busy = Signal()
        rests = ~was_busy & ~sequencer.busy if design.compact else ~sequencer.busy
        m.d.sync += was_busy.eq(sequencer.busy)
        m.d.comb += [
            sequencer.program.eq(program),
            sequencer.start.eq(writes & (bus.adr == number["TICKET"]) & (bus.dat_w != ticket) & rests),
            self.irq.eq(was_busy & ~sequencer.busy),
        ]
        with m.If(sequencer.start):
            m.d.sync += [ticket.eq(bus.dat_w), cycles.eq(0)]
        with m.Elif(sequencer.busy):
            m.d.sync += cycles.eq(cycles + 1)
        with m.If(writes & (bus.adr == number["PROGRAM"])):
            m.d.sync += program.eq(bus.dat_w)
        with m.If(writes & (bus.adr == number["STREAM"])):
            m.d.sync += stream.eq(bus.dat_w)

        readable = {"STATUS": Cat(sequencer.busy, Const(0, 7), sequencer.error, sequencer.layer), "CYCLES": cycles,
                    "PC": sequencer.pc}
        if design.compact:
            # a cycle later, so that the bus need not wait for the sequencer; the ticket is the same then
            m.d.sync += log.ends.eq(self.irq)
            m.d.comb += [log.ticket.eq(ticket), log.register.eq(bus.adr[:4]),
                         log.register_data.eq(bus.dat_w), log.register_write.eq(sequencer.start | (writes & (
                             (bus.adr == number["PROGRAM"]) | (bus.adr == number["STREAM"]))))]
        else:
            with m.If(self.irq):
                m.d.sync += done.eq(ticket)
            readable |= {"ID": design.fingerprint, "VERSION": VERSION, "TICKET": ticket, "DONE": done,
                         "PROGRAM": program, "STREAM": stream}
        value = Signal(32)
        places = {number[name]: content for name, content in readable.items()}
        m.d.comb += value.eq(Array(places.get(place, 0) for place in range(16))[bus.adr[:4]])
        return value, stream
