"""Requantization: one accumulator a cycle to one int8, with TFLite's double rounding."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

REQUANTIZE_LATENCY = 7

__all__ = ["ChannelParams", "Requantizer"]


class ChannelParams(data.Struct):
    """Of one output channel, as it lies in the weight scratchpad."""

    bias: signed(32)
    multiplier: 32
    shift: 8


class Requantizer(wiring.Component):
    """``hw.spec.requant.requantize``, fully pipelined: a value in every cycle, out ``REQUANTIZE_LATENCY`` cycles later.

    Neither side can stall. ``zero``, ``low`` and ``high`` are constant while values are inside.
    The 32 x 31 bit product is four 17-bit partial products, which map to four 18 x 18 multipliers.
    """

    HALF = 17  # bits of the low half of each operand

    def __init__(self, *, acc_bits: int = 32, cycles=1, dsps=4):
        super().__init__({
            "acc": In(stream.Signature(data.StructLayout({"value": signed(acc_bits), "params": ChannelParams, "add": 1}),
                                       always_ready=True)),
            "out": Out(stream.Signature(signed(8), always_ready=True)),
            "zero": In(signed(8)), "low": In(signed(8)), "high": In(signed(8)), "scaled": Out(signed(32)),
            "add_zero": In(signed(8)), "add_low": In(signed(8)), "add_high": In(signed(8)),
        })

    def elaborate(self, platform):
        m = Module()
        params = [self.acc.p.params]
        for stage in range(1, 6):
            later = Signal(ChannelParams, name=f"params{stage}")
            m.d.sync += later.eq(params[-1])
            params.append(later)

        total = Signal(signed(32))
        m.d.sync += total.eq(self.acc.p.value + self.acc.p.params.bias)

        high = self._high_multiply(m, total, params[1].multiplier[:31])      # valid with params[4]

        # round half away from zero: one less for a negative value, then half is what the last bit shifted out says
        lowered = Signal(signed(33))
        m.d.sync += lowered.eq(high - (high[-1] & params[4].shift[:5].any()))
        shifted = Signal(signed(34))
        m.d.sync += shifted.eq((lowered << 1) >> params[5].shift[:5])
        add = self.acc.p.add
        for stage in range(6):
            l = Signal(name=f"add{stage}"); m.d.sync += l.eq(add); add = l
        zero = Mux(add, self.add_zero, self.zero); low=Mux(add,self.add_low,self.low); high_=Mux(add,self.add_high,self.high)
        m.d.sync += self.scaled.eq((Cat(1, shifted[1:]).as_signed() + Cat(shifted[0], Const(0,8)).as_signed()) >> 1)
        placed = Signal(signed(33))
        m.d.comb += placed.eq((Cat(1, shifted[1:]).as_signed() + Cat(shifted[0], zero).as_signed()) >> 1)
        m.d.sync += self.out.payload.eq(
            Mux(placed < low, low, Mux(placed > high_, high_, placed[:8].as_signed())))

        valid = self.acc.valid
        for stage in range(REQUANTIZE_LATENCY):
            later = Signal(name=f"valid{stage + 1}")
            m.d.sync += later.eq(valid)
            valid = later
        m.d.comb += self.out.valid.eq(valid)
        return m

    def _high_multiply(self, m, value, multiplier):
        """``(value * multiplier + 2**30) >> 31``, three cycles later."""
        half = self.HALF
        value_low, value_high = value[:half], value[half:].as_signed()
        factor_low, factor_high = multiplier[:half], multiplier[half:]
        low, cross_a, cross_b, top = Signal(34), Signal(signed(34)), Signal(signed(34)), Signal(signed(34))
        m.d.sync += [low.eq(value_low * factor_low), cross_a.eq(value_high * factor_low),
                     cross_b.eq(value_low * factor_high), top.eq(value_high * factor_high)]
        cross, outer = Signal(signed(35)), Signal(signed(66))
        m.d.sync += [cross.eq(cross_a + cross_b), outer.eq(Cat(low, top[:32]).as_signed() + (1 << 30))]
        high = Signal(signed(32))
        m.d.sync += high.eq((outer + (cross << half)) >> 31)
        return high
