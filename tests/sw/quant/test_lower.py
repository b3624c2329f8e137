import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from sw import golden
from sw.graph.graph import TensorType
from sw.models import LayerSpec, build, macs
from sw.quant import QuantError
from sw.quant.fake import weight_limit
from sw.quant.lower import lower, quantize_multiplier
from sw.quant.network import QuantNetwork

SHAPE = (8, 8, 1)
PIXELS = TensorType(shape=SHAPE, scale=float(np.float32(1 / 255)), zero_point=-128)


def network_of(layers, bits, seed=0, shape=SHAPE, **kind):
    """A network with random parameters, some normalizations negative, and settled statistics."""
    generator = torch.Generator().manual_seed(seed)
    taken = replace(PIXELS, shape=shape, **kind)
    network = QuantNetwork(layers, taken, bits, generator)
    with torch.no_grad():
        for layer in network.layers:
            if layer.weighted:
                layer.bias.normal_(0, 0.3, generator=generator)
            if layer.weighted and layer.normalized:
                layer.gamma.normal_(0, 1, generator=generator)
        for _ in range(20):
            network(images_of(32, generator, taken))
    return network.eval()


def images_of(count, generator, kind=PIXELS):
    """Inputs all over what their type can hold, most of them near its lower end."""
    height, width, channels = kind.shape
    share = torch.rand(count, channels, height, width, generator=generator) ** 3
    return kind.scale * (255 * share + kind.low - kind.zero_point)


def difference(network, graph, images):
    """Differences of the outputs, in steps."""
    kind = graph.input
    inputs = np.clip(np.round(images.permute(0, 2, 3, 1).numpy() / kind.scale) + kind.zero_point, -128, 127)
    outputs = golden.run(graph, inputs.astype(np.int8))[-1].transpose(0, 3, 1, 2).reshape(len(images), -1)
    with torch.no_grad():
        logits = network(images).numpy()
    return np.abs((outputs.astype(int) - graph.output.zero_point) - logits / graph.output.scale)


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("name", ["mlp", "dscnn"])
def test_integers_follow_the_fake_quantization(name, bits):
    network = network_of(build(name, SHAPE, 10), bits)
    graph = lower(network, name)
    apart = difference(network, graph, images_of(50, torch.Generator().manual_seed(9)))
    assert apart.mean() < 1.5, "roundings add up over the layers, but not to this"
    assert apart.max() < 12
    assert sum(graph.macs(index) for index in range(len(graph.layers))) == macs(build(name, SHAPE, 10), SHAPE)
    for layer in graph.layers:
        assert layer.weight_bits == bits
        assert not layer.weights.size or np.abs(layer.weights.astype(int)).max() <= weight_limit(bits)


def test_one_layer_is_within_one_step():
    for op in ("conv", "depthwise"):
        layer = LayerSpec(op=op, channels=4 if op == "conv" else 0, kernel=(3, 3), stride=(2, 1))
        network = network_of([layer], 8, shape=(7, 5, 3))
        assert network.layers[0].gamma.min() < 0
        graph = lower(network, op)
        assert difference(network, graph, images_of(20, torch.Generator().manual_seed(1), graph.input)).max() < 1.01


def test_a_dense_layer_reads_its_input_as_the_engine_stores_it():
    network = network_of([LayerSpec(op="dense", channels=5, relu=False)], 8, shape=(3, 2, 4))
    graph = lower(network, "dense")
    assert len(set(graph.layers[0].multiplier.tolist())) == 1, "dense layers are quantized per tensor"
    assert difference(network, graph, images_of(20, torch.Generator().manual_seed(1), graph.input)).max() < 1.01


@pytest.mark.parametrize("scale, zero_point", [(1 / 255, -128), (40.0, 3), (1e-4, 127), (0.5, -100)])
@pytest.mark.parametrize("op", ["conv", "depthwise", "dense"])
def test_inputs_of_any_range_are_followed(op, scale, zero_point):
    """Padding too, which is 0 and not the lowest value."""
    kernel = {} if op == "dense" else {"kernel": (3, 3)}
    layer = LayerSpec(op=op, channels=0 if op == "depthwise" else 4, relu=False, **kernel)
    network = network_of([layer], 8, shape=(5, 9, 2), scale=scale, zero_point=zero_point)
    graph = lower(network, op)
    assert graph.input == TensorType(shape=(5, 9, 2), scale=float(np.float32(scale)), zero_point=zero_point)
    assert difference(network, graph, images_of(50, torch.Generator().manual_seed(9), graph.input)).max() < 1.01


def test_the_scale_of_the_input_is_only_a_name_for_its_steps():
    """The same steps in millivolts as in volts: the same integers throughout, but for the last bits of multipliers
    that a scale of 32 bits cannot hold."""
    one, other = (lower(network_of(build("dscnn", SHAPE, 10), 8, scale=scale, zero_point=0), "dscnn")
                  for scale in (1 / 128, 1000 / 128))
    assert (one.input.scale, other.input.scale) == (1 / 128, 1000 / 128)
    for first, second in zip(one.layers, other.layers, strict=True):
        assert first.output == second.output
        for name in ("weights", "bias", "shift"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
        np.testing.assert_allclose(first.multiplier, second.multiplier, rtol=2**-23)


def test_scales_are_numbers_of_32_bits_that_give_the_multipliers():
    """As TensorFlow Lite Micro computes them: of three scales, in float64."""
    graph = lower(network_of(build("dscnn", SHAPE, 10), 8, scale=0.3), "dscnn")
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
    layers = [LayerSpec(op="avgpool", kernel=(2, 2)), LayerSpec(op="avgpool", kernel=(2, 2)),
              LayerSpec(op="dense", channels=5, relu=False)]
    network = network_of(layers, 8, scale=30.0, zero_point=-20)
    graph = lower(network, "pooled")
    assert [layer.output.scale for layer in graph.layers[:2]] == [30.0, 30.0]
    assert difference(network, graph, images_of(20, torch.Generator().manual_seed(1), graph.input)).max() < 2.01


def test_the_output_widens_so_that_multipliers_stay_below_1():
    network = network_of([LayerSpec(op="depthwise", kernel=(1, 1))], 2)
    with torch.no_grad():
        network.layers[0].gamma.mul_(0).add_(1e3)
        network(torch.zeros(1, 1, 8, 8))
    graph = lower(network, "wide")
    step = network.layers[0].gain(1 / 255).abs().max() / 255
    assert graph.output.scale > step
    with torch.no_grad():
        network.layers[0].range.floor = 0.0
    with pytest.raises(QuantError, match=r"layer depthwise0: multiplier .* is not between 0 and 1, .* widen the layer"):
        lower(network, "narrow")


def test_a_bias_that_does_not_fit_is_named():
    network = network_of(build("mlp", SHAPE, 10), 8)
    with torch.no_grad():
        network.layers[1].bias[3] = 1e9
    with pytest.raises(QuantError, match=r"layer dense1: bias 1e\+09 does not fit 32 bits"):
        lower(network, "mlp")


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


def test_types_chain():
    graph = lower(network_of(build("dscnn", SHAPE, 10), 8), "dscnn")
    assert graph.input == PIXELS
    assert [layer.op for layer in graph.layers].count("avgpool") == 1
    assert graph.layers[0].act_min == graph.layers[0].output.zero_point == -128
