import pytest

from sw.graph.layer import TensorType
from sw.models import build
from sw.quant.recipe import QuantError
from sw.quant.widths import input_of, widths_of


def test_the_first_pattern_that_matches_decides():
    traced = build("dscnn", (8, 8, 1), 10)
    found = widths_of(traced, 2, (("5.classifier", 8), ("*.0.1", 4), ("*", 1)))
    assert found == {"1.1": 1, "2.0.1": 4, "2.1.1": 1, "3.0.1": 4, "3.1.1": 1, "4.0.1": 4, "4.1.1": 1,
                     "5.classifier": 8}
    assert set(widths_of(traced, 2, ()).values()) == {2}


def test_a_pattern_without_a_layer_is_named():
    with pytest.raises(QuantError, match=r"quantize\.layers: no layer with weights is named 'fc'; there are 1, 3, 5$"):
        widths_of(build("mlp", (8, 8, 1), 10), 2, (("fc", 8),))


@pytest.mark.parametrize("scale, zero_point", [(1 / 255, -128), (40.0, 3), (0.5, 127)])
def test_a_narrow_input_spans_what_a_wide_one_does(scale, zero_point):
    kind = TensorType(shape=(2, 3, 1), scale=scale, zero_point=zero_point)
    assert input_of(kind, 8) is kind
    narrow = input_of(kind, 4)
    assert (narrow.bits, narrow.scale) == (4, pytest.approx(17 * scale))
    for wide, few in ((kind.low, narrow.low), (kind.high, narrow.high)):
        assert abs(narrow.scale * (few - narrow.zero_point) - scale * (wide - zero_point)) <= narrow.scale / 2 + 1e-9
