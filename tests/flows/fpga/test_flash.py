import pytest

from flows.fpga import flash as module
from flows.fpga.flash import FLASH, FlashContent
from flows.run.store import Store
from hw.spec.errors import HeddleError
from hw.spec.presets import PRESETS
from hw.spec.soc import MemoryMap, memory_map

MEMORY = memory_map(PRESETS["up5k"])


@pytest.fixture
def step(tmp_path, monkeypatch):
    def pack(textcfg, out, *, family):
        out.write_bytes(family.encode() + textcfg.read_bytes())
        return out
    monkeypatch.setattr(module, "pack", pack)
    (tmp_path / "top.config").write_bytes(b"bits")
    (tmp_path / "firmware.bin").write_bytes(b"code")

    def made(image=b"weights", memory=MEMORY):
        return FlashContent(textcfg=tmp_path / "top.config", family="ice40", firmware=tmp_path / "firmware.bin",
                            image=image, memory=memory).value(Store(tmp_path / "store"))
    return made


def test_each_part_is_in_its_place_and_the_rest_is_erased(step):
    path = step()
    content = path.read_bytes()
    assert path.name == FLASH and content[:9] == b"ice40bits"
    assert content[MEMORY.rom.origin:MEMORY.rom.origin + 4] == b"code"
    assert content[MEMORY.image.origin:] == b"weights"
    assert set(content[9:MEMORY.rom.origin]) == {0xFF}


def test_what_is_too_large_is_named(step):
    with pytest.raises(HeddleError, match=r"^model image: 300000 bytes; the flash has 262144 for it; use a smaller ne"):
        step(image=bytes(300_000))
    with pytest.raises(HeddleError, match="^this SoC does not boot from a flash"):
        step(memory=MemoryMap())
