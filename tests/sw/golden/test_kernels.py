import numpy as np
import pytest

from hw.spec.image import Call
from sw.golden import ProgramError
from sw.golden.kernels import (
    FUNCTIONS,
    OPERATORS,
    constant_call,
    copy_call,
    make_call,
    places_of,
    run_call,
    sources_of,
)
from sw.graph.check import RULES, problems
from tests.support.operators import random_operator, random_values


def test_the_lists_agree():
    assert set(OPERATORS) == set(RULES)
    assert all({"output"} <= set(function.addresses) <= set(function.fields) for function in FUNCTIONS.values())


def as_bytes(values):
    return np.frombuffer(values.tobytes(), np.int8)


def holds(place, others):
    return any(start <= place[0] and sum(place) <= start + size for start, size in others)


@pytest.mark.parametrize("op", OPERATORS)
def test_a_call_the_batch_and_the_plain_definition_agree(op):
    for seed in range(12):
        rng = np.random.default_rng(seed)
        layer, taken = random_operator(rng, op)
        assert list(problems(layer, taken)) == []
        data = [random_values(rng, kind, 3) for kind in taken]
        wanted = OPERATORS[op].batch(layer, taken, data)
        assert wanted.dtype == layer.output.dtype and wanted.shape == (3, *layer.output.shape)
        sources = [7 + sum(kind.bytes + 3 for kind in taken[:number]) for number in range(len(taken))]
        output = sources[-1] + taken[-1].bytes + 2
        calls = OPERATORS[op].calls(layer, taken, sources=sources, output=output)
        operands = [(source, kind.bytes) for source, kind in zip(sources, taken, strict=True)]
        for call in calls:
            reads, writes = places_of(call)
            assert all(holds(place, operands) for place in reads)
            assert all(holds(place, [(output, layer.output.bytes)]) for place in writes)
            assert [(start, size) for start, size in reads] == [(a, b - a) for a, b in sources_of([call])]
        for number in range(3):
            one = [values[number] for values in data]
            assert as_bytes(OPERATORS[op].plain(layer, taken, one)).tobytes() == wanted[number].tobytes()
            memory = rng.integers(-128, 128, output + layer.output.bytes + 9).astype(np.int8)
            for source, values in zip(sources, one, strict=True):
                memory[source:source + values.nbytes] = as_bytes(values)
            before = memory.copy()
            for call in calls:
                run_call(call, memory)
            before[output:output + layer.output.bytes] = as_bytes(wanted[number])
            assert np.array_equal(memory, before)


def test_constants_and_copies_without_an_operator():
    memory = np.arange(40, dtype=np.int8)
    run_call(constant_call(np.array([[-1, -2, -3], [-4, -5, -6]], np.int8), output=30), memory)
    run_call(copy_call(source=2, output=20, size=5), memory)
    assert memory.tolist() == [*range(20), 2, 3, 4, 5, 6, *range(25, 30), -1, -2, -3, -4, -5, -6, *range(36, 40)]


@pytest.mark.parametrize("call, text", [
    (Call(runner=0, words=(0, 0, 0)), f"call of function 0: there are 1 to {len(FUNCTIONS)}; compile the model again"),
    (Call(runner=99, words=(0, 0, 0)), f"call of function 99: there are 1 to {len(FUNCTIONS)}"),
    (Call(runner=1, words=(0, 0)), "call of function 1: 2 words; it takes 3 and a table"),
    (Call(runner=1, words=(0, 90, 11, *[0] * 64)), "call of function 1: reaches byte 101 of 100 activations"),
    (Call(runner=1, words=(95, 0, 6, *[0] * 64)), "call of function 1: reaches byte 101 of 100 activations"),
    (make_call("table", {"source": -2, "output": 0, "bytes": 6}, [0] * 64), "reaches byte -2 of 100 activations"),
])
def test_a_call_that_cannot_be_is_refused(call, text):
    with pytest.raises(ProgramError, match=text):
        run_call(call, np.zeros(100, np.int8))
