from dataclasses import replace

import numpy as np
import pytest

from sw.golden import run
from sw.graph.graph import Graph, TensorType
from sw.graph.padding import fold_pads
from tests.support.layers import made_kernel, random_inputs, random_layer

KIND = TensorType(shape=(9, 5, 2), scale=0.05, zero_point=-7)


def sliced(rng, *, value=-7, sides=(1, 1, 1, 1), rows=((0, 6), (5, 6)), pixels=(0, 7)):
    """Convolutions of slices of a pad; their outputs are put together."""
    top, bottom, left, right = sides
    shape = (9 + top + bottom, 5 + left + right, 2)
    layers = [made_kernel("pad", replace(KIND, shape=shape), name="pad",
                          parameters=(top, bottom, 0, left, right, 0, 0, 0, 0, value))]
    outputs = []
    for first, count in rows:
        kind = replace(KIND, shape=(count, pixels[1], 2))
        offset = first * shape[1] * 2 + pixels[0] * 2
        layers.append(made_kernel("gather", kind, name=f"slice{first}", inputs=(1,),
                                  parameters=(offset, shape[1] * 2, 2, 1)))
        layers.append(random_layer(rng, "conv", kind, outputs=3, kernel=(3, 3), padding=(0, 1, 1, 0),
                                   name=f"conv{first}", inputs=(len(layers),)))
        outputs.append(len(layers))
    return Graph(name="slices", inputs=(KIND,), layers=tuple(layers), outputs=tuple(outputs)).check()


def test_a_pad_goes_through_slices_of_its_rows():
    rng = np.random.default_rng(0)
    graph = sliced(rng)
    folded = fold_pads(graph).check()
    assert [layer.op for layer in folded.layers] == ["gather", "conv", "gather", "conv"]
    assert [layer.output.shape for layer in folded.layers[::2]] == [(5, 5, 2), (5, 5, 2)]
    assert [layer.padding for layer in folded.layers[1::2]] == [(1, 2, 1, 1), (0, 2, 2, 1)]
    data = random_inputs(rng, graph, 5)
    for got, want in zip(folded.answers, graph.answers, strict=True):
        assert np.array_equal(run(folded, data)[got], run(graph, data)[want])


@pytest.mark.parametrize("options", [
    {"value": 0}, {"pixels": (1, 6)}, {"sides": (3, 1, 1, 1), "rows": ((0, 5),)}])
def test_a_pad_that_stays(options):
    """Another value, slices of columns, more than a kernel is high."""
    graph = sliced(np.random.default_rng(0), **options)
    assert "pad" in [layer.op for layer in fold_pads(graph).layers]
