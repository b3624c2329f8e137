import pytest

from sw.models import NETWORKS, build, shapes

DIGITS = (8, 8, 1)


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("shape", [DIGITS, (28, 28, 1), (5, 9, 3), (1, 6, 1), (1, 1, 6), (1, 128, 9), (40, 1, 2)])
@pytest.mark.parametrize("width", [0.25, 1.0, 1.5])
def test_every_network_ends_in_the_classes(name, shape, width):
    layers = build(name, shape, 10, width)
    assert shapes(layers, shape)[-1] == (1, 1, 10)
    assert not layers[-1].relu
    assert all(layer.channels % 4 == 0 for layer in layers[:-1])


@pytest.mark.parametrize("shape, kernel", [
    (DIGITS, (3, 3)), ((1, 128, 9), (1, 3)), ((40, 1, 2), (3, 1)), ((1, 1, 6), (1, 1))])
def test_a_network_has_depthwise_separable_blocks_of_kernels_that_the_input_fills(shape, kernel):
    layers = build("dscnn", shape, 10)
    assert [layer.op for layer in layers] == ["conv", *["depthwise", "conv"] * 3, "avgpool", "dense"]
    assert [layer.kernel for layer in layers[:2]] == [kernel, kernel]
