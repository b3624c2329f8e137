from dataclasses import replace

import numpy as np
import pytest

from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS, MultiplierKind, product, weight_value
from sw.compiler import compile_graph
from sw.golden import interpret, run
from sw.golden import products as module
from sw.golden.products import EXACT, Products, products_of
from sw.golden.reference import run_reference
from tests.support.layers import random_graph, random_inputs

EVERY = np.arange(-128, 128, dtype=np.int8)
INEXACT = [(kind, bits) for kind in MULTIPLIERS.values() for bits in kind.weight_bits if not kind.exact(bits)]


def values(bits):
    return np.array(sorted(weight_value(code, bits) for code in range(1 << bits)), np.int8)


@pytest.mark.parametrize("terms", [1024, 1025, 4000])
def test_exact_sums_are_exact_at_the_extremes(terms):
    acts, weights = np.full((1, terms), -128, np.int8), np.full((terms, 1), -128, np.int8)
    acts[0, -1], weights[0, 0] = 127, 127
    exact = sum(int(a) * int(w) for a, w in zip(acts[0], weights[:, 0], strict=True))
    assert EXACT.matmul(acts, weights).item() == exact


@pytest.mark.parametrize("terms", [8, module.INT32_TERMS + 1])
def test_sums_of_a_table_are_exact_at_the_extremes(terms):
    lowest = Products(np.full((256, 256), -1 << 15))
    assert lowest.matmul(np.zeros((1, terms), np.int8), np.zeros((terms, 1), np.int8)).item() == terms * (-1 << 15)


@pytest.mark.parametrize("kind, bits", INEXACT, ids=[f"{kind.name}-{bits}" for kind, bits in INEXACT])
def test_products_of_a_kind_over_every_pair(kind, bits):
    found, weights = products_of(DesignPoint(multiplier=kind.name, weight_bits=bits, lanes=8)), values(bits)
    wanted = [[product(kind, int(a), int(w), weight_bits=bits) for w in weights] for a in EVERY]
    assert found.matmul(EVERY[:, None], weights[None]).tolist() == wanted
    assert found.elementwise(np.repeat(EVERY[:, None], len(weights), axis=1), weights).tolist() == wanted


@pytest.mark.parametrize("bits", [8, 4, 2, 1])
def test_any_table_by_its_definition(bits, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 7)
    rng = np.random.default_rng(bits)
    table, own = rng.integers(-1 << 15, 1 << 15, (256, 1 << bits)), values(bits).tolist()
    found = Products(table)

    def times(act, weight):
        return int(table[act + 128, own.index(weight)])

    acts, weights = rng.integers(-128, 128, (2, 9, 5)).astype(np.int8), rng.choice(values(bits), (5, 3))
    wanted = [[[sum(times(a, w) for a, w in zip(row, column, strict=True)) for column in weights.T.tolist()]
               for row in image] for image in acts.tolist()]
    assert found.matmul(acts, weights).tolist() == wanted
    assert found.elementwise(acts, weights[:, 0]).tolist() == [
        [[times(a, w) for a, w in zip(row, weights[:, 0].tolist(), strict=True)] for row in image]
        for image in acts.tolist()]
    for act_bits in (8, 4):
        assert found.largest(values(bits).astype(np.int64), act_bits).tolist() == [
            max(abs(times(act, weight)) for act in range(-1 << act_bits - 1, 1 << act_bits - 1)) for weight in own]


def test_the_largest_exact_product():
    assert EXACT.largest(np.array([[-128, 3]]), 8).tolist() == [[16384, 384]]
    assert EXACT.largest(np.array([[-128, 3]]), 4).tolist() == [[1024, 24]]


def test_exact_kinds_share_the_plain_products():
    assert products_of(None) is products_of(DesignPoint()) is products_of(DesignPoint(multiplier="lut")) is EXACT
    assert products_of(DesignPoint(multiplier="trunc", weight_bits=2, lanes=8)) is EXACT
    assert products_of(DesignPoint(multiplier="trunc")) is products_of(DesignPoint(multiplier="trunc", cols=8))


@pytest.mark.parametrize("bits", [8, 4])
def test_a_network_on_a_multiplier_of_any_table(bits, monkeypatch):
    """Of random numbers but for what the engine builds on: golden, the plain definition and the interpreter agree."""
    rng = np.random.default_rng(bits)
    table = rng.integers(-1 << 5 + bits, 1 << 5 + bits, (256, 1 << bits))
    pool, zero = 1 << bits - 2, 1 << bits - 1
    table[128], table[:, zero], table[:, zero + pool] = 0, 0, EVERY.astype(int) * pool
    kind = MultiplierKind(name="any", uses_dsp=False, times=lambda act, weight, _: int(table[act + 128, weight + zero]))
    monkeypatch.setitem(MULTIPLIERS, "any", kind)
    design = DesignPoint(multiplier="any", weight_bits=bits, rows=2, cols=4, lanes=4, depthwise_taps=2, act_bytes=8192)
    differ = []
    for _ in range(3):
        graph = random_graph(rng, weight_bits=bits)
        inputs = random_inputs(rng, graph, 2)
        found = run(graph, inputs, design)
        plain = run_reference(graph, inputs[0], design=design)
        for number, tensor in enumerate(plain):
            assert np.array_equal(found[number][0], tensor)
        differ += [not np.array_equal(one, other) for one, other in zip(found, run(graph, inputs), strict=True)]
        program = compile_graph(graph, replace(design, acc_bits=32))
        act = bytearray(design.act_bytes)
        act[program.input.address:program.input.address + program.input.size] = inputs[1].tobytes()
        interpret(program.design, program.image, act)
        last = np.frombuffer(act, np.int8, program.output.size, program.output.address)
        assert np.array_equal(last, found[-1][1].reshape(-1))
    assert any(differ)
