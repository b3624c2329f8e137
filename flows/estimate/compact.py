"""What a SoC of an iCE40 UP5K with the compact engine and SERV takes: blocks exactly, logic in terms to be weighted."""

from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS

__all__ = ["features", "period_terms", "soc_bram", "soc_dsp", "soc_spram"]

#: A block RAM's shapes: width in bits, words.
BLOCK_SHAPES = ((16, 256), (8, 512), (4, 1024), (2, 2048))
#: Block RAMs of every such SoC: the running command, parameters, places of tiles, the CPU's memory and its registers.
FIXED_BLOCKS = 8 + 5 + 2 + 4 + 1
LOG_BLOCKS = 6          # of the layer log, in which the bus's registers lie too
SPRAM_BLOCKS = 4        # activations and streamed weights, side by side


def soc_dsp(design: DesignPoint) -> int:
    """Multiplier blocks, each of two products."""
    kind = MULTIPLIERS[design.multiplier]
    return design.macs_per_cycle // kind.pairs if kind.uses_dsp else 0


def soc_bram(design: DesignPoint) -> int:
    """Block RAMs of 4 Kbit."""
    words = design.weight_bytes * 8 // design.weight_port_bits
    weights = min(-(-design.weight_port_bits // bits) * -(-words // deep) for bits, deep in BLOCK_SHAPES)
    residual = -(-design.cols * design.act_bits // BLOCK_SHAPES[0][0])
    return FIXED_BLOCKS + residual + weights + design.table_unit + LOG_BLOCKS * design.layer_log


def soc_spram(design: DesignPoint) -> int:
    """Single-port memories of 256 Kbit."""
    return SPRAM_BLOCKS


def features(design: DesignPoint) -> dict[str, dict[str, float]]:
    """What the logic cells and flip-flops of a SoC are made of: term -> size, to be weighted."""
    kind, macs = MULTIPLIERS[design.multiplier], design.macs_per_cycle
    product = {} if kind.uses_dsp else {f"product_{kind.name}_{design.weight_bits}": float(macs)}
    registers = {} if kind.uses_dsp else {"product_bits": float(macs * (design.act_bits + design.weight_bits))}
    units = {name: 1.0 for name, there in (
        ("table", design.table_unit), ("layer_log", design.layer_log),
        (f"requantizer_{design.requantizer_cycles}", True)) if there}
    shared = {"columns": float(design.cols), "lanes": float(design.lanes), **units}
    return {"lut": shared | product, "ff": shared | registers}


def period_terms(design: DesignPoint) -> dict[str, float]:
    """What the clock period is made of: one value for each kind of requantizer, of which one shifts in fewer steps a
    cycle."""
    return {f"requantizer_{design.requantizer_cycles}": 1.0}
