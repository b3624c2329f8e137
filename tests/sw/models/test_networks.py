import pytest

from sw.models import NETWORKS, LayerSpec, ModelError, build, macs, network, shapes
from sw.models.shapes import padding_of

DIGITS = (8, 8, 1)


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("shape", [DIGITS, (28, 28, 1), (5, 9, 3)])
@pytest.mark.parametrize("width", [0.25, 1.0, 1.5])
def test_every_network_ends_in_the_classes(name, shape, width):
    layers = build(name, shape, 10, width)
    assert shapes(layers, shape)[-1] == (1, 1, 10)
    assert not layers[-1].relu
    assert all(layer.channels % 4 == 0 for layer in layers[:-1])


def test_width_scales_the_work():
    work = [macs(build("dscnn", DIGITS, 10, width), DIGITS) for width in (0.5, 1.0, 2.0)]
    assert work == sorted(work)
    assert work[1] < 150_000
    assert 3 * work[0] < 3 * work[1] < work[2] * 1.5


def test_a_network_has_depthwise_separable_blocks():
    assert [layer.op for layer in build("dscnn", DIGITS, 10)] == [
        "conv", *["depthwise", "conv"] * 3, "avgpool", "dense"]


@pytest.mark.parametrize("size, stride, kernel, expected", [
    (8, 1, 3, (1, 1, 1, 1)), (8, 2, 3, (0, 0, 1, 1)), (7, 2, 3, (1, 1, 1, 1)), (8, 2, 2, (0, 0, 0, 0)),
    (8, 1, 1, (0, 0, 0, 0)), (8, 1, 4, (1, 1, 2, 2))])
def test_padding_is_tflites_same(size, stride, kernel, expected):
    layer = LayerSpec(op="depthwise", kernel=(kernel, kernel), stride=(stride, stride))
    assert padding_of(layer, (size, size, 3)) == expected


def test_a_user_adds_a_network_in_one_place(monkeypatch):
    monkeypatch.setattr("sw.models.networks.NETWORKS", dict(NETWORKS))

    @network("tiny")
    def tiny(shape, classes):
        return LayerSpec(op="avgpool", kernel=(4, 4)), LayerSpec(op="dense", channels=classes, scaled=False)

    assert shapes(build("tiny", DIGITS, 3, width=9), DIGITS) == [DIGITS, (2, 2, 1), (1, 1, 3)]
    with pytest.raises(ModelError, match=r"network 'tiny': registered twice; choose another name"):
        network("tiny")(tiny)


@pytest.mark.parametrize("make, error", [
    (lambda: build("resnet", DIGITS, 10), r"network 'resnet': unknown; choose mlp or dscnn"),
    (lambda: build("mlp", DIGITS, 10, width=0), r"width=0: the width multiplier is above 0"),
    (lambda: LayerSpec(op="pool"), r"op='pool': choose conv, depthwise, avgpool, dense"),
    (lambda: LayerSpec(op="conv"), r"channels=0: conv needs at least 1"),
    (lambda: LayerSpec(op="avgpool", channels=3), r"channels=3: avgpool keeps its input, leave it 0"),
    (lambda: shapes([LayerSpec(op="avgpool", kernel=(9, 9))], DIGITS), r"avgpool \(9, 9\): does not fit its input"),
])
def test_mistakes_are_named(make, error):
    with pytest.raises(ModelError, match=error):
        make()
