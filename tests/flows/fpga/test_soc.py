from dataclasses import replace

import pytest

from boards import BOARDS
from flows.fpga.patch import placeholder
from flows.fpga.soc import SocSources
from flows.run.store import Store
from hw.spec.design import DesignPoint
from hw.spec.soc import memory_map

DESIGN = DesignPoint(rows=1, cols=2, lanes=4, multiplier="lut", act_bytes=1024, weight_bytes=2048)


@pytest.fixture
def sources(tmp_path):
    (tmp_path / "firmware.bin").write_bytes(bytes(range(1, 11)))
    return SocSources(design=DESIGN, board=BOARDS["ulx3s-25"], clock_mhz=50.0, firmware=tmp_path / "firmware.bin",
                      memory=memory_map(DESIGN))


def test_what_decides_the_soc_moves_its_key(sources, tmp_path):
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "firmware.bin"
    other.write_bytes(b"other")
    changes = [{"design": replace(DESIGN, cols=4)}, {"design": replace(DESIGN, cpu="picorv32")},
               {"board": BOARDS["ulx3s-85"]}, {"clock_mhz": 40.0}, {"firmware": other},
               {"memory": memory_map(DESIGN, streams=True)}]
    assert len({sources.digest, *(replace(sources, **change).digest for change in changes)}) == len(changes) + 1
    assert replace(sources, design=replace(DESIGN, board="ulx3s-85")).digest == sources.digest


@pytest.mark.soc
def test_the_weight_memory_starts_with_the_placeholder(sources, tmp_path):
    """Which a network's weights replace in the routed design."""
    store = Store(tmp_path / "store")
    made = sources.value(store)
    assert made == sources.value(store) and store.made == 1
    assert made.clock_mhz == pytest.approx(50.0, rel=0.01)
    assert made.rom.is_file() and made.pins.is_file()
    verilog = "".join(path.read_text() for path in made.verilog)
    first, second = (int.from_bytes(placeholder(DESIGN.weight_bytes)[at:at + 4], "little") for at in (0, 4))
    for word in (first, second):       # of the memory's two banks
        assert f"[0] = 32'h{word:08x};" in verilog or f"[0] = 32'd{word};" in verilog
    assert "module heddle_soc" in verilog and "module heddle_engine" in verilog
