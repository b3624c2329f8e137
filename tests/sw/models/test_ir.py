import pytest
import torch

from sw.models import build
from sw.models.ir import FUNCTIONS, Node, image_of, readers, torch_shape
from sw.quant.functions import function_of

DIGITS = (8, 8, 1)


@pytest.mark.parametrize("image", [(1, 1, 6), (1, 128, 9), (40, 1, 2), (28, 28, 3)])
def test_shapes_go_there_and_back(image):
    channels, height, width = image_of(torch_shape(image))
    assert (height, width, channels) == image


def test_a_digest_is_of_what_is_computed_and_not_of_where_it_is_written():
    one, other = build("mlp", DIGITS, 10, seed=1), build("mlp", DIGITS, 10, seed=1)
    assert one.digest == other.digest and one is not other
    assert len({build("mlp", DIGITS, 10, seed=2).digest, build("mlp", (8, 8, 2), 10).digest, one.digest}) == 3
    assert Node(op="x", name="a", where="line 1", shape=(1,)) == Node(op="x", name="a", where="line 2", shape=(1,))


def test_readers_of_a_node():
    nodes = [Node(op="input", name="i", shape=(1,)), Node(op="table", name="t", shape=(1,), reads=(0,)),
             Node(op="add", name="a", shape=(1,), reads=(0, 1))]
    assert readers(nodes) == [[1, 2], [2], []]


@pytest.mark.parametrize("name, count", FUNCTIONS.items())
def test_every_function_is_computed_with_so_many_numbers(name, count):
    numbers = (-0.5, 0.5)[:count]
    assert function_of(name, numbers)(torch.linspace(-1, 1, 5)).shape == (5,)
