"""What is known of a board. Facts only; no tool is run from here."""

from collections.abc import Mapping
from dataclasses import dataclass

from boards._devices import DEVICES, read_part
from boards._programmer import Programmer

__all__ = ["Board", "Ddr3", "Sdram"]

BUDGETS = ("lut", "ff", "dsp", "bram", "spram")


@dataclass(frozen=True, kw_only=True)
class Sdram:
    """A chip of SDRAM with single data rate, and the pins that it is at; what the board ties has none."""

    chip: str                         # its class in litedram.modules, which knows its geometry and times
    clock_degrees: int                # by which its clock is behind the system's
    clock: str
    we_n: str
    ras_n: str
    cas_n: str
    address: tuple[str, ...]
    bank: tuple[str, ...]
    data: tuple[str, ...]
    cs_n: str = ""
    cke: str = ""
    mask: tuple[str, ...] = ()
    kind: str = "sdr"

    @property
    def bytes_per_cycle(self) -> int:
        """Most that it gives in a cycle of the system's clock."""
        return len(self.data) // 8


@dataclass(frozen=True, kw_only=True)
class Ddr3:
    """A chip of DDR3 SDRAM, and its pins: of a pair the positive one, none where the board ties it."""

    chip: str                         # its class in litedram.modules, which knows its geometry and times
    io_standard: str                  # of its pins; those of a pair have "D" before the "_"
    clock: str
    we_n: str
    ras_n: str
    cas_n: str
    cke: str
    odt: str
    address: tuple[str, ...]
    bank: tuple[str, ...]
    mask: tuple[str, ...]             # one for 8 pins of data
    data: tuple[str, ...]
    strobe: tuple[str, ...]           # one for 8 pins of data
    cs_n: str = ""
    reset_n: str = ""
    high: tuple[str, ...] = ()        # pins that the board has as further supplies of the banks, and as grounds
    low: tuple[str, ...] = ()
    termination: str = "OFF"          # of the device's data pins, ohm
    chip_termination: str = "60ohm"   # of the chip's, as LiteDRAM names it
    swapped_masks: bool = False       # those of the two bytes
    bridged: bool = False             # pins are on both sides of the device, so the fast clock crosses it
    slow_delay: int = 0               # of commands and clock where the system runs at 64 MHz or less, in 25 ps
    kind: str = "ddr3"

    @property
    def bytes_per_cycle(self) -> int:
        """Most that it gives in a cycle of the system's clock: at twice that clock, two words in each."""
        return len(self.data) // 8 * 4


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board with one device on it.

    Raises
    ------
    SpecError
        If ``part`` is no part number that ``boards/_devices.py`` knows.
    """

    name: str
    title: str
    part: str                         # the device's full number: package and speed grade too
    clock_in_mhz: float               # oscillator
    clock_pin: str
    serial_tx_pin: str                # out of the device
    serial_rx_pin: str
    led_pins: tuple[str, ...]
    io_standard: str                  # of all these pins
    programmer: Programmer
    flash_pins: tuple[str, ...] = ()  # of the serial flash that the device boots from, if a SoC reads it: select,
                                      # clock, out of the device, into it
    sdram: Sdram | Ddr3 | None = None # that weights stream from

    def __post_init__(self) -> None:
        read_part(self.part)

    @property
    def device(self) -> str:
        """The die, as the vendor names it."""
        return read_part(self.part).device

    @property
    def family(self) -> str:
        """"ecp5" or "ice40"."""
        return DEVICES[self.device].family

    @property
    def nextpnr_args(self) -> tuple[str, ...]:
        """Device, package, speed grade."""
        return read_part(self.part).nextpnr_args

    @property
    def budget(self) -> dict[str, int]:
        """What the device has, by the names that resources are counted under."""
        return {name: getattr(DEVICES[self.device], name) for name in BUDGETS}

    @property
    def soc_mhz(self) -> float:
        """Clock that a SoC is built for where no other is asked for, MHz."""
        return DEVICES[self.device].soc_mhz

    @property
    def pll_pad(self) -> str | None:
        """The pin that only the PLL can read while it is in use; None where there is none."""
        return DEVICES[self.device].pll_pad

    @property
    def standby_a(self) -> float | None:
        """Current of the device's core at rest, A; None where none is published."""
        return DEVICES[self.device].standby_a

    def shortfalls(self, used: Mapping[str, float]) -> list[str]:
        """What does not fit, a phrase each: ``dsp 36 of 28``."""
        return [f"{name} {used[name]:.0f} of {have}" for name, have in self.budget.items() if used.get(name, 0) > have]
