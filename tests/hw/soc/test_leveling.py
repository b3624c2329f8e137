"""Read leveling in LiteX's own simulator, against bytes of a chip whose reads are right with few settings."""

import pytest
from migen import run_simulation

from hw.soc.leveling import BEATS, DELAYS, READS, SETTINGS, SLIPS, Leveling, ReadControls, pattern

FIRST = 0x9080000
MOST_CYCLES = 40_000


class Chip:
    """Two words of a memory; ``right`` and ``seen``: the settings of each byte with which its data is right, and whole
    bursts are seen. A setting changes only while the byte is selected, and nothing is right then.
    """

    def __init__(self, right, seen, fails_at=()):
        self.right, self.seen, self.fails_at = right, seen, fails_at
        self.settings, self.words, self.reads = [0] * len(right), {}, [0] * SETTINGS
        self.used_paused = False

    def moved(self, lane, delay, slip):
        place, slips = self.settings[lane] % DELAYS, self.settings[lane] // DELAYS
        self.settings[lane] = (place + delay) % DELAYS + (slips + slip) % SLIPS * DELAYS

    def read(self, address):
        self.reads[self.settings[0]] += 1
        good, lanes = self.words[address].to_bytes(BEATS * len(self.right), "little"), len(self.right)
        hurt = self.reads[self.settings[0]] in self.fails_at
        return int.from_bytes(bytes(
            byte if self.settings[place % lanes] in self.right[place % lanes] and not hurt else byte ^ 1
            for place, byte in enumerate(good)), "little")


def level(chip):
    """The settings that were chosen, and the cycles that it took."""
    controls = ReadControls(lanes=len(chip.right))
    unit, took = Leveling(controls, FIRST), []

    def serve():
        bus = unit.bus
        yield unit.start.eq(1)
        for cycle in range(MOST_CYCLES):
            yield
            if (yield unit.done):
                took.append(cycle)
                return
            selected = yield controls.select
            delay, slip = (yield controls.delay), (yield controls.slip)
            for lane in range(len(chip.right)):
                if selected >> lane & 1:
                    chip.moved(lane, delay, slip)
            if (yield controls.clear):
                yield controls.seen.eq(0)
            if (yield bus.cyc) and (yield bus.stb):
                chip.used_paused |= bool(selected)
                address = yield bus.adr
                if (yield bus.we):
                    chip.words[address] = yield bus.dat_w
                else:
                    yield bus.dat_r.eq(chip.read(address))
                    yield controls.seen.eq(sum((at in seen) << lane for lane, (at, seen) in
                                               enumerate(zip(chip.settings, chip.seen, strict=True))))
                yield bus.ack.eq(1)
                yield
                yield bus.ack.eq(0)

    run_simulation(unit, serve())
    assert took, "it never ends"
    return chip.settings


def window(slip, first, last):
    return set(range(DELAYS * slip + first, DELAYS * slip + last + 1))


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Settles in fewer cycles."""
    monkeypatch.setattr("hw.soc.leveling.SETTLE_CYCLES", 2)


def test_each_byte_gets_the_middle_of_its_window():
    chip = Chip([window(1, 2, 6), window(3, 0, 2)], [set(range(SETTINGS))] * 2)
    assert level(chip) == [DELAYS + 4, 3 * DELAYS + 1]
    assert not chip.used_paused
    assert chip.words == {FIRST: pattern(2), FIRST + 1: pattern(2) ^ (1 << 8 * BEATS * 2) - 1}
    assert chip.reads == [READS] * SETTINGS


#: Where data is right, where whole bursts are seen, and the setting to choose; a byte each.
CASES = (
    (window(0, 0, 7), window(0, 4, 6), 5),                                # a burst cut in two may give right data
    (window(2, 3, 5), window(2, 0, 7), 2 * DELAYS + 4),                   # whole bursts of wrong data
    (window(0, 6, 7) | window(1, 0, 1) | window(2, 4, 6), set(range(SETTINGS)), 2 * DELAYS + 5),  # no run over slips
    (window(1, 1, 2) | window(1, 4, 7), set(range(SETTINGS)), DELAYS + 5),                        # the longer run
    (window(3, 7, 7), set(range(SETTINGS)), 3 * DELAYS + 7), (window(0, 0, 7), set(range(SETTINGS)), 3),
)


def test_a_setting_is_good_where_whole_bursts_of_right_data_are_read():
    assert level(Chip([right for right, *_ in CASES], [seen for _, seen, _ in CASES])) == [best for *_, best in CASES]


def test_one_wrong_read_of_many_is_too_much():
    """Each setting's last read of all is wrong: none is good, and it ends where it began."""
    assert level(Chip([set(range(SETTINGS))], [set(range(SETTINGS))], fails_at=(READS,))) == [0]


def test_no_bit_looks_the_same_half_a_bit_later():
    """The beats of every bit differ from those before and behind them, by any slip."""
    for lanes in (1, 2):
        content = pattern(lanes).to_bytes(BEATS * lanes, "little")
        for lane in range(lanes):
            for bit in range(8):
                beats = [content[beat * lanes + lane] >> bit & 1 for beat in range(BEATS)]
                for shift in range(1, SLIPS):
                    assert beats[shift:] != beats[:-shift]
