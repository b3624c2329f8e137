"""Scales where they are right, and where they are none."""

import numpy as np
import pytest

from tests.sw.frontend.onnx_nodes.nets import inner, layers, loaded, refused, started


def quantize(model, source, scale, zero, **attributes):
    operands = [model.constant(np.asarray(scale)), *([] if zero is None else [model.constant(np.asarray(zero))])]
    value = model.node("QuantizeLinear", [source, *operands], model.shapes[source], **attributes)
    return model.node("DequantizeLinear", [value, *operands], model.shapes[source])


def test_a_second_scale_is_a_table_and_the_same_one_nothing(tmp_path):
    model, source = started()
    assert layers(tmp_path, model, model.quantize(source, 0.1, 3)) == []
    assert layers(tmp_path, model, model.quantize(source, 0.1, 4)) == ["table"]


def test_uint8_is_int8_with_128_taken_off(tmp_path):
    model, source = started()
    output = quantize(model, model.node("Relu", [source], model.shapes[source]), np.float32(0.1), np.uint8(131))
    layer, = inner(loaded(tmp_path, model, output))
    assert (layer.output.zero_point, layer.weights[128 + 3], layer.weights[128 + 10]) == (3, 3, 10)


def test_a_zero_point_that_is_absent_is_0_of_uint8(tmp_path):
    model, source = started()
    output = quantize(model, model.node("Relu", [source], model.shapes[source]), np.float32(0.1), None)
    assert loaded(tmp_path, model, output).layers[-2].output.zero_point == -128


def test_constants_are_quantized_as_onnx_does(tmp_path):
    """As exports of quantization-aware trainings hold their weights."""
    model, source = started(1, 2)
    values, scale, zero = np.float32([[0.25, -9], [0.75, 0.1]]), np.float32([0.5, 0.05]), np.zeros(2, np.int8)
    operands = [model.constant(scale), model.constant(zero)]
    whole = model.node("QuantizeLinear", [model.constant(values), *operands], (2, 2), axis=0)
    weights = model.node("DequantizeLinear", [whole, *operands], (2, 2), axis=0)
    layer, = inner(loaded(tmp_path, model, model.quantize(model.node("Gemm", [source, weights], (1, 2), transB=1))))
    assert layer.weights.tolist() == [[0, -18], [15, 2]]


@pytest.mark.parametrize("scale, zero, text", [
    (np.float32(0), np.int8(0), "has a scale that is not above 0"),
    (np.float32(np.nan), np.int8(0), "has a scale that is not above 0"),
    (np.float64(0.1), np.int8(0), "has 1 scales of float64 and 1 zero points; Heddle takes float32"),
    (np.float32([0.1, 0.2]), np.int8([0, 0]), "has 2 scales; an activation has one"),
    (np.float32([0.1, 0.2]), np.int8(0), "has 2 scales of float32 and 1 zero points"),
    (np.float32(0.1), np.int16(0), "quantizes to int16; Heddle computes with int8 and uint8"),
])
def test_scales_that_are_none(tmp_path, scale, zero, text):
    model, source = started()
    quantize(model, source, scale, zero)
    assert text in refused(tmp_path, model)


def test_blocks_and_foreign_scales_are_refused(tmp_path):
    model, source = started()
    quantize(model, source, np.float32(0.1), np.int8(0), block_size=2)
    assert "has a scale a block; Heddle takes one a tensor or channel" in refused(tmp_path, model)
    model, source = started()
    model.node("DequantizeLinear", [model.nodes[0].output[0], model.constant(np.float32(0.2)),
                                    model.constant(np.int8(3))])
    assert "at scale 0.2, zero point 3, which is not how it was quantized" in refused(tmp_path, model)
