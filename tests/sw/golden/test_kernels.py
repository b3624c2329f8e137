import numpy as np
import pytest

from hw.spec.image import Call
from sw.golden import ProgramError
from sw.golden.kernels import FUNCTIONS, OPERATORS, make_call, places_of, run_call, sources_of
from sw.graph.check import RULES
from sw.graph.graph import TensorType
from tests.support.layers import random_kernel

KIND = TensorType(shape=(3, 2, 5), scale=0.1, zero_point=3)


def test_the_lists_agree():
    assert set(OPERATORS) < set(RULES)
    assert all({"output"} <= set(function.addresses) <= set(function.fields) for function in FUNCTIONS.values())


@pytest.mark.parametrize("op", OPERATORS)
def test_a_call_the_batch_and_the_plain_definition_agree(op):
    rng = np.random.default_rng(1)
    layer = random_kernel(rng, op, KIND)
    data = rng.integers(-128, 128, (9, *KIND.shape)).astype(np.int8)
    wanted = OPERATORS[op].batch(layer, [KIND], [data])
    call, = OPERATORS[op].calls(layer, [KIND], sources=[7], output=50)
    assert list(sources_of([call])) == [(7, 37)] and places_of(call) == ([(7, 30)], [(50, 30)])
    for one, output in zip(data, wanted, strict=True):
        assert np.array_equal(OPERATORS[op].plain(layer, [KIND], [one]), output)
        memory = rng.integers(-128, 128, 90).astype(np.int8)
        memory[7:37] = one.reshape(-1)
        before = memory.copy()
        run_call(call, memory)
        assert np.array_equal(memory[50:80], output.reshape(-1))
        assert np.array_equal(memory[:50], before[:50]) and np.array_equal(memory[80:], before[80:])


@pytest.mark.parametrize("call, text", [
    (Call(runner=0, words=(0, 0, 0)), "call of function 0: there are 1 to 2; compile the model again"),
    (Call(runner=3, words=(0, 0, 0)), "call of function 3: there are 1 to 2"),
    (Call(runner=1, words=(0, 0)), "call of function 1: 2 words; it takes 3 and a table"),
    (Call(runner=1, words=(0, 90, 11, *[0] * 64)), "call of function 1: reaches byte 101 of 100 activations"),
    (Call(runner=1, words=(95, 0, 6, *[0] * 64)), "call of function 1: reaches byte 101 of 100 activations"),
    (make_call("table", {"source": -2, "output": 0, "bytes": 6}, [0] * 64), "reaches byte -2 of 100 activations"),
])
def test_a_call_that_cannot_be_is_refused(call, text):
    with pytest.raises(ProgramError, match=text):
        run_call(call, np.zeros(100, np.int8))
