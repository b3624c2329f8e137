"""Energy of one inference: a model from activity and published figures. Nothing is metered; it is an estimate.

Sources of the figures: standby core current at 1.1 V is a fact of the board's device; energy of an 8-bit
multiply, an add and an SRAM access in 45 nm from M. Horowitz, "Computing's energy problem", ISSCC 2014; logic
in an FPGA takes 14 times the dynamic power of logic in an ASIC after I. Kuon and J. Rose, "Measuring the gap between
FPGAs and ASICs", 2007. Block RAMs are hard macros and take no such factor.
"""

from boards import Board
from sw.compiler import Program

__all__ = ["energy_j"]

CORE_VOLTS = 1.1
FABRIC_FACTOR = 14
MULTIPLY_J_PER_BIT2 = 0.2e-12 / 64      # of an 8x8 product, by its 64 bit products
ADD_J_PER_BIT = 0.1e-12 / 32
SRAM_J_PER_BYTE = 10e-12 / 8            # 64 bits of an 8 KB memory


def energy_j(program: Program, board: Board, clock_mhz: float) -> float | None:
    """Joules of one inference: standby current for its time, its multiply-accumulates, its scratchpad traffic.

    None for a device without a published standby current.
    """
    if board.standby_a is None:
        return None
    design = program.design
    products = sum(layer.macs * (design.weight_bits >> layer.command["split"]) for layer in program.layers)
    compute = FABRIC_FACTOR * (MULTIPLY_J_PER_BIT2 * design.act_bits * products
                               + ADD_J_PER_BIT * design.acc_bits * program.macs)
    steps = sum(layer.cycle_terms.compute for layer in program.layers)
    traffic = steps * (design.weight_word_bits / 8 + design.fetch_bytes) * SRAM_J_PER_BYTE
    standby = CORE_VOLTS * board.standby_a * program.cycles / (clock_mhz * 1e6)
    return standby + compute + traffic
