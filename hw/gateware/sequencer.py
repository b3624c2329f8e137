"""The sequencer: fetches a program and runs its layers, block by block and tile by tile."""

from amaranth import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.array import Step
from hw.gateware.command import STREAM, command_layout
from hw.gateware.params import ParamWord
from hw.gateware.parts import parts
from hw.gateware.scratchpad import Fetch, weight_address_bits
from hw.gateware.store import Tile
from hw.gateware.table import TableWord
from hw.gateware.tiles import TileLoops
from hw.spec.commands import COUNTERS, ERRORS, LAYER_LOG_ENTRIES, MAGIC, OPCODES
from hw.spec.design import DesignPoint
from hw.spec.fields import counts
from hw.spec.timing import (
    DRAIN_MODES,
    LOG_CYCLES,
    READ_LATENCY,
    command_words,
    longest_spacing,
    settle_cycles,
    table_cycles,
)

__all__ = ["Sequencer"]


LAYER = range(LAYER_LOG_ENTRIES + 1)


class State(enum.Enum, shape=4):
    IDLE = 0
    FETCH = 1      # read a command
    ARRIVE = 2     # wait until its last word is there
    DECODE = 3
    BLOCK = 4      # read the layer's table; point the walker at the first pixel, once the block's weights are there
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




class Sequencer(wiring.Component):
    """Runs a program from ``start`` to its ``END``, layer by layer.

    Everything it issues is registered: ``fetch``, ``weight_address``, ``step``, ``param`` and ``table`` of one cycle
    belong together. Where rows fetch their own words, the fetch of a segment's phase ``r`` is for array row ``r``, and
    its step ``r`` for all rows; the array's skew brings the two together, so a pause happens between segments only.

    Members
    -------
    start, program : In
        Starts at weight word ``program``, if not ``busy``.
    busy : Out(1)
    error, pc : Out
        A value of ``hw.spec.commands.ERRORS``, and the weight word of the command that it is about (of the last
        one that was fetched).
    layer : Out(LAYER)
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
        #: The command as it is in memory; some fields may be in use after that.
        self.held = Signal(command_layout(design), reset_less=parts(design).command.reset_less)
        word = self._word = unsigned(weight_address_bits(design))
        super().__init__({
            "start": In(1), "program": In(word), "busy": Out(1), "error": Out(8), "pc": Out(word), "layer": Out(LAYER),
            "log_write": Out(1), "log_address": Out((LAYER_LOG_ENTRIES * 8 - 1).bit_length()), "log_data": Out(32),
            "pause": In(1), "paused": Out(1), "command": Out(command_layout(design)), "begin": Out(1), "drained": In(1),
            "weights": In(design.weight_word_bits), "fetch": Out(Fetch), "fetch_valid": Out(1),
            "weight_address": Out(word), "tile": Out(Tile), "tile_valid": Out(1),
            "step": Out(Step), "param": Out(ParamWord), "table": Out(TableWord),
            "stream_start": Out(1), "stream_command": Out(STREAM), "stream_wait": Out(1), "stream_ready": In(1),
            "stream_release": Out(1), "ring_first": In(word), "ring_end": In(word),
        })
        self._declare()

    def _declare(self):
        """Registers, and what follows from them in the same cycle."""
        design, word = self.design, self._word
        self.state = Signal(State)
        self.tiling = Signal()               # state is TILE
        self.spacing = Signal()              # state is SPACE
        most = max(command_words(design), design.param_words, READ_LATENCY + 1, 16, LOG_CYCLES)
        self.count = Signal(range(max(most, table_cycles(design) if design.table_unit else 0) + 1))
        self.set_ends = Signal()             # the last word of a set of parameters

        self.pointer = Signal(word)          # word that is read
        self.next_pointer = Signal(word)     # the word behind it; in the ring that streams go through, around its end
        self.command_pointer = Signal(word)  # next command
        self.block_pointer = Signal(word)    # first word behind the block's parameters
        self.ring_pointer = Signal(word)     # first word of the next block that streams

        self.loads_table = Signal()          # before the first block, where the command has a table
        self.issues = Signal()               # a phase of a tile, this cycle
        self.ends_tile = Signal()            # and with it the tile; or a pause behind it ends
        self.block = Signal(2)               # number of the block, modulo 4
        self.param_row = Signal(4)           # depthwise: array row whose parameters are read
        self.local_left = Signal(7)          # words that the elements still read, and what for: tap, array row
        self.local_tap = Signal(4)
        self.local_row = Signal(4)
        self.last_row = Signal(4)            # of the array that is in use
        self.last_set = Signal(4)            # of a block's parameters

        self.places = parts(design).addresses(self.held)

        # Cycles that pass between tiles, until the drain is free, and between blocks, until the SPRAM is.
        longest = longest_spacing(design)
        self.distance = Signal(range(longest + 1))
        self.to_wait = Signal(range(longest + 1))
        self.spaced = Signal(init=1)         # none of them is left
        self.near = Signal()                 # none is needed
        self.settle_left = Signal(8)
        self.settled = Signal()

    def elaborate(self, platform):
        m = Module()
        damaged = self._hold_command(m)
        self.tiles = tiles = TileLoops(m, self.design, self.command, begin=self.begin, issues=self.issues)
        tiles.nest(m, self.places.block_address, self.places.block_x)
        m.d.comb += self.set_ends.eq(self.count == self.design.param_words - 1)
        tiles.count_phases(m)
        self._keep_distance(m)
        reads_weights = tiles.issue(m, self.fetch, self.fetch_valid, self.step,
                                    residual=self.state == State.RESIDUAL)
        self._register_outputs(m)
        with m.If(reads_weights):
            m.d.sync += self.pointer.eq(self.next_pointer)
        tiles.advance(m)
        self._count(m)
        states = {
            State.IDLE: self._idle, State.FETCH: self._fetch, State.ARRIVE: self._arrive,
            State.DECODE: lambda m: self._decode(m, damaged), State.BLOCK: self._block, State.ADD: self._add,
            State.PARAMS: self._params, State.RESIDUAL: self._residual,
            State.PORT: self._port, State.TILE: self._tile, State.DRAIN: self._drain, State.LOG: self._log,
        }
        if self.design.has_local_memory:
            states[State.LOCAL] = self._local
        with m.Switch(self.state):
            for state, act in states.items():
                with m.Case(state):
                    act(m)
        with m.If(self.ends_tile):
            self._end_tile(m)
        self._read_operands(m)
        return m

    def _hold_command(self, m):
        """Gather a command and keep its fields; returns whether its checksum is wrong."""
        design, command, state = self.design, self.command, self.state
        m.d.comb += self.next_pointer.eq(self.pointer + 1)
        if design.stream_port_bytes:
            with m.If(command.stream & (self.pointer + 1 == self.ring_end)):
                m.d.comb += self.next_pointer.eq(self.ring_first)
        self.words = words = parts(design).command(design, self.held)
        self.gathered, damaged = words.gather(m, reads=state == State.FETCH, begin=self.count == 0,
                                              weights=self.weights, layer=self.layer)
        m.d.comb += self.stream_command.as_value().eq(self.gathered.as_value())
        words.take(m, self.gathered, command)
        m.d.comb += self.settled.eq(self.settle_left == 0)
        waits = self.settled & ~self.loads_table if design.table_unit else self.settled
        m.d.comb += [self.busy.eq(state != State.IDLE),
                     self.stream_wait.eq((state == State.BLOCK) & command.stream & waits)]
        return damaged

    def _keep_distance(self, m):
        """Pauses, and the cycles between tiles: the next one may not begin before the drain is free for it.

        A pause before a tile's last step brings that step closer to the next tile's, so pauses do not count.
        """
        command, state = self.command, self.state
        cols_bits = (self.design.cols - 1).bit_length()
        last_piece = (command.tile_cols - 1)[cols_bits:] if self.design.splits else 0
        distance = (command.spacing - 1)[:len(self.distance)]
        m.d.sync += [self.distance.eq(distance), self.near.eq(distance == 0), self.last_row.eq(command.tile_rows - 1),
                     self.last_set.eq(Mux(command.depthwise, command.tile_rows - 1, last_piece))]
        with m.If(~self.spaced & ~self.paused & (self.tiles.taps.spacing | self.spacing)):
            m.d.sync += [self.to_wait.eq(self.to_wait - 1), self.spaced.eq(self.to_wait == 1)]
        m.d.comb += [
            self.paused.eq(self.pause & (
                (state == State.IDLE) | ((state == State.BLOCK) & ~command.stream) |
                self.spacing | (state == State.DRAIN) | (self.tiling & self.tiles.phases.first))),
            self.issues.eq(self.tiling & ~(self.pause & self.tiles.phases.first)),
            self.ends_tile.eq(self.issues & self.tiles.tile_ends & (self.spaced | self.tiles.ends_block)
                              | self.spacing & self.spaced & ~self.pause),
        ]

    def _register_outputs(self, m):
        """What goes out beside fetches and steps: weights, parameters, the elements' own weights, finished tiles."""
        state = self.state
        self.places.tell(m, self.tile, self.tile_valid, ends=self.issues & self.tiles.tile_ends,
                         loops=self.tiles.loops)
        m.d.sync += [self.weight_address.eq(self.pointer), self.begin.eq(0), self.step.odd.eq(self.block),
                     self.param.valid.eq((state == State.PARAMS) | (state == State.ADD)),
                     self.param.add.eq(state == State.ADD), self.param.index.eq(self.count),
                     self.param.odd.eq(self.block), self.param.row.eq(self.param_row),
                     self.param.piled.eq(self.command.depthwise | self.command.add),
                     self.param.last.eq(self.set_ends), self.step.token.load.eq(state == State.LOCAL),
                     self.step.token.row.eq(self.local_row), self.step.residual.eq(state == State.RESIDUAL)]
        if self.design.table_unit:
            m.d.sync += [self.table.valid.eq((state == State.BLOCK) & self.loads_table & ~self.paused),
                         self.table.index.eq(self.count)]

    def _read_operands(self, m):
        """What elements read from their own memories, and residuals from the scratchpad."""
        state = self.state
        if self.design.has_local_memory:
            place = Mux(self.command.window, self.tiles.taps.y, self.tiles.kept_steps)
            m.d.sync += self.step.token.tap.eq(Mux(state == State.LOCAL, self.local_tap, place))
        with m.If(state == State.RESIDUAL):
            self.places.read_row(m, self.fetch.address, self.step.token.row, self.count)
        m.d.sync += self.fetch.raw.eq(state == State.RESIDUAL)

    def _go(self, m, state):
        """To a state from TILE or SPACE, or to one of them: much depends on these, so that each has a bit."""
        m.d.sync += [self.state.eq(state), self.tiling.eq(state == State.TILE), self.spacing.eq(state == State.SPACE)]

    def _next_command(self, m):
        m.d.sync += [self.state.eq(State.FETCH), self.count.eq(0)]

    def _start_tile(self, m):
        m.d.sync += [self.to_wait.eq(self.distance), self.spaced.eq(self.near), self.count.eq(0),
                     self.tiles.kept_steps.eq(0)]
        self.places.begin_tile(m)
        with m.If(self.command.add):
            self._go(m, State.RESIDUAL)
        with m.Else():
            self._start_steps(m)

    def _start_steps(self, m):
        m.d.sync += self.count.eq(0)
        self._go(m, Mux(self.command.port_cycles == 0, State.TILE, State.PORT))

    def _end_tile(self, m):
        command, tiles = self.command, self.tiles
        following = self.places.tile + Mux(tiles.ends_group, command.out_band_bytes, command.out_group_bytes)
        self.places.end_tile(m, following)
        m.d.comb += [tiles.loops["group"].advance.eq(1), tiles.loops["band"].advance.eq(tiles.ends_group),
                     tiles.loops["block"].advance.eq(tiles.ends_band)]
        with m.If(~tiles.ends_band):
            m.d.sync += self.pointer.eq(self.block_pointer)
            self._start_tile(m)
            self.places.jump(m, following)
        with m.Else():
            self._end_block(m)

    def _end_block(self, m):
        design, command = self.design, self.command
        m.d.comb += self.stream_release.eq(command.stream)
        last_block = self.tiles.loops["block"].last
        if design.memory == "spram":
            settles = Array(settle_cycles(design, depthwise=depthwise, add=add) for depthwise, add in DRAIN_MODES)
            m.d.sync += self.settle_left.eq(Mux(last_block, 0, settles[Cat(command.add, command.depthwise)]))
        m.d.sync += self.block.eq(self.block + 1)
        self._go(m, Mux(last_block, State.DRAIN, State.BLOCK))
        self.places.end_block(m, command)

    def _idle(self, m):
        m.d.sync += self.pointer.eq(self.program)
        with m.If(self.start):
            m.d.sync += [self.layer.eq(0), self.error.eq(0)]
            self._next_command(m)

    def _fetch(self, m):
        m.d.sync += [self.count.eq(self.count + 1), self.pointer.eq(self.pointer + 1),
                     self.command_pointer.eq(self.pointer + 1)]
        with m.If(self.count == 0):
            m.d.sync += self.pc.eq(self.pointer)
        with m.If(self.count == command_words(self.design) - 1):
            m.d.sync += [self.count.eq(0), self.state.eq(State.ARRIVE)]

    def _arrive(self, m):
        m.d.sync += self.count.eq(self.count + 1)
        with m.If(self.count == READ_LATENCY):
            m.d.sync += self.state.eq(State.DECODE)

    def _decode(self, m, damaged):
        self._check_command(m, damaged)
        design, command = self.design, self.command
        self.places.begin_inputs(m, command)
        m.d.sync += [self.block.eq(0), self.count.eq(0), self.param_row.eq(0),
                     self.places.block_x.eq(command.first_x_bytes)]
        self.places.begin_outputs(m, command)
        if design.table_unit:
            m.d.sync += self.loads_table.eq(command.table)
        with m.If(self.words.is_layer(command)):
            streams = command.stream & ~command.table if design.table_unit else command.stream
            m.d.sync += self.pointer.eq(Mux(streams, self.ring_pointer, command.weight_base)
                                        if design.stream_port_bytes else command.weight_base)
        if design.stream_port_bytes:
            with m.If(self.stream_start):
                m.d.sync += self.ring_pointer.eq(self._ring_words(self.stream_command.ring_base))

    def _check_command(self, m, damaged):
        """Begin a layer or a stream, end the program, or stop at a command that cannot be right."""
        command = self.command
        empty = Cat(*(self.gathered[name] == 0 for name in counts(self.design)), 0).any()

        def stop(error):
            m.d.sync += [self.error.eq(ERRORS[error]), self.state.eq(State.IDLE)]

        with m.If(command.magic != MAGIC):
            stop("BAD_MAGIC")
        with m.Elif(damaged):
            stop("BAD_CHECKSUM")
        with m.Elif(command.opcode == OPCODES["END"]):
            m.d.sync += self.state.eq(State.IDLE)
        with m.Elif((command.opcode == OPCODES["STREAM"]) & bool(self.design.stream_port_bytes)):
            m.d.comb += self.stream_start.eq(1)
            self._next_command(m)
        with m.Elif(command.opcode != OPCODES["LAYER"]):
            stop("BAD_OPCODE")
        with m.Elif(self.layer >= LAYER_LOG_ENTRIES):
            stop("TOO_LONG")
        with m.Elif(empty):
            stop("ZERO_COUNT")
        with m.Else():
            m.d.sync += [self.begin.eq(1), self.state.eq(State.BLOCK)]

    def _ring_words(self, address):
        """Byte address to weight word."""
        return address >> (self.design.weight_word_bits // 8 - 1).bit_length()

    def _block(self, m):
        design, command = self.design, self.command
        m.d.sync += [self.count.eq(0), self.param_row.eq(0)]
        self.places.begin_block(m)
        with m.If(~self.settled):
            m.d.sync += self.settle_left.eq(self.settle_left - 1)
        ready = self.settled & ~self.paused & (
            ~command.stream | self.stream_ready if design.stream_port_bytes else 1)
        if design.table_unit:
            self._read_table(m)
            ready = ready & ~self.loads_table
        m.d.comb += self.tiles.walker.begin.eq(1)
        with m.If(ready):
            m.d.sync += self.state.eq(Mux(command.add, State.ADD, State.PARAMS))

    def _read_table(self, m):
        """Every word for as many cycles as its entries take; the blocks' words follow, or come in the stream."""
        design = self.design
        parts = design.weight_word_bits // (8 * design.table_entries)
        with m.If(self.loads_table):
            m.d.sync += self.count.eq(self.count + ~self.paused)
        with m.If(self.loads_table & ~self.paused):
            with m.If(self.count[:(parts - 1).bit_length()].all()):
                m.d.sync += self.pointer.eq(self.pointer + 1)
            with m.If(self.count == table_cycles(design) - 1):
                m.d.sync += [self.count.eq(0), self.loads_table.eq(0)]
                if design.stream_port_bytes:
                    with m.If(self.command.stream):
                        m.d.sync += self.pointer.eq(self.ring_pointer)

    def _add(self, m):
        m.d.sync += [self.pointer.eq(self.next_pointer), self.count.eq(self.count + 1)]
        with m.If(self.set_ends):
            m.d.sync += [self.count.eq(0), self.state.eq(State.PARAMS)]

    def _params(self, m):
        command = self.command
        m.d.sync += [self.pointer.eq(self.next_pointer), self.block_pointer.eq(self.next_pointer),
                     self.count.eq(self.count + 1)]
        if self.design.has_local_memory:
            m.d.sync += [self.local_left.eq(command.local_words), self.local_tap.eq(0), self.local_row.eq(0)]
        with m.If(self.set_ends):
            m.d.sync += [self.count.eq(0), self.param_row.eq(self.param_row + 1)]
            with m.If(self.param_row == self.last_set):
                if self.design.has_local_memory:
                    with m.If(command.local):
                        m.d.sync += self.state.eq(State.LOCAL)
                    with m.Else():
                        self._start_tile(m)
                else:
                    self._start_tile(m)

    def _local(self, m):
        m.d.sync += [self.pointer.eq(self.next_pointer), self.block_pointer.eq(self.next_pointer),
                     self.local_left.eq(self.local_left - 1), self.local_tap.eq(self.local_tap + 1)]
        with m.If(self.command.depthwise & (self.local_tap + 1 == self.command.kernel_rows)):
            m.d.sync += [self.local_tap.eq(0), self.local_row.eq(self.local_row + 1)]
        with m.If(self.local_left == 1):
            self._start_tile(m)

    def _residual(self, m):
        m.d.sync += self.count.eq(self.count + 1)
        self.places.next_row(m, self.command)
        with m.If(self.count == self.last_row):
            self._start_steps(m)

    def _port(self, m):
        m.d.sync += self.count.eq(self.count + 1)
        with m.If(self.count + 1 == self.command.port_cycles):
            self._go(m, State.TILE)

    def _tile(self, m):
        with m.If(self.issues & self.tiles.tile_ends):
            self._go(m, State.SPACE)

    def _drain(self, m):
        with m.If(self.command.stream):
            m.d.sync += self.ring_pointer.eq(self.pointer)
        with m.If(self.drained):
            m.d.sync += [self.state.eq(State.LOG), self.count.eq(0)]

    def _log(self, m):
        m.d.sync += [self.count.eq(self.count + 1), self.pointer.eq(self.command_pointer)]
        with m.If(self.count == LOG_CYCLES - 1):
            m.d.sync += self.layer.eq(self.layer + 1)
            self._next_command(m)

    def _count(self, m):
        """Count each cycle of a layer once; while they are logged the counters rest, then they start from zero."""
        m.submodules.counters = counters = parts(self.design).counters()
        m.d.comb += [counters.clear.eq(self.state == State.IDLE), counters.log.eq(self.state == State.LOG),
                     counters.layer.eq(self.layer), self.log_write.eq(counters.write),
                     self.log_address.eq(counters.address), self.log_data.eq(counters.data)]
        for number, name in enumerate(COUNTERS):
            with m.Switch(self.state):
                with m.Case(*(one for one, counter in COUNTED.items() if counter == name)):
                    m.d.comb += counters.which.eq(number)
        with m.If(self.paused):
            m.d.comb += counters.which.eq(list(COUNTERS).index("memory"))
