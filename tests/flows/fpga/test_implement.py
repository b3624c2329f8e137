"""What makes a SoC another one in the store."""

import os
from dataclasses import replace
from types import SimpleNamespace

import pytest

import flows.fpga.implement as implementation
from boards import BOARDS
from flows.fpga.netlist import Netlist
from flows.fpga.placing import Placed
from flows.run.store import Store
from hw.soc.cpus import CPUS
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.soc import memory_map
from hw.tools import VARIABLE, ToolError, find
from tests.support.native import SAYS, program


class Enough(Exception):
    pass


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """The CPUs that SoC and firmware were generated for, and a function that asks for one with a CPU."""
    made = []

    def generate(design, board, *, out, **options):
        (out / "soc").write_text(design.cpu)
        made.append(("soc", design.cpu))

    def build(out, *, cpu, functions, memory):
        (out / "firmware.bin").write_text(cpu)
        made.append(("firmware", cpu))

    def load(folder):
        raise Enough((folder / "soc").read_text())

    monkeypatch.setattr("flows.fpga.soc.generate", generate)
    monkeypatch.setattr("flows.fpga.soc.load_soc", load)
    monkeypatch.setattr("flows.fpga.firmware.build", build)
    store = Store(tmp_path)

    def implement(design):
        with pytest.raises(Enough, match=f"^{design.cpu}$"):
            implementation.implement(store, design, BOARDS["ulx3s-25"], 50)
        return made
    return implement


def test_a_design_with_another_cpu_has_a_soc_and_a_firmware_of_its_own(ask):
    for _ in range(2):
        for cpu in ("vexriscv", "picorv32"):
            made = ask(DesignPoint(cpu=cpu))
    assert made == [("firmware", "vexriscv"), ("soc", "vexriscv"), ("firmware", "picorv32"), ("soc", "picorv32")]


def test_a_packer_that_is_missing_is_said_before_anything_is_made(ask, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "native")
    for name, says in SAYS.items():
        program(tmp_path / "bin", name, f"echo '{says.format('9.1')}'")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin/ecppack").unlink()
    with pytest.raises(ToolError, match=r"^ecppack: HEDDLE_TOOLS=native, but no ecppack on the PATH: put one"):
        implementation.implement(Store(tmp_path), DesignPoint(), BOARDS["ulx3s-25"], 50)
    find._look.cache_clear()        # a process asks once
    program(tmp_path / "bin", "ecppack", f"echo '{SAYS['ecppack'].format('9.1')}'")
    assert ask(DesignPoint()) == [("firmware", "vexriscv"), ("soc", "vexriscv")]


@pytest.mark.parametrize("board, streams, tools, refused", [
    ("orangecrab-25", True, "native", True), ("orangecrab-25", True, "packaged", False),
    ("orangecrab-25", False, "native", False), ("ulx3s-25", True, "native", False)])
def test_a_native_nextpnr_that_may_crash_is_refused_before_anything_is_made(ask, tmp_path, monkeypatch, board, streams,
                                                                            tools, refused):
    monkeypatch.setenv(VARIABLE, tools)
    for name, says in SAYS.items():
        program(tmp_path / "bin", name, f"echo '{says.format('9.1')}'")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    find._look.cache_clear()
    with pytest.raises(HeddleError if refused else Enough, match="set HEDDLE_TOOLS=packaged$" if refused else None):
        implementation.implement(Store(tmp_path / "store"), DesignPoint(stream_bytes=2), BOARDS[board], 50,
                                 streams=streams)


@pytest.mark.parametrize("streams, free, fixed, router", [
    (False, None, None, None), (True, None, None, "router2"), (False, 100, 50, "router2")])
def test_a_memory_outside_and_places_are_routed_by_the_other_router(tmp_path, streams, free, fixed, router):
    design, board = DesignPoint(stream_bytes=2), BOARDS["ulx3s-25"]
    (tmp_path / "netlist.json").write_text("{}")
    placed = Placed(netlist=Netlist(folder=tmp_path, top="top", cells={}), free=free, fixed=fixed)
    soc = SimpleNamespace(memory=memory_map(design, streams=streams), clock_mhz=50.0, pins=None)
    made = implementation.Implementation(design=design, board=board, firmware=tmp_path, soc=soc,
                                         netlist=placed.netlist, placed=placed, seeds=None)
    assert made.routing(3).router == router


def test_a_cpu_that_changed_is_made_again(ask, monkeypatch):
    ask(DesignPoint(cpu="serv"))
    monkeypatch.setitem(CPUS, "serv", replace(CPUS["serv"], litex_variant="mdu"))
    assert len(ask(DesignPoint(cpu="serv"))) == 4
