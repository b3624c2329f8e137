import numpy as np
import pytest

from sw.graph.graph import TensorType
from sw.quant.layout import Placed, last_first, loops, memory_shape, places


@pytest.mark.parametrize("shape", [(6,), (4, 9), (4, 5, 6), (2, 3, 4, 5)])
def test_channels_go_to_the_end_and_back(shape):
    count = int(np.prod(shape))
    torch_order = np.arange(count).reshape(shape)
    graph_order = np.moveaxis(torch_order, 0, -1).ravel()
    assert np.array_equal(graph_order[places(shape)], torch_order.ravel())
    assert np.array_equal(torch_order.ravel()[last_first(shape)], graph_order)
    assert int(np.prod(memory_shape(shape))) == count


@pytest.mark.parametrize("where", [
    np.arange(12), np.arange(12)[::-1], np.arange(60).reshape(3, 4, 5).transpose(1, 2, 0)[:, 1:, ::2].ravel(),
    np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2).ravel(), np.zeros(4, int), np.array([5])])
def test_loops_run_through_what_moves_evenly(where):
    offset, nest = loops(where)
    found = np.full((), offset)
    for size, stride in nest:
        found = found[..., None] + np.arange(size) * stride
    assert np.array_equal(found.ravel(), where)


def test_there_are_none_for_what_does_not():
    assert loops(np.array([0, 1, 3])) is None
    assert loops(np.array([0, 1, 5, 7])) is None


def test_a_part_of_a_tensor_is_not_the_whole():
    kind = TensorType(shape=(1, 1, 4), scale=1.0, zero_point=0)
    whole, part, twice = (Placed(source=("input", 0), type=kind, scale=1.0, where=np.array(where))
                          for where in ([3, 1, 0, 2], [0, 1], [0, 1, 1, 3]))
    assert (whole.whole, part.whole, twice.whole) == (True, False, False)
