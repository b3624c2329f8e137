import json

import numpy as np
import pytest

from flows import cli
from flows.commands.models import describe_model
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.image import unpack_header
from hw.spec.presets import PRESETS, to_toml
from sw.compiler import compile_graph
from sw.graph.graph import Graph, TensorType
from tests.support.dense import even_dense, wide_dense
from tests.support.layers import made_kernel
from tests.support.mixed import mixed_net

KEYS = ["model", "name", "inputs", "outputs", "states", "operators", "macs", "weight_bytes", "constant_bytes",
        "state_bytes", "activation_bytes", "design", "runs", "problem", "remedy", "engine_cycles",
        "estimated_cpu_cycles", "layers", "designs", "picture"]


def saved(folder, graph):
    graph.save(folder / "model.npz")
    return str(folder)


def float_ends():
    """Two inputs as their file has them, one of floats, and an output of floats."""
    outside = TensorType(shape=(1, 1, 4), scale=1.0, zero_point=0, dtype="float32")
    inside = TensorType(shape=(1, 1, 4), scale=0.5, zero_point=3)
    layers = (made_kernel("quantize", inside, inputs=(0,), name="in", act_min=-128, act_max=127),
              made_kernel("maximum", inside, inputs=(2, 1), name="larger"),
              made_kernel("dequantize", outside, inputs=(3,), name="out", act_min=-128, act_max=127))
    return Graph(name="floats", inputs=(outside, inside), layers=layers, input_shapes=((1, 4), (4,)),
                 output_shapes=((1, 2, 2),)).check()


def test_what_a_model_holds(tmp_path):
    document = describe_model(saved(tmp_path, mixed_net()), "ecp5-85")
    program = compile_graph(mixed_net(), PRESETS["ecp5-85"])
    assert list(document) == KEYS
    assert document["operators"] == {"conv": 2, "add": 2, "sub": 1, "gather": 1, "logistic": 1}
    assert document["inputs"] == [{"shape": [4, 4, 4], "dtype": "int8", "scale": 0.05, "zero_point": 1, "bytes": 64}]
    assert [(end["shape"], end["bytes"]) for end in document["outputs"]] == [([2, 4, 4], 32)]
    assert [(state["name"], state["shape"]) for state in document["states"]] == [("memory", [4, 4, 4])]
    assert (document["macs"], document["constant_bytes"], document["state_bytes"]) == (2 * 16 * 16, 4, 64)
    assert document["weight_bytes"] == 2 * (16 + 16) + 3 * 12 + 256          # sums have a bias of three, tables 256
    assert document["engine_cycles"] == program.cycles
    known = [duty["estimated_cpu_cycles"] for duty in document["layers"] if duty["runner"] == "CPU"]
    assert 0 < document["estimated_cpu_cycles"] <= sum(known) < document["estimated_cpu_cycles"] + len(known)
    assert [duty["runner"] for duty in document["layers"]] == ["engine", "engine", "engine", "CPU", "engine", "nobody",
                                                             "CPU", "CPU", "CPU"]
    fitted, = document["designs"]
    assert (fitted["design"], fitted["runs"], fitted["problems"]) == ("ecp5-85", True, [])
    assert fitted["activation_bytes"] == unpack_header(program.image)["act_bytes"] <= document["activation_bytes"] + 16
    assert fitted["resident_bytes"] == program.resident_bytes


def test_ends_are_in_the_files_own_shapes_and_types(tmp_path):
    document = describe_model(saved(tmp_path, float_ends()), "ecp5-25")
    assert [(end["shape"], end["dtype"], end["bytes"]) for end in document["inputs"]] == [
        ([1, 4], "float32", 16), ([4], "int8", 4)]
    assert [(end["shape"], end["dtype"]) for end in document["outputs"]] == [([1, 2, 2], "float32")]


def test_without_a_design_all_presets_are_tried(tmp_path):
    """The first one that a SoC can be made for is shown."""
    document = describe_model(saved(tmp_path, even_dense()))
    assert [each["design"] for each in document["designs"]] == list(PRESETS)
    assert all(each["runs"] for each in document["designs"])
    assert document["designs"][0]["problems"] == []
    assert document["design"] == "up5k"
    assert document["engine_cycles"] == compile_graph(even_dense(), PRESETS["up5k"]).cycles


def test_what_is_too_large_is_said_with_what_would_do(tmp_path):
    design = tmp_path / "small.toml"
    design.write_text(to_toml(DesignPoint(weight_bytes=2048)), encoding="utf-8")
    document = describe_model(saved(tmp_path, wide_dense()), str(design))
    assert (document["runs"], document["engine_cycles"], document["layers"][0]["runner"]) == (False, None, None)
    assert "weight_bytes=2048" in document["problem"] and "\n" not in document["problem"]
    assert document["remedy"] == "it runs on up5k, ecp5-25, ecp5-45, ecp5-85"
    assert [each["design"] for each in document["designs"]] == [str(design), *PRESETS]


def test_of_what_runs_nowhere_the_problem_of_the_largest_preset_is_told(tmp_path):
    kind = TensorType(shape=(512, 512, 1), scale=0.1, zero_point=0)
    graph = Graph(name="huge", inputs=(kind,), layers=(
        made_kernel("table", kind, weights=np.zeros(256, np.int8), act_min=-128, act_max=127),))
    document = describe_model(saved(tmp_path, graph))
    assert (document["runs"], document["design"], document["remedy"]) == (False, None, "")
    assert document["problem"] == document["designs"][-1]["problems"][0]


def test_a_picture_is_drawn(tmp_path):
    picture = tmp_path / "out" / "net.svg"
    document = describe_model(saved(tmp_path, mixed_net()), "ecp5-25", picture=picture)
    assert document["picture"] == str(picture)
    assert "mixed on ecp5-25" in picture.read_text(encoding="utf-8")


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        cli.main(["models", *arguments])
    return ended.value.code, *capsys.readouterr()


def test_the_command_prints_one_document_or_tables(capsys, tmp_path):
    folder = saved(tmp_path, mixed_net())
    status, out, _ = run(capsys, folder, "--design", "ecp5-25", "--json")
    assert status == 0 and json.loads(out) == json.loads(json.dumps(describe_model(folder, "ecp5-25")))
    status, out, err = run(capsys, folder, "--design", "ecp5-25")
    assert (status, out) == (0, "")
    assert "Who runs what on ecp5-25" in err and "[/end]" in err


def test_what_does_not_run_is_told_and_no_failure(capsys, tmp_path):
    """The command lists; nothing was asked to run."""
    design = tmp_path / "small.toml"
    design.write_text(to_toml(DesignPoint(weight_bytes=2048)), encoding="utf-8")
    status, _, err = run(capsys, saved(tmp_path, wide_dense()), "--design", str(design))
    assert status == 0 and "does not run: wide: " in err and "it runs on up5k, ecp5-25" in err


@pytest.mark.parametrize("content, says", [(b"", "is an empty file"), (b"<html>", "is a web page"),
                                           (b"\x1c\0\0\0TFL3" + bytes(40), "get it again")])
def test_a_file_that_is_no_model_is_one_line_and_status_2(capsys, tmp_path, content, says):
    file = tmp_path / "model.tflite"
    file.write_bytes(content)
    status, out, err = run(capsys, str(file), "--json")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert says in err


def test_an_unknown_design_is_refused_before_the_model_is_looked_for():
    with pytest.raises(HeddleError, match="design 'ecp6': neither a preset"):
        describe_model("nowhere.tflite", "ecp6")
