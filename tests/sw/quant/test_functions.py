import numpy as np
import pytest
import torch

from sw.graph.graph import GraphError, TensorType
from sw.models.ir import FUNCTIONS
from sw.quant.functions import FIXED, function_of, table_of

TAKEN = TensorType(shape=(1, 1, 1), scale=0.0625, zero_point=-13)


@pytest.mark.parametrize("name, count", FUNCTIONS.items())
def test_a_table_is_within_a_step_of_the_function(name, count):
    numbers = {1: (0.3,), 2: (-0.7, 1.5)}.get(count, ())
    scale, zero_point = FIXED.get(name, (0.06, -100))
    given = TensorType(shape=(1, 1, 1), scale=scale, zero_point=zero_point)
    real = (torch.arange(-128, 128) - TAKEN.zero_point) * TAKEN.scale
    wanted = (function_of(name, numbers)(real) / scale + zero_point).clamp(-128, 127).numpy()
    apart = np.abs(table_of(name, numbers, TAKEN, given) - wanted)
    assert apart.max() < 1.0 and apart.mean() < 0.5


def test_an_elu_of_another_slope_is_no_table_of_tflite():
    given = TensorType(shape=(1, 1, 1), scale=0.06, zero_point=0)
    assert not np.array_equal(table_of("elu", (1.0,), TAKEN, given), table_of("elu", (0.5,), TAKEN, given))


def test_what_a_function_of_tflite_does_not_take_is_said():
    given = TensorType(shape=(1, 1, 1), scale=1 / 256, zero_point=-128)
    with pytest.raises(GraphError, match=r"scale 100: a logistic or tanh takes"):
        table_of("logistic", (), TensorType(shape=(1, 1, 1), scale=100.0, zero_point=0), given)
