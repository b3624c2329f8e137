"""The sequencer: fetches a program and issues, in every cycle, one activation fetch and one step."""

from amaranth import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.array import Step
from hw.gateware.command import COMMAND
from hw.gateware.drain import ParamWord
from hw.gateware.scratchpad import Fetch
from hw.spec.commands import COUNTS, ERRORS, LAYER_LOG_ENTRIES, MAGIC, OPCODES
from hw.spec.design import DesignPoint
from hw.spec.timing import READ_LATENCY, command_words, drain_cycles

__all__ = ["Sequencer", "WindowWalker"]


class Pixel(data.Struct):
    """Where the first tap of an output pixel lies in the input."""

    address: 24        # bytes; wraps
    x: signed(18)      # in its row, bytes
    y: signed(16)      # row


class WindowWalker(wiring.Component):
    """Visits output pixels in raster order, and gives each one's first tap.

    ``begin`` goes to the first pixel, ``advance`` to the next; ``pixel`` is valid in the cycle after.
    """

    def __init__(self):
        super().__init__({"command": In(COMMAND), "block_address": In(24), "block_x": In(signed(18)),
                          "begin": In(1), "advance": In(1), "pixel": Out(Pixel)})

    def elaborate(self, platform):
        m = Module()
        command, pixel = self.command, self.pixel
        ox, row_address = Signal(16), Signal(24)
        with m.If(self.advance):
            with m.If(ox + 1 == command.out_width):
                following = row_address + command.step_y_bytes
                m.d.sync += [ox.eq(0), row_address.eq(following), pixel.address.eq(following),
                             pixel.x.eq(self.block_x), pixel.y.eq(pixel.y + command.stride_y)]
            with m.Else():
                m.d.sync += [ox.eq(ox + 1), pixel.address.eq(pixel.address + command.step_x_bytes),
                             pixel.x.eq(pixel.x + command.step_x_bytes)]
        with m.If(self.begin):
            m.d.sync += [ox.eq(0), row_address.eq(self.block_address), pixel.address.eq(self.block_address),
                         pixel.x.eq(self.block_x), pixel.y.eq(command.first_y)]
        return m


class State(enum.Enum, shape=4):
    IDLE = 0
    FETCH = 1      # read a command
    ARRIVE = 2     # wait until its last word is there
    DECODE = 3
    BLOCK = 4      # point the walker at the first pixel
    PARAMS = 5     # read a block's parameters
    TILE = 6       # compute
    SPACE = 7      # let the requantizers catch up
    DRAIN = 8      # wait until the layer's last output is stored


class Sequencer(wiring.Component):
    """Runs a program from ``start`` to its ``END``, layer by layer.

    Everything it issues is registered: ``fetch``, ``weight_address``, ``step`` and ``param`` of one cycle belong
    together. In a convolution the fetch of a segment's phase ``r`` is for array row ``r``, and its step ``r`` for
    all rows; the array's skew brings the two together, so a pause happens between segments only.

    Members
    -------
    start, program : In
        Starts at weight word ``program``, if not ``busy``.
    busy : Out(1)
    error : Out(8)
        A value of ``hw.spec.commands.ERRORS``, from the end of a run to the next start.
    layer : Out(16)
        Number of the running layer, or of the command it stopped at.
    layer_done, layer_cycles : Out
        High in a layer's last cycle, with the clock cycles since the first fetch of its command.
    pause, paused : In(1), Out(1)
        Asks for a cycle in which neither scratchpad is read; in a cycle with ``paused`` nothing is issued.
    command : Out
        The running layer.
    begin, drained : Out(1), In(1)
        To and from the drain.
    weights : In
        Read from ``weight_address``, ``READ_LATENCY`` cycles ago.
    """

    def __init__(self, design: DesignPoint):
        self.design = design
        super().__init__({
            "start": In(1), "program": In(24), "busy": Out(1), "error": Out(8), "layer": Out(16),
            "layer_done": Out(1), "layer_cycles": Out(32), "pause": In(1), "paused": Out(1),
            "command": Out(COMMAND), "begin": Out(1), "drained": In(1), "weights": In(design.weight_word_bits),
            "fetch": Out(Fetch), "weight_address": Out(24), "step": Out(Step), "param": Out(ParamWord),
        })

    def elaborate(self, platform):
        m = Module()
        design, command = self.design, self.command
        state = Signal(State)
        pointer, block_pointer, command_pointer = Signal(24), Signal(24), Signal(24)      # weight words
        count = Signal(range(max(command_words(design), design.param_words, READ_LATENCY + 1) + 1))
        self._gather_command(m, state, count)
        m.d.comb += self.busy.eq(state != State.IDLE)

        phase, segment, tap_row = Signal(range(design.rows)), Signal(8), Signal(8)
        group, block, param_row = Signal(16), Signal(16), Signal(4)
        depthwise = command.depthwise[0]
        m.submodules.walker = walker = WindowWalker()
        block_address, block_x = Signal(24), Signal(signed(18))
        m.d.comb += [walker.command.eq(command), walker.block_address.eq(block_address),
                     walker.block_x.eq(block_x)]

        last_phase, last_segment = Signal(), Signal()
        last_tap_row, first_tap = Signal(), Signal()
        last_group, last_block, tile_ends = Signal(), Signal(), Signal()
        m.d.comb += [
            last_phase.eq(depthwise | (phase == design.rows - 1)),
            last_segment.eq(segment + 1 == command.segments),
            last_tap_row.eq(tap_row + 1 == command.kernel_rows),
            first_tap.eq((segment == 0) & (tap_row == 0)),
            last_group.eq(group + 1 == command.groups),
            last_block.eq(block + 1 == command.blocks),
            tile_ends.eq(last_phase & last_segment & last_tap_row),
        ]

        # Cycles since the tile began; it may not end before the drain is free for it. A pause before its last step
        # brings that step closer to the next tile's, so pauses do not count.
        timer = Signal(range(max(drain_cycles(design, depthwise=d) for d in (False, True)) + 1))
        spacing = Mux(depthwise, drain_cycles(design, depthwise=True), drain_cycles(design, depthwise=False))
        spaced = Signal()
        m.d.comb += spaced.eq(timer + 1 >= spacing)
        with m.If(~spaced & ~self.paused):
            m.d.sync += timer.eq(timer + 1)

        issues = Signal()
        m.d.comb += [
            self.paused.eq(self.pause & (
                (state == State.IDLE) | (state == State.SPACE) | (state == State.DRAIN) |
                ((state == State.TILE) & (phase == 0)))),
            issues.eq((state == State.TILE) & ~self.paused),
        ]
        reads_weights = self._issue(m, issues, phase, segment, tap_row, first_tap, last_segment, last_tap_row, walker)
        m.d.sync += [self.weight_address.eq(pointer), self.begin.eq(0),
                     self.param.valid.eq(state == State.PARAMS), self.param.odd.eq(block[0]),
                     self.param.row.eq(param_row), self.param.last.eq(count == design.param_words - 1)]

        def start_tile():
            m.d.sync += [state.eq(State.TILE), timer.eq(0)]

        def end_tile():
            with m.If(~last_group):
                m.d.sync += [group.eq(group + 1), pointer.eq(block_pointer)]
                start_tile()
            with m.Elif(~last_block):
                m.d.sync += [group.eq(0), block.eq(block + 1), state.eq(State.BLOCK),
                             block_address.eq(block_address + command.block_bytes),
                             block_x.eq(block_x + command.block_bytes)]
            with m.Else():
                m.d.sync += state.eq(State.DRAIN)

        with m.If(reads_weights):
            m.d.sync += pointer.eq(pointer + 1)
        with m.If(issues):
            m.d.sync += phase.eq(Mux(last_phase, 0, phase + 1))
            with m.If(last_phase):
                m.d.sync += segment.eq(Mux(last_segment, 0, segment + 1))
                with m.If(last_segment):
                    m.d.sync += tap_row.eq(Mux(last_tap_row, 0, tap_row + 1))

        elapsed = Signal(32)
        m.d.comb += self.layer_cycles.eq(elapsed + 1)
        m.d.sync += elapsed.eq(self.layer_cycles)
        with m.Switch(state):
            with m.Case(State.IDLE):
                with m.If(self.start):
                    m.d.sync += [pointer.eq(self.program), self.layer.eq(0), self.error.eq(0)]
                    self._next_command(m, state, count, elapsed)
            with m.Case(State.FETCH):
                m.d.sync += [count.eq(count + 1), pointer.eq(pointer + 1), command_pointer.eq(pointer + 1)]
                with m.If(count == command_words(design) - 1):
                    m.d.sync += [count.eq(0), state.eq(State.ARRIVE)]
            with m.Case(State.ARRIVE):
                m.d.sync += count.eq(count + 1)
                with m.If(count == READ_LATENCY):
                    m.d.sync += state.eq(State.DECODE)
            with m.Case(State.DECODE):
                self._decode(m, state)
                m.d.sync += [pointer.eq(command.weight_base), block.eq(0), group.eq(0),
                             block_address.eq(command.in_base + command.first_offset),
                             block_x.eq(command.first_x_bytes)]
            with m.Case(State.BLOCK):
                m.d.comb += walker.begin.eq(1)
                m.d.sync += [state.eq(State.PARAMS), count.eq(0), param_row.eq(0)]
            with m.Case(State.PARAMS):
                m.d.sync += [pointer.eq(pointer + 1), block_pointer.eq(pointer + 1), count.eq(count + 1)]
                with m.If(count == design.param_words - 1):
                    m.d.sync += [count.eq(0), param_row.eq(param_row + 1)]
                    with m.If(~depthwise | (param_row == design.depthwise_rows - 1)):
                        start_tile()
            with m.Case(State.TILE):
                with m.If(issues & tile_ends):
                    with m.If(spaced):
                        end_tile()
                    with m.Else():
                        m.d.sync += state.eq(State.SPACE)
            with m.Case(State.SPACE):
                with m.If(spaced):
                    end_tile()
            with m.Case(State.DRAIN):
                with m.If(self.drained):
                    m.d.comb += self.layer_done.eq(1)
                    m.d.sync += [self.layer.eq(self.layer + 1), pointer.eq(command_pointer)]
                    self._next_command(m, state, count, elapsed)
        return m

    def _next_command(self, m, state, count, elapsed):
        m.d.sync += [state.eq(State.FETCH), count.eq(0), elapsed.eq(0)]

    def _gather_command(self, m, state, count):
        """Shift the words of a command into the command register as they arrive."""
        width = self.design.weight_word_bits
        coming = state == State.FETCH
        for stage in range(1 + READ_LATENCY):
            later = Signal(name=f"coming{stage + 1}")
            m.d.sync += later.eq(coming)
            coming = later
        with m.If(coming):
            m.d.sync += self.command.eq(Cat(self.command.as_value(), self.weights)[width:])

    def _decode(self, m, state):
        command = self.command
        empty = Cat(command[name] == 0 for name in COUNTS).any()

        def stop(error):
            m.d.sync += [self.error.eq(ERRORS[error]), state.eq(State.IDLE)]

        with m.If(command.magic != MAGIC):
            stop("BAD_MAGIC")
        with m.Elif(command.opcode == OPCODES["END"]):
            m.d.sync += state.eq(State.IDLE)
        with m.Elif(command.opcode != OPCODES["LAYER"]):
            stop("BAD_OPCODE")
        with m.Elif(self.layer >= LAYER_LOG_ENTRIES):
            stop("TOO_LONG")
        with m.Elif(empty):
            stop("ZERO_COUNT")
        with m.Else():
            m.d.sync += [self.begin.eq(1), state.eq(State.BLOCK)]

    def _issue(self, m, issues, phase, segment, tap_row, first_tap, last_segment, last_tap_row, walker):
        """One fetch and one step; returns whether this cycle reads a word of weights."""
        design, command = self.design, self.command
        depthwise = command.depthwise[0]
        tap_address, row_start, tap_x = Signal(24), Signal(24), Signal(signed(18))
        kept = Array(Signal(Pixel, name=f"pixel{r}") for r in range(design.rows))
        pixel = Signal(Pixel)
        m.d.comb += pixel.eq(Mux(first_tap, walker.pixel.as_value(), kept[phase].as_value()))
        last_phase = depthwise | (phase == design.rows - 1)
        with m.If(issues):
            with m.If(first_tap):
                m.d.sync += kept[phase].eq(walker.pixel)
                m.d.comb += walker.advance.eq(1)
            with m.If(last_phase):
                with m.If(~last_segment):
                    m.d.sync += [tap_address.eq(tap_address + command.segment_bytes),
                                 tap_x.eq(tap_x + command.segment_bytes)]
                with m.Else():
                    following = Signal(24)
                    m.d.comb += following.eq(Mux(last_tap_row, 0, row_start + command.in_row_bytes))
                    m.d.sync += [tap_x.eq(0), row_start.eq(following), tap_address.eq(following)]
        with m.If(self.begin):
            m.d.sync += [tap_address.eq(0), row_start.eq(0), tap_x.eq(0)]

        y = Signal(signed(17))
        m.d.sync += [self.fetch.address.eq(pixel.address + tap_address), self.fetch.x.eq(pixel.x + tap_x),
                     y.eq(pixel.y + tap_row)]
        m.d.comb += self.fetch.row_valid.eq((y >= 0) & (y < command.in_height))

        steps = Mux(last_segment, command.tail_steps, design.rows)
        stepping = Signal()
        m.d.comb += stepping.eq(issues & (depthwise | (phase < steps)))
        m.d.sync += [
            self.step.token.valid.eq(stepping),
            self.step.fresh.eq(depthwise | (phase == 0)),
            self.step.token.first.eq(first_tap & (phase == 0)),
            self.step.token.last.eq(last_segment & last_tap_row & (depthwise | (phase + 1 == steps))),
        ]
        return stepping
