"""QUANTIZE and DEQUANTIZE at the edges and between."""

import pytest

from sw.graph.graph import GraphError
from tests.sw.frontend.operators.nets import lowered, tensor

INT8 = tensor((1, 4), scale=0.5, zero=3)
UINT8 = tensor((1, 4), scale=0.5, zero=131, kind="UINT8")
FLOAT = tensor((1, 4), scale=[], zero=[], kind="FLOAT32")


@pytest.mark.parametrize("name, taken, given, found", [
    ("QUANTIZE", INT8, tensor((1, 4), scale=0.25), [("requantize", "int8")]),
    ("QUANTIZE", UINT8, INT8, [("table", "int8")]),
    ("QUANTIZE", INT8, UINT8, [("table", "uint8")]),
    ("QUANTIZE", FLOAT, INT8, [("quantize", "int8")]),
    ("DEQUANTIZE", INT8, FLOAT, [("dequantize", "float32")]),
    ("DEQUANTIZE", UINT8, FLOAT, [("table", "int8"), ("dequantize", "float32")]),
])
def test_from_type_to_type(tmp_path, name, taken, given, found):
    graph = lowered(tmp_path, name, [taken, given])
    assert [(layer.op, layer.output.dtype) for layer in graph.layers] == found


def test_unsigned_bytes_are_read_as_they_are(tmp_path):
    layer, = lowered(tmp_path, "QUANTIZE", [UINT8, INT8]).layers
    assert layer.weights[[0, 127, 128, 255]].tolist() == [0, 127, -128, -1]     # of 128, 255, 0, 127
    signed, last = lowered(tmp_path, "DEQUANTIZE", [UINT8, FLOAT]).layers
    assert (signed.weights[[0, 128]].tolist(), signed.output.zero_point) == ([0, -128], 3)


@pytest.mark.parametrize("name, taken, given, text", [
    ("QUANTIZE", FLOAT, UINT8, "from FLOAT32 to UINT8; TensorFlow Lite Micro quantizes FLOAT32 to INT8, and INT8 and"),
    ("QUANTIZE", FLOAT, FLOAT, "from FLOAT32 to FLOAT32"),
    ("DEQUANTIZE", FLOAT, FLOAT, "from FLOAT32 to FLOAT32; it takes INT8 or UINT8 to FLOAT32"),
    ("QUANTIZE", INT8, tensor((1, 4), scale=1e-9), r"a factor of 2\*\*22 at most"),
    ("QUANTIZE", INT8, tensor((1, 5)), "gives 4 values of int8, but tensor 1 has 5"),
])
def test_what_does_not_fit_is_named(tmp_path, name, taken, given, text):
    with pytest.raises(GraphError, match=text):
        lowered(tmp_path, name, [taken, given])
