"""Which clocks a board's PLL makes exactly, without LiteX, which then finds the same dividers."""

from boards import Board

__all__ = ["CLOCK_MHZ", "legal_clocks"]

CLOCK_MHZ = {"ecp5": (10.0, 200.0), "ice40": (16.0, 60.0)}  # what the PLL is asked for
ECP5_VCO_MHZ, ECP5_DIVIDERS = (400, 800), range(1, 129)     # FPGA-DS-02012
LEAST_REFERENCE_MHZ = 10
ICE40_VCO_MHZ, ICE40_DIVIDERS = (533, 1066), [1 << power for power in range(7)]     # FPGA-DS-02008


def legal_clocks(board: Board) -> tuple[float, ...]:
    """Clocks in MHz, ascending; the oscillator is divided to no less than the PLL's phase detector takes.

    >>> from boards import find_board
    >>> [clock for clock in legal_clocks(find_board("icebreaker")) if 24 <= clock < 25.2]
    [24.0, 24.375, 24.75, 25.125]
    """
    (low, high), dividers = ((ECP5_VCO_MHZ, list(ECP5_DIVIDERS)) if board.family == "ecp5" else
                             (ICE40_VCO_MHZ, ICE40_DIVIDERS))
    least, most = CLOCK_MHZ[board.family]
    made: set[float] = set()
    for divisor in range(1, int(board.clock_in_mhz // LEAST_REFERENCE_MHZ) + 1):
        reference = board.clock_in_mhz / divisor
        multiples = range(-int(-low // reference), int(high // reference) + 1)
        made |= {round(reference * multiple / divider, 9) for multiple in multiples for divider in dividers}
    return tuple(sorted(clock for clock in made if least <= clock <= most))
