import math

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


def network_of(layers, bits, seed=0, shape=SHAPE):
    """A network with random parameters, some normalizations negative, and settled statistics."""
    generator = torch.Generator().manual_seed(seed)
    network = QuantNetwork(layers, shape, bits, generator)
    with torch.no_grad():
        for layer in network.layers:
            if layer.weighted:
                layer.bias.normal_(0, 0.3, generator=generator)
            if layer.weighted and layer.normalized:
                layer.gamma.normal_(0, 1, generator=generator)
        for _ in range(20):
            network(images_of(32, generator, shape))
    return network.eval()


def images_of(count, generator, shape=SHAPE):
    return torch.rand(count, shape[2], *shape[:2], generator=generator) ** 3


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
        assert difference(network, graph, images_of(20, torch.Generator().manual_seed(1), (7, 5, 3))).max() < 1.01


def test_a_dense_layer_reads_its_input_as_the_engine_stores_it():
    network = network_of([LayerSpec(op="dense", channels=5, relu=False)], 8, shape=(3, 2, 4))
    graph = lower(network, "dense")
    assert len(set(graph.layers[0].multiplier.tolist())) == 1, "dense layers are quantized per tensor"
    assert difference(network, graph, images_of(20, torch.Generator().manual_seed(1), (3, 2, 4))).max() < 1.01


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
    assert graph.input == TensorType(shape=SHAPE, scale=1 / 255, zero_point=-128)
    assert [layer.op for layer in graph.layers].count("avgpool") == 1
    assert graph.layers[0].act_min == graph.layers[0].output.zero_point == -128
