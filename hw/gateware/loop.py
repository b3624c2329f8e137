"""Loop counters whose end is known a cycle ahead, so that no comparison lies on the way to the next state."""

from collections.abc import Sequence

from amaranth import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LoopCounter", "SmallLoopCounter"]


class LoopCounter(wiring.Component):
    """Counts a loop of ``total`` passes again and again.

    Parameters
    ----------
    single
        Whether ``total`` is 1, where it is known without a comparison.

    Members
    -------
    total : In(bits)
        Passes of the loop that begins with ``restart``, or with ``advance`` in the last pass; not 0.
    restart : In(1)
        The first pass begins in the next cycle.
    advance : In(1)
        The next pass begins in the next cycle.
    first, last : Out(1)
        Of the running pass; registers.
    next_last : Out(1)
        Whether the pass that ``advance`` begins is a last one.
    left : Out(bits)
        Passes behind the running one.
    """

    def __init__(self, bits: int, *, single: Value | None = None):
        self._single = single
        super().__init__({"total": In(bits), "restart": In(1), "advance": In(1), "first": Out(1), "last": Out(1),
                          "next_last": Out(1), "left": Out(bits)})

    def elaborate(self, platform):
        m = Module()
        single = Signal()
        m.d.comb += [single.eq(self.total == 1 if self._single is None else self._single),
                     self.next_last.eq(Mux(self.last, single, self.left == 1))]
        with m.If(self.advance):
            m.d.sync += [self.first.eq(self.last), self.last.eq(self.next_last),
                         self.left.eq(Mux(self.last, self.total, self.left) - 1)]
        with m.If(self.restart):
            m.d.sync += [self.first.eq(1), self.last.eq(single), self.left.eq(self.total - 1)]
        return m

    @staticmethod
    def ends(m: Module, loops: Sequence["LoopCounter"]) -> list[Value]:
        """Of each of nested loops, the innermost first: whether it and all inside of it are in their last pass.

        A loop's ``advance`` is given where all inside of it end with an ``advance``. Registers, right from two cycles
        after ``restart`` on.
        """
        ends: list[Value] = [loops[0].last]
        now, following = loops[0].last, loops[0].next_last
        for number, loop in enumerate(loops[1:]):
            now, following = now & loop.last, following & Mux(ends[-1], loop.next_last, loop.last)
            end = Signal(name=f"end{number + 1}")
            m.d.sync += end.eq(Mux(loops[0].advance, following, now))
            ends.append(end)
        return ends


class SmallLoopCounter(LoopCounter):
    """The same with fewer registers: it counts up and compares, one pass ahead, as much depends on ``last``.

    ``total`` is constant from ``restart`` on; nobody looks at ``next_last`` and ``left``.
    """

    def elaborate(self, platform):
        m = Module()
        following = Signal.like(self.left, init=2)      # the number of the next pass
        single = self.total == 1 if self._single is None else self._single
        with m.If(self.advance):
            m.d.sync += [self.first.eq(self.last), following.eq(following + 1),
                         self.last.eq(Mux(self.last, single, following == self.total))]
        with m.If(self.restart | (self.advance & self.last)):
            m.d.sync += following.eq(2)
        with m.If(self.restart):
            m.d.sync += [self.first.eq(1), self.last.eq(single)]
        return m

    @staticmethod
    def ends(m: Module, loops: Sequence[LoopCounter]) -> list[Value]:
        """No registers."""
        ends: list[Value] = [Const(1, 1)]
        for loop in loops:
            ends.append(ends[-1] & loop.last)
        return ends[1:]
