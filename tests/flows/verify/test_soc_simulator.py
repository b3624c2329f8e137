from dataclasses import replace

import pytest

from boards import BOARDS
from flows.verify.soc_simulator import SocSimulator
from hw.spec.soc import memory_map
from tests.support.ladder import BOARD, DESIGN

MEMORY = memory_map(DESIGN)


@pytest.fixture
def built(monkeypatch):
    """What was built, without building it."""
    found = []

    def build(design, board, folder, *, firmware, memory, trace):
        (folder / "simulator").write_text(firmware.read_text())
        assert memory == MEMORY
        found.append((design.cpu, board.name, firmware.read_text(), trace))
    monkeypatch.setattr("flows.verify.soc_simulator.build_soc_sim", build)
    return found


def test_each_cpu_board_firmware_and_kind_of_waves_is_built_once(built, store, tmp_path):
    firmware = tmp_path / "firmware.bin"
    for _ in range(2):
        for change in ({}, {"design": replace(DESIGN, cpu="picorv32")}, {"board": BOARDS["ulx3s-85"]}, {"trace": True}):
            firmware.write_text("one")
            step = SocSimulator(**{"design": DESIGN, "board": BOARD, "firmware": firmware, "memory": MEMORY, **change})
            assert (step.value(store) / "simulator").read_text() == "one"
        firmware.write_text("two")
        step = SocSimulator(design=DESIGN, board=BOARD, firmware=firmware, memory=MEMORY)
        assert (step.value(store) / "simulator").exists()
    assert built == [("vexriscv", "ulx3s-25", "one", False), ("picorv32", "ulx3s-25", "one", False),
                     ("vexriscv", "ulx3s-85", "one", False), ("vexriscv", "ulx3s-25", "one", True),
                     ("vexriscv", "ulx3s-25", "two", False)]
