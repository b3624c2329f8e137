import pytest

from sw.models import LayerSpec, ModelError, build, macs, shapes
from sw.models.shapes import padding_of

DIGITS = (8, 8, 1)


@pytest.mark.parametrize("size, stride, kernel, expected", [
    (8, 1, 3, (1, 1, 1, 1)), (8, 2, 3, (0, 0, 1, 1)), (7, 2, 3, (1, 1, 1, 1)), (8, 2, 2, (0, 0, 0, 0)),
    (8, 1, 1, (0, 0, 0, 0)), (8, 1, 4, (1, 1, 2, 2))])
def test_padding_is_tflites_same(size, stride, kernel, expected):
    layer = LayerSpec(op="depthwise", kernel=(kernel, kernel), stride=(stride, stride))
    assert padding_of(layer, (size, size, 3)) == expected


def test_width_scales_the_work():
    work = [macs(build("dscnn", DIGITS, 10, width), DIGITS) for width in (0.5, 1.0, 2.0)]
    assert work == sorted(work)
    assert work[1] < 150_000
    assert 3 * work[0] < 3 * work[1] < work[2] * 1.5


def test_a_pool_that_does_not_fit_is_named():
    with pytest.raises(ModelError, match=r"avgpool \(9, 9\): does not fit its input \(8, 8, 1\); use a smaller kernel"):
        shapes([LayerSpec(op="avgpool", kernel=(9, 9))], DIGITS)
