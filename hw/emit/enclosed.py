"""An engine behind a few pins, to place and route it alone where the tools know no design without pins."""

from amaranth import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.emit.convert import convert
from hw.gateware.engine import Engine
from hw.gateware.ice40 import Cells
from hw.spec.design import DesignPoint

__all__ = ["Enclosed", "enclosed_verilog"]


class Enclosed(wiring.Component):
    """``inner`` with its inputs from one shift register and its outputs through another.

    Every port of ``inner`` is at a register, and every register is one flip-flop and at most one lookup table: on an
    iCE40, ``registers`` logic cells in all.

    Members
    -------
    serial_in, serial_out : In(1), Out(1)
        Ends of the two shift registers.
    load : In(1)
        The outputs are taken instead of shifted.
    """

    def __init__(self, inner: wiring.Component):
        self.inner = inner
        super().__init__({"serial_in": In(1), "load": In(1), "serial_out": Out(1)})
        ports = [(member.flow, Cat(value.as_value() if isinstance(value, data.View) else value))
                 for _, member, value in inner.signature.flatten(inner) if isinstance(value, (Signal, data.View))]
        self._inputs = Cat(value for flow, value in ports if flow is In)
        self._outputs = Cat(value for flow, value in ports if flow is Out)

    @property
    def registers(self) -> int:
        """Bits of both shift registers."""
        return len(self._inputs) + len(self._outputs)

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = self.inner
        given = Signal(len(self._inputs), reset_less=True)
        taken = Signal(len(self._outputs), reset_less=True)
        m.d.comb += [self._inputs.eq(given), self.serial_out.eq(taken[0])]
        m.d.sync += given.eq(Cat(self.serial_in, given))
        with m.If(self.load):
            m.d.sync += taken.eq(self._outputs)
        with m.Else():
            m.d.sync += taken.eq(taken[1:])
        return m


def enclosed_verilog(design: DesignPoint) -> tuple[str, int]:
    """Module ``heddle_enclosed`` with a design's engine in it, and :attr:`Enclosed.registers`."""
    enclosed = Enclosed(Engine(design))
    return convert(enclosed, name="heddle_enclosed", platform=Cells()), enclosed.registers
