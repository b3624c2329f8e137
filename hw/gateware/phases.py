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
    """Knows a segment's last phase ahead; rows keep their pixels from a tile's first tap on.

    Parameters
    ----------
    phase, last_phase : Signal
        Of the segment, and whether it is the last one, which is decided here.
    single, steps : Value
        Segments are of one phase; steps of this one.
    """

    def __init__(self, design: DesignPoint, *, phase: Signal, last_phase: Signal, single: Value, steps: Value):
        self.design, self.phase, self.last_phase, self.single, self.steps = design, phase, last_phase, single, steps

    def count(self, m: Module, command: data.View, taps: Taps, begin: Signal) -> None:
        """See the end of a segment."""
        m.submodules.phases = self.phases = phases = LoopCounter(5)
        m.d.comb += [
            phases.total.eq(Mux(self.single, 1,
                                Mux(taps.next_row_ends, _at_least(command.tail_steps, command.tile_rows),
                                    _at_least(command.segment_steps, command.tile_rows)))),
            phases.restart.eq(begin), self.last_phase.eq(phases.last)]

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

    def advance(self, m: Module) -> None:
        """To the next phase."""
        m.d.comb += self.phases.advance.eq(1)


class SmallPhases(Phases):
    """The same for one array row: it compares, and the walker itself stays at the row's pixel."""

    def count(self, m: Module, command: data.View, taps: Taps, begin: Signal) -> None:
        m.d.comb += self.last_phase.eq(self.single | (self.phase + 1 == self.steps))

    def place(self, m: Module, pixel: Signal, walker: WindowWalker, taps: Taps, *, issues: Signal, moves: Value
              ) -> None:
        m.d.comb += [pixel.eq(walker.pixel), walker.advance.eq(issues & taps.last & self.last_phase)]

    def advance(self, m: Module) -> None:
        pass
