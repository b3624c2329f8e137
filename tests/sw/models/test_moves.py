import numpy as np
import pytest

from sw.models.ir import Node
from sw.models.moves import affine, index_of, row_major


@pytest.mark.parametrize("moved", [
    lambda x: x, lambda x: x.reshape(6, 4), lambda x: x.transpose(2, 0, 1), lambda x: x[1:, ::-1, ::2],
    lambda x: x[:, :1], lambda x: np.broadcast_to(x[:, :1], (2, 5, 4))])
def test_offset_and_strides_say_where_all_comes_from(moved):
    where = moved(np.arange(24).reshape(2, 3, 4))
    offset, strides = affine(where)
    node = Node(op="move", name="m", shape=where.shape, offset=offset, strides=strides)
    assert np.array_equal(index_of(node), where)


@pytest.mark.parametrize("where", [np.array([0, 1, 3]), np.array([[0, 1], [2, 4]]), np.zeros((0, 2), int)])
def test_other_orders_have_none(where):
    assert affine(where) is None


def test_strides_of_rows():
    assert row_major((2, 3, 4)) == (12, 4, 1)
    assert row_major((2, 1, 4)) == (4, 0, 1)
