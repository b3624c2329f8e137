"""The passes of a residual add through the requantizers, in the drain's own module."""

from collections.abc import Mapping
from dataclasses import dataclass

from amaranth import Module, Mux, Signal, Value, signed
from amaranth.lib import wiring

from hw.gateware.params import ChannelMemory
from hw.gateware.requantizer import Requantizer
from hw.gateware.residual import ResidualBuffer
from hw.spec.design import DesignPoint
from hw.spec.requant import ADD_LEFT_SHIFT
from hw.spec.timing import AddPasses, select_latency

__all__ = ["AddPass", "add_passes_of"]


@dataclass(frozen=True, kw_only=True)
class AddPass:
    """``value`` goes into ``unit`` in the cycles with ``valid``, with its parameters; ``final``: it is the sum."""

    unit: Requantizer
    valid: Value
    value: Value
    params: Value
    final: bool


def add_passes_of(m: Module, design: DesignPoint, drain: wiring.Component, *, ages: Mapping[int, Signal],
                  passes: AddPasses, through: int, lanes: list[Requantizer], params: ChannelMemory) -> list[AddPass]:
    """What follows an output's first pass: both operands are scaled, then their sum.

    The first pass enters its requantizer ``hw.spec.timing.select_latency`` cycles after its age of 0.

    Parameters
    ----------
    drain
        Its inputs are looked at.
    ages
        By cycles: an output's first pass was so long ago.
    through
        Cycles from a pass to its result.
    lanes
        Requantizer of each pass, the first one included.
    """
    m.submodules.residual = residual = ResidualBuffer(design)
    before = select_latency(design) - 1      # from a pass's age of 0 to the cycle before it enters
    m.d.comb += [residual.begin.eq(drain.begin), residual.arrives.eq(drain.residual),
                 residual.last_row.eq(drain.command.tile_rows - 1),
                 residual.last_column.eq(drain.command.tile_cols - 1),
                 residual.row.eq(drain.residual_row), residual.word.eq(drain.word),
                 residual.take.eq(ages[passes.residual + before]),
                 params.add_residual.eq(ages[passes.residual + before]),
                 params.add_operand.eq(ages[passes.operand + before]),
                 params.add_final.eq(ages[passes.final + before])]
    own, total = _results(m, design, ages=ages, passes=passes, through=through, lanes=lanes)
    return [AddPass(unit=lanes[number], valid=ages[age + before + 1], value=value,
                    params=params.add_channels[number - 1], final=number == 3)
            for number, (age, value) in enumerate(((passes.residual, residual.value << ADD_LEFT_SHIFT),
                                                   (passes.operand, own << ADD_LEFT_SHIFT),
                                                   (passes.final, total)), 1)]


def _results(m: Module, design: DesignPoint, *, ages: Mapping[int, Signal], passes: AddPasses, through: int,
             lanes: list[Requantizer]) -> tuple[Signal, Signal]:
    """The first pass's output and the sum of the next two, when they are wanted."""
    own = Signal(signed(8))
    total = Signal(signed(32))
    with m.If(ages[through]):
        m.d.sync += own.eq(lanes[0].out.payload)
    if design.shifts_totals:      # the sum before was used by then
        with m.If(ages[passes.residual + through] | ages[passes.operand + through]):
            m.d.sync += total.eq(Mux(ages[passes.residual + through], lanes[1].scaled, total + lanes[2].scaled))
        return own, total
    first = Signal(signed(32))
    with m.If(ages[passes.residual + through]):
        m.d.sync += first.eq(lanes[1].scaled)
    with m.If(ages[passes.operand + through]):
        m.d.sync += total.eq(first + lanes[2].scaled)
    held_own = Signal(signed(8))
    held_total = Signal(signed(32))
    m.d.sync += [held_own.eq(own), held_total.eq(total)]
    return held_own, held_total
