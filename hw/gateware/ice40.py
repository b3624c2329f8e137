"""Cells of the iCE40 UltraPlus that Yosys does not infer."""

from typing import Any

from amaranth import Cat, ClockSignal, Const, Instance, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Cells", "Mac16"]


class Cells:
    """Elaboration platform of ``hw.emit``: device cells are instances, whose models are in ``cosim/verilate.v``.

    Without it, as in Amaranth's simulator and in proofs, a device cell is a module of the same behaviour.
    """


class Mac16(wiring.Component):
    """One SB_MAC16 as two independent 8 x 8 bit multipliers; combinational, or with ``registers`` two cycles later.

    Lattice TN1295, "DSP Function Usage Guide for iCE40 Devices": in 8 x 8 mode the outputs select the products of the
    upper and of the lower bytes, or what the 16-bit adders behind them give; registers for operands, products and sums
    can be switched into their way.

    Members
    -------
    acts, weights : In(signed(8)), two of each
    plus : In(signed(16)), two
        Only with ``adds``, which takes ``registers``: added to the products as they are two cycles after their
        operands.
    results : Out(signed(16)), two
        ``acts[n] * weights[n]``; with ``adds`` ``plus[n]`` more, modulo 2**16, and a cycle later.
    """

    def __init__(self, *, registers: bool = False, adds: bool = False):
        self.registers, self.adds = registers or adds, adds
        super().__init__({"acts": In(signed(8)).array(2), "weights": In(signed(8)).array(2),
                          "plus": In(signed(16)).array(2), "results": Out(signed(16)).array(2)})

    def elaborate(self, platform):
        m = Module()
        if isinstance(platform, Cells):
            self._cell(m)
            return m
        for act, weight, plus, result in zip(self.acts, self.weights, self.plus, self.results, strict=True):
            product = act * weight
            if self.registers:
                act_held = Signal(signed(8))
                weight_held = Signal(signed(8))
                product = Signal(signed(16))
                m.d.sync += [act_held.eq(act), weight_held.eq(weight), product.eq(act_held * weight_held)]
            if self.adds:
                m.d.sync += result.eq(product + plus)
            else:
                m.d.comb += result.eq(product)
        return m

    def _cell(self, m):
        registers = Const(self.registers, 1)
        output = Signal(32)
        select = Const(1 if self.adds else 2, 2)     # the adder's register, or the product
        optional: dict[str, Any] = {}
        if self.registers:
            optional |= {"i_CLK": ClockSignal(), "i_CE": Const(1, 1)}
        if self.adds:
            optional |= {"p_TOPADDSUB_LOWERINPUT": Const(1, 2), "p_BOTADDSUB_LOWERINPUT": Const(1, 2),     # product
                         "p_TOPADDSUB_UPPERINPUT": Const(1, 1), "p_BOTADDSUB_UPPERINPUT": Const(1, 1),     # C, D
                         "i_C": self.plus[1], "i_D": self.plus[0],
                         **{f"i_{pin}": Const(0, 1) for pin in ("ADDSUBTOP", "ADDSUBBOT", "OLOADTOP", "OLOADBOT",
                                                                "OHOLDTOP", "OHOLDBOT", "CI")}}
        m.submodules.cell = Instance(
            "SB_MAC16",
            p_MODE_8x8=Const(1, 1), p_A_SIGNED=Const(1, 1), p_B_SIGNED=Const(1, 1),
            p_TOPOUTPUT_SELECT=select, p_BOTOUTPUT_SELECT=select,
            p_A_REG=registers, p_B_REG=registers, p_TOP_8x8_MULT_REG=registers, p_BOT_8x8_MULT_REG=registers,
            i_A=Cat(*self.acts), i_B=Cat(*self.weights), o_O=output, **optional)
        m.d.comb += Cat(*self.results).eq(output)
