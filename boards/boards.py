"""Boards by name: device, budgets, clock, memories, pins, how to flash. Facts only; no tool is run from here."""

from collections.abc import Mapping
from dataclasses import dataclass

from hw.spec.errors import SpecError

__all__ = ["BOARDS", "Board", "find_board"]

BUDGETS = ("lut", "ff", "dsp", "bram", "spram")


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board with one device on it."""

    name: str
    title: str
    family: str                       # "ecp5", "ice40"
    device: str                       # as the vendor names it
    nextpnr_args: tuple[str, ...]     # device, package, speed grade
    lut: int                          # 4-input lookup tables; ice40: logic cells, a table and a flip-flop each
    ff: int                           # flip-flops
    dsp: int                          # multiplier blocks (18x18; ice40: 16x16)
    bram: int                         # block RAMs
    bram_bits: int                    # size of one block RAM, bits
    spram: int = 0                    # large single-port RAMs
    clock_in_mhz: float               # oscillator
    clock_pin: str
    serial_tx_pin: str                # out of the device
    serial_rx_pin: str
    led_pins: tuple[str, ...]
    io_standard: str
    sdram_bytes: int = 0              # external memory, bytes
    flash_bytes: int = 0              # configuration flash, bytes
    flash_args: tuple[str, ...]       # command that programs it; the bitstream's path follows

    @property
    def budget(self) -> dict[str, int]:
        """What the device has, by the names that resources are counted under."""
        return {name: getattr(self, name) for name in BUDGETS}

    def flash_command(self, bitstream: str) -> list[str]:
        return [*self.flash_args, bitstream]

    def shortfalls(self, used: Mapping[str, float]) -> list[str]:
        """What does not fit, a phrase each: ``dsp 36 of 28``."""
        return [f"{name} {used[name]:.0f} of {have}" for name, have in self.budget.items() if used.get(name, 0) > have]


def _ulx3s(name: str, device: str, size: str, *, lut: int, dsp: int, bram: int) -> Board:
    return Board(
        name=name, title=f"ULX3S with the {device}", family="ecp5", device=device,
        nextpnr_args=(size, "--package", "CABGA381", "--speed", "6"),
        lut=lut, ff=lut, dsp=dsp, bram=bram, bram_bits=18432, clock_in_mhz=25.0, clock_pin="G2",
        serial_tx_pin="L4", serial_rx_pin="M1", led_pins=("B2", "C2", "C1", "D2", "D1", "E2", "E1", "H3"),
        io_standard="LVCMOS33", sdram_bytes=32 << 20, flash_bytes=4 << 20,
        flash_args=("openFPGALoader", "--board", "ulx3s"))


BOARDS: dict[str, Board] = {board.name: board for board in (
    # The 12F is sold with the 25F's die, and the tools use all of it.
    _ulx3s("ulx3s-12", "LFE5U-12F", "--12k", lut=24288, dsp=28, bram=56),
    _ulx3s("ulx3s-25", "LFE5U-25F", "--25k", lut=24288, dsp=28, bram=56),
    _ulx3s("ulx3s-45", "LFE5U-45F", "--45k", lut=43848, dsp=72, bram=108),
    _ulx3s("ulx3s-85", "LFE5U-85F", "--85k", lut=83640, dsp=156, bram=208),
    Board(name="icebreaker", title="iCEBreaker with the iCE40UP5K", family="ice40", device="iCE40UP5K",
          nextpnr_args=("--up5k", "--package", "sg48"), lut=5280, ff=5280, dsp=8, bram=30, bram_bits=4096, spram=4,
          clock_in_mhz=12.0, clock_pin="35", serial_tx_pin="9", serial_rx_pin="6", led_pins=("11", "37"),
          io_standard="LVCMOS33", flash_bytes=16 << 20, flash_args=("openFPGALoader", "--board", "ice40_generic")),
)}


def find_board(name: str) -> Board:
    """The board of that name.

    >>> find_board("ulx3s-85").dsp
    156

    Raises
    ------
    SpecError
        If there is none; the message lists the names.
    """
    if name not in BOARDS:
        raise SpecError(f"board {name!r}: unknown; choose one of {', '.join(BOARDS)}")
    return BOARDS[name]
