"""The model of a chip of DDR3 behind reads that come when they want to."""

from dataclasses import asdict

import pytest
from migen import run_simulation

from boards import BOARDS
from hw.soc.ddr3 import _pads, _phy, chip_at
from hw.soc.ddr3_model import LANES, Ddr3Model, Lane
from hw.soc.leveling import BEATS, DELAYS, SETTINGS, SLIPS, ReadControls, pattern

CLOCK_HZ, SIZE = 50e6, 1 << 18
FACTS = asdict(BOARDS["orangecrab-25"].sdram)


@pytest.fixture(autouse=True)
def unchecked(monkeypatch):
    """LiteX's simulator does not print what the check of times would say."""
    monkeypatch.setattr("hw.soc.ddr3_model.SDRAM_VERBOSE_STD", 0)


def command(phase, name, address=0):
    """Lines of a command at the phase for a cycle."""
    for line in ("ras_n", "cas_n", "we_n"):
        yield getattr(phase, line).eq(line not in {"activate": ("ras_n",), "write": ("cas_n", "we_n"),
                                                   "read": ("cas_n",)}[name])
    yield phase.cs_n.eq(0)
    yield phase.address.eq(address)
    yield
    yield phase.cs_n.eq(1)


def reads(word, moves, *, selected=False):
    """Each byte's beats, and whether its burst was seen whole, after every one of ``moves`` steps through settings."""
    controls = ReadControls(lanes=2)
    settings = _phy(_pads(FACTS), FACTS, CLOCK_HZ).settings
    unit, got = Ddr3Model(chip_at(FACTS["chip"], CLOCK_HZ), settings, controls, clock_hz=CLOCK_HZ, size=SIZE), []

    def drive():
        phases = unit.dfi.phases
        yield from command(phases[0], "activate")
        for _ in range(10):
            yield
        yield from command(phases[settings.wrphase], "write")
        for _ in range(settings.write_latency - 1):
            yield
        for number, phase in enumerate(phases):
            yield phase.wrdata.eq(word >> 64 * number & (1 << 64) - 1)
        for _ in range(10):
            yield
        for setting in range(moves):
            yield controls.clear.eq(1)
            yield
            yield controls.clear.eq(0)
            yield controls.select.eq(3 * selected)
            yield from command(phases[settings.rdphase], "read")
            while not (yield phases[0].rddata_valid):
                yield
            data = (yield phases[0].rddata) | (yield phases[1].rddata) << 64
            yield
            yield
            got.append((data.to_bytes(16, "little"), (yield controls.seen)))
            yield controls.select.eq(3)
            yield controls.delay.eq(1)
            yield controls.slip.eq(setting % DELAYS == DELAYS - 1)
            yield
            yield controls.delay.eq(0)
            yield controls.slip.eq(0)
            yield controls.select.eq(0)
    run_simulation(unit, drive())
    return got


def test_data_is_right_with_few_settings_only():
    word = pattern(2)
    got, content = reads(word, SETTINGS), word.to_bytes(16, "little")
    for number, lane in enumerate(LANES):
        right = {setting for setting, (data, _) in enumerate(got) if data[number::2] == content[number::2]}
        seen = {setting for setting, (_, seen) in enumerate(got) if seen >> number & 1}
        first = DELAYS * lane.slip
        assert right == set(range(first + max(lane.first - 1, 0), first + min(lane.last + 2, DELAYS - 1) + 1))
        assert seen == {DELAYS * slip + delay for slip in range(SLIPS) for delay in range(lane.first, lane.last + 1)}
        assert lane.middle in right & seen
        beats, slipped = content[number::2], got[lane.middle - DELAYS][0][number::2]
        assert slipped[1:] == beats[:BEATS - 1], "one slip less is one beat late"


def test_nothing_is_read_while_a_byte_is_selected():
    assert all(seen == 0 and data[0::2] != pattern(2).to_bytes(16, "little")[0::2]
               for data, seen in reads(pattern(2), 2 * DELAYS, selected=True))


def test_the_setting_to_find_is_in_the_middle():
    assert Lane(slip=2, first=1, last=4).middle == 2 * DELAYS + 2


@pytest.mark.parametrize("size", [SIZE, 8 << 20])
def test_a_simulator_holds_as_much_as_is_used(size):
    model = Ddr3Model(chip_at(FACTS["chip"], CLOCK_HZ), _phy(_pads(FACTS), FACTS, CLOCK_HZ).settings,
                      ReadControls(lanes=2), clock_hz=CLOCK_HZ, size=size)
    geometry = model.chip.module.geom_settings
    assert 2 << geometry.rowbits + geometry.colbits + geometry.bankbits == size
    assert geometry.addressbits == len(FACTS["address"])
