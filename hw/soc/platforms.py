"""LiteX platforms of a simulation and of boards, and the constraints of their pins."""

from collections.abc import Callable, Iterator
from typing import Any

from litex.build.generic_platform import GenericPlatform, IOStandard, Misc, Pins, Subsignal
from litex.build.lattice import LatticeECP5Platform, LatticeiCE40Platform

__all__ = ["CONSTRAINTS", "board_platform", "sim_platform"]

BYTE_STREAM = ("valid", "ready", "data")
FLASH_PINS = ("cs_n", "clk", "mosi", "miso")
SDRAM_PINS = {"a": "address", "ba": "bank", "dq": "data", "dm": "mask",     # of LiteDRAM: of boards.Board
              **{name: name for name in ("we_n", "ras_n", "cas_n", "cs_n", "cke")}}
DDR3_PINS = {"a": "address", "ba": "bank", "dq": "data", "dm": "mask", "dqs_p": "strobe", "clk_p": "clock",
             **{name: name for name in ("we_n", "ras_n", "cas_n", "cs_n", "cke", "odt", "reset_n")}}
DDR3_PAIRS = ("clk_p", "dqs_p")


def sim_platform(*, flash: bool) -> GenericPlatform:
    """With the UART's bytes as two streams, and the pins of a flash if the SoC has one."""
    streams = [Subsignal(name, Pins(8 if name == "data" else 1)) for name in BYTE_STREAM]
    pins = [("flash", 0, *(Subsignal(name, Pins(1)) for name in FLASH_PINS))] if flash else []
    return GenericPlatform("sim", [("clk", 0, Pins(1)), ("rst", 0, Pins(1)), ("leds", 0, Pins(8)),
                                   ("serial_rx", 0, *streams), ("serial_tx", 0, *streams), *pins], name="sim")


def board_platform(board: dict[str, Any]) -> GenericPlatform:
    standard = IOStandard(board["io_standard"])
    pins = [("clk", 0, Pins(board["clock_pin"]), standard), ("leds", 0, Pins(" ".join(board["led_pins"])), standard),
            ("serial", 0, Subsignal("tx", Pins(board["serial_tx_pin"])), Subsignal("rx", Pins(board["serial_rx_pin"])),
             standard)]
    if board["flash_pins"]:
        pins.append(("flash", 0, *(Subsignal(name, Pins(pin))
                                   for name, pin in zip(FLASH_PINS, board["flash_pins"], strict=True)), standard))
    if sdram := board["sdram"]:
        pins += _ddr3(sdram) if sdram["kind"] == "ddr3" else [
            ("sdram_clock", 0, Pins(sdram["clock"]), standard),
            ("sdram", 0, *_subsignals(sdram, SDRAM_PINS), standard, Misc("SLEWRATE=FAST"))]
    if board["family"] == "ice40":
        return LatticeiCE40Platform("ice40-up5k-sg48", pins, toolchain="icestorm")
    return LatticeECP5Platform(board["part"], pins, toolchain="trellis")


def _subsignals(facts: dict[str, Any], names: dict[str, str],
                others: Callable[[str], list[Any]] = lambda name: []) -> list[Any]:
    """Of a memory's pins that the board connects, by LiteDRAM's names; ``others``: what is said of each."""
    return [Subsignal(name, Pins(" ".join(at) if isinstance(at, tuple | list) else at), *others(name))
            for name, fact in names.items() if (at := facts[fact])]


def _ddr3(facts: dict[str, Any]) -> list[Any]:
    kind, _, drive = facts["io_standard"].partition("_")

    def others(name: str) -> list[Any]:
        standard = IOStandard(f"{kind}D_{drive}" if name in DDR3_PAIRS else facts["io_standard"])
        ends = {"dq": [Misc(f"TERMINATION={facts['termination']}")],
                "dqs_p": [Misc("TERMINATION=OFF"), Misc("DIFFRESISTOR=100")]}
        return [standard, *ends.get(name, [])]
    supplies = [(f"ddr3_{name}", 0, Pins(" ".join(facts[name])), IOStandard(f"{kind}_II"), Misc("SLEWRATE=FAST"))
                for name in ("high", "low") if facts[name]]
    return [("ddr3", 0, *_subsignals(facts, DDR3_PINS, others), Misc("SLEWRATE=FAST")), *supplies]


def _ports(platform: GenericPlatform, names: Any) -> Iterator[tuple[str, str, list[Any]]]:
    """Each port of the top module with its pin and what else is said of it."""
    for signal, pins, others, _ in platform.resolve_signals(names)[0]:
        for index, pin in enumerate(pins):
            yield f"{signal}[{index}]" if len(pins) > 1 else signal, pin, others


def _attribute(other: IOStandard | Misc) -> str:
    return f"IO_TYPE={other.name}" if isinstance(other, IOStandard) else str(other.misc)


def _lpf(platform: GenericPlatform, names: Any, clock_in_mhz: float) -> str:
    lines = ["BLOCK RESETPATHS;", "BLOCK ASYNCPATHS;"]
    for port, pin, others in _ports(platform, names):
        lines.append(f'LOCATE COMP "{port}" SITE "{pin}";')
        lines += [f'IOBUF PORT "{port}" {_attribute(other)};' for other in others
                  if isinstance(other, IOStandard | Misc)]
    return "\n".join([*lines, f'FREQUENCY PORT "clk" {clock_in_mhz:g} MHZ;', ""])


def _pcf(platform: GenericPlatform, names: Any, clock_in_mhz: float) -> str:
    """The clock behind the PLL follows from the oscillator's."""
    lines = [f"set_io {port} {pin}" for port, pin, _ in _ports(platform, names)]
    return "\n".join([*lines, f"set_frequency clk {clock_in_mhz:g}", ""])


#: Text of the constraints that nextpnr takes, by family: of a finished platform, LiteX's names and the oscillator, MHz.
CONSTRAINTS: dict[str, Callable[[GenericPlatform, Any, float], str]] = {"ecp5": _lpf, "ice40": _pcf}
