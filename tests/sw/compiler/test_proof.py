from dataclasses import replace

import numpy as np
import pytest

from sw.compiler.chains import Chain, band_stages
from sw.compiler.errors import PlanError
from sw.compiler.plan import Placement, plan_memory, prove
from sw.compiler.proof import window_rows
from sw.compiler.schedule import RowRange, Stage, schedule
from sw.golden import run
from sw.graph.graph import Graph, TensorType
from tests.support.layers import made_kernel, random_add, random_inputs, random_layer, same_padding
from tests.support.stages import random_dag, run_stages


def block():
    """conv 3x3, conv 3x3 and the sum with the input (4x4x4, 64 bytes), then a conv 3x3."""
    rng, kind = np.random.default_rng(0), TensorType(shape=(4, 4, 4), scale=0.05, zero_point=0)
    padding = same_padding(kind.shape, (3, 3), (1, 1))
    convs = [random_layer(rng, "conv", kind, outputs=4, padding=padding, inputs=(source,), name=f"conv{source}")
             for source in (0, 1, 3)]
    add = random_add(rng, (2, 0), [convs[1].output, kind])
    return Graph(name="block", inputs=(kind,), layers=(*convs[:2], add, convs[2])).check()


GRAPH = block()
PLAN = schedule(GRAPH)
STAGES = PLAN.stages
#: input and sum at 0, conv0 at 64, the output at 64
GOOD = {0: Placement(address=0, size=64), 1: Placement(address=64, size=64), 3: Placement(address=0, size=64),
        4: Placement(address=64, size=64)}
BANDS = band_stages(PLAN, GRAPH, [Chain(first=2, last=2, bands=((0, 2), (2, 4)))])


def test_a_table_of_something_else_is_found():
    kind = TensorType(shape=(2, 2, 2), scale=0.05, zero_point=0)
    layers = [random_layer(np.random.default_rng(0), "conv", kind, outputs=2, kernel=(1, 1)), *(
        made_kernel("table", kind, weights=np.arange(-128, 128).astype(np.int8), name=f"table{n}") for n in range(2))]
    graph = Graph(name="tables", inputs=(kind,), layers=tuple(layers)).check()
    stage, = schedule(graph, tables=lambda kind: True).stages
    places = {0: Placement(address=0, size=8), 3: Placement(address=8, size=8)}
    prove([stage], places, graph)
    with pytest.raises(PlanError, match=r"^stage 0, layer 0 layer \(conv\): looks up tensor 1, but the graph says "
                                        r"\(2,\)$"):
        prove([replace(stage, tables=(2, 1))], places, graph)
    with pytest.raises(PlanError, match="^end: no stage writes tensor 3$"):
        prove([replace(stage, tables=(1,))], places, graph)


def moved(tensor, address):
    return {**GOOD, tensor: Placement(address=address, size=64)}


def changed(at, **fields):
    return (*STAGES[:at], replace(STAGES[at], **fields), *STAGES[at + 1:])


def banded(at, **fields):
    rows = replace(BANDS[at].rows, **fields)
    return (*BANDS[:at], replace(BANDS[at], rows=rows), *BANDS[at + 1:])


def test_the_good_plan_passes():
    prove(STAGES, GOOD, GRAPH, capacity=128)
    prove(BANDS, GOOD, GRAPH, capacity=128)
    assert plan_memory(PLAN, GRAPH, capacity=128) == GOOD


@pytest.mark.parametrize("stages, placements, text", [
    (STAGES, moved(1, 60), r"stage 0, layer 0 conv0 \(conv\): writes tensor 1 to 60..123 over tensor 0, which it "
                           r"reads, at 0..63"),
    (STAGES, {**GOOD, 0: GOOD[1], 1: GOOD[0]}, r"stage 1, .* its sum, tensor 3, is not at the place of its residual, "
                                               r"tensor 0"),
    (STAGES, {**GOOD, 3: GOOD[1], 0: GOOD[1]}, r"stage 0, layer 0 conv0 \(conv\): writes tensor 1 to 64..127 over"),
    (STAGES, moved(4, 0), r"stage 2, layer 3 conv3 \(conv\): writes tensor 4 to 0..63 over tensor 3"),
    (STAGES, moved(1, 80), r"tensor 1 at 80, 64 bytes: outside the scratchpad, act_bytes=128"),
    (STAGES, moved(1, -4), r"tensor 1 at -4, 64 bytes: outside"),
    (STAGES, {**GOOD, 4: Placement(address=64, size=60)}, r"rows of tensor 4 take bytes 0 to 63, its place has 60"),
    (STAGES, {tensor: GOOD[tensor] for tensor in (0, 1, 3)}, r"stage 2, .*: tensor 4 has no place"),
    (changed(2, source=0), GOOD, r"stage 2, .*: reads tensor 0, but the graph says \(3,\)"),
    (changed(2, source=2), GOOD, r"stage 2, .*: reads tensor 2, which no stage before it writes"),
    (changed(1, swapped=True), GOOD, r"stage 1, .*: adds tensors \(0, 2\), but the graph says \(2, 0\)"),
    (changed(1, residual=4), GOOD, r"stage 1, .*: adds tensor 4, which no stage before it writes"),
    (changed(1, residual=None), GOOD, r"stage 1, .*: adds tensor None, which no stage before it writes"),
    (changed(2, output=1), GOOD, r"stage 2, .*: writes tensor 1, which holds tensor 1"),
    (STAGES[:2], GOOD, r"end: no stage writes tensor 4"),
    (BANDS[:3], GOOD, r"end: tensor 4, but 32 of its bytes are not there, first at address 96: stage 0, layer 0 conv0 "
                      r"\(conv\), overwrote it"),
    (banded(2, in_rows=2), GOOD, r"stage 2, layer 3 conv3 \(conv\) rows 0 to 1: reads rows 0\+2 with 1 and 0 of "
                                 r"padding, but the window takes 0\+3 with 1 and 0"),
    (banded(2, in_offset=16), GOOD, r"stage 2, .*: reads tensor 3, but 48 of its bytes are not there"),
    (banded(3, out_offset=0), GOOD, r"end: tensor 4, but 64 of its bytes are not there, first at address 64"),
    (banded(3, out_rows=3), GOOD, r"stage 3, .*: the output has 4 rows"),
])
def test_a_planted_fault_is_found(stages, placements, text):
    with pytest.raises(PlanError, match=text):
        prove(stages, placements, GRAPH, capacity=128)


def test_a_residual_that_lives_on_is_found():
    rng = np.random.default_rng(0)
    kind = TensorType(shape=(2, 2, 2), scale=0.05, zero_point=0)
    first = random_layer(rng, "conv", kind, outputs=2, kernel=(1, 1))
    add = random_add(rng, (1, 0), [first.output, kind])
    graph = Graph(name="net", inputs=(kind,), layers=(first, add, random_add(rng, (2, 0), [add.output, kind]))).check()
    places = {tensor: Placement(address=8 * (tensor == 1), size=8) for tensor in range(4)}
    stages = (Stage(layer=0, source=0, output=1), Stage(layer=None, source=1, output=2, add=1, residual=0),
              Stage(layer=None, source=2, output=3, add=2, residual=0))
    with pytest.raises(PlanError, match=r"stage 2, layer 2 add \(add\): reads tensor 0, but 8 of its bytes are not "
                                        r"there, first at address 0: stage 1, layer 1 add \(add\), overwrote it"):
        prove(stages, places, graph)


def test_bands_of_the_cpu_with_a_planted_fault():
    kind = TensorType(shape=(4, 2, 2), scale=0.05, zero_point=0)
    layers = (made_kernel("table", kind, weights=np.arange(-128, 128).astype(np.int8)),
              made_kernel("concat", replace(kind, shape=(4, 2, 4)), parameters=(-1,), inputs=(0, 1)),
              made_kernel("softmax", replace(kind, shape=(4, 2, 4)), [(1 << 30, 5)], inputs=(2,)))
    graph = Graph(name="cpu", inputs=(kind,), layers=layers)
    places = {0: Placement(address=0, size=16), 1: Placement(address=16, size=16), 2: Placement(address=32, size=32),
              3: Placement(address=64, size=32)}
    table, concat, softmax = (Stage(layer=index, source=source, output=index + 1, others=others, cpu=True)
                              for index, (source, others) in enumerate([(0, ()), (0, (1,)), (2, ())]))

    def rows(first: int, **fields: object) -> RowRange:
        return RowRange(**{"out_first": first, "out_rows": 2, "out_offset": 8 * first, "in_first": first, "in_rows": 2,
                           "in_offset": 4 * first, "top": 0, "bottom": 0, "others": (4 * first,), **fields})

    def bands(**fields: object) -> list[Stage]:
        return [table, *(replace(concat, rows=rows(first, **fields)) for first in (0, 2))]

    prove([*bands(), softmax], places, graph)
    for fields, text in (({"others": (0,)}, r"stage 2, layer 1 concat \(concat\) rows 2 to 3: reads tensor 1, but 8 of "
                                            r"its bytes are not there"),
                         ({"others": ()}, r"stage 1, .*: reads 1 tensors more, and knows where 0 are")):
        with pytest.raises(PlanError, match=text):
            prove([*bands(**fields), softmax], places, graph)
    with pytest.raises(PlanError, match=r"stage 3, layer 2 softmax \(softmax\) rows 0 to 1: its rows are no rows of "
                                        r"what it reads, and it runs in bands$"):
        prove([*bands(), replace(softmax, rows=rows(0, others=()))], places, graph)


def test_an_input_to_be_kept_that_is_overwritten_is_found():
    with pytest.raises(PlanError, match=r"end: tensor 0, but 64 of its bytes are not there.*stage 1, .*overwrote it"):
        prove(STAGES, GOOD, GRAPH, keep_input=True)


@pytest.mark.parametrize("seed", range(12))
def test_what_is_proven_computes_the_graph(seed):
    """Tensors moved at random: what passes is right on a scratchpad full of rubbish, what is wrong does not pass."""
    rng = np.random.default_rng(seed)
    graph = random_dag(rng, 6, cpu=True)
    plan = schedule(graph)
    stages, good = plan.stages, plan_memory(plan, graph, capacity=2048)
    data = random_inputs(rng, graph, 3)[2]
    want = run(graph, data[None])[-1][0]
    passed = 0
    for _ in range(12):
        bad, places = int(rng.choice(list(good))), dict(good)
        address = int(rng.integers(0, 2 * graph.input.size))
        for tensor, place in good.items():
            if place == good[bad]:
                places[tensor] = replace(place, address=address)
        try:
            prove(stages, places, graph)
        except PlanError:
            continue
        passed += 1
        assert np.array_equal(run_stages(stages, places, graph, data)[0], want)
    assert passed < 12


def test_windows():
    layer = block().layers[0]
    assert window_rows(layer, 4, 0, 4) == (0, 4, 1, 1)
    assert window_rows(layer, 4, 1, 1) == (0, 3, 0, 0)
    assert window_rows(replace(layer, stride=(2, 2)), 5, 1, 1) == (1, 3, 0, 0)
    assert window_rows(None, 4, 2, 1) == (2, 1, 0, 0)
    assert window_rows(replace(layer, op="dense", weights=np.zeros((1, 64), np.int8)), 4, 0, 1) == (0, 4, 0, 0)
