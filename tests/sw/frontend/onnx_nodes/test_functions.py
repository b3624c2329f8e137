"""Functions of one value: tables that hold what ONNX computes."""

from math import erf, exp, log1p, tanh

import numpy as np
import pytest

from tests.sw.frontend.onnx_nodes.nets import inner, layers, loaded, refused, started

PLAIN = {
    "Sigmoid": lambda x: 1 / (1 + exp(-x)), "Tanh": tanh, "Exp": exp, "Erf": erf, "Abs": abs, "Neg": lambda x: -x,
    "Relu": lambda x: max(x, 0), "LeakyRelu": lambda x: x if x > 0 else 0.01 * x, "Softplus": lambda x: log1p(exp(x)),
    "HardSigmoid": lambda x: min(max(0.2 * x + 0.5, 0), 1), "HardSwish": lambda x: x * min(max(x / 6 + 0.5, 0), 1),
    "Elu": lambda x: x if x > 0 else exp(x) - 1,
    "Selu": lambda x: 1.05070098 * (x if x > 0 else 1.67326324 * (exp(x) - 1)),
    "Gelu": lambda x: x * (1 + erf(x / 2 ** 0.5)) / 2, "Softsign": lambda x: x / (1 + abs(x)),
    "Mish": lambda x: x * tanh(log1p(exp(x))), "Floor": np.floor, "Ceil": np.ceil, "Sign": np.sign, "Round": np.rint}


@pytest.mark.parametrize("kind", PLAIN)
def test_a_table_is_the_function(tmp_path, kind):
    model, source = started(1, 4)
    layer, = inner(loaded(tmp_path, model, model.quantize(model.node(kind, [source], (1, 4)), 0.05, -7)))
    inputs = (np.float32(0.1) * np.arange(-131, 125).astype(np.float32)).tolist()
    reals = [PLAIN[kind](value) / float(np.float32(0.05)) - 7 for value in inputs]
    assert np.abs(np.clip(reals, -128, 127) - layer.weights).max() <= 0.5 + 1e-4


def test_a_table_of_one_function_has_its_name_as_tflite_has_it(tmp_path):
    for kind, name in (("Sigmoid", "logistic"), ("LeakyRelu", "leaky_relu"), ("HardSwish", "hard_swish")):
        model, source = started(1, 4)
        layer, = inner(loaded(tmp_path, model, model.quantize(model.node(kind, [source], (1, 4)))))
        assert (layer.op, layer.function) == ("table", name)


def test_several_functions_are_one_table(tmp_path):
    model, source = started(1, 4)
    value = model.node("Softplus", [source], (1, 4))
    value = model.node("Mul", [source, model.node("Tanh", [value], (1, 4))], (1, 4))
    layer, = inner(loaded(tmp_path, model, model.quantize(model.node("Relu", [value], (1, 4)))))
    assert (layer.op, layer.function) == ("table", "float32")


def test_a_clip_of_attributes_and_of_operands(tmp_path):
    for opset, operands, attributes in ((10, [], {"min": -0.5, "max": 0.75}), (18, [-0.5, 0.75], {})):
        model, source = started(1, 4, opset=opset)
        bounds = [model.constant(np.float32(bound)) for bound in operands]
        value = model.node("Clip", [source, *bounds], (1, 4), **attributes)
        layer, = inner(loaded(tmp_path, model, model.quantize(value, 0.25, 0)))
        assert (layer.weights.min(), layer.weights.max()) == (-2, 3)


def test_clips_behind_each_other(tmp_path):
    model, source = started(1, 4)
    weights, _ = model.weights(model.integers(4, 4))
    value = model.node("Relu", [model.node("MatMul", [source, weights], (1, 4))], (1, 4))
    value = model.node("Clip", [value, model.constant(np.float32(-5)), model.constant(np.float32(6))], (1, 4))
    layer, = inner(loaded(tmp_path, model, model.quantize(value, 0.1, 0)))
    assert (layer.act_min, layer.act_max) == (0, 60)
    assert layers(tmp_path, model, model.nodes[-1].output[0]) == ["dense"]


def test_what_does_not_fit_is_named(tmp_path):
    model, source = started(1, 4)
    model.node("Clip", [source, model.constant(np.float32(1)), model.constant(np.float32(0))])
    assert "clips to 1 to 0; get or export it again" in refused(tmp_path, model)
    model, source = started(1, 4)
    model.node("Gelu", [source], approximate="tanh")
    assert "approximates; Heddle has the exact one" in refused(tmp_path, model)
    model, source = started(1, 4)
    weights, _ = model.weights(model.integers(4, 4))
    model.node("Tanh", [model.node("MatMul", [source, weights], (1, 4))])
    assert "which is computed in float32: no QuantizeLinear follows it" in refused(tmp_path, model)
