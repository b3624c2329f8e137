"""What a file's bytes may get wrong, before any node is looked at."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from sw.frontend.onnx_file import OnnxFile, quoted, values_of
from sw.graph.graph import GraphError
from tests.sw.frontend.onnx_models import Model, one_node


def refused(path, data):
    (path / "net.onnx").write_bytes(data)
    with pytest.raises(GraphError) as caught:
        OnnxFile(path / "net.onnx")
    return str(caught.value)


def changed(change, name="gemm"):
    model = onnx.load_model_from_string(one_node(name, 1))
    change(model)
    return model.SerializeToString()


def test_nodes_constants_and_ends_are_read(tmp_path):
    model = Model(np.random.default_rng(0))
    source = model.input((1, "length", 4), TensorProto.UINT8, "in")
    model.node("Resize", [source, "", model.constant(np.float32([1, 2]))], mode="nearest", axes=[1, 2], extra=0.5)
    model.nodes[0].name, model.nodes[0].domain = "up\n", "other"
    (tmp_path / "net.onnx").write_bytes(model.bytes(("t2", TensorProto.FLOAT)))
    file = OnnxFile(tmp_path / "net.onnx")
    node, = file.nodes
    assert (str(node), node.inputs, node.outputs) == (r"node 0 other.Resize 'up\n'", ("in", "", "c1"), ("t2",))
    assert node.attributes == {"mode": "nearest", "axes": (1, 2), "extra": 0.5}
    assert [(one.name, one.kind, one.shape) for one in file.inputs] == [("in", "uint8", (1, None, 4))]
    assert file.outputs == ["t2"] and file.constants["c1"].tolist() == [1, 2] and file.opset == 18


@pytest.mark.parametrize("values", [
    np.float32([[1.5, -2]]), np.int8([-128, 127]), np.uint8([0, 255]), np.int32([-5]), np.int64([[1 << 40]]),
    np.array([True, False]), np.float64([0.1]), np.float32(3)])
def test_constants_of_every_type(values):
    assert np.array_equal(values_of(numpy_helper.from_array(values, "c")), values)
    number = helper.np_dtype_to_tensor_dtype(values.dtype)
    plain = helper.make_tensor("c", number, values.shape, values.ravel().tolist())
    found = values_of(plain)
    assert np.array_equal(found, values) and found.dtype == values.dtype


def broken(**fields):
    tensor = numpy_helper.from_array(np.float32([1, 2]), "weights")
    for name, value in fields.items():
        if isinstance(value, list):
            del tensor.dims[:]
            tensor.dims.extend(value)
        else:
            setattr(tensor, name, value)
    return tensor


@pytest.mark.parametrize("tensor, text", [
    (broken(raw_data=b"\0" * 7),
     "constant 'weights' has 1 values of its type for a shape of (2,); the file is damaged: get it again"),
    (broken(dims=[3]), "has 2 values of its type for a shape of (3,)"),
    (broken(dims=[-1]), "has a shape of (-1,); Heddle takes 6 dimensions and 67108864 values at most"),
    (broken(dims=[1 << 40, 1 << 40]), "Heddle takes 6 dimensions and 67108864 values at most"),
    (broken(dims=[1] * 7), "Heddle takes 6 dimensions"),
    (broken(data_type=TensorProto.FLOAT16), "is float16; Heddle reads float32, uint8, int8,"),
    (broken(data_type=99), "is of type 99; Heddle reads"),
    (broken(data_location=TensorProto.EXTERNAL), "has its values in another file; save the network with its weights"),
])
def test_constants_that_are_none(tensor, text):
    with pytest.raises(GraphError) as caught:
        values_of(tensor)
    assert text in str(caught.value)


def test_a_value_that_its_type_does_not_hold():
    tensor = TensorProto(name="c", data_type=TensorProto.INT8, dims=[1], int32_data=[300])
    with pytest.raises(GraphError, match="has 1 values of its type"):
        values_of(tensor)


@pytest.mark.parametrize("change, text", [
    (lambda model: model.graph.ClearField("node"), "holds no network; export it again"),
    (lambda model: setattr(model.opset_import[0], "version", 9), "is of opset 9; Heddle reads 10 to 26"),
    (lambda model: model.ClearField("opset_import"), "is of opset unknown"),
    (lambda model: model.graph.input[0].type.tensor_type.ClearField("shape"), "has no shape; export it again with a"),
    (lambda model: model.graph.input[0].type.ClearField("tensor_type"), "is no tensor; export it again"),
    (lambda model: model.graph.sparse_initializer.add(), "has sparse weights; export it again with dense ones"),
])
def test_networks_that_are_none(tmp_path, change, text):
    assert text in refused(tmp_path, changed(change))


def test_files_that_are_no_protocol_buffer_or_are_not_there(tmp_path):
    assert refused(tmp_path, b"\x08\xff") == (
        "is damaged or cut short: it is no protocol buffer of ONNX; get it again")
    with pytest.raises(GraphError, match="cannot be read"):
        OnnxFile(tmp_path / "gone.onnx")


def test_names_stay_short_and_on_one_line():
    assert quoted("a\nb") == r"'a\nb'" and len(quoted("x" * 1000)) < 70
