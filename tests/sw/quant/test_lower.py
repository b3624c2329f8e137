"""The integer graph computes what training computed: every operator alone, and random ones behind each other."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from hw.spec.presets import load_design
from sw import golden
from sw.compiler import compile_graph
from sw.graph.graph import TensorType
from sw.models import build
from sw.quant import QuantError
from sw.quant.lower import lower, quantize_multiplier
from sw.quant.network import QuantNetwork
from sw.quant.recipe import Quantize
from sw.quant.weights import weight_limit
from tests.sw.quant.modules import ALONE, Applied, difference, images_of, network_of, random_module

SHAPE = (8, 8, 1)
PIXELS = TensorType(shape=SHAPE, scale=float(np.float32(1 / 255)), zero_point=-128)
#: Operators whose integers are those of training, of every input: what moves, chooses or looks up computes nothing.
EXACT = {"maxpool", "avgpool", "table", "gather", "pad"}
#: Tables of TensorFlow Lite Micro that are computed in fixed point.
ROUNDED = {"function leaky", "function hardswish", "function sigmoid", "function tanh"}


def settled(name, bits=8, seed=0, image=SHAPE, width=1.0, options=None, **kind):
    """A network with settled statistics, some normalizations negative."""
    generator = torch.Generator().manual_seed(seed)
    network = QuantNetwork(build(name, image, 10, width=width, seed=seed), replace(PIXELS, shape=image, **kind), bits,
                           generator, options)
    with torch.no_grad():
        for layer in network.products:
            layer.bias.normal_(0, 0.3, generator=generator)
            if layer.normalized:
                layer.gamma.normal_(0, 1, generator=generator)
        for _ in range(20):
            network(images_of(32, generator, network.input))
        network.eval()(images_of(32, generator, network.input))
    return network


def apart(network, graph, count=50):
    return difference(network, graph, images_of(count, torch.Generator().manual_seed(9), graph.input))


@pytest.mark.parametrize("name", ALONE)
def test_an_operator_alone_is_within_a_step_of_training_and_compiles(name):
    image, make = ALONE[name]
    torch.manual_seed(1)
    network = network_of(make(), image, scale=0.3, zero_point=-20)
    graph = lower(network, "alone")
    found = apart(network, graph)
    ops = {layer.op for layer in graph.layers}
    assert found.max() <= sum(layer.op not in EXACT for layer in graph.layers) + (name in ROUNDED)
    assert found.mean() < 0.3, "roundings differ rarely"
    assert found.max() == 0 or not ops <= EXACT or name in ROUNDED
    assert compile_graph(graph, load_design("ecp5-85")).cycles >= 0


@pytest.mark.parametrize("name", ALONE)
def test_an_operator_alone_of_4_bits_is_within_a_step_of_training_and_compiles_for_an_engine_of_4(name):
    image, make = ALONE[name]
    torch.manual_seed(1)
    network = network_of(make(), image, scale=0.3, zero_point=-20, options=Quantize(act_bits=4))
    graph = lower(network, "alone")
    assert {kind.bits for kind in graph.types()} == {4}
    assert apart(network, graph).max() <= sum(layer.op not in EXACT for layer in graph.layers)
    outputs = golden.run(graph, np.full((1, *graph.input.shape), 7, np.int8))
    assert all(-8 <= each.min() and each.max() <= 7 for each in outputs)
    assert compile_graph(graph, replace(load_design("ecp5-85"), act_bits=4)).cycles >= 0


@pytest.mark.parametrize("seed", range(12))
def test_random_operators_follow_training_and_compile(seed):
    torch.manual_seed(seed)
    image, module = random_module(seed)
    network = network_of(module, image, bits=(8, 4)[seed % 2])
    graph = lower(network, "random")
    found = apart(network, graph)
    assert found.mean() < 2 and found.max() < 16, "roundings add up over the layers, but not to this"
    assert compile_graph(graph, load_design("ecp5-85")).cycles >= 0


@pytest.mark.parametrize("bits", [8, 4, 2, 1])
@pytest.mark.parametrize("name", ["mlp", "dscnn", "resnet8", "mobilenet", "tcn"])
def test_integers_follow_the_fake_quantization(name, bits):
    network = settled(name, bits, width=0.5)
    graph = lower(network, name)
    found = apart(network, graph)
    assert found.mean() < max(1.5, len(graph.layers) / 4), "roundings add up over the layers, but not to this"
    assert bits > 2 or found.mean() < 0.02, "where sums are coarse, each rounding is that of the requantizer"
    assert sum(map(graph.macs, range(len(graph.layers)))) == network.traced.macs
    for layer in graph.layers:
        assert not layer.weights.size or np.abs(layer.weights.astype(int)).max() <= weight_limit(bits)
        assert layer.weight_bits == bits or not layer.weights.size


@pytest.mark.parametrize("bits", [8, 4, 2, 1])
@pytest.mark.parametrize("name", ["dscnn", "resnet8"])
def test_integers_of_narrow_activations_are_those_of_training(name, bits):
    network = settled(name, bits, width=0.5, options=Quantize(act_bits=4))
    assert apart(network, lower(network, name)).mean() < 0.02


@pytest.mark.parametrize("image", [(8, 8, 1), (1, 20, 3), (1, 1, 9), (6, 5, 3)])
@pytest.mark.parametrize("name", ["strided", "cnn1d"])
def test_what_is_flattened_is_weighted_as_it_lies(name, image):
    """Channels first in torch, last in the graph."""
    network = settled(name, image=image)
    assert apart(network, lower(network, name)).mean() < 1.5


def test_a_flattened_image_needs_no_layer_of_its_own():
    graph = lower(settled("strided"), "strided")
    assert [layer.op for layer in graph.layers] == ["conv", "dense"]


@pytest.mark.parametrize("scale, zero_point", [(1 / 255, -128), (40.0, 3), (1e-4, 127), (0.5, -100)])
@pytest.mark.parametrize("module", [nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1, groups=2),
                                    nn.Sequential(nn.Flatten(), nn.Linear(90, 4))])
def test_inputs_of_any_range_are_followed(module, scale, zero_point):
    """Padding too, which is 0 and not the lowest value."""
    network = network_of(module, (5, 9, 2), scale=scale, zero_point=zero_point)
    graph = lower(network, "range")
    assert graph.input == TensorType(shape=(5, 9, 2), scale=float(np.float32(scale)), zero_point=zero_point)
    assert apart(network, graph).max() < 1.01


def test_the_scale_of_the_input_is_only_a_name_for_its_steps():
    """The same steps in millivolts as in volts: the same integers throughout, but for the last bits of multipliers
    that a scale of 32 bits cannot hold."""
    one, other = (lower(settled("dscnn", scale=scale, zero_point=0), "dscnn") for scale in (1 / 128, 1000 / 128))
    assert (one.input.scale, other.input.scale) == (1 / 128, 1000 / 128)
    for first, second in zip(one.layers, other.layers, strict=True):
        assert first.output == second.output
        for name in ("weights", "bias", "shift"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
        np.testing.assert_allclose(first.multiplier, second.multiplier, rtol=2**-23)


def test_scales_are_numbers_of_32_bits_that_give_the_multipliers():
    """As TensorFlow Lite Micro computes them: of three scales, in float64."""
    graph = lower(settled("dscnn", scale=0.3), "dscnn")
    types = [graph.input, *(layer.output for layer in graph.layers)]
    assert [kind.scale for kind in types] == [float(np.float32(kind.scale)) for kind in types]
    for taken, layer in zip(types, graph.layers, strict=False):
        if layer.op == "avgpool":
            continue
        for multiplier, shift in zip(layer.multiplier.tolist(), layer.shift.tolist(), strict=True):
            step = np.float32(multiplier / 2 ** (31 + shift) * layer.output.scale / taken.scale)
            near = [np.nextafter(step, np.float32(0)), step, np.nextafter(step, np.float32(1))]
            assert (multiplier, shift) in [
                quantize_multiplier(taken.scale * float(scale) / layer.output.scale, "layer") for scale in near]


def test_a_pool_before_any_weight_keeps_the_inputs_scale():
    network = network_of(nn.Sequential(nn.AvgPool2d(2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 5)), SHAPE,
                         scale=30.0, zero_point=-20)
    graph = lower(network, "pooled")
    assert [layer.output.scale for layer in graph.layers[:2]] == [30.0, 30.0]
    assert apart(network, graph).max() < 2.01


def test_the_output_widens_so_that_multipliers_stay_below_1():
    network = network_of(nn.Sequential(nn.Conv2d(2, 2, 1, groups=2, bias=False), nn.BatchNorm2d(2)), (8, 8, 2), 2)
    with torch.no_grad():
        network.products[0].gamma.mul_(0).add_(1e3)
        network(torch.zeros(1, 2, 8, 8))
    graph = lower(network, "wide")
    step = network.products[0].gain(1 / 255).abs().max() / 255
    assert graph.output.scale > step
    with torch.no_grad():
        network.products[0].range.floor = 0.0
    with pytest.raises(QuantError, match=r"layer 0: multiplier .* is not between 0 and 1, .* widen the layer"):
        lower(network, "narrow")


def test_a_bias_that_does_not_fit_is_named():
    network = settled("mlp")
    with torch.no_grad():
        network.products[1].bias[3] = 1e9
    with pytest.raises(QuantError, match=r"layer 3: bias 1e\+09 does not fit 32 bits"):
        lower(network, "mlp")


def test_a_function_that_tflite_does_not_have_at_such_a_scale_is_named():
    network = network_of(nn.Sequential(nn.Conv2d(1, 1, 1), nn.Sigmoid()), SHAPE)
    network.products[0].range.high = 1e6
    with pytest.raises(QuantError, match=r"^layer 1, 1 \(Sigmoid\).*: scale .*: a logistic or tanh takes 2\*\*-27"):
        lower(network, "wide")


def test_a_move_that_no_layer_makes_is_named():
    """Of what was cut and regrouped twice there is no offset and no strides."""
    def regrouped(x, conv):
        cut = x.permute(0, 3, 1, 2).reshape(-1, 8, 5, 3)[:, 1:7, 1:, :2]
        return conv(cut.reshape(-1, 6, 2, 4).permute(0, 2, 3, 1).reshape(-1, 8, 3, 2))

    with pytest.raises(QuantError, match=r"^layer conv, conv \(Conv2d\), line \d+ of test_lower\.py: its input is "
                                         r"moved as no layer moves values; move less at once$"):
        lower(network_of(Applied(regrouped, conv=nn.Conv2d(8, 1, 1)), (5, 6, 4)), "moved")


@pytest.mark.parametrize("value", [0.999999, 0.75, 0.5, 0.1, 2.0 ** -31, 1e-3 / 3])
def test_multipliers_are_tflites(value):
    mantissa, shift = quantize_multiplier(value, "layer")
    assert 1 << 30 <= mantissa < 1 << 31
    assert 0 <= shift <= 31
    assert math.isclose(mantissa / (1 << 31) / (1 << shift), value, rel_tol=2 ** -30)


def test_tiny_multipliers_are_zero_and_large_ones_refused():
    assert quantize_multiplier(1e-12, "layer") == (0, 0)
    for value in (1.0, 1 - 1e-12, -0.5):
        with pytest.raises(QuantError, match="only shifts right; widen"):
            quantize_multiplier(value, "layer")


def test_a_clamp_is_where_tflites_is():
    graph = lower(network_of(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU6()), SHAPE), "clamped")
    layer, = graph.layers
    six = layer.output.zero_point + round(6 / layer.output.scale)
    assert (layer.act_min, layer.act_max) == (layer.output.zero_point, min(127, six))


def test_types_chain():
    graph = lower(settled("dscnn"), "dscnn")
    assert graph.input == PIXELS
    assert [layer.op for layer in graph.layers].count("avgpool") == 1
    assert graph.layers[0].act_min == graph.layers[0].output.zero_point == -128
    assert golden.run(graph, np.zeros((1, 8, 8, 1), np.int8))[-1].shape == (1, 1, 1, 10)
