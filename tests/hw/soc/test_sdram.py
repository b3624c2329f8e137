"""What stands around LiteDRAM, in LiteX's own simulator: the first commands of a chip."""

import pytest
from litedram import modules
from litedram.phy.dfi import Interface
from litedram.phy.model import SDRAMPHYModel
from migen import run_simulation

from boards import BOARDS
from hw.soc.sdram import LEAST_CYCLES, POWER_UP_S, Start, _sequence
from hw.spec.soc import OUTSIDE

CLOCK_HZ = 1e6        # so that the time behind the power-up is short
LINES = ("ras_n", "cas_n", "we_n", "cs_n")
PRECHARGE, REFRESH, MODE = (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 0)


def started():
    """The commands that a chip sees until the controller has it, each with its cycle, and when that is."""
    chip = modules.MT48LC16M16(CLOCK_HZ, "1:1")
    phy = SDRAMPHYModel(chip, data_width=16, clk_freq=CLOCK_HZ)
    controller = Interface(13, 2, 1, 16, 1)
    unit, seen, done = Start(_sequence(phy, chip, CLOCK_HZ), controller, phy.dfi), [], []

    def watch():
        yield controller.p0.cs_n.eq(0)          # a command of the controller's, which waits
        yield controller.p0.ras_n.eq(0)
        for cycle in range(2000):
            if (yield unit.done):
                done.append(cycle)
                assert not (yield phy.dfi.p0.ras_n)
                return
            lines = []
            for name in LINES:
                lines.append((yield getattr(phy.dfi.p0, name)))
            if not lines[3]:
                seen.append((cycle, tuple(lines), (yield phy.dfi.p0.address)))
            yield

    run_simulation(unit, watch())
    return seen, done[0]


def test_a_chip_is_brought_up_as_its_maker_says():
    """Nothing before its clock ran, all banks precharged, twice refreshed, then the mode: CL 2, bursts of one."""
    seen, done = started()
    assert seen[0][0] >= POWER_UP_S * CLOCK_HZ
    assert [command for _, command, _ in seen] == [PRECHARGE, MODE, PRECHARGE, REFRESH, REFRESH, MODE]
    assert [address for _, command, address in seen if command == PRECHARGE] == [1 << 10] * 2
    assert seen[-1][2] == 2 << 4
    times = [cycle for cycle, *_ in seen] + [done]
    assert min(after - before for before, after in zip(times, times[1:], strict=False)) >= LEAST_CYCLES


@pytest.mark.parametrize("board", [board for board in BOARDS.values() if board.sdram and board.sdram.kind == "sdr"],
                         ids=lambda board: board.name)
def test_a_boards_chip_has_the_pins_and_the_size_that_it_needs(board):
    facts, chip = board.sdram, getattr(modules, board.sdram.chip)(50e6, "1:1")
    geometry, width = chip.geom_settings, len(facts.data)
    assert (len(facts.address), len(facts.bank)) == (geometry.addressbits, geometry.bankbits)
    assert width in (16, 32) and len(facts.mask) in (0, width // 8)
    assert width // 8 << (geometry.rowbits + geometry.colbits + geometry.bankbits) >= OUTSIDE.size
    pins = [facts.clock, facts.we_n, facts.ras_n, facts.cas_n, facts.cs_n, facts.cke, *facts.address, *facts.bank,
            *facts.data, *facts.mask, *board.led_pins, board.clock_pin, board.serial_tx_pin, board.serial_rx_pin]
    given = [pin for pin in pins if pin]
    assert len(set(given)) == len(given)
