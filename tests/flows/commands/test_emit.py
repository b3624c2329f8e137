import json
from dataclasses import replace

from flows.commands.emit import emit_to
from hw.spec.image import unpack_header
from hw.spec.presets import PRESETS, load_design, to_toml
from sw.compiler import compile_graph
from sw.frontend import load_file
from sw.graph.graph import Graph
from tests.support.dense import STREAMING, even_dense, wide_dense
from tests.sw.frontend.files import operator, tensor, write
from tests.sw.golden.nets import small_net

POOL = operator("MAX_POOL_2D", [0], 1, "Pool2DOptions", Padding=1, StrideW=2, StrideH=2, FilterWidth=2, FilterHeight=2)


def test_emit_writes_what_another_project_needs(tmp_path):
    small_net(1).save(tmp_path / "model.npz")
    out = tmp_path / "rtl"
    document = emit_to(str(tmp_path), "ecp5-25", out)
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


def test_emit_writes_a_tflite_file_where_there_can_be_one(tmp_path):
    even_dense().save(tmp_path / "model.npz")
    emit_to(str(tmp_path), "up5k", tmp_path / "rtl")
    assert not (tmp_path / "rtl/model.tflite").exists(), "its scales are made up"
    net = write(tmp_path / "net.tflite", [tensor((1, 4, 4, 2), zero=3), tensor((1, 2, 2, 2), zero=3)], [POOL])
    document = emit_to(str(net), "up5k", tmp_path / "rtl")
    assert str(tmp_path / "rtl/model.tflite") in {item["file"] for item in document["files"]}
    assert load_file(tmp_path / "rtl/model.tflite").types() == load_file(net).types()


def test_emit_for_a_cpu_without_custom_instructions_has_none(tmp_path):
    even_dense().save(tmp_path / "model.npz")
    emit_to(str(tmp_path), "up5k", tmp_path / "rtl")
    assert not (tmp_path / "rtl" / "Cfu.v").exists()
    assert "heddle_cfu" not in (tmp_path / "rtl" / "heddle_config.h").read_text(encoding="utf-8")


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
    assert 32 * 256 <= listing["streamed_bytes"] < header["stream_bytes"]      # the list of calls is behind it
    assert "memory__request__valid" in (tmp_path / "rtl" / "heddle_engine.v").read_text()


def test_a_corrected_graph_is_what_is_written(tmp_path):
    small_net(1).save(tmp_path / "model.npz")
    design = replace(PRESETS["ecp5-25"], multiplier="trunc")
    (tmp_path / "design.toml").write_text(to_toml(design))
    emit_to(str(tmp_path), str(tmp_path / "design.toml"), tmp_path / "plain")
    emit_to(str(tmp_path), str(tmp_path / "design.toml"), tmp_path / "rtl", correct="random")
    graph = Graph.load(tmp_path / "rtl/model.npz")
    assert (tmp_path / "rtl/model.bin").read_bytes() == compile_graph(graph, design).image
    assert (tmp_path / "rtl/model.bin").read_bytes() != (tmp_path / "plain/model.bin").read_bytes()
    assert (tmp_path / "plain/model.npz").read_bytes() == (tmp_path / "model.npz").read_bytes()
