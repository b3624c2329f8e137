import pytest

from hw.spec.errors import SpecError
from hw.spec.soc import MemoryMap, Region


def test_the_default_map_is_valid():
    assert MemoryMap().engine.end == 0x90200000


@pytest.mark.parametrize("change, message", [
    ({"rom": Region(origin=0, size=12000)}, r"rom: 12000 bytes at 0x0; the size must be a multiple of 1024"),
    ({"rom": Region(origin=0x2000, size=12288)}, r"rom: 12288 bytes at 0x2000; .* the next power of two divide the"),
    ({"sram": Region(origin=0x0, size=8192)}, r"rom ends at 0x3000, behind the start of sram at 0x0; move one"),
    ({"engine": Region(origin=0x40000000, size=1 << 21)}, r"engine: origin 0x40000000; the CPU caches below 0x8"),
    ({"sram": Region(origin=0x80000000, size=8192)}, r"sram: origin 0x80000000; the CPU caches below"),
])
def test_an_impossible_map_says_what_to_do(change, message):
    with pytest.raises(SpecError, match=message):
        MemoryMap(**change)
