"""Verilog of the generated hardware; the same design gives the same text on every machine."""

from amaranth.lib import wiring

from hw.emit.convert import convert
from hw.gateware.array import SystolicArray
from hw.gateware.engine import Engine
from hw.gateware.ice40 import Cells
from hw.gateware.multipliers import Multiplier, Products
from hw.spec.design import DesignPoint

__all__ = ["array_verilog", "engine_verilog", "multiplier_verilog", "products_verilog"]


def _convert(component: wiring.Component, name: str) -> str:
    return convert(component, name=name, platform=Cells())


def engine_verilog(design: DesignPoint, weight_init: bytes = b"") -> str:
    """Module ``heddle_engine``: ``clk``, ``rst``, the Wishbone port ``bus__*`` and ``irq``."""
    return _convert(Engine(design, weight_init), "heddle_engine")


def array_verilog(design: DesignPoint) -> str:
    """Module ``heddle_array``: the bare systolic array with the ports of ``hw.gateware.array.SystolicArray``."""
    return _convert(SystolicArray(design), "heddle_array")


def multiplier_verilog(kind: str, weight_bits: int) -> str:
    """Module ``heddle_multiplier``: combinational ``act``, ``weight`` and ``product``."""
    return _convert(Multiplier(kind, weight_bits=weight_bits), "heddle_multiplier")


def products_verilog(kind: str, *, weight_bits: int, act_bits: int, lanes: int, name: str = "heddle_products") -> str:
    """Module ``name``: combinational ``acts``, ``weights`` and ``products`` of ``hw.gateware``'s ``Products``."""
    return _convert(Products(kind, weight_bits=weight_bits, act_bits=act_bits, lanes=lanes), name)
