from dataclasses import replace

import numpy as np
import pytest

from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS
from hw.spec.presets import PRESETS
from sw.compiler import CompileError, compile_graph
from sw.compiler.lower import pooling_scale
from sw.golden import interpret, run
from sw.graph.graph import Graph, TensorType
from tests.support.layers import random_graph, random_inputs, random_layer, random_residual


def random_design(rng):
    bits = int(rng.choice([8, 4, 2]))
    rows, cols, lanes = (1 << int(n) for n in rng.integers(0, 4, 3))
    lanes = max(lanes, -(-4 // rows), -(-8 // (cols * bits)))
    kinds = [kind.name for kind in MULTIPLIERS.values() if bits in kind.weight_bits and cols % kind.ways == 0
             and kind.magnitude is None and kind.family is None]
    return DesignPoint(rows=rows, cols=cols, lanes=lanes, weight_bits=bits, act_bytes=8192, weight_bytes=131072,
                       multiplier=str(rng.choice(kinds)))


def interpreted(program, inputs, rng):
    """What the interpreter answers, on a memory full of rubbish."""
    outputs = []
    for data in inputs:
        act = bytearray(rng.integers(0, 256, program.design.act_bytes).astype(np.uint8).tobytes())
        act[program.input.address:program.input.address + program.input.size] = data.tobytes()
        interpret(program.design, program.image, act)
        outputs.append(np.frombuffer(act, np.int8, program.output.size, program.output.address))
    return np.array(outputs)


@pytest.mark.parametrize("seed", range(60))
def test_program_equals_the_graph(seed):
    rng = np.random.default_rng(seed)
    design = random_design(rng)
    graph = random_graph(rng, weight_bits=design.weight_bits)
    inputs = random_inputs(rng, graph, 3)
    program = compile_graph(graph, design)
    assert np.array_equal(interpreted(program, inputs, rng), run(graph, inputs, design)[-1].reshape(3, -1))


def test_a_swapped_weight_is_seen():
    rng = np.random.default_rng(5)
    graph = random_graph(rng, layers=1)
    inputs = random_inputs(rng, graph, 8)
    weights = graph.layers[0].weights.copy()
    first, other = (tuple(at[0] for at in np.nonzero(chosen)) for chosen in (weights > 0, weights < 0))
    weights[first], weights[other] = weights[other], weights[first]
    swapped = replace(graph, layers=(replace(graph.layers[0], weights=weights),))
    got = interpreted(compile_graph(swapped, PRESETS["ecp5-25"]), inputs, rng)
    assert not np.array_equal(got, run(graph, inputs)[-1].reshape(8, -1))


def test_no_layer_overwrites_what_it_reads():
    rng = np.random.default_rng(6)
    for _ in range(30):
        program = compile_graph(random_graph(rng), DesignPoint(act_bytes=8192))
        for before, after in zip(program.tensors, program.tensors[1:], strict=False):
            assert not before.overlaps(after)


def test_prefix_ends_at_the_layer():
    rng = np.random.default_rng(7)
    graph = random_graph(rng, layers=3)
    inputs = random_inputs(rng, graph, 2)
    tensors = run(graph, inputs)
    for count in (1, 2, 3):
        program = compile_graph(graph, PRESETS["ecp5-25"]).prefix(count)
        assert np.array_equal(interpreted(program, inputs, rng), tensors[count].reshape(2, -1))


@pytest.mark.parametrize("bits, count", [(8, 2), (8, 9), (8, 125), (4, 49), (2, 64)])
def test_pooling_scale_is_exact(bits, count):
    assert pooling_scale(count, bits)[0] == 1 << bits - 2    # it compares every sum with the division itself


def small(channels=8, *, op="conv", outputs=8, size=4, **options):
    rng = np.random.default_rng(1)
    taken = TensorType(shape=(size, size, channels), scale=0.1, zero_point=0)
    layer = random_layer(rng, op, taken, outputs=outputs, name="stem", **options)
    return Graph(name="net", input=taken, layers=(layer,))


def residual(**options):
    return random_residual(np.random.default_rng(3), **options)


@pytest.mark.parametrize("graph, design, text", [
    (small(), DesignPoint(weight_bits=4), r"layer 0 stem \(conv\): 8-bit weights, weight_bits=4; raise weight_bits"),
    (small(channels=64, outputs=32), DesignPoint(acc_bits=20), r"layer 0 stem \(conv\): sums reach \d+, acc_bits=20"),
    (small(channels=64, outputs=64), DesignPoint(weight_bytes=1024), r"net: program and weights take \d+ bytes, weigh"),
    (small(channels=200), DesignPoint(act_bytes=2048), r"layer 0 stem \(conv\): input and output take \d+ bytes, act_"),
    (small(op="avgpool", kernel=(3, 3)), DesignPoint(weight_bits=2),
     r"layer 0 stem \(avgpool\): a pooling window of 9 values cannot be averaged exactly with 2-bit weights"),
    (residual(), DesignPoint(), r"layer \d \w+ \(\w+\): (the engine has no such operator yet|reads tensor)"),
    (small(op="maxpool"), DesignPoint(), r"layer 0 stem \(maxpool\): the engine has no such operator yet"),
    (small(op="depthwise", depth_multiplier=2), DesignPoint(), r"layer 0 stem \(depthwise\): 2 outputs per channel"),
    (small(weight_bits=1), DesignPoint(), r"layer 0 stem \(conv\): binary weights"),
    (small(channels=5000, size=14, kernel=(1, 1)), DesignPoint(act_bytes=131072, weight_bytes=524288), r"act_bytes="),
])
def test_a_layer_that_cannot_run_says_which_limit(graph, design, text):
    with pytest.raises(CompileError, match=text):
        compile_graph(graph, design)
