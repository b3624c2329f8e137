"""Verilog of the custom-function unit."""

from hw.emit.convert import convert
from hw.gateware.cfu import Cfu

__all__ = ["cfu_verilog"]


def cfu_verilog() -> str:
    """Verilog text, top module ``Cfu``, ports as LiteX instantiates them; the same text every time."""
    return convert(Cfu(), name="Cfu")
