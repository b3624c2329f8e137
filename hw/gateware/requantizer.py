"""Requantization: accumulators to int8, with TFLite's double rounding."""

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.scaling import Widths, scaling
from hw.spec.requant import check_variant
from hw.spec.timing import requantizer_latency

__all__ = ["ChannelParams", "Requantizer"]


class ChannelParams(data.Struct):
    """Of one output channel, as it lies in the weight scratchpad."""

    bias: signed(32)
    multiplier: 32
    shift: 8


class Requantizer(wiring.Component):
    """``hw.spec.requant.requantize`` for values whose sum with the bias fits ``TOTAL_BITS``.

    Takes a value in every ``cycles``-th cycle at most; its output comes ``hw.spec.timing.requantizer_latency`` cycles
    later, whatever the value. Neither side can stall.

    Parameters
    ----------
    acc_bits : int
        Width of the values.
    cycles, dsps : int
        Clock cycles per value, and multiplier blocks: a pair of ``hw.spec.requant.VARIANTS``.

    Members
    -------
    acc : In(stream)
        A value, its channel's parameters, and ``add``: whether ``add_zero``, ``add_low`` and ``add_high`` go with it
        instead of ``zero``, ``low`` and ``high``.
    zero, low, high, add_zero, add_low, add_high : In(signed(8))
        Zero point and limits of the output, constant while values are inside. Narrower activations have narrower
        limits.
    out : Out(stream)
        Of signed(8).
    scaled : Out(signed(TOTAL_BITS))
        With ``out``: the value before the zero point is added and limits apply.
    """

    def __init__(self, *, acc_bits: int = 32, cycles: int = 1, dsps: int = 4, widths: Widths | None = None):
        check_variant(cycles=cycles, dsps=dsps)
        self._cycles, self._dsps, self._widths = cycles, dsps, widths or Widths()
        constants = {name: In(signed(8)) for name in ("zero", "low", "high", "add_zero", "add_low", "add_high")}
        taken = data.StructLayout({"value": signed(acc_bits), "params": ChannelParams, "add": 1})
        super().__init__({
            "acc": In(stream.Signature(taken, always_ready=True)),
            "out": Out(stream.Signature(signed(8), always_ready=True)),
            "scaled": Out(signed(self._widths.total)),
            **constants,
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        widths, params = self._widths, self.acc.p.params
        m.submodules.scaling = unit = scaling(cycles=self._cycles, dsps=self._dsps, widths=widths)
        valid = [self.acc.valid]
        for stage in range(requantizer_latency(cycles=self._cycles, dsps=self._dsps)):
            valid.append(Signal(name=f"valid{stage + 1}"))
            m.d.sync += valid[stage + 1].eq(valid[stage])
        m.d.comb += self.out.valid.eq(valid[-1])

        total = Signal(signed(widths.total), reset_less=True)
        with m.If(self._taken()):
            m.d.sync += total.eq(self.acc.p.value + params.bias)
        m.d.comb += [unit.valid.eq(self.acc.valid), unit.multiplier.eq(params.multiplier), unit.total.eq(total)]

        # a serial unit's product is not registered, so that the registers follow the first step of the shift
        at = unit.latency
        t, sticky = Cat(0, unit.product).as_signed(), 0
        levels = list(reversed(range(widths.shift)))
        for steps in (levels[:1], levels[1:]) if self._cycles > 1 else (levels,):
            t, sticky = self._shifted(m, t, sticky, self._from(m, params.shift[:widths.shift], at), steps, at)
            at += 1

        # half away from zero: a negative value goes up only if more than half is cut off
        scaled = Signal(signed(widths.total), reset_less=True)
        up = t[0] & (~t[-1] | sticky)
        with m.If(valid[at] if self._cycles > 1 else 1):
            m.d.sync += scaled.eq((Cat(1, t[1:]).as_signed() + Cat(up, 0).as_signed())[1:])
        add = self._from(m, self.acc.p.add, at)
        zero, low, high = (Signal(signed(8), name=name, reset_less=True) for name in ("zero", "low", "high"))
        m.d.sync += [zero.eq(Mux(add, self.add_zero, self.zero)), low.eq(Mux(add, self.add_low, self.low)),
                     high.eq(Mux(add, self.add_high, self.high))]
        self._place(m, scaled, zero, low, high)
        return m

    def _taken(self) -> Value:
        """Whether a value's registers load; without a need to hold them they always do."""
        return self.acc.valid if self._cycles > 1 else 1

    def _from(self, m: Module, value: Value, cycle: int) -> Value:
        """``value`` of cycle 0, in ``cycle``."""
        held = Signal.like(Value.cast(value), reset_less=True)
        with m.If(self._taken()):
            m.d.sync += held.eq(value)
        for _ in range(cycle - self._cycles):
            later = Signal.like(held, name="later", reset_less=True)
            m.d.sync += later.eq(held)
            held = later
        return held

    @staticmethod
    def _shifted(m: Module, value: Value, sticky: Value, shift: Value, steps: list[int], cycle: int
                 ) -> tuple[Value, Value]:
        """``value`` shifted right by the bits ``steps`` of ``shift``, and whether a one was cut off; registered."""
        for step in steps:
            sticky = sticky | (shift[step] & value[:1 << step].any())
            value = Mux(shift[step], value.as_signed().shift_right(1 << step), value.as_signed()).as_signed()
        kept, cut = (Signal(value.shape(), name=f"shifted{cycle}", reset_less=True),
                     Signal(name=f"sticky{cycle}", reset_less=True))
        m.d.sync += [kept.eq(value), cut.eq(sticky)]
        return kept, cut

    def _place(self, m: Module, scaled: Value, zero: Value, low: Value, high: Value) -> None:
        """Zero point and limits. Beyond 9 bits the sum is outside of them, whatever the zero point."""
        beyond = (scaled[8:] != scaled[-1].replicate(len(scaled) - 8)) if len(scaled) > 9 else 0
        placed = Signal(signed(10))
        m.d.comb += placed.eq(scaled[:9].as_signed() + zero)
        below = Mux(beyond, scaled[-1], placed < low)
        above = Mux(beyond, ~scaled[-1], placed > high)
        m.d.sync += self.out.payload.eq(Mux(below, low, Mux(above, high, placed[:8].as_signed())))
        if self._cycles > 1:
            m.d.comb += self.scaled.eq(scaled)
        else:
            m.d.sync += self.scaled.eq(scaled)
