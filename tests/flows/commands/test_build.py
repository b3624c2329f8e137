import shutil
from dataclasses import replace

import numpy as np
import pytest

from boards import BOARDS
from flows.commands.build import build_to, memory_record
from flows.fpga.buildable import check_buildable
from flows.fpga.implement import Implementation
from flows.fpga.netlist import Netlist
from flows.fpga.routing import Clock, Routed
from flows.report.tables import show_build
from flows.report.terminal import Display
from flows.run.store import Store
from flows.verify.ladder import verify
from hw.soc.generate import SocFiles
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.presets import to_toml
from hw.spec.soc import MemoryMap
from sw.compiler import compile_graph
from sw.firmware import build
from tests.support.dense import STREAMING, even_dense, wide_dense
from tests.support.mixed import mixed_net
from tests.sw.golden.nets import small_net


@pytest.fixture
def model(tmp_path):
    small_net(1).save(tmp_path / "model.npz")
    return tmp_path


def test_a_program_that_streams_is_not_for_the_soc_yet(tmp_path):
    wide_dense().save(tmp_path / "model.npz")
    (tmp_path / "design.toml").write_text(to_toml(STREAMING))
    refused = r"^wide: \d+ bytes of its weights stream on this design; the SoC has no memory for them yet; raise w"
    with pytest.raises(HeddleError, match=refused):
        build_to(str(tmp_path), str(tmp_path / "design.toml"), None, clock_mhz=50, out=tmp_path / "out")
    with pytest.raises(HeddleError, match=refused):
        verify(wide_dense(), STREAMING, level="soc", inputs=np.zeros((1, 1, 1, 256), np.int8),
               board=BOARDS["ulx3s-25"], store=Store(tmp_path / "store"))
    check_buildable(compile_graph(wide_dense(), replace(STREAMING, weight_bytes=16384)))


@pytest.mark.parametrize("design, refused", [
    ('cpu = "arm"', r"^cpu='arm': unknown; choose 'picorv32', 'serv', 'vexriscv'$"),
])
def test_what_has_no_soc_yet_is_one_line(tmp_path, monkeypatch, design, refused):
    monkeypatch.setenv("HEDDLE_CACHE", str(tmp_path / "store"))
    even_dense().save(tmp_path / "model.npz")
    if "=" in design:
        (tmp_path / "design.toml").write_text(design)
        design = str(tmp_path / "design.toml")
    with pytest.raises(HeddleError, match=refused):
        build_to(str(tmp_path), design, None, clock_mhz=20, out=tmp_path / "out")


def test_a_clock_out_of_reach_is_refused_before_anything_is_routed(model, monkeypatch):
    monkeypatch.setattr("flows.commands.build.implement", lambda *arguments, functions: pytest.fail("routed"))
    design = model / "design.toml"
    design.write_text(to_toml(DesignPoint(multiplier="lut")))
    with pytest.raises(HeddleError, match=r"^clock_mhz=200: this SoC is estimated to reach \d+ MHz, so no seed would "
                                          r"meet it; build with --clock-mhz \d+ or less$"):
        build_to(str(model), str(design), None, clock_mhz=200, out=model / "out")
    assert not (model / "out").exists()


@pytest.fixture(scope="module")
def firmware(tmp_path_factory):
    return build(tmp_path_factory.mktemp("firmware"))


def routed_at(fmax_mhz, wanted_mhz, folder, firmware):
    """An implementation that nothing made."""
    board = BOARDS["ulx3s-25"]
    routed = Routed(folder=folder, seed=4, clocks={"sys": Clock(achieved_mhz=fmax_mhz, wanted_mhz=wanted_mhz)},
                    resources=dict.fromkeys(board.budget, 7))
    soc = SocFiles(folder=folder, top="t", verilog=(), rom=folder, pins=None, clock_mhz=wanted_mhz,
                   memory=MemoryMap())
    return Implementation(design=DesignPoint(), board=board, firmware=firmware, soc=soc,
                          netlist=Netlist(folder=folder, top="t", cells={}), routed=routed)


def test_what_was_written_is_what_is_listed(model, firmware, monkeypatch, capsys):
    (model / "design.toml").write_text(to_toml(DesignPoint(multiplier="lut")))
    out, stream = model / "out", model / "heddle.bit"
    stream.write_bytes(b"bits")
    monkeypatch.setattr(Implementation, "bitstream", lambda *arguments: stream)
    for fmax_mhz, files in ((70.0, {"build.json", "heddle.bit", "firmware.bin", "model.bin", "design.toml",
                                    "model.npz"}), (49.0, {"build.json"})):
        made = routed_at(fmax_mhz, 50.0, model, firmware)
        monkeypatch.setattr("flows.commands.build.implement", lambda *arguments, made=made, functions: made)
        shutil.rmtree(out, ignore_errors=True)
        document = build_to(str(model), str(model / "design.toml"), None, clock_mhz=50, out=out)
        assert {path.name for path in out.iterdir()} == files
        listed = {document[name] for name in ("bitstream", "firmware")} - {None}
        assert listed == files & {"heddle.bit", "firmware.bin"}
        assert document["memories"]["rom"] == {"used": firmware.stat().st_size, "available": 12288}
        show_build(document, Display())
        shown = capsys.readouterr().err
        assert ("wrote heddle.bit and firmware.bin" in shown) == (fmax_mhz > 50)
        assert ("no bitstream was written; build with --clock-mhz 49 or less" in shown) == (fmax_mhz < 50)


def test_bytes_of_the_memories_and_of_the_functions_that_are_called(firmware):
    """The rest of the ROM's is the runtime's and that of functions that nobody calls."""
    program = compile_graph(mixed_net(), replace(DesignPoint(), act_bytes=2048, weight_bytes=8192))
    record = memory_record(program, firmware)
    assert {name: entry["available"] for name, entry in record["memories"].items()} == {
        "weights": 8192, "activations": 2048, "rom": 12288}
    assert record["memories"]["weights"]["used"] == len(program.image)
    assert set(record["functions"]) == {"binary", "constant", "copy", "table"}
    assert 0 < sum(record["functions"].values()) < record["memories"]["rom"]["used"]
