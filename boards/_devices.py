"""Devices that boards have, and what their part numbers say. Figures: Lattice FPGA-DS-02012 (ECP5), -02008 (UP5K)."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from hw.spec.errors import SpecError

__all__ = ["DEVICES", "Device", "Part", "read_part"]


@dataclass(frozen=True, kw_only=True)
class Device:
    """One die."""

    family: str                       # "ecp5", "ice40"
    nextpnr: str                      # the option of nextpnr that names it
    lut: int                          # 4-input lookup tables; ice40: logic cells, a table and a flip-flop each
    ff: int                           # flip-flops
    dsp: int                          # multiplier blocks (18x18; ice40: 16x16)
    bram: int                         # block RAMs (18 kbit; ice40: 4 kbit)
    spram: int = 0                    # large single-port RAMs
    soc_mhz: float = 50.0             # clock that a SoC is built for where no other is asked for
    pll_pad: str | None = None        # pin of the PLL's own input
    standby_a: float | None = None    # current of the core at rest, A; None: not published for it


def _ecp5(size: str, *, lut: int, dsp: int, bram: int, standby_a: float | None = None) -> Device:
    return Device(family="ecp5", nextpnr=f"--{size}", lut=lut, ff=lut, dsp=dsp, bram=bram, standby_a=standby_a)


DEVICES: dict[str, Device] = {
    # The 12F is sold with the 25F's die, and the tools use all of it.
    "LFE5U-12F": _ecp5("12k", lut=24288, dsp=28, bram=56, standby_a=0.077),
    "LFE5U-25F": _ecp5("25k", lut=24288, dsp=28, bram=56, standby_a=0.077),
    "LFE5U-45F": _ecp5("45k", lut=43848, dsp=72, bram=108, standby_a=0.116),
    "LFE5U-85F": _ecp5("85k", lut=83640, dsp=156, bram=208, standby_a=0.212),
    # With transceivers, which are not used.
    "LFE5UM5G-45F": _ecp5("um5g-45k", lut=43848, dsp=72, bram=108),
    "LFE5UM5G-85F": _ecp5("um5g-85k", lut=83640, dsp=156, bram=208),
    "iCE40UP5K": Device(family="ice40", nextpnr="--up5k", lut=5280, ff=5280, dsp=8, bram=30, spram=4,
                        pll_pad="35", soc_mhz=24.0),
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a full part number says."""

    device: str                       # a name of DEVICES
    nextpnr_args: tuple[str, ...]     # device, package, speed grade


_ECP5_PART = re.compile(r"(?P<device>LFE5U(?:M5G)?-\d+F)-(?P<speed>[678])(?P<package>BG|MG)(?P<balls>\d+)[CI]")
_ECP5_PACKAGES = {"BG": "CABGA", "MG": "CSFBGA"}
_ICE40_PART = re.compile(r"(?P<device>iCE40[A-Z]+\d+K?)-(?P<package>[A-Z]+\d+)I?")


def _read_ecp5(match: re.Match[str]) -> tuple[str, ...]:
    return "--package", _ECP5_PACKAGES[match["package"]] + match["balls"], "--speed", match["speed"]


def _read_ice40(match: re.Match[str]) -> tuple[str, ...]:
    return "--package", match["package"].lower()


_READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], tuple[str, ...]]], ...] = (
    (_ECP5_PART, _read_ecp5), (_ICE40_PART, _read_ice40))


def read_part(number: str) -> Part:
    """What the vendor's part number says, speed grade and package included.

    >>> read_part("LFE5U-85F-8MG285C").nextpnr_args
    ('--85k', '--package', 'CSFBGA285', '--speed', '8')

    Raises
    ------
    SpecError
        If it is none that is known here.
    """
    for pattern, read in _READERS:
        match = pattern.fullmatch(number)
        if match and match["device"] in DEVICES:
            return Part(device=match["device"], nextpnr_args=(DEVICES[match["device"]].nextpnr, *read(match)))
    raise SpecError(f"part {number!r}: unknown; give a full part number, as LFE5U-25F-6BG381C, of "
                    f"{', '.join(DEVICES)}, or add its device to boards/_devices.py")
