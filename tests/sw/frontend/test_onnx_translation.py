"""Orders of axes, and reals as bytes."""

from dataclasses import replace

import numpy as np
import pytest

from sw.frontend.onnx_file import Node
from sw.frontend.onnx_translation import Placed, Scale, Translation, Weights, quantized, reals_of, unknown
from sw.graph.graph import GraphError

NODE = Node(index=0, kind="Reshape", name="", inputs=(), outputs=(), attributes={})
SCALE = Scale(scale=0.5, zero=3)
IMAGE = (0, 2, 3, 1)


def placed(made, shape, order=None):
    order = order or tuple(range(len(shape)))
    tensor = made.activation([shape[axis] for axis in order], SCALE)
    return Placed(tensor=tensor, shape=shape, whole=shape, order=order, scale=SCALE, real=True)


def computed(made, value):
    """The values that a name stands for, in its shape, of tensors whose first one counts up."""
    found = {0: np.arange(np.prod(made.tensors[0].shape)).reshape(made.tensors[0].shape)}
    for one in made.operators:
        source = found[one.inputs[0]]
        shape = made.tensors[one.outputs[0]].shape
        found[one.outputs[0]] = source.transpose(made.tensors[one.inputs[1]].values()) if one.name == "TRANSPOSE" else (
            source.reshape(shape))
        assert found[one.outputs[0]].shape == shape
    stored = found[value.tensor]
    assert stored.shape == made.stored(value)
    back = [value.order.index(axis) for axis in range(len(value.order))]
    return stored.reshape([value.whole[axis] for axis in value.order]).transpose(back).reshape(value.shape)


@pytest.mark.parametrize("order", [None, IMAGE, (0, 3, 1, 2)])
@pytest.mark.parametrize("move", [
    lambda made, value: made.natural(NODE, value), lambda made, value: made.arranged(NODE, value, IMAGE),
    lambda made, value: made.reshaped(NODE, value, (1, 24)),
    lambda made, value: made.natural(NODE, made.reshaped(NODE, value, (4, 6))),
    lambda made, value: made.arranged(NODE, made.reshaped(NODE, value, (2, 1, 3, 4)), IMAGE),
    lambda made, value: made.reshaped(NODE, made.reshaped(NODE, value, (1, 1, 2, 3, 4)), (2, 3, 4)),
])
def test_no_movement_changes_what_a_name_stands_for(order, move):
    made = Translation()
    value = placed(made, (1, 2, 3, 4), order)
    before = computed(made, value)
    after = move(made, value)
    assert computed(made, after).ravel().tolist() == before.ravel().tolist()


@pytest.mark.parametrize("order", [None, IMAGE])
def test_a_transpose_moves_no_tensor(order):
    made = Translation()
    value = placed(made, (1, 2, 3, 4), order)
    turned = made.transposed(NODE, value, (0, 3, 1, 2))
    assert not made.operators and turned.tensor == value.tensor
    assert computed(made, turned).tolist() == computed(made, value).transpose(0, 3, 1, 2).tolist()


def test_axes_of_length_one_move_nothing():
    made = Translation()
    value = placed(made, (1, 5, 1, 1), IMAGE)
    assert not value.moved and placed(made, (1, 5, 2, 1), IMAGE).moved
    flat = made.reshaped(NODE, value, (1, 5))
    assert [one.name for one in made.operators] == ["RESHAPE"] and flat.order == (0, 1)


def test_reals_as_bytes_and_back():
    assert reals_of(SCALE)[[0, 131, 255]].tolist() == [-65.5, 0.0, 62.0]
    assert quantized(reals_of(SCALE), SCALE).tolist() == list(range(-128, 128))
    assert quantized(np.float32([0.25, 0.75, -np.inf, np.inf]), SCALE).tolist() == [3, 5, -128, 127]


def test_a_table_is_clamped_and_nothing_is_rescaled_to_itself():
    made = Translation()
    value = placed(made, (1, 4))
    assert made.rescaled(NODE, value, SCALE).tensor == value.tensor and not made.operators
    made.rescaled(NODE, value, replace(SCALE, scale=0.25), (0, 10))
    table = made.operators[-1].options.weights
    assert (table.min(), table.max(), table[128 + 4]) == (0, 10, 5)


def test_weights_mean_reals_along_their_axis():
    weights = Weights(values=np.int8([[1, 2], [3, 4]]), scale=np.float32([0.5, 2]), zero=np.array([0, 1]), axis=1)
    assert weights.reals.tolist() == [[0.5, 2.0], [1.5, 6.0]]


def test_what_does_not_fit_is_named():
    with pytest.raises(GraphError, match=r"makes a tensor of shape \(65536, 65536\); Heddle takes 6 dimensions and"):
        Translation().activation((1 << 16, 1 << 16), SCALE)
    with pytest.raises(GraphError, match="one of them beyond 32 bits"):
        Translation().integers([1 << 31])
    assert str(unknown("x")) == "reads 'x', which nothing before it gives; export it again"
