import json

import pytest

from flows.build import emit_to, flash_from
from flows.files import write_whole
from flows.models import load_model
from hw.spec.errors import HeddleError
from hw.spec.image import unpack_header
from hw.spec.presets import PRESETS, load_design
from sw.compiler import compile_graph
from sw.graph.graph import Graph
from tests.sw.golden.nets import small_net


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


@pytest.mark.parametrize("name", ["", "model.npz"])
def test_a_model_is_a_folder_or_a_file(model, name):
    assert load_model(str(model / name)).path == model / "model.npz"


def test_a_broken_model_says_so(tmp_path):
    (tmp_path / "model.npz").write_bytes(b"no")
    with pytest.raises(HeddleError, match=r"model.npz: not a Heddle model"):
        load_model(str(tmp_path))
    (tmp_path / "net.onnx").write_bytes(b"no")
    with pytest.raises(HeddleError, match=r"net.onnx': reading .onnx files is not built yet"):
        load_model(str(tmp_path / "net.onnx"))


@pytest.mark.parametrize("record, says", [
    (None, r"no readable build.json; make one with `heddle build"),
    ("[]", r"no readable build.json"),
    ('{"board": "ulx3s-25", "bitstream": "build.json", "timing_met": false}', r"no bitstream that met timing"),
    ('{"board": "ulx3s-25", "bitstream": "heddle.bit", "timing_met": true}', r"heddle.bit: missing; build again"),
])
def test_flash_needs_a_build(tmp_path, record, says):
    if record is not None:
        (tmp_path / "build.json").write_text(record)
    with pytest.raises(HeddleError, match=says):
        flash_from(tmp_path)


def test_flash_without_the_programmer_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr("hw.tools.find.shutil.which", lambda *arguments, **options: None)
    (tmp_path / "heddle.bit").write_bytes(b"bits")
    (tmp_path / "build.json").write_text('{"board": "ulx3s-25", "bitstream": "heddle.bit", "timing_met": true}')
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
