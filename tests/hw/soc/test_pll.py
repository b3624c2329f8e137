"""Clocks that are said to be legal are made by LiteX's PLLs, and the UART's divider fits them."""

import pytest
from litex.build.generic_platform import GenericPlatform, Pins

from boards import BOARDS
from hw.soc.clocks import CLOCKS
from hw.soc.pll import CLOCK_MHZ, legal_clocks


def made(board, clock_mhz):
    facts = {"clock_in_mhz": board.clock_in_mhz, "clock_pin": board.clock_pin, "pll_pad": board.pll_pad}
    return CLOCKS[board.family](GenericPlatform("p", [("clk", 0, Pins(1))], name="p"), clock_mhz, facts).clock_mhz


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_every_legal_clock_is_made(board):
    clocks = legal_clocks(board)
    low, high = CLOCK_MHZ[board.family]
    assert list(clocks) == sorted(set(clocks)) and low <= clocks[0] < low * 1.1 and high * 0.95 < clocks[-1] <= high
    assert board.soc_mhz in clocks
    for clock in (*clocks[:2], *clocks[len(clocks) // 2:len(clocks) // 2 + 3], *clocks[-2:]):
        assert made(board, clock) == pytest.approx(clock, rel=1e-9)


@pytest.mark.parametrize("board", [BOARDS["ulx3s-25"], BOARDS["icebreaker"]], ids=lambda board: board.name)
def test_they_lie_close(board):
    """Near the clocks that SoCs reach."""
    clocks = [clock for clock in legal_clocks(board) if 20 <= clock <= 100]
    assert max(high / low for low, high in zip(clocks, clocks[1:], strict=False)) < 1.03
