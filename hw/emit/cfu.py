"""Verilog of the custom-function unit."""

from amaranth.back import verilog

from hw.gateware.cfu import Cfu

__all__ = ["cfu_verilog"]


def cfu_verilog() -> str:
    """Verilog text, top module ``Cfu``, ports as LiteX instantiates them; the same text every time."""
    return verilog.convert(Cfu(), name="Cfu", emit_src=False)
