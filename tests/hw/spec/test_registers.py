from hw.spec.commands import COUNTERS, LAYER_LOG_ENTRIES
from hw.spec.design import DesignPoint
from hw.spec.presets import PRESETS
from hw.spec.registers import ACT_WINDOW, LAYER_LOG, LOG_WORDS, REGISTERS, WEIGHT_WINDOW, WINDOW_BYTES
from hw.spec.soc import MemoryMap


def test_registers_are_words_of_their_own_below_the_log():
    offsets = [offset for offset, _ in REGISTERS.values()]
    assert len(set(offsets)) == len(offsets) and all(offset % 4 == 0 for offset in offsets)
    assert max(offsets) < LAYER_LOG and all(what for _, what in REGISTERS.values())


def test_windows_follow_each_other_and_hold_the_largest_design():
    assert LAYER_LOG + 4 * LOG_WORDS * LAYER_LOG_ENTRIES <= ACT_WINDOW < WEIGHT_WINDOW < WINDOW_BYTES
    assert len(COUNTERS) <= LOG_WORDS
    for design in [*PRESETS.values(), DesignPoint(act_bytes=131072, weight_bytes=524288)]:
        assert ACT_WINDOW + design.act_bytes <= WEIGHT_WINDOW
        assert WEIGHT_WINDOW + design.weight_bytes <= WINDOW_BYTES


def test_the_bus_has_room_for_the_engine():
    assert MemoryMap().engine.size == WINDOW_BYTES
