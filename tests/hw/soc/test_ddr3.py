"""What stands around LiteDRAM for a chip of DDR3, in LiteX's own simulator: its first commands."""

import re
from dataclasses import asdict

import pytest
from litedram import modules
from litedram.phy.dfi import Interface
from migen import run_simulation

from boards import BOARDS
from hw.soc.ddr3 import GRADE, LEAST_CYCLES, RELEASE_S, _pads, _phy, chip_at, start_sequence
from hw.soc.generate import generate
from hw.soc.sdram import POWER_UP_S, Start
from hw.spec.presets import PRESETS
from hw.spec.soc import OUTSIDE, memory_map
from sw.firmware import build
from tests.hw.soc.test_sdram import LINES, MODE

CLOCK_HZ = 1e6        # so that the times behind the power-up are short
CALIBRATE = (1, 1, 0, 0)
DDR3 = [board for board in BOARDS.values() if board.sdram and board.sdram.kind == "ddr3"]
LONGEST_CLOCKS = 512  # JEDEC 79-3: until the delay lines are locked, and of a calibration


def started(board):
    """Cycle, reset, clock enable, lines, bank and address of every command and change until the controller has it."""
    facts = asdict(board.sdram)
    phy, chip = _phy(_pads(facts), facts, CLOCK_HZ), chip_at(facts["chip"], CLOCK_HZ)
    controller, pins = (Interface(len(facts["address"]), 3, 1, 64, 2) for _ in range(2))
    unit, seen, done = Start(start_sequence(phy, chip, CLOCK_HZ), controller, pins), [], []

    def watch():
        before = None
        for cycle in range(6000):
            if (yield unit.done):
                done.append(cycle)
                return
            held, lines = ((yield pins.p0.reset_n), (yield pins.p0.cke)), []
            assert held == ((yield pins.p1.reset_n), (yield pins.p1.cke)) and (yield pins.p1.cs_n)
            for name in LINES:
                lines.append((yield getattr(pins.p0, name)))
            if not lines[3] or held != before:
                seen.append((cycle, *held, tuple(lines), (yield pins.p0.bank), (yield pins.p0.address)))
            before = held
            yield

    run_simulation(unit, watch())
    return seen, done[0]


@pytest.mark.parametrize("name, resistor", [("orangecrab-25", 0), ("ecpix5-45", 1 << 2)])
def test_a_chip_is_brought_up_as_its_standard_says(name, resistor):
    """Reset, then no clock, then its modes from 2 to 0 (CWL 5, CL 6, bursts of eight, delay lines reset), then its
    drivers are calibrated; nothing is terminated before.
    """
    seen, done = started(BOARDS[name])
    assert [(reset, enable) for _, reset, enable, *_ in seen] == [(0, 0), (1, 0)] + 6 * [(1, 1)]
    assert seen[1][0] - seen[0][0] >= POWER_UP_S * CLOCK_HZ and seen[2][0] - seen[1][0] >= RELEASE_S * CLOCK_HZ
    assert all(lines == (1, 1, 1, 1) for *_, lines, _, _ in seen[:3])
    assert [(lines, bank) for *_, lines, bank, _ in seen[3:]] == [(MODE, 2), (MODE, 3), (MODE, 1), (MODE, 0),
                                                                  (CALIBRATE, 0)]
    modes = {bank: address for *_, lines, bank, address in seen[3:] if lines == MODE}
    assert modes[2] & 0b111 << 3 == 0 and modes[1] & 1 << 2 == resistor
    assert modes[0] & 0b11 == 0 and modes[0] >> 4 & 0b111 == 2 and modes[0] & 1 << 8
    assert seen[-1][-1] == 1 << 10
    times = [cycle for cycle, *_ in seen[2:]] + [done]
    assert min(after - before for before, after in zip(times, times[1:], strict=False)) >= LEAST_CYCLES
    assert 2 * LEAST_CYCLES >= LONGEST_CLOCKS


def test_a_refresh_takes_as_long_at_every_clock():
    """LiteDRAM's own table has it in clocks of a fast chip."""
    for name, least_ns in (("MT41K64M16", 110), ("MT41K256M16", 260)):      # JEDEC 79-3, of 1 and 4 Gbit
        for clock_hz in (25e6, 50e6, 75e6):
            chip, usual = chip_at(name, clock_hz), getattr(modules, name)(clock_hz, "1:2")
            assert chip.get("tRFC").ns == usual.get("tRFC").ck * 2e3 / int(GRADE)
            assert chip.timing_settings.tRFC / clock_hz * 1e9 >= least_ns
            assert chip.timing_settings.tRFC < usual.timing_settings.tRFC
            assert chip.timing_settings.tRCD == usual.timing_settings.tRCD


@pytest.mark.parametrize("board", DDR3, ids=lambda board: board.name)
def test_a_boards_chip_has_the_pins_and_the_size_that_it_needs(board):
    facts, chip = board.sdram, chip_at(board.sdram.chip, 50e6)
    geometry, width = chip.geom_settings, len(facts.data)
    assert (len(facts.address), 1 << len(facts.bank)) == (geometry.addressbits, getattr(modules, facts.chip).nbanks)
    assert width == 16 and len(facts.mask) == len(facts.strobe) == width // 8
    assert width // 8 << (geometry.rowbits + geometry.colbits + geometry.bankbits) >= OUTSIDE.size
    pins = [facts.clock, facts.we_n, facts.ras_n, facts.cas_n, facts.cs_n, facts.cke, facts.odt, facts.reset_n,
            *facts.address, *facts.bank, *facts.data, *facts.mask, *facts.strobe, *facts.high, *facts.low,
            *board.led_pins, board.clock_pin, board.serial_tx_pin, board.serial_rx_pin]
    given = [pin for pin in pins if pin]
    assert len(set(given)) == len(given)


@pytest.mark.parametrize("name, bridges", [("orangecrab-25", 1), ("ecpix5-45", 0)])
def test_the_phy_is_made_of_the_devices_own_cells(tmp_path, name, bridges):
    """Its clock from the PLL by a gate and a divider, and leveling at the controls of its reads."""
    design = PRESETS["ecp5-25"]
    memory = memory_map(design, streams=True)
    files = generate(design, BOARDS[name], clock_mhz=50, firmware=build(tmp_path, cpu=design.cpu, memory=memory),
                     out=tmp_path / "soc", memory=memory)
    verilog = files.verilog[0].read_text(encoding="utf-8")
    assert files.clock_mhz == 50.0
    cells = {cell: verilog.count(f"\n{cell} ") for cell in (
        "ECLKBRIDGECS", "ECLKSYNCB", "CLKDIVF", "DDRDLLA", "DQSBUFM", "IDDRX2DQA", "TSHX2DQA", "EHXPLLL")}
    assert cells["ECLKBRIDGECS"] == bridges
    assert {cell: cells[cell] for cell in ("ECLKSYNCB", "CLKDIVF", "DDRDLLA", "DQSBUFM", "EHXPLLL")} \
        == {"ECLKSYNCB": 1, "CLKDIVF": 1, "DDRDLLA": 1, "DQSBUFM": 2, "EHXPLLL": 1}
    assert cells["IDDRX2DQA"] == cells["TSHX2DQA"] == 16
    if bridges:
        assert "assign ddr3_high = {6{1'd1}};" in verilog and "assign ddr3_low = {2{1'd0}};" in verilog
    for register in ("storage", "rdly_dq_inc_re", "rdly_dq_bitslip_re", "burstdet_clr_re"):
        assert re.search(rf"assign \w+_phy_{register} = \w+_readcontrols\d?;", verilog)
    assert re.search(r"assign \w+_readcontrols\d? = \w+_phy_status;", verilog)
    pins = files.pins.read_text(encoding="utf-8")
    standard = BOARDS[name].sdram.io_standard
    assert f'IOBUF PORT "ddr3_dqs_p[1]" IO_TYPE={standard.replace("_", "D_")};' in pins
    assert f'IOBUF PORT "ddr3_dq[15]" IO_TYPE={standard};' in pins
