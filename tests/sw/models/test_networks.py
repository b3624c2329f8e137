import pytest

from sw.models import NETWORKS, build, torch_shape
from sw.models.ir import ModelError, readers
from tests.support.networks import outputs_of

DIGITS = (8, 8, 1)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("shape", [DIGITS, (28, 28, 1), (5, 9, 3), (1, 6, 1), (1, 1, 6), (1, 128, 9), (40, 1, 2)])
def test_every_network_takes_any_input_and_ends_in_the_classes(name, shape):
    count = outputs_of(name, shape, 7)
    for width in (0.25, 1.5):
        made = build(name, shape, count, width=width)
        assert made.nodes[0].shape == torch_shape(shape) and made.output.shape == (count,)
        assert all(node.shape[0] % 4 == 0 for node in made.nodes[1:-1] if node.op == "conv")
        assert made.output.op == "linear" and made.output.low < 0
        assert not any(node.op == "norm" or node.op == "table" for node in made.nodes), "folded"


@pytest.mark.parametrize("name", NETWORKS)
def test_width_scales_weights_and_work(name):
    made = [build(name, DIGITS, outputs_of(name, DIGITS, 10), width=width) for width in (0.5, 1.0, 2.0)]
    for sizes in ([one.weights for one in made], [one.macs for one in made]):
        assert sizes[0] < sizes[1] < sizes[2]
        assert sizes[1] / sizes[0] > 1.4 and sizes[2] / sizes[1] > 1.4


def test_the_default_spaces_networks_are_what_they_were():
    """Weights and multiply-accumulates of the digits at width 1, before networks were modules."""
    sizes = {name: (build(name, DIGITS, 10).weights, build(name, DIGITS, 10).macs) for name in ("mlp", "dscnn")}
    assert sizes == {"mlp": (3392, 3392), "dscnn": (3288, 80064)}


@pytest.mark.parametrize("shape, kernel", [
    (DIGITS, (3, 3)), ((1, 128, 9), (1, 3)), ((40, 1, 2), (3, 1)), ((1, 1, 6), (1, 1))])
def test_separable_blocks_have_kernels_that_the_input_fills(shape, kernel):
    convs = [node for node in build("dscnn", shape, 10).nodes if node.op == "conv"]
    assert [node.groups > 1 for node in convs] == [False, *[True, False] * 3]
    assert [node.kernel for node in convs[:3]] == [kernel, kernel, (1, 1)]
    assert convs[3].padding in ((0, 0, 1, 1), (1, 1, 1, 1), (0, 0, 0, 1), (0, 0, 1, 0), (0, 1, 0, 1), (0, 0, 0, 0))


def test_a_residual_network_has_sums_beside_convolutions():
    made = build("resnet8", (32, 32, 3), 10)
    sums = [node for node in made.nodes if node.op == "add"]
    assert len(sums) == 3 and all(node.low == 0 for node in sums)
    assert made.macs == 12_501_632, "that of MLPerf Tiny"
    assert max(map(len, readers(made.nodes))) == 2


def test_a_temporal_network_sees_the_past_alone():
    made = build("tcn", (1, 128, 9), 6)
    gaps = [node for node in made.nodes if node.op == "conv" and node.kernel == (1, 3)]
    assert [node.dilation[1] for node in gaps] == [1, 2, 4, 8]
    assert all(node.padding == (0, 2 * node.dilation[1], 0, 0) for node in gaps)


def test_an_autoencoder_of_classes_is_refused():
    with pytest.raises(ModelError, match="an autoencoder gives its inputs back; say with --data which classes"):
        build("autoencoder", DIGITS, 10)
