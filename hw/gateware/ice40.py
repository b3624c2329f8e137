"""Cells of the iCE40 UltraPlus that Yosys does not infer."""

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
    upper and of the lower bytes; registers for operands and products can be switched into their way.

    Members
    -------
    acts, weights : In(signed(8)), two of each
    products : Out(signed(16)), two
        ``acts[n] * weights[n]``.
    """

    def __init__(self, *, registers: bool = False):
        self.registers = registers
        super().__init__({"acts": In(signed(8)).array(2), "weights": In(signed(8)).array(2),
                          "products": Out(signed(16)).array(2)})

    def elaborate(self, platform):
        m = Module()
        if not isinstance(platform, Cells):
            for act, weight, product in zip(self.acts, self.weights, self.products, strict=True):
                if self.registers:
                    act_held, weight_held = Signal(signed(8)), Signal(signed(8))
                    m.d.sync += [act_held.eq(act), weight_held.eq(weight), product.eq(act_held * weight_held)]
                else:
                    m.d.comb += product.eq(act * weight)
            return m
        registers = Const(self.registers, 1)
        output = Signal(32)
        m.submodules.cell = Instance(
            "SB_MAC16",
            p_MODE_8x8=Const(1, 1), p_A_SIGNED=Const(1, 1), p_B_SIGNED=Const(1, 1),
            p_TOPOUTPUT_SELECT=Const(2, 2), p_BOTOUTPUT_SELECT=Const(2, 2),
            p_A_REG=registers, p_B_REG=registers, p_TOP_8x8_MULT_REG=registers, p_BOT_8x8_MULT_REG=registers,
            **({"i_CLK": ClockSignal(), "i_CE": Const(1, 1)} if self.registers else {}),
            i_A=Cat(*self.acts), i_B=Cat(*self.weights), o_O=output)
        m.d.comb += Cat(*self.products).eq(output)
        return m
