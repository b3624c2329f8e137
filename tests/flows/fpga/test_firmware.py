from flows.fpga.firmware import FIRMWARE, Firmware
from flows.run.store import Store
from hw.spec.soc import MemoryMap
from sw.firmware import build


def test_the_firmware_of_a_cpu_is_built_once(tmp_path):
    store = Store(tmp_path / "store")
    paths = {Firmware(cpu="vexriscv").value(store) for _ in range(2)}
    path, = paths
    assert path.name == FIRMWARE and store.made == 1
    assert path.read_bytes() == build(tmp_path / "alone", cpu="vexriscv").read_bytes()
    assert 0 < path.stat().st_size < MemoryMap().rom.size


def test_each_cpu_has_a_firmware_of_its_own():
    digests = {cpu: Firmware(cpu=cpu).digest for cpu in ("vexriscv", "picorv32", "serv")}
    assert len(set(digests.values())) == 3
