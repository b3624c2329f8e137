"""What stands around LiteDRAM, in LiteX's own simulator: the first commands of a chip, and the engine's reader."""

import random
from types import SimpleNamespace

import pytest
from litedram import modules
from litedram.phy.dfi import Interface
from litedram.phy.model import SDRAMPHYModel
from migen import Module, Signal, run_simulation

from boards import BOARDS
from hw.soc.sdram import LEAST_CYCLES, POWER_UP_S, Start, StreamReader, _sequence
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


class Port:
    """What of LiteDRAM's port a reader uses."""

    def __init__(self, bits):
        self.cmd = SimpleNamespace(valid=Signal(), ready=Signal(), we=Signal(), addr=Signal(24), last=Signal())
        self.rdata = SimpleNamespace(valid=Signal(), ready=Signal(), data=Signal(bits))


@pytest.mark.parametrize("bits, beat_bits", [(16, 16), (32, 32), (32, 16)])
def test_a_reader_gives_what_was_asked_for_in_order(bits, beat_bits):
    """Commands wait, beats come late and with pauses; a part of a chip's word says which it is."""
    port, rng, asked = Port(bits), random.Random(bits), [(0, 6), (64, 2), (4096, 300)]
    unit, asking, got = StreamReader(port, beat_bits), list(asked), []
    parts = bits // beat_bits

    def serve():
        due = []
        for cycle in range(3000):
            yield port.cmd.ready.eq(rng.random() < 0.7)
            yield port.rdata.valid.eq(0)
            if due and due[0][0] <= cycle and rng.random() < 0.8:
                yield port.rdata.valid.eq(1)
                yield port.rdata.data.eq(due.pop(0)[1])
            if asking:
                yield unit.request_valid.eq(1)
                yield unit.address.eq(asking[0][0])
                yield unit.beats.eq(asking[0][1])
            yield
            if (yield port.cmd.valid) and (yield port.cmd.ready):
                word = yield port.cmd.addr
                due.append((cycle + 5, sum((word * parts + part) << part * beat_bits for part in range(parts))))
            if (yield unit.request_valid) and (yield unit.request_ready):
                asking.pop(0)
                yield unit.request_valid.eq(0)
            if (yield unit.data_valid):
                got.append((yield unit.data))

    whole = Module()
    whole.submodules += unit
    run_simulation(whole, serve())
    assert got == [address * 8 // beat_bits + n for address, beats in asked for n in range(beats)]


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
