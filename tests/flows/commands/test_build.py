import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from boards import BOARDS
from flows.commands.build import build_to
from flows.commands.emit import emit_to
from flows.commands.estimate import estimate_model
from flows.commands.flash import flash_from
from flows.fpga.implement import Implementation, check_resident
from flows.fpga.netlist import Netlist
from flows.fpga.routing import Clock, Routed
from flows.report.tables import show_build, show_estimate
from flows.report.terminal import Display
from flows.run.files import write_whole
from flows.run.store import Store
from flows.verify.ladder import verify
from hw.soc.generate import SocFiles
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.image import unpack_header
from hw.spec.presets import PRESETS, load_design, to_toml
from sw.compiler import compile_graph
from sw.graph.graph import Graph, TensorType
from tests.support.layers import random_layer
from tests.sw.golden.nets import small_net

STREAMING = DesignPoint(multiplier="lut", weight_bytes=2048, stream_bytes=2)


@pytest.fixture
def model(tmp_path):
    small_net(1).save(tmp_path / "model.npz")
    return tmp_path


def test_emit_writes_what_another_project_needs(model, tmp_path):
    out = tmp_path / "rtl"
    document = emit_to(str(model), "ecp5-25", out)
    names = {item["file"].rsplit("/", 1)[1] for item in document["files"]}
    assert names == {path.name for path in out.iterdir()}
    assert "module heddle_engine" in (out / "heddle_engine.v").read_text()
    assert "module Cfu" in (out / "Cfu.v").read_text()
    design = load_design(str(out / "design.toml"))
    assert design == PRESETS["ecp5-25"]
    assert f"{design.fingerprint:#x}" in (out / "heddle_config.h").read_text()
    program = compile_graph(Graph.load(out / "model.npz"), design)
    assert (out / "model.bin").read_bytes() == program.image
    listing = json.loads((out / "program.json").read_text())
    assert listing["predicted_cycles"] == program.cycles
    assert listing["fingerprint"] == unpack_header(program.image)["fingerprint"]
    assert [layer["name"] for layer in listing["layers"]] == [layer.name for layer in program.graph.layers]


def test_emit_for_a_cpu_without_custom_instructions_has_none(tmp_path):
    even_dense().save(tmp_path / "model.npz")
    emit_to(str(tmp_path), "up5k", tmp_path / "rtl")
    assert not (tmp_path / "rtl" / "Cfu.v").exists()
    assert "heddle_cfu" not in (tmp_path / "rtl" / "heddle_config.h").read_text(encoding="utf-8")


def wide_dense():
    """More weights than a small scratchpad holds."""
    kind = TensorType(shape=(1, 1, 256), scale=0.1, zero_point=0)
    return Graph(name="wide", input=kind, layers=(
        random_layer(np.random.default_rng(0), "dense", kind, outputs=32, name="fc"),))


def test_emit_says_where_the_parts_of_the_image_go(tmp_path):
    wide_dense().save(tmp_path / "model.npz")
    (tmp_path / "design.toml").write_text(to_toml(STREAMING))
    document = emit_to(str(tmp_path), str(tmp_path / "design.toml"), tmp_path / "rtl")
    what = {item["file"].rsplit("/", 1)[1]: item["what"] for item in document["files"]}
    header = unpack_header((tmp_path / "rtl" / "model.bin").read_bytes())
    assert header["stream_bytes"] >= 32 * 256
    assert what["model.bin"] == (f"program and weights: the first {header['stream_offset']} bytes for the start of the "
                                 f"weight window, the rest for the memory that weights stream from")
    listing = json.loads((tmp_path / "rtl" / "program.json").read_text())
    assert listing["streamed_bytes"] == header["stream_bytes"]
    assert "memory__request__valid" in (tmp_path / "rtl" / "heddle_engine.v").read_text()


def test_a_program_that_streams_is_not_for_the_soc_yet(tmp_path):
    wide_dense().save(tmp_path / "model.npz")
    (tmp_path / "design.toml").write_text(to_toml(STREAMING))
    refused = r"^wide: \d+ bytes of its weights stream on this design; the SoC has no memory for them yet; raise w"
    with pytest.raises(HeddleError, match=refused):
        build_to(str(tmp_path), str(tmp_path / "design.toml"), None, clock_mhz=50, out=tmp_path / "out")
    with pytest.raises(HeddleError, match=refused):
        verify(wide_dense(), STREAMING, level="soc", inputs=np.zeros((1, 1, 1, 256), np.int8),
               board=BOARDS["ulx3s-25"], store=Store(tmp_path / "store"))
    check_resident(compile_graph(wide_dense(), replace(STREAMING, weight_bytes=16384)))


@pytest.mark.parametrize("design, refused", [
    ("up5k", r"^board 'icebreaker': no SoC can be made for the ice40 yet; choose one of ulx3s-12, ulx3s-25, "),
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


def even_dense():
    kind = TensorType(shape=(1, 1, 16), scale=0.1, zero_point=0)
    return Graph(name="small", input=kind, layers=(random_layer(np.random.default_rng(0), "dense", kind, name="fc"),))


def test_an_estimate_without_a_resource_model_has_cycles(tmp_path, capsys):
    even_dense().save(tmp_path / "model.npz")
    document = estimate_model(str(tmp_path), "up5k")
    assert document["cycles"] == compile_graph(even_dense(), PRESETS["up5k"]).cycles
    assert document["latency_s"] == document["cycles"] / 12e6
    assert document["fits"] is document["fmax_mhz"] is document["energy_j"] is None
    assert set(document["resources"].values()) == {None}
    show_estimate(document, Display())
    assert "no resource model for icebreaker; synthesize" in capsys.readouterr().err


@pytest.mark.parametrize("record, says", [
    (None, r"no readable build.json; make one with `heddle build"),
    ("[]", r"no readable build.json"),
    ('{"board": "ulx3s-25", "bitstream": null, "timing_met": false, "fmax_mhz": 61.7}',
     r"the build missed its timing, so there is no bitstream; build again with --clock-mhz 61 or less"),
    ('{"board": "ulx3s-25", "bitstream": "heddle.bit", "timing_met": true, "fmax_mhz": 61.7}',
     r"heddle.bit: missing; build again"),
])
def test_flash_needs_a_build(tmp_path, record, says):
    if record is not None:
        (tmp_path / "build.json").write_text(record)
    with pytest.raises(HeddleError, match=says):
        flash_from(tmp_path)


def test_flash_without_the_programmer_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr("hw.tools.find.shutil.which", lambda *arguments, **options: None)
    (tmp_path / "heddle.bit").write_bytes(b"bits")
    (tmp_path / "build.json").write_text(
        '{"board": "ulx3s-25", "bitstream": "heddle.bit", "timing_met": true, "fmax_mhz": 61.7}')
    with pytest.raises(HeddleError, match=r"openFPGALoader: not found: get it with `sudo apt-get install"):
        flash_from(tmp_path)


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_whole(path, "old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_a_clock_out_of_reach_is_refused_before_anything_is_routed(model, monkeypatch):
    monkeypatch.setattr("flows.commands.build.implement", lambda *arguments: pytest.fail("routed"))
    design = model / "design.toml"
    design.write_text(to_toml(DesignPoint(multiplier="lut")))
    with pytest.raises(HeddleError, match=r"^clock_mhz=200: this SoC is estimated to reach \d+ MHz, so no seed would "
                                          r"meet it; build with --clock-mhz \d+ or less$"):
        build_to(str(model), str(design), None, clock_mhz=200, out=model / "out")
    assert not (model / "out").exists()


def routed_at(fmax_mhz, wanted_mhz, folder):
    """An implementation that nothing made."""
    board = BOARDS["ulx3s-25"]
    (folder / "firmware.bin").write_bytes(b"firmware")
    routed = Routed(folder=folder, seed=4, clocks={"sys": Clock(achieved_mhz=fmax_mhz, wanted_mhz=wanted_mhz)},
                    resources=dict.fromkeys(board.budget, 7))
    soc = SocFiles(folder=folder, top="t", verilog=(), rom=folder, lpf=None, clock_mhz=wanted_mhz)
    return Implementation(design=DesignPoint(), board=board, firmware=folder / "firmware.bin", soc=soc,
                          netlist=Netlist(folder=folder, top="t", cells={}), routed=routed)


def test_what_was_written_is_what_is_listed(model, monkeypatch, capsys):
    (model / "design.toml").write_text(to_toml(DesignPoint(multiplier="lut")))
    out, stream = model / "out", model / "bits"
    stream.write_bytes(b"bits")
    monkeypatch.setattr(Implementation, "bitstream", lambda *arguments: stream)
    for fmax_mhz, files in ((70.0, {"build.json", "heddle.bit", "firmware.bin", "model.bin", "design.toml",
                                    "model.npz"}), (49.0, {"build.json"})):
        made = routed_at(fmax_mhz, 50.0, model)
        monkeypatch.setattr("flows.commands.build.implement", lambda *arguments, made=made: made)
        shutil.rmtree(out, ignore_errors=True)
        document = build_to(str(model), str(model / "design.toml"), None, clock_mhz=50, out=out)
        assert {path.name for path in out.iterdir()} == files
        listed = {document[name] for name in ("bitstream", "firmware")} - {None}
        assert listed == files & {"heddle.bit", "firmware.bin"}
        show_build(document, Display())
        shown = capsys.readouterr().err
        assert ("wrote heddle.bit and firmware.bin" in shown) == (fmax_mhz > 50)
        assert ("no bitstream was written; build with --clock-mhz 49 or less" in shown) == (fmax_mhz < 50)
