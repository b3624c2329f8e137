"""The engine: scratchpads, array, drain and sequencer behind one Wishbone region (map: ``hw.spec.registers``)."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.array import SystolicArray
from hw.gateware.bus import WISHBONE, BusState, Decoder, add_answer, add_window
from hw.gateware.command import STREAM
from hw.gateware.drain import Drain
from hw.gateware.parts import parts
from hw.gateware.scratchpad import ActivationScratchpad, WeightScratchpad
from hw.gateware.sequencer import Sequencer
from hw.gateware.spram import SpramScratchpad
from hw.gateware.stream import SpramSource, WeightStream
from hw.spec.design import DesignPoint
from hw.spec.timing import READ_LATENCY

__all__ = ["WISHBONE", "Engine"]


def memory_port(design: DesignPoint) -> wiring.Signature:
    """Memory that weights stream from, seen from the engine: requests of beats, and the beats in order.

    ``request`` is a stream; beats are always taken. ``address`` is in bytes.
    """
    request = wiring.Signature({"address": Out(32), "beats": Out(16)})
    return wiring.Signature({
        "request": Out(wiring.Signature({"valid": Out(1), "ready": In(1), "payload": Out(request)})),
        "data": In(wiring.Signature({"valid": Out(1), "payload": Out(8 * design.stream_port_bytes)}))})


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
        A register takes 2 cycles, and the layer log, or a register that it keeps, 2 more than its latency. A
        scratchpad write takes 2 or more, a read 6 or more, up to a segment longer while the engine is busy.
        Reads of a scratchpad pause a running engine for a cycle each; writes do not. While a layer waits for a block of
        weights that stream, a read waits with it.
    irq : Out(1)
        High for one cycle when a run ends.
    memory : Out(memory_port)
        Only with ``stream_bytes``.
    """

    def __init__(self, design: DesignPoint, weight_init: bytes = b""):
        self.design, self.weight_init = design, weight_init
        memory = {"memory": Out(memory_port(design))} if design.stream_bytes and design.memory != "spram" else {}
        #: Last ticket taken, and that of the last run that ended.
        self.ticket = Signal(design.ticket_bits)
        self.done = Signal(design.ticket_bits)
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
        if design.table_unit:
            table = sequencer.table
            for stage in range(READ_LATENCY):
                later_table = Signal.like(table, name=f"table{stage}")
                m.d.sync += later_table.eq(table)
                table = later_table
            m.d.comb += drain.table.eq(table)
        modes = array.modes
        m.d.comb += [
            acts.fetch.eq(sequencer.fetch), acts.row_bytes.eq(command.in_row_bytes), acts.zero.eq(command.in_zero),
            weights.address.eq(sequencer.weight_address), sequencer.weights.eq(weights.weights),
            modes.depthwise.eq(command.depthwise), modes.window.eq(command.window),
            modes.maximum.eq(command.maximum), modes.local.eq(command.local),
            array.single.eq(command.depthwise | command.broadcast), array.tail_lanes.eq(command.tail_lanes),
            array.distance.eq(command.distance), *([array.split.eq(command.split)] if design.splits else []),
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
                         acts.hold.eq(before.token.valid & ~before.fresh if design.word_stays else 0),
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
        stop = Signal(init=1)
        m.d.sync += [start.eq(sequencer.stream_start), stop.eq(~sequencer.busy)]
        with m.If(sequencer.stream_start):
            m.d.sync += ring.eq(sequencer.stream_command)
        m.d.comb += [
            loader.start.eq(start), loader.stop.eq(stop), loader.base.eq(base),
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
        """The slave behind ``bus``; returns where the stream lies."""
        bus, state, design = self.bus, self.bus_state, self.design
        where = Decoder(m, bus)
        readable = sequencer.paused
        if design.memory == "spram":     # its port has more users than the sequencer
            readable = readable & acts.idle & ~sequencer.stream_wait
        add_window(m, bus, state, acts, chosen=where.acts, address=where.offset[:19], readable=readable)
        add_window(m, bus, state, weights, chosen=where.weights, address=where.offset[:20], readable=readable)
        m.d.comb += sequencer.pause.eq(state.as_value()[-1] & ~bus.we)

        accepts = Signal()
        m.submodules.layer_log = log = parts(design).log(design)
        m.d.comb += [accepts.eq((state == BusState.IDLE) & bus.cyc & bus.stb & log.ready),
                     log.write.eq(sequencer.log_write), log.write_address.eq(sequencer.log_address),
                     log.write_data.eq(sequencer.log_data), log.address.eq(where.offset[2:])]
        registers, stream_base = self._registers(m, sequencer, accepts & bus.we & where.registers, log)
        add_answer(m, bus, state, where, accepts=accepts, acts=acts, weights=weights, readable=readable, log=log,
                   registers=registers)
        return stream_base

    def _registers(self, m, sequencer, writes, log):
        """Control and status; returns the value of the addressed register and where the stream lies."""
        unit = parts(self.design).registers(self.design, self.bus, ticket=self.ticket, done=self.done, irq=self.irq)
        return unit.add(m, sequencer, writes, log)
