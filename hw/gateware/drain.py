"""The way out of the array: finished sums are requantized and stored while the next tile is computed."""

from amaranth import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.array import totals_layout
from hw.gateware.command import command_layout
from hw.gateware.params import ChannelMemory, ParamWord
from hw.gateware.parts import parts
from hw.gateware.passes import add_passes_of
from hw.gateware.pieces import HIGH_PLACE_BITS
from hw.gateware.requantizer import Requantizer
from hw.gateware.scratchpad import write_layout
from hw.gateware.store import Tile
from hw.gateware.table import TableUnit, TableWord
from hw.spec.design import DesignPoint
from hw.spec.timing import (
    DRAIN_MODES,
    add_passes,
    add_slot_cycles,
    drain_lag_cycles,
    drain_turns,
    element_latency,
    lane_skew,
    requantize_latency,
    select_latency,
)

__all__ = ["Drain"]


def _log2(value: int) -> int:
    return value.bit_length() - 1


class Drain(wiring.Component):
    """Requantizes every element of a tile, row by row, as ``hw.spec.timing.drain_turns`` says.

    Members
    -------
    command : In
        The running layer; constant from ``begin`` to ``done``.
    begin : In(1)
        High for one cycle before the first tile of a layer.
    last, odd : In
        High in the cycle in which the last step of a tile enters the array, with the tile's block modulo 4. Two of
        them are at least ``hw.spec.timing.drain_cycles`` apart.
    totals : In
        Of the array.
    shift : Out(1)
        Where the design's ``shifts_totals``: the sum in place 0 of ``totals`` is taken, and the next one wanted there.
    param, table, weights : In
        Weight words with parameters, or with entries of the table; a set comes before the first ``last`` of its block,
        all entries before the first one of the layer.
    residual, residual_row, word : In
        A fetched word holds what the outputs of an array row are added to; before the ``last`` of their tile.
    tile, tile_valid : In
        Of the sequencer.
    write, write_last : Out
        Outputs, for the activation scratchpad; the last ones of an array row.
    stored : In(1)
        Every write was done.
    done : Out(1)
        High for one cycle when every output of the layer can be read back.
    """

    def __init__(self, design: DesignPoint):
        self.design = design
        super().__init__({
            "command": In(command_layout(design)), "begin": In(1), "last": In(1), "odd": In(2),
            "totals": In(totals_layout(design)),
            "shift": Out(1), "param": In(ParamWord), "table": In(TableWord), "weights": In(design.weight_word_bits),
            "tile": In(Tile), "tile_valid": In(1), "residual": In(1), "residual_row": In(4),
            "word": In(data.ArrayLayout(signed(design.act_bits), design.fetch_bytes)),
            "write": Out(stream.Signature(write_layout(design), always_ready=True)), "write_last": Out(1),
            "stored": In(1, init=1), "done": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        design, command = self.design, self.command
        m.submodules.params = params = ChannelMemory(design)
        m.submodules.store = store = parts(design).store(design)
        m.d.comb += [params.param.eq(self.param), params.weights.eq(self.weights), store.command.eq(command),
                     store.begin.eq(self.begin), store.stored.eq(self.stored), self.done.eq(store.done),
                     self.write_last.eq(store.write_last)]
        wiring.connect(m, wiring.flipped(self.write), store.write)

        store.follow(m, self.tile, self.tile_valid)
        start = Signal(data.StructLayout({"valid": 1, "odd": 2}), name="start0")
        m.d.comb += [start.valid.eq(self.last), start.odd.eq(self.odd)]
        issue, row, turn, odd = self._turns(m, start)

        # what happened so many cycles after an output's first pass
        passes = add_passes(design)
        through = select_latency(design) + requantize_latency(design)
        spread = lane_skew(design, design.requantizers - 1)
        ages = {0: issue}
        for age in range(1, through + max(passes.final, spread) + 1):
            ages[age] = Signal(name=f"age{age}")
            # only residual adds go on, so that nothing old is left when one follows
            m.d.sync += ages[age].eq(ages[age - 1] & (command.add if age > through + spread else 1))

        place = Signal(data.StructLayout({"row": row.shape(), "turn": turn.shape(), "odd": 2}), name="place0")
        m.d.comb += [place.row.eq(row), place.turn.eq(turn), place.odd.eq(odd), params.add.eq(command.add)]
        places = [place]
        for skew in range(spread + select_latency(design)):
            places.append(self._later(m, places[-1], 1, f"place{skew + 1}_"))
        self._requantize(m, places, ages, passes, through, params, self._looked_up(m, store))
        return m

    def _looked_up(self, m, store):
        """Where outputs go: to the store, perhaps through the table."""
        if not self.design.table_unit:
            return store
        m.submodules.table = table = TableUnit(self.design)
        m.d.comb += [table.use.eq(self.command.table), table.word.eq(self.table), table.weights.eq(self.weights),
                     store.coming.eq(table.found_coming), store.valid.eq(table.found_valid),
                     store.outputs.eq(table.found)]
        return table

    def _requantize(self, m, places, ages, passes, through, params, taker):
        """The requantizers get the chosen sums of a turn, and the taker what comes of them; in a residual add sums go
        to the first one only, further passes follow, and the taker gets what comes of the last."""
        design, command, units = self.design, self.command, []
        select = select_latency(design)
        spread = len(places) - 1 - select
        values = self._pieces(m, places) if design.splits else [
            self._chosen(m, q, places[lane_skew(design, q)]) for q in range(design.requantizers)]
        for q in range(design.requantizers):
            skew = lane_skew(design, q)
            unit = Requantizer(acc_bits=32, cycles=design.requantizer_cycles, dsps=design.requantizer_dsps)
            m.submodules[f"requantizer{q}"] = unit
            units.append(unit)
            wanted = places[skew + select - 1]
            slot, row = self._slot(wanted)
            m.d.comb += [
                params.row[q].eq(Mux(command.depthwise, wanted.row, row)), params.turn[q].eq(slot),
                params.odd[q].eq(wanted.odd),
                unit.acc.valid.eq(ages[select + skew]), unit.acc.p.params.eq(params.channels[q]),
                unit.acc.p.value.eq(values[q]),
                unit.zero.eq(command.out_zero), unit.low.eq(command.act_min), unit.high.eq(command.act_max),
                unit.add_zero.eq(command.add_zero), unit.add_low.eq(command.add_min),
                unit.add_high.eq(command.add_max)]
            out = Signal(design.act_bits, name=f"out{q}_0")
            m.d.comb += out.eq(unit.out.payload)
            m.d.comb += taker.outputs[q].eq(self._later(m, out, spread - skew, f"out{q}_"))
        m.d.comb += [taker.coming.eq(ages[through + spread - 1] & ~command.add),
                     taker.valid.eq(ages[through + spread] & ~command.add), self.shift.eq(ages[select])]
        with m.If(command.add):
            lanes = [units[lane] for lane in passes.lanes]
            added = add_passes_of(m, design, self, ages=ages, passes=passes, through=through, lanes=lanes,
                                  params=params)
            for unit in units[1:]:
                m.d.comb += unit.acc.valid.eq(0)
            for one in added:
                with m.If(one.valid):
                    m.d.comb += [one.unit.acc.valid.eq(1), one.unit.acc.p.value.eq(one.value),
                                 one.unit.acc.p.params.eq(one.params), one.unit.acc.p.add.eq(one.final)]
            m.d.comb += [taker.coming.eq(ages[passes.final + through - 1]),
                         taker.valid.eq(ages[passes.final + through]), taker.outputs[0].eq(lanes[3].out.payload)]

    def _slot(self, place):
        """Which of its parameters' memories a requantizer wants (of an add: which column's), and which place there."""
        design = self.design
        own, columns = _log2(design.param_slots // design.requantizers), _log2(design.cols)
        if not design.splits:
            return place.turn, 0
        add = self.command.add
        return Mux(add, place.turn[:columns], place.turn[:own]), Mux(add, place.turn >> columns, place.turn >> own)

    def _pieces(self, m, places):
        """The sum that each requantizer takes, ``select_latency`` after its place, where columns have several.

        The sums of a column, or of some that take turns, go one way.
        """
        design, add = self.design, self.command.add
        groups = min(design.requantizers, design.cols)
        turns, pieces = design.cols // groups, design.requantizers // groups
        ways = []
        for group in range(groups):
            m.submodules[f"pieces{group}"] = way = parts(design).pieces(
                design, elements=design.rows * turns, pieces=pieces)
            ways.append(way)
            place = Signal.like(places[0], name=f"piece_place{group}")
            m.d.comb += place.eq(Mux(add, places[0].as_value(), places[lane_skew(design, group)].as_value()))
            turn, piece = place.turn[:_log2(turns)], place.turn >> _log2(turns) << _log2(pieces)
            added, added_piece = place.turn[_log2(groups):_log2(design.cols)], place.turn >> _log2(design.cols)
            m.d.comb += [
                way.split.eq(self.command.split), way.maximum.eq(self.command.maximum),
                *(way.totals[row * turns + n].eq(self.totals[row * design.cols + n * groups + group])
                  for row in range(design.rows) for n in range(turns)),
                way.element.eq(Cat(Mux(add, added, turn)[:_log2(turns)], place.row)),
                way.piece.eq(Mux(add, added_piece, piece))]
        first = Array(Cat(way.low[0], way.high) for way in ways)[
            Mux(add, places[select_latency(design)].turn[:_log2(groups)], 0)]
        values = []
        for q in range(design.requantizers):
            piece, group = divmod(q, groups)
            low, high = ways[group].low[piece], ways[group].high
            if q == 0:      # in a residual add a turn is one column
                low, high = first[:len(low)].as_signed(), first[len(low):].as_signed()
            values.append(low if piece else low + (high << HIGH_PLACE_BITS))
        return values

    def _chosen(self, m, q, place):
        """The sum that requantizer ``q`` takes, a cycle after its ``place``."""
        design = self.design
        if design.shifts_totals:
            return self.totals[0]
        per_row = design.cols // design.requantizers
        mine = Array(self.totals[r * design.cols + t * design.requantizers + q]
                     for r in range(design.rows) for t in range(per_row))
        chosen = mine[place.row * per_row + (place.turn if per_row > 1 else 0)]
        if q == 0:      # in a residual add a turn is one column
            chosen = Mux(self.command.add, Array(self.totals[n] for n in range(design.rows * design.cols))[
                place.row * design.cols + place.turn], chosen).as_signed()
        value = Signal(signed(design.acc_bits), name=f"value{q}")
        m.d.sync += value.eq(chosen)
        return value

    @staticmethod
    def _later(m, value, cycles, name):
        for stage in range(cycles):
            following = Signal.like(value, name=f"{name}{stage + 1}")
            m.d.sync += following.eq(value)
            value = following
        return value

    def _turns(self, m, start):
        """One turn after the other; returns whether one begins, and its array row, place in the row and block."""
        design, command = self.design, self.command
        active = Signal()
        row = Signal(range(design.rows))
        turn = Signal(range(max(2, design.most_tile_cols)))
        odd = Signal(2)
        cycles = {mode: drain_turns(design, depthwise=mode[0], add=mode[1]) for mode in DRAIN_MODES}
        most = max(mode.cycles for mode in cycles.values())
        beat = Signal(range(max(2, most)))

        def by_mode(value):
            """A constant that depends on the kind of layer."""
            choices = [value(cycles[mode]) for mode in DRAIN_MODES]
            return Array(Const(choice, range(max(choices) + 1)) for choice in choices)[
                Cat(command.add, command.depthwise)]

        last_beat = Signal()
        last_turn = Signal()
        last_row = Signal()
        column = Signal(turn.shape())          # the last one in use; so are the next two
        final_row = Signal(4)
        final_turn = Signal(turn.shape())
        start = self._lagged(m, start, final_turn)
        m.d.comb += column.eq(command.tile_cols - 1)
        m.d.sync += [final_row.eq(command.tile_rows - 1),
                     final_turn.eq(Mux(command.add, column, column >> (design.requantizers - 1).bit_length()))]
        m.d.comb += [last_beat.eq(beat == by_mode(lambda mode: mode.cycles - 1)),
                     last_turn.eq(turn == final_turn), last_row.eq(row == final_row)]
        begins, odd_begins = self._aligned(m, start)
        m.d.sync += active.eq(begins | (active & ~(last_beat & last_turn & last_row)))
        with m.If(begins):
            m.d.sync += odd.eq(odd_begins)
        with m.If(active):
            m.d.sync += beat.eq(Mux(last_beat, 0, beat + 1))
            with m.If(last_beat):
                m.d.sync += turn.eq(Mux(last_turn, 0, turn + 1))
                with m.If(last_turn):
                    m.d.sync += row.eq(Mux(last_row, 0, row + 1))
        issue = Signal()
        m.d.comb += issue.eq(active & (beat == 0))
        return issue, row, turn, odd

    def _lagged(self, m, start, final_turn):
        """``start`` when element 0's sum is there, and as much later as tiles of so many turns per row ask."""
        design = self.design
        lags = [drain_lag_cycles(design, turns=turns)
                for turns in range(1, design.most_tile_cols // design.requantizers + 1)]
        lag_of_add = drain_lag_cycles(design, turns=1, add=True)
        least = min(*lags, lag_of_add)
        lag = Signal(range(max(2, max(lags) - least + 1)))
        m.d.sync += lag.eq(Mux(self.command.add, lag_of_add - least, Array(one - least for one in lags)[final_turn]))
        line = [self._later(m, start, element_latency(design) + least - 1, "start")]
        for stage in range(max(lags) - least):
            line.append(self._later(m, line[-1], 1, f"lagging{stage}_"))
        chosen = Signal.like(start, name="lagged")
        m.d.comb += chosen.eq(Array(one.as_value() for one in line)[lag])
        return chosen

    def _aligned(self, m, start):
        """``start``; in a residual add it is kept to the next multiple of its slots since ``begin``."""
        slots = add_slot_cycles(self.design)
        if slots == 1:
            return start.valid, start.odd
        slot = Signal(range(slots))
        waits = Signal()
        begins = Signal()
        m.d.sync += [slot.eq(Mux(self.begin | (slot == slots - 1), 0, slot + 1)),
                     waits.eq((start.valid | waits) & ~begins)]
        m.d.comb += begins.eq((start.valid | waits) & (~self.command.add | (slot == 0)))
        kept = Signal(2)
        with m.If(start.valid):
            m.d.sync += kept.eq(start.odd)
        return begins, Mux(start.valid, start.odd, kept)
