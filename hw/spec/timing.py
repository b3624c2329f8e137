"""Latencies that gateware and cycle model share, in clock cycles.

The gateware delays what goes with its data by these; the cycle counters of the RTL are tested equal to the model.
"""

from hw.spec.commands import COMMAND_BITS
from hw.spec.design import DesignPoint

__all__ = ["DRAIN_SELECT_LATENCY", "ELEMENT_LATENCY", "READ_LATENCY", "REQUANTIZE_LATENCY", "WRITE_LATENCY",
           "command_words", "drain_cycles", "drain_lag_cycles", "drain_turns", "requantize_latency",
           "requantizer_latency"]

READ_LATENCY = 3          # scratchpad: request to word
ELEMENT_LATENCY = 4       # processing element: last operands to finished sum
DRAIN_SELECT_LATENCY = 1  # finished sum to requantizer
REQUANTIZE_LATENCY = 7    # accumulator to output byte
WRITE_LATENCY = 2         # output byte to the first read that sees it


def command_words(design: DesignPoint) -> int:
    """Weight words that one command takes."""
    return COMMAND_BITS // design.weight_word_bits


def requantizer_latency(*, cycles: int, dsps: int) -> int:
    """Of one requantizer, accumulator to output byte."""
    return cycles + 5 if cycles > 1 else {4: 7, 2: 9, 0: 9}[dsps]


def requantize_latency(design: DesignPoint) -> int:
    """Accumulator to output byte."""
    return requantizer_latency(cycles=design.requantizer_cycles, dsps=design.requantizer_dsps)


def _groups(design: DesignPoint, cols: int) -> int:
    """Turns of the requantizers for one row of the array."""
    return -(-cols // design.requantizers)


def drain_turns(design: DesignPoint, *, depthwise: bool) -> int:
    """Cycles in which the requantizers take sums of one tile."""
    rows, cols = ((design.depthwise_rows, design.depthwise_cols) if depthwise else (design.rows, design.cols))
    return rows * _groups(design, cols)


def drain_lag_cycles(design: DesignPoint) -> int:
    """Cycles from the first element's finished sum to its requantization.

    Row by row and ``requantizers`` columns a cycle, no element is then read before its sum arrives:
    element ``(r, c)`` finishes ``r + c`` cycles after the first.
    """
    return design.cols - _groups(design, design.cols)


def drain_cycles(design: DesignPoint, *, depthwise: bool) -> int:
    """Shortest distance of two tiles: the requantizers are done, and no sum is replaced before it was read."""
    rows, cols = ((design.depthwise_rows, design.depthwise_cols) if depthwise else (design.rows, design.cols))
    groups = _groups(design, cols)
    return max(rows * groups, drain_lag_cycles(design) + 1 + (rows - 1) * (groups - 1))
