"""The sequencer: fetches a program and issues, in every cycle, one activation fetch and one step."""

from amaranth import Array, Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.array import Step
from hw.gateware.command import COMMAND, STREAM, field_bits, gather, whole_tile
from hw.gateware.counters import CounterMemory, CounterRegisters
from hw.gateware.loop import LoopCounter
from hw.gateware.params import ParamWord
from hw.gateware.scratchpad import Fetch, weight_address_bits
from hw.gateware.store import Tile
from hw.gateware.walker import Pixel, Taps, WindowWalker
from hw.spec.commands import COUNTERS, COUNTS, ERRORS, LAYER_LOG_ENTRIES, MAGIC, OPCODES
from hw.spec.design import DesignPoint
from hw.spec.timing import LOG_CYCLES, READ_LATENCY, command_words, drain_cycles, settle_cycles

__all__ = ["Sequencer"]


class State(enum.Enum, shape=4):
    IDLE = 0
    FETCH = 1      # read a command
    ARRIVE = 2     # wait until its last word is there
    DECODE = 3
    BLOCK = 4      # point the walker at the first pixel, once the block's weights are there
    ADD = 5        # read a residual add's parameters
    PARAMS = 6     # read a block's parameters
    LOCAL = 7      # the elements read the block's weights
    RESIDUAL = 8   # fetch what the tile's outputs are added to
    PORT = 9       # leave the activation port to outputs
    TILE = 10      # compute
    SPACE = 11     # let the requantizers catch up
    DRAIN = 12     # wait until the layer's last output is stored
    LOG = 13       # write the counters


#: which counter counts a state's cycles
COUNTED = {
    State.FETCH: "weight_load", State.ARRIVE: "weight_load", State.DECODE: "weight_load", State.ADD: "weight_load",
    State.BLOCK: "weight_load", State.PARAMS: "weight_load", State.LOCAL: "weight_load",
    State.RESIDUAL: "memory", State.PORT: "memory", State.TILE: "compute", State.SPACE: "requantize",
    State.DRAIN: "drain",
}


def _at_least(value: Value, least: Value) -> Value:
    return Mux(value > least, value, least)


class Sequencer(wiring.Component):
    """Runs a program from ``start`` to its ``END``, layer by layer.

    Everything it issues is registered: ``fetch``, ``weight_address``, ``step`` and ``param`` of one cycle belong
    together. Where rows fetch their own words, the fetch of a segment's phase ``r`` is for array row ``r``, and
    its step ``r`` for all rows; the array's skew brings the two together, so a pause happens between segments only.

    Members
    -------
    start, program : In
        Starts at weight word ``program``, if not ``busy``.
    busy : Out(1)
    error, pc : Out
        A value of ``hw.spec.commands.ERRORS``, and the weight word of the command that it is about (of the last
        one that was fetched).
    layer : Out(16)
        Number of the running layer, or of the command it stopped at.
    log_write, log_address, log_data : Out
        Counters of a layer that ended.
    pause, paused : In(1), Out(1)
        Asks for a cycle in which neither scratchpad is read; in a cycle with ``paused`` nothing is issued.
    command : Out
        The running layer.
    begin, drained : Out(1), In(1)
        To and from the drain.
    weights : In
        Read from ``weight_address``, ``READ_LATENCY`` cycles ago.
    fetch_valid : Out(1)
        The fetch reads the activation scratchpad.
    tile, tile_valid : Out
        With a tile's last step: where its outputs are stored.
    stream_start, stream_command, stream_wait, stream_ready, stream_release : Out, Out, Out, In, Out
        To and from the stream of weights: a STREAM command; the block's words are waited for, are there, are used.
    ring_first, ring_end : In
        Weight words between which the ring lies.
    """

    def __init__(self, design: DesignPoint):
        self.design = design
        #: The command as it is in memory. In a compact design some fields are in use after that.
        self.held = Signal(COMMAND, reset_less=design.compact)
        word = self._word = unsigned(weight_address_bits(design))
        super().__init__({
            "start": In(1), "program": In(word), "busy": Out(1), "error": Out(8), "pc": Out(word), "layer": Out(16),
            "log_write": Out(1), "log_address": Out((LAYER_LOG_ENTRIES * 8 - 1).bit_length()), "log_data": Out(32),
            "pause": In(1), "paused": Out(1), "command": Out(COMMAND), "begin": Out(1), "drained": In(1),
            "weights": In(design.weight_word_bits), "fetch": Out(Fetch), "fetch_valid": Out(1),
            "weight_address": Out(word), "tile": Out(Tile), "tile_valid": Out(1),
            "step": Out(Step), "param": Out(ParamWord),
            "stream_start": Out(1), "stream_command": Out(STREAM), "stream_wait": Out(1), "stream_ready": In(1),
            "stream_release": Out(1), "ring_first": In(word), "ring_end": In(word),
        })

    def elaborate(self, platform):
        m = Module()
        design, command = self.design, self.command
        state = Signal(State)
        pointer, block_pointer = Signal(self._word), Signal(self._word)
        command_pointer, ring_pointer = Signal(self._word), Signal(self._word)
        next_pointer = Signal(self._word)
        m.d.comb += next_pointer.eq(pointer + 1)
        if design.stream_port_bytes:
            with m.If(command.stream & (pointer + 1 == self.ring_end)):
                m.d.comb += next_pointer.eq(self.ring_first)
        count = Signal(range(max(command_words(design), design.param_words, READ_LATENCY + 1, 16, LOG_CYCLES) + 1))
        self.gathered, damaged = gather(m, design, self.held, reads=state == State.FETCH, begin=count == 0,
                                        weights=self.weights, layer=self.layer)
        m.d.comb += self.stream_command.as_value().eq(self.gathered.as_value())
        for name, bits in field_bits(design).items():
            field = self.gathered[name]
            m.d.comb += command[name].eq(field if bits == len(field) else field[:bits])
        if design.compact:
            whole_tile(m, design, command)
        settled, settle_left = Signal(), Signal(8)
        m.d.comb += settled.eq(settle_left == 0)
        m.d.comb += [self.busy.eq(state != State.IDLE),
                     self.stream_wait.eq((state == State.BLOCK) & command.stream & settled)]

        phase, param_row, block = Signal(range(max(2, design.fetch_steps))), Signal(4), Signal(2)
        loops = {name: LoopCounter(command[f"{name}s"].shape().width, small=design.compact)
                 for name in ("group", "band", "block")}
        for name, loop in loops.items():
            m.submodules[f"{name}s"] = loop
            m.d.comb += [loop.total.eq(command[f"{name}s"]), loop.restart.eq(self.begin)]
        local_left, local_tap, local_row = Signal(7), Signal(4), Signal(4)
        m.submodules.walker = walker = WindowWalker()
        m.submodules.taps = taps = Taps(small=design.compact)
        block_address, block_x = Signal(24), Signal(signed(18))
        residual_tile = Signal(24)
        # one row's registers for the first block are of no use later
        residual_address = residual_tile if design.compact else Signal(24)
        residual_block = self.held.out_base if design.compact else Signal(24)
        if design.compact:
            block_address = self.held.in_start
        m.d.comb += [walker.command.eq(command), walker.block_address.eq(block_address),
                     walker.block_x.eq(block_x), taps.command.eq(command), taps.begin.eq(self.begin),
                     taps.first_tile.eq(loops["group"].first)]

        single = command.depthwise | command.broadcast
        steps = Mux(taps.row_ends, command.tail_steps, command.segment_steps)
        last_phase = Signal()
        last_group, last_band, last_block = (
            loops["group"].last, loops["band"].last, loops["block"].last)
        tile_ends, set_ends = Signal(), Signal()
        m.d.comb += [
            taps.ends_band.eq(last_group), tile_ends.eq(last_phase & taps.last),
            set_ends.eq(count == design.param_words - 1),
        ]

        if design.compact:
            m.d.comb += last_phase.eq(single | (phase + 1 == steps))
        else:
            m.submodules.phases = phases = LoopCounter(5)
            m.d.comb += [
                phases.total.eq(Mux(single, 1, Mux(taps.next_row_ends, _at_least(command.tail_steps, command.tile_rows),
                                                   _at_least(command.segment_steps, command.tile_rows)))),
                phases.restart.eq(self.begin), last_phase.eq(phases.last)]

        # Cycles since the tile began; the next one may not begin before the drain is free for it. A pause before a
        # tile's last step brings that step closer to the next tile's, so pauses do not count.
        modes = [(depthwise, add) for depthwise in (False, True) for add in (False, True)]
        longest = max(drain_cycles(design, depthwise=depthwise, add=add) for depthwise, add in modes)
        to_wait, spacing, last_row = Signal(range(longest + 1)), Signal(range(longest + 1)), Signal(4)
        m.d.sync += [spacing.eq(command.spacing - 1), last_row.eq(command.tile_rows - 1)]
        spaced = Signal()
        m.d.comb += spaced.eq(to_wait == 0)
        with m.If(~spaced & ~self.paused & (taps.spacing | (state == State.SPACE))):
            m.d.sync += to_wait.eq(to_wait - 1)

        issues = Signal()
        m.d.comb += [
            self.paused.eq(self.pause & (
                (state == State.IDLE) | ((state == State.BLOCK) & ~command.stream) |
                (state == State.SPACE) | (state == State.DRAIN) |
                ((state == State.TILE) & (phase == 0)))),
            issues.eq((state == State.TILE) & ~self.paused),
        ]
        reads_weights = self._issue(m, state, issues, phase, last_phase, steps, single, taps, walker, loops)
        if design.compact:
            m.d.comb += [self.tile_valid.eq(issues & tile_ends), self.tile.address.eq(residual_tile),
                         self.tile.last_block.eq(last_block), self.tile.ends.eq(last_group & last_band & last_block)]
        m.d.sync += [self.weight_address.eq(pointer), self.begin.eq(0), self.step.odd.eq(block),
                     self.param.valid.eq((state == State.PARAMS) | (state == State.ADD)),
                     self.param.add.eq(state == State.ADD), self.param.index.eq(count),
                     self.param.odd.eq(block), self.param.row.eq(param_row), self.param.last.eq(set_ends),
                     self.step.token.load.eq(state == State.LOCAL), self.step.token.row.eq(local_row),
                     self.step.residual.eq(state == State.RESIDUAL)]
        kept_steps = Signal(4)      # local: number of the step in its tile

        def start_tile():
            m.d.sync += [to_wait.eq(spacing), count.eq(0), kept_steps.eq(0)]
            if not design.compact:
                m.d.sync += residual_address.eq(residual_tile)
            with m.If(command.add):
                m.d.sync += state.eq(State.RESIDUAL)
            with m.Else():
                start_steps()

        def start_steps():
            m.d.sync += [count.eq(0), state.eq(Mux(command.port_cycles == 0, State.TILE, State.PORT))]

        def end_tile():
            following = residual_tile + Mux(last_group, command.out_band_bytes, command.out_group_bytes)
            m.d.sync += residual_tile.eq(following)
            m.d.comb += [loops["group"].advance.eq(1), loops["band"].advance.eq(last_group),
                         loops["block"].advance.eq(last_group & last_band)]
            with m.If(~last_group | ~last_band):
                m.d.sync += pointer.eq(block_pointer)
                start_tile()
                if not design.compact:
                    m.d.sync += residual_address.eq(following)
            with m.Else():
                m.d.comb += self.stream_release.eq(command.stream)
                if design.memory == "spram":
                    settles = [settle_cycles(design, depthwise=depthwise, add=add) for depthwise, add in modes]
                    m.d.sync += settle_left.eq(Mux(last_block, 0, Array(settles)[Cat(command.add, command.depthwise)]))
                next_residual = residual_block + command.out_block_bytes
                m.d.sync += [block.eq(block + 1), state.eq(Mux(last_block, State.DRAIN, State.BLOCK)),
                             block_address.eq(block_address + command.block_bytes),
                             block_x.eq(block_x + command.block_bytes),
                             residual_block.eq(next_residual)]
                if not design.compact:
                    m.d.sync += residual_tile.eq(next_residual)

        with m.If(reads_weights):
            m.d.sync += pointer.eq(next_pointer)
        with m.If(issues):
            m.d.sync += phase.eq(Mux(last_phase, 0, phase + 1))
            m.d.comb += taps.advance.eq(last_phase)
            if not design.compact:
                m.d.comb += phases.advance.eq(1)
            with m.If(phase < steps):
                m.d.sync += kept_steps.eq(kept_steps + 1)

        self._count(m, state)
        with m.Switch(state):
            with m.Case(State.IDLE):
                m.d.sync += pointer.eq(self.program)
                with m.If(self.start):
                    m.d.sync += [self.layer.eq(0), self.error.eq(0)]
                    self._next_command(m, state, count)
            with m.Case(State.FETCH):
                m.d.sync += [count.eq(count + 1), pointer.eq(pointer + 1), command_pointer.eq(pointer + 1)]
                with m.If(count == 0):
                    m.d.sync += self.pc.eq(pointer)
                with m.If(count == command_words(design) - 1):
                    m.d.sync += [count.eq(0), state.eq(State.ARRIVE)]
            with m.Case(State.ARRIVE):
                m.d.sync += count.eq(count + 1)
                with m.If(count == READ_LATENCY):
                    m.d.sync += state.eq(State.DECODE)
            with m.Case(State.DECODE):
                self._decode(m, state, count, damaged)
                if not design.compact:
                    m.d.sync += block_address.eq(command.in_start)
                m.d.sync += [block.eq(0), count.eq(0), param_row.eq(0), block_x.eq(command.first_x_bytes)]
                if not design.compact:
                    m.d.sync += [residual_tile.eq(command.out_base), residual_block.eq(command.out_base)]
                with m.If(command.opcode[0] if design.compact else command.opcode == OPCODES["LAYER"]):
                    m.d.sync += pointer.eq(Mux(command.stream, ring_pointer, command.weight_base)
                                           if design.stream_port_bytes else command.weight_base)
                if design.stream_port_bytes:
                    with m.If(self.stream_start):
                        m.d.sync += ring_pointer.eq(self._ring_words(self.stream_command.ring_base))
            with m.Case(State.BLOCK):
                m.d.sync += [count.eq(0), param_row.eq(0)]
                if design.compact:
                    m.d.sync += residual_tile.eq(residual_block)
                with m.If(~settled):
                    m.d.sync += settle_left.eq(settle_left - 1)
                ready = settled & ~self.paused & (
                    ~command.stream | self.stream_ready if design.stream_port_bytes else 1)
                with m.If(ready):
                    m.d.comb += walker.begin.eq(1)
                    m.d.sync += state.eq(Mux(command.add, State.ADD, State.PARAMS))
            with m.Case(State.ADD):
                m.d.sync += [pointer.eq(next_pointer), count.eq(count + 1)]
                with m.If(set_ends):
                    m.d.sync += [count.eq(0), state.eq(State.PARAMS)]
            with m.Case(State.PARAMS):
                m.d.sync += [pointer.eq(next_pointer), block_pointer.eq(next_pointer), count.eq(count + 1),
                             local_left.eq(command.local_words), local_tap.eq(0), local_row.eq(0)]
                with m.If(set_ends):
                    m.d.sync += [count.eq(0), param_row.eq(param_row + 1)]
                    with m.If(~command.depthwise | (param_row == last_row)):
                        if design.has_local_memory:
                            with m.If(command.local):
                                m.d.sync += state.eq(State.LOCAL)
                            with m.Else():
                                start_tile()
                        else:
                            start_tile()
            with m.Case(State.LOCAL):
                m.d.sync += [pointer.eq(next_pointer), block_pointer.eq(next_pointer), local_left.eq(local_left - 1),
                             local_tap.eq(local_tap + 1)]
                with m.If(command.depthwise & (local_tap + 1 == command.kernel_rows)):
                    m.d.sync += [local_tap.eq(0), local_row.eq(local_row + 1)]
                with m.If(local_left == 1):
                    start_tile()
            with m.Case(State.RESIDUAL):
                m.d.sync += count.eq(count + 1)
                if not design.compact:
                    m.d.sync += residual_address.eq(residual_address + command.out_row_bytes)
                with m.If(count == last_row):
                    start_steps()
            with m.Case(State.PORT):
                m.d.sync += count.eq(count + 1)
                with m.If(count + 1 == command.port_cycles):
                    m.d.sync += state.eq(State.TILE)
            with m.Case(State.TILE):
                with m.If(issues & tile_ends):
                    with m.If(spaced | (last_group & last_band & last_block)):
                        end_tile()
                    with m.Else():
                        m.d.sync += state.eq(State.SPACE)
            with m.Case(State.SPACE):
                with m.If(spaced & ~self.paused):
                    end_tile()
            with m.Case(State.DRAIN):
                with m.If(command.stream):
                    m.d.sync += ring_pointer.eq(pointer)
                with m.If(self.drained):
                    m.d.sync += [state.eq(State.LOG), count.eq(0)]
            with m.Case(State.LOG):
                m.d.sync += [count.eq(count + 1), pointer.eq(command_pointer)]
                with m.If(count == LOG_CYCLES - 1):
                    m.d.sync += self.layer.eq(self.layer + 1)
                    self._next_command(m, state, count)

        if design.has_local_memory:
            m.d.sync += self.step.token.tap.eq(
                Mux(state == State.LOCAL, local_tap, Mux(command.window, taps.y, kept_steps)))
        with m.If(state == State.RESIDUAL):
            m.d.sync += self.fetch.address.eq(residual_address)
            if not design.compact:      # there is only row 0
                m.d.sync += self.step.token.row.eq(count)
        m.d.sync += self.fetch.raw.eq(state == State.RESIDUAL)
        return m

    def _ring_words(self, address):
        """Byte address to weight word."""
        return address >> (self.design.weight_word_bits // 8 - 1).bit_length()

    def _next_command(self, m, state, count):
        m.d.sync += [state.eq(State.FETCH), count.eq(0)]

    def _decode(self, m, state, count, damaged):
        command = self.command
        used = field_bits(self.design)
        empty = Cat(self.gathered[name] == 0 for name in COUNTS if used[name]).any()

        def stop(error):
            m.d.sync += [self.error.eq(ERRORS[error]), state.eq(State.IDLE)]

        with m.If(command.magic != MAGIC):
            stop("BAD_MAGIC")
        with m.Elif(damaged):
            stop("BAD_CHECKSUM")
        with m.Elif(command.opcode == OPCODES["END"]):
            m.d.sync += state.eq(State.IDLE)
        with m.Elif((command.opcode == OPCODES["STREAM"]) & bool(self.design.stream_port_bytes)):
            m.d.comb += self.stream_start.eq(1)
            self._next_command(m, state, count)
        with m.Elif(command.opcode != OPCODES["LAYER"]):
            stop("BAD_OPCODE")
        with m.Elif(self.layer >= LAYER_LOG_ENTRIES):
            stop("TOO_LONG")
        with m.Elif(empty):
            stop("ZERO_COUNT")
        with m.Else():
            m.d.sync += [self.begin.eq(1), state.eq(State.BLOCK)]

    def _count(self, m, state):
        """Count each cycle of a layer once; while they are logged the counters rest, then they start from zero."""
        m.submodules.counters = counters = CounterMemory() if self.design.compact else CounterRegisters()
        m.d.comb += [counters.clear.eq(state == State.IDLE), counters.log.eq(state == State.LOG),
                     counters.layer.eq(self.layer), self.log_write.eq(counters.write),
                     self.log_address.eq(counters.address), self.log_data.eq(counters.data)]
        for number, name in enumerate(COUNTERS):
            with m.Switch(state):
                with m.Case(*(one for one, counter in COUNTED.items() if counter == name)):
                    m.d.comb += counters.which.eq(number)
        with m.If(self.paused):
            m.d.comb += counters.which.eq(list(COUNTERS).index("memory"))

    def _issue(self, m, state, issues, phase, last_phase, steps, single, taps, walker, loops):
        """One fetch and one step; returns whether this cycle reads a word of weights."""
        design, command = self.design, self.command
        pixel = Signal(Pixel)
        fetches, advances = Signal(), Signal()
        row = phase[:max(1, (design.rows - 1).bit_length())]
        m.d.comb += fetches.eq(single | (phase < command.tile_rows))
        if design.compact:
            m.d.comb += [pixel.eq(walker.pixel), walker.advance.eq(issues & taps.last & last_phase)]
        else:
            kept = Array(Signal(Pixel, name=f"pixel{r}") for r in range(design.rows))
            m.d.comb += [
                advances.eq(taps.first & fetches & (~command.window | loops["group"].first)),
                pixel.eq(Mux(advances, walker.pixel.as_value(), kept[row].as_value())),
                walker.advance.eq(issues & advances),
            ]
            with m.If(issues & advances):
                m.d.sync += kept[row].eq(walker.pixel)

        y = Signal(signed(17))
        m.d.sync += [self.fetch.address.eq(pixel.address + taps.address), self.fetch.x.eq(pixel.x + taps.x),
                     y.eq(pixel.y + taps.y), self.fetch_valid.eq((issues & fetches) | (state == State.RESIDUAL))]
        m.d.comb += self.fetch.row_valid.eq((y >= 0) & (y < command.in_height))

        stepping, last_step = Signal(), Signal()
        m.d.comb += [stepping.eq(issues & (single | (phase < steps))), last_step.eq(single | (phase + 1 == steps))]
        m.d.sync += [
            self.step.token.valid.eq(stepping & taps.multiplies),
            self.step.token.push.eq(stepping & command.window),
            self.step.fresh.eq(single | (phase == 0)),
            self.step.tail.eq(taps.row_ends & last_step),
            self.step.token.first.eq(taps.begins_sum & (phase == 0)),
            self.step.token.last.eq(taps.last & last_step),
        ]
        return stepping & ~command.local & (~command.uniform | (taps.last & last_step))
