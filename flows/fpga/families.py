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
    map_ffs: tuple[str, ...]      # Yosys commands in place of the part of ``synth`` with that name, if there are any
    cells: Mapping[str, str]      # by the names that resources are counted under


_ICE40_FFS = " ".join(f"-cell {cell} {init}" for cell, init in (
    ("$_DFF_?_", "0"), ("$_DFFE_?P_", "0"), ("$_DFF_?P?_", "0"), ("$_DFFE_?P?P_", "0"), ("$_SDFF_?P?_", "0"),
    ("$_SDFFCE_?P?P_", "0"), ("$_DLATCH_?_", "x")))     # as synth_ice40 has them

FAMILIES: dict[str, Family] = {
    "ecp5": Family(synth="synth_ecp5", nextpnr="nextpnr-ecp5", alone=("--out-of-context",), pins="--lpf",
                    config="--textcfg", pack=("ecppack", "--compress"), map_ffs=(),
                    cells={"lut": "TRELLIS_COMB", "ff": "TRELLIS_FF", "dsp": "MULT18X18D", "bram": "DP16KD"}),
    # Its multiplier blocks and single-port memories are instantiated, not inferred. The report does not count
    # flip-flops, the netlist does.
    "ice40": Family(synth="synth_ice40 -device u", nextpnr="nextpnr-ice40", alone=(), pins="--pcf",
                     # else the device puts the flash to sleep that the SoC boots from (icepack's help, -s)
                     config="--asc", pack=("icepack", "-s"),
                     # An enable or a reset of few flip-flops becomes logic: all eight of a tile share them, and a full
                     # device cannot be legalized with short wires otherwise.
                     map_ffs=(f"dfflegalize {_ICE40_FFS} -mince 4 -minsrst 4", "techmap -map +/ice40/ff_map.v",
                              "opt_expr -mux_undef", "simplemap", "ice40_opt -full"),
                     cells={"lut": "ICESTORM_LC", "dsp": "ICESTORM_DSP", "bram": "ICESTORM_RAM",
                            "spram": "ICESTORM_SPRAM"}),
}
