"""The phases of a segment, and the pixels that array rows take in them, in the sequencer's own module."""

from amaranth import Array, Module, Mux, Signal, Value
from amaranth.lib import data

from hw.gateware.loop import LoopCounter
from hw.gateware.walker import Pixel, Taps, WindowWalker
from hw.spec.design import DesignPoint

__all__ = ["Phases", "SmallPhases"]


def _at_least(value: Value, least: Value) -> Value:
    return Mux(value > least, value, least)


class Phases:
    """Knows the end of a segment and of a tile ahead; rows keep their pixels from a tile's first tap on.

    Parameters
    ----------
    phase, last_phase : Signal
        Of the segment, and whether it is the last one, which is decided here.
    single : Value
        Segments are of one phase.

    Attributes
    ----------
    first, fetches, steps, last_step, ends_tile : Signal
        Of the phase: whether it is the segment's first one, whether a row fetches its word, whether there is a step,
        and, if there is, whether it is the segment's last one; whether it is the tile's last phase.
    """

    def __init__(self, design: DesignPoint, *, phase: Signal, last_phase: Signal, single: Value):
        self.design, self.phase, self.last_phase, self.single = design, phase, last_phase, single
        self.first, self.fetches, self.steps, self.last_step = self._known()
        self.ends_tile = Signal()

    def _known(self) -> tuple[Signal, ...]:
        """Registers, as they are in a segment's first phase."""
        return (*(Signal(init=1, name=name) for name in ("first_phase", "fetches", "steps")), Signal(name="last_step"))

    def count(self, m: Module, command: data.View, taps: Taps, *, begin: Signal, issues: Signal) -> None:
        """See the ends of segments and tiles; nothing that is constant in a layer lies on the way."""
        total, single, alone = [], [], []       # phases, whether that is one, one step: segments, those that end a row
        last_row = Signal.like(command.tile_rows, name="last_fetching")
        m.d.sync += last_row.eq(command.tile_rows - 1)
        for name in ("segment_steps", "tail_steps"):
            steps = command[name]
            total.append(Signal(5, name=f"{name}_phases"))
            single.append(Signal(name=f"{name}_single"))
            alone.append(Signal(name=f"{name}_alone"))
            m.d.sync += [total[-1].eq(Mux(self.single, 1, _at_least(steps, command.tile_rows))),
                         single[-1].eq(self.single | (steps == 1) & (command.tile_rows == 1)),
                         alone[-1].eq(self.single | (steps == 1))]
        m.submodules.phases = phases = LoopCounter(5, single=Mux(taps.next_row_ends, single[1], single[0]))
        m.d.comb += self.ends_tile.eq(LoopCounter.ends(m, [phases, taps.inner, taps.outer])[-1])
        now = Mux(taps.row_ends, command.tail_steps, command.segment_steps)
        m.d.comb += [phases.total.eq(Mux(taps.next_row_ends, total[1], total[0])), phases.restart.eq(begin),
                     phases.advance.eq(issues), self.last_phase.eq(phases.last)]
        with m.If(issues):
            m.d.sync += [self.first.eq(self.last_phase), self.fetches.eq(self.last_phase | (self.phase < last_row)),
                         self.steps.eq(self.last_phase | (self.phase + 1 < now))]
        with m.If(begin | (issues & self.last_phase)):
            m.d.sync += self.last_step.eq(Mux(taps.next_row_ends, alone[1], alone[0]))
        with m.Elif(issues):
            m.d.sync += self.last_step.eq(self.phase + 2 == now)

    def place(self, m: Module, pixel: Signal, walker: WindowWalker, taps: Taps, *, issues: Signal, moves: Value
              ) -> None:
        """The ``pixel`` of this phase's row, which takes another one where it ``moves``."""
        advances = Signal()
        row = self.phase[:max(1, (self.design.rows - 1).bit_length())]
        kept = Array(Signal(Pixel, name=f"pixel{r}") for r in range(self.design.rows))
        m.d.comb += [
            advances.eq(moves),
            pixel.eq(Mux(advances, walker.pixel.as_value(), kept[row].as_value())),
            walker.advance.eq(issues & advances),
        ]
        with m.If(issues & advances):
            m.d.sync += kept[row].eq(walker.pixel)


class SmallPhases(Phases):
    """The same for one array row: it compares, and the walker itself stays at the row's pixel."""

    def _known(self) -> tuple[Signal, ...]:
        """No registers."""
        return tuple(Signal(name=name) for name in ("first_phase", "fetches", "steps", "last_step"))

    def count(self, m: Module, command: data.View, taps: Taps, *, begin: Signal, issues: Signal) -> None:
        now = Mux(taps.row_ends, command.tail_steps, command.segment_steps)
        last_step = self.single | (self.phase + 1 == now)
        m.d.comb += [self.first.eq(self.single | (self.phase == 0)),
                     self.fetches.eq(self.single | (self.phase < command.tile_rows)),
                     self.steps.eq(self.single | (self.phase < now)), self.last_step.eq(last_step),
                     self.last_phase.eq(last_step), self.ends_tile.eq(last_step & taps.last)]

    def place(self, m: Module, pixel: Signal, walker: WindowWalker, taps: Taps, *, issues: Signal, moves: Value
              ) -> None:
        m.d.comb += [pixel.eq(walker.pixel), walker.advance.eq(issues & taps.last & self.last_phase)]
