from dataclasses import replace

import numpy as np
import pytest

from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS
from hw.spec.presets import PRESETS
from hw.spec.timing import TABLE_LATENCY, table_cycles, table_words
from sw.compiler import CompileError, compile_graph
from sw.compiler.channels import holds_sums
from sw.compiler.cycles import layer_words
from sw.compiler.schedule import why_cpu
from sw.compiler.stages import looks_up
from sw.golden import interpret, run
from sw.graph.graph import Graph, Layer, TensorType
from tests.support.layers import (
    OPERATORS,
    made_kernel,
    random_graph,
    random_inputs,
    random_kernel,
    random_layer,
    random_residual,
    shifted_left,
    with_tables,
)

LARGE = DesignPoint(act_bytes=131072, weight_bytes=524288)


def random_design(rng):
    bits, acts = int(rng.choice([8, 4, 2, 1])), int(rng.choice([8, 8, 8, 4]))
    rows, cols, lanes = (1 << int(n) for n in rng.integers(0, 4, 3))
    while rows * lanes < 4 or cols * lanes * bits < 32:
        rows, cols, lanes = min(2 * rows, 8), min(2 * cols, 8), min(2 * lanes, 8)
    taps = min(lanes, int(rng.choice([1, 2, 4])))
    kinds = [kind.name for kind in MULTIPLIERS.values() if bits in kind.weight_bits and cols % kind.ways == 0
             and kind.magnitude is None and kind.family is None and acts in kind.act_bits]
    return DesignPoint(rows=rows, cols=cols, lanes=lanes, weight_bits=bits, act_bits=acts, act_bytes=8192,
                       weight_bytes=int(rng.choice([8192, 131072])), stream_bytes=2, depthwise_taps=taps,
                       dataflow=str(rng.choice(["output", "weight"])), multiplier=str(rng.choice(kinds)),
                       table_unit=bool(rng.integers(2)))


def interpreted(program, inputs, rng):
    """What the interpreter answers, on a memory full of rubbish."""
    outputs = []
    for data in inputs:
        act = bytearray(rng.integers(0, 256, program.design.act_bytes).astype(np.uint8).tobytes())
        act[program.input.address:program.input.address + program.input.size] = data.tobytes()
        interpret(program.design, program.image, act)
        outputs.append(np.frombuffer(act, np.int8, program.output.size, program.output.address))
    return np.array(outputs)


def networks(rng, design):
    """A chain of layers of all operators, and a residual block; with tables where the design has a unit for them."""
    bits = {"weight_bits": design.weight_bits, "act_bits": design.act_bits}
    for graph in (random_graph(rng, ops=OPERATORS, depth_multiplier=1 if design.weight_bits == 1 else 2, **bits),
                  random_residual(rng, **bits)):
        yield with_tables(rng, graph, apart=bool(rng.integers(2))) if design.table_unit else graph


def check_program(graph, design, rng):
    inputs = random_inputs(rng, graph, 3)
    program = compile_graph(graph, design)
    assert np.array_equal(interpreted(program, inputs, rng), run(graph, inputs, design)[-1].reshape(3, -1))
    return program


@pytest.mark.parametrize("seed", range(60))
def test_program_equals_the_graph(seed):
    rng = np.random.default_rng(seed)
    design = random_design(rng)
    for graph in networks(rng, design):
        try:
            check_program(graph, design, rng)
        except CompileError as error:
            assert design.cols < 4 and "residual add: needs cols of 4 or more" in str(error)


@pytest.mark.parametrize("design", [
    replace(PRESETS["ecp5-45"], act_bytes=8192), PRESETS["up5k"],
    DesignPoint(rows=8, cols=4, lanes=2, depthwise_taps=2, dataflow="weight", act_bytes=8192),
], ids=["window", "spram", "weight"])
def test_every_way_to_run_a_layer_computes_the_same(design, monkeypatch):
    """The compiler takes the fastest; here it takes any."""
    rng, seen = np.random.default_rng(8), set()
    monkeypatch.setattr("sw.compiler.compile._preference", lambda design, lowered: rng.random())
    for _ in range(40):
        for graph in networks(rng, design):
            try:
                program = check_program(graph, design, rng)
            except CompileError as error:
                assert "memory='spram': reads at even addresses" in str(error)
                continue
            for layer in program.layers:
                assert layer.weight_words == layer_words(design, layer.command)
            seen |= {name for layer in program.layers for name in ("add", "window", "broadcast", "local", "maximum",
                                                                   "uniform", "stream") if layer.command[name]}
    assert seen >= {"add", "maximum", "uniform"}
    assert seen >= ({"stream"} if design.memory == "spram" else {"window", "broadcast", "local"})


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


def test_prefix_ends_at_the_layer():
    rng = np.random.default_rng(7)
    graph = random_graph(rng, layers=3)
    inputs = random_inputs(rng, graph, 2)
    tensors = run(graph, inputs)
    for count in (1, 2, 3):
        program = compile_graph(graph, PRESETS["ecp5-25"]).prefix(count)
        assert len(program.layers) == count and program.layers[-1].tensor == count
        assert np.array_equal(interpreted(program, inputs, rng), tensors[count].reshape(2, -1))


def test_what_does_not_fit_streams_and_gives_the_same():
    rng = np.random.default_rng(5)
    graph = random_graph(rng, layers=4, ops=["conv"])
    inputs = random_inputs(rng, graph, 2)
    design = replace(PRESETS["ecp5-25"], weight_bytes=2048)
    program, whole = (compile_graph(graph, one) for one in (design, PRESETS["ecp5-25"]))
    assert program.streamed_bytes > 0 == whole.streamed_bytes and program.cycles > whole.cycles
    assert any(layer.command["stream"] for layer in program.layers)
    assert np.array_equal(interpreted(program, inputs, rng), run(graph, inputs)[-1].reshape(2, -1))


@pytest.mark.parametrize("left", [0, 1, 2])
@pytest.mark.parametrize("top", [0, 1, 2])
def test_a_single_row_of_an_odd_length_is_read_at_even_addresses(top, left):
    """The interpreter refuses to read at an odd one."""
    rng = np.random.default_rng(4)
    graph = one_layer(shape=(1, 1, 11), kernel=(3, 3), padding=(top, left, 2 - top, 2 - left), outputs=11)
    second = random_layer(rng, "conv", graph.layers[0].output, outputs=11, kernel=(3, 3), name="second",
                          padding=(top, left, 2 - top, 2 - left))
    check_program(replace(graph, layers=(*graph.layers, second)), PRESETS["up5k"], rng)


def one_layer(op="conv", shape=(4, 4, 8), *, weight_bits=8, **options):
    taken = TensorType(shape=shape, scale=0.1, zero_point=0)
    layer = random_layer(np.random.default_rng(1), op, taken, name="stem", weight_bits=weight_bits,
                         **{"outputs": 8, **options})
    return Graph(name="net", inputs=(taken,), layers=(layer,))


def field(graph, design, name):
    return compile_graph(graph, design).layers[0].command[name]


DEPTHWISE = one_layer("depthwise", (12, 12, 16), padding=(1, 1, 1, 1))


def test_a_first_layer_of_one_channel_is_broadcast():
    """Of keyword spotting: 10x4 taps, stride 2, on 49x10 of one channel."""
    graph = one_layer(shape=(49, 10, 1), kernel=(10, 4), stride=(2, 2), padding=(4, 1, 5, 1), outputs=64)
    program = compile_graph(graph, PRESETS["ecp5-45"])
    assert program.layers[0].command["broadcast"] == 1
    assert program.utilization > 0.6                             # five of eight pixels are there
    assert field(graph, PRESETS["up5k"], "broadcast") == 0       # one row has no one to share with
    many = one_layer(shape=(8, 8, 16), kernel=(3, 3))
    assert field(many, PRESETS["ecp5-45"], "broadcast") == 0     # neighbouring pixels lie too far apart


def test_a_depthwise_layer_runs_a_kernel_row_at_a_time():
    design = PRESETS["ecp5-45"]
    assert field(DEPTHWISE, design, "window") == 1
    assert field(DEPTHWISE, replace(design, depthwise_taps=1), "window") == 0
    assert field(DEPTHWISE, replace(design, depthwise_taps=2), "window") == 0     # its rows have three taps
    assert compile_graph(DEPTHWISE, design).cycles < 0.6 * compile_graph(
        DEPTHWISE, replace(design, depthwise_taps=1)).cycles


@pytest.mark.parametrize("options", [
    {"kernel": (3, 5)},                              # wider than depthwise_taps
    {"kernel": (3, 2), "stride": (1, 3)},            # pixels share no column
    {"kernel": (17, 3), "shape": (32, 8, 16)},       # more kernel rows than an element keeps
])
def test_a_kernel_that_elements_cannot_keep_runs_tap_by_tap(options):
    graph = one_layer("depthwise", **{"shape": (12, 12, 16), **options})
    assert field(graph, PRESETS["ecp5-45"], "window") == 0


def test_binary_columns_before_the_kernel_would_count():
    design = DesignPoint(rows=4, cols=4, lanes=8, weight_bits=1, multiplier="lut", depthwise_taps=4,
                         requantizers=4)
    three, four = (one_layer("depthwise", (12, 12, 16), weight_bits=1, kernel=(3, width)) for width in (3, 4))
    assert (field(three, design, "window"), field(four, design, "window")) == (0, 1)


@pytest.mark.parametrize("op", ["avgpool", "maxpool"])
def test_a_pool_reads_one_word_of_weights(op):
    graph = one_layer(op, (8, 8, 32), kernel=(2, 2), stride=(2, 2))
    program = compile_graph(graph, PRESETS["ecp5-45"])
    command, sets = program.layers[0].command, PRESETS["ecp5-45"].depthwise_rows
    assert command["uniform"] == 1 and command["maximum"] == (op == "maxpool")
    assert program.layers[0].weight_words == command["blocks"] * (sets * PRESETS["ecp5-45"].param_words + 1)


def test_a_weight_stationary_design_keeps_weights_where_they_fit():
    design = DesignPoint(rows=4, cols=4, lanes=4, dataflow="weight")
    assert field(one_layer(shape=(4, 4, 16), kernel=(1, 1)), design, "local") == 1
    assert field(one_layer(shape=(4, 4, 16), kernel=(3, 3)), design, "local") == 0     # 36 steps


TABLES = {name: replace(PRESETS[name], table_unit=True) for name in ("up5k", "ecp5-25", "ecp5-45", "ecp5-85")}


def before_a_table(op):
    """One command, that adds or not, and a table of its output."""
    if op == "add":
        graph = random_residual(np.random.default_rng(4))
        graph = replace(graph, layers=graph.layers[:1 + next(n for n, layer in enumerate(graph.layers)
                                                             if layer.op == "add")])
    else:
        graph = one_layer(op, (6, 4, 8), kernel=(1, 1) if op == "dense" else (2, 2))
    kind = graph.output
    table = made_kernel("table", kind, weights=np.random.default_rng(0).integers(-128, 128, 256).astype(np.int8))
    return graph, replace(graph, layers=(*graph.layers, table)).check()


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("name", TABLES)
def test_a_table_takes_no_call_of_the_cpu(name, op):
    design, rng = TABLES[name], np.random.default_rng(1)
    bare, graph = before_a_table(op)
    program, plain = check_program(graph, design, rng), compile_graph(bare, design)
    assert not program.kernels and len(program.layers) == len(plain.layers)
    last = program.layers[-1]
    assert last.name.endswith("+table") and last.command["table"] == 1 and last.tensor == len(graph.layers)
    assert last.cycles - plain.layers[-1].cycles == table_cycles(design)
    assert last.weight_words - plain.layers[-1].weight_words == table_words(design)
    without = replace(design, table_unit=False)
    on_cpu = check_program(graph, without, rng)
    assert [kernel.op for kernel in on_cpu.kernels] == ["table"]
    waits = last.command["blocks"] if design.memory == "spram" else 1      # for the outputs of a block
    assert on_cpu.layers[-1].cycles == plain.layers[-1].cycles - TABLE_LATENCY * waits
    word = design.weight_word_bits // 8
    start = last.command["weight_base"] * word
    assert program.image[start:start + 256] == graph.layers[-1].weights.tobytes()


def test_bands_of_a_layer_share_their_weights():
    rng, design = np.random.default_rng(2), DesignPoint(act_bytes=2048)
    kind = TensorType(shape=(32, 16, 2), scale=0.1, zero_point=0)
    layers = [random_layer(rng, "conv", kind, outputs=3, kernel=(3, 3), padding=(1, 1, 1, 1), name="conv")]
    layers.append(random_layer(rng, "conv", layers[0].output, outputs=3, kernel=(3, 3), stride=(2, 2), name="other"))
    program = check_program(Graph(name="banded", inputs=(kind,), layers=tuple(layers)).check(), design, rng)
    places = {name: {plan.command["weight_base"] for plan in program.layers if plan.name == name}
              for name in ("conv", "other")}
    assert len(program.layers) >= 3 and all(len(place) == 1 for place in places.values())
    words = {plan.name: plan.weight_words for plan in program.layers}
    assert max(places["other"]) - min(places["conv"]) == words["conv"]


def test_tables_that_leave_no_room_for_weights_are_the_cpus():
    rng, design, layers = np.random.default_rng(1), TABLES["up5k"], list[Layer]()
    kind = start = TensorType(shape=(4, 4, 8), scale=0.1, zero_point=2)
    for number in range(12):
        layers.append(random_layer(rng, "conv", kind, outputs=8, kernel=(1, 1), name=f"conv{number}"))
        layers.append(random_kernel(rng, "table", layers[-1].output, name=f"table{number}"))
        kind = layers[-1].output
    graph = Graph(name="many", inputs=(start,), layers=tuple(layers)).check()
    assert len(check_program(graph, design, rng).kernels) == 12
    assert not check_program(graph, replace(design, weight_bytes=8192), rng).kernels
    with pytest.raises(CompileError, match="weight_bytes=1024"):
        compile_graph(graph, replace(design, weight_bytes=1024))


def test_tables_behind_each_other_are_one():
    graph, rng = one_layer(), np.random.default_rng(2)
    layers = [*graph.layers]
    for op in ("requantize", "table", "requantize"):
        layers.append(random_kernel(rng, op, layers[-1].output, name=f"{op}{len(layers)}"))
    graph = replace(graph, layers=tuple(layers)).check()
    program = check_program(graph, TABLES["ecp5-25"], rng)
    assert [plan.name for plan in program.plans] == ["stem+requantize1+table2+requantize3"]


def test_a_table_alone_runs_on_the_engine_where_that_takes_it():
    rng, design = np.random.default_rng(3), TABLES["ecp5-25"]
    for shape, runner in (((1, 1, 1), "layers"), ((8, 8, 3), "layers"), ((2, 4, 8, 3), "kernels")):
        kind = TensorType(shape=shape, scale=0.1, zero_point=2)
        graph = Graph(name="alone", inputs=(kind,), layers=(random_kernel(rng, "table", kind, name="alone"),)).check()
        plan, = getattr(check_program(graph, design, rng), runner)
        assert (plan.name, plan.op) == ("alone", "table")


@pytest.mark.parametrize("name, shape, bits, taken", [
    ("ecp5-25", (8, 8, 3), 8, True), ("up5k", (8, 8, 4), 8, True), ("up5k", (8, 8, 3), 8, False),
    ("ecp5-25", (2, 4, 8, 3), 8, False), ("ecp5-25", (2, 300, 300), 8, False), ("ecp5-25", (1, 1, 2), 8, True),
])
def test_what_the_engine_takes_through_a_table_alone(name, shape, bits, taken):
    assert looks_up(TABLES[name], TensorType(shape=shape, scale=0.1, zero_point=0, bits=bits)) == taken


def test_narrow_activations_have_a_table_of_their_values():
    narrow = replace(TABLES["ecp5-25"], act_bits=4, weight_bits=4, multiplier="lut")
    assert looks_up(narrow, TensorType(shape=(8, 8, 3), scale=0.1, zero_point=0, bits=4))
    assert not looks_up(narrow, TensorType(shape=(8, 8, 3), scale=0.1, zero_point=0))
    graph = random_graph(np.random.default_rng(3), ops=("conv",), layers=1, weight_bits=4, act_bits=4)
    wide = replace(graph.output, bits=8)
    graph = replace(graph, layers=(*graph.layers, made_kernel("table", wide, weights=np.zeros(256, np.int8)))).check()
    with pytest.raises(CompileError, match=r"8-bit activations, act_bits=4; raise act_bits"):
        compile_graph(graph, narrow)


def residual():
    return random_residual(np.random.default_rng(3))


@pytest.mark.parametrize("graph, design, text", [
    (one_layer(), DesignPoint(weight_bits=4), r"8-bit weights, weight_bits=4; raise weight_bits or train with 4-bit"),
    (one_layer(shape=(4, 4, 64), outputs=32), DesignPoint(acc_bits=20), r"sums reach \d+, acc_bits=20 holds 524287; r"),
    (one_layer("depthwise", weight_bits=1, depth_multiplier=2),
     DesignPoint(weight_bits=1, rows=4, multiplier="lut"), r"2 outputs per channel run as a convolution most of whose "
     r"weights are 0, and weight_bits=1 has no 0; use one output per channel"),
    (one_layer(), DesignPoint(act_bits=4), r"8-bit activations, act_bits=4; raise act_bits"),
    (one_layer(weight_bits=4), DesignPoint(weight_bits=1, rows=4, multiplier="lut"), r"4-bit weights, weight_bits=1"),
    (one_layer(weight_bits=2), DesignPoint(weight_bits=2, multiplier="ternary"), None),
    (one_layer(shape=(300, 2, 1), kernel=(260, 1)), LARGE, r"kernel 260x1 exceeds 255 rows; use a smaller kernel"),
    (one_layer(shape=(1, 32, 80), kernel=(1, 32)), LARGE,
     r"kernel 1x32 over 80 channels exceeds a width of 2040 activations, channels included; use a smaller ker"),
    (one_layer("dense", shape=(1, 1, 3001)), LARGE, r"dense kernel over 3001 channels exceeds a width of 2040 activ"),
    (one_layer("depthwise", shape=(1, 300, 2), kernel=(1, 260)), LARGE, r"kernel 1x260 exceeds a width of 255; use"),
    (one_layer(shape=(64, 2, 1), kernel=(1, 1), stride=(33, 1)), LARGE, r"stride 33x1 exceeds 31; use a smaller str"),
    (one_layer(shape=(1, 4100, 17), kernel=(1, 1), outputs=1), LARGE,
     r"a row of the input has 4100x17 = 69700 activations and exceeds 65535; use a narrower input"),
    (one_layer(shape=(5000, 1, 1), kernel=(1, 1), outputs=1), LARGE, r"5000 rows of the input exceed 4095; use a sm"),
    (one_layer(shape=(1, 9000, 1), kernel=(1, 1), outputs=1), LARGE, r"9000 columns of the output exceed 4095; use a"),
    (one_layer(shape=(1, 1, 1), kernel=(1, 1), outputs=20000), LARGE, r"20000 output channels exceed 4095 blocks of 4"),
    (residual(), DesignPoint(cols=2), r"residual add: needs cols of 4 or more, cols=2; raise cols"),
    (one_layer(shape=(3, 3, 5)), PRESETS["up5k"], r"memory='spram': reads at even addresses, and a row of the input h"),
    (one_layer("depthwise", shape=(4, 4, 4)), replace(PRESETS["up5k"], engine="wide", cols=1, lanes=8),
     r"memory='spram': reads at even addresses, and a block of a depthwise layer has 1 channels; raise cols and lanes"),
])
def test_a_layer_that_cannot_run_says_which_limit(graph, design, text):
    if text is None:
        weights = np.clip(graph.layers[0].weights, -1, 1)
        assert compile_graph(replace(graph, layers=(replace(graph.layers[0], weights=weights),)), design)
        graph, text = replace(graph, layers=(replace(graph.layers[0], weights=weights - 1),)), "weights of a magnitude"
    with pytest.raises(CompileError, match=r"^layer \d+ \w+ \(\w+\): " + text):
        compile_graph(graph, design)


@pytest.mark.parametrize("graph, design, text", [
    (one_layer(shape=(4, 4, 64), outputs=64), DesignPoint(weight_bytes=1024),
     r"net: program and weights take \d+ bytes, weight_bytes=1024; raise weight_bytes, stream them \(stream_bytes\)"),
    (one_layer(shape=(4, 4, 64)), DesignPoint(weight_bytes=1024, stream_bytes=2),
     r"net: weight_bytes=1024 holds program and resident weights, \d+ bytes, and the largest block of weights, \d+ "
     r"bytes of layer stem; raise weight_bytes or narrow that layer"),
    (one_layer("dense", shape=(1, 1, 1200)), PRESETS["up5k"], r"net: weight_bytes=4096 holds .* of layer stem; raise"),
    (one_layer(shape=(4, 4, 32), outputs=128), replace(PRESETS["up5k"], act_bytes=8192),
     r"net: activations take \d+ bytes and weights \d+, act_bytes=8192 holds both and 5120 of the firmware; narrow "),
    (one_layer(shape=(30, 30, 4)), replace(PRESETS["up5k"], act_bytes=8192),
     r"act_bytes=3072.* \(of act_bytes=8192, 5120 are the firmware's\)$"),
    (one_layer(shape=(4, 4, 200)), DesignPoint(act_bytes=2048), r"act_bytes=2048"),
])
def test_a_network_that_does_not_fit_says_which_limit(graph, design, text):
    with pytest.raises(CompileError, match=text):
        compile_graph(graph, design)


def test_a_network_whose_output_lies_where_its_input_lies_has_no_stage():
    """A part of an input is a place in memory, so nobody runs anything."""
    kind = TensorType(shape=(1, 40, 60), scale=0.1, zero_point=3)
    empty = np.zeros(0, np.int32)
    part = Layer(name="part", op="gather", output=replace(kind, shape=(1, 20, 60)), weights=np.zeros(0, np.int8),
                 bias=empty, multiplier=empty, shift=empty, parameters=(1200, 0, 60, 1))
    graph = Graph(name="part", inputs=(kind,), layers=(part,)).check()
    program = compile_graph(graph, PRESETS["ecp5-25"])
    assert (program.plans, program.cycles, program.utilization) == ((), 0, 0.0)
    assert program.output.address == program.input.address + 1200
    with pytest.raises(CompileError, match="part: input and output take 2400 and 1200 bytes, and they lie whole"):
        compile_graph(graph, replace(PRESETS["ecp5-25"], act_bytes=1024))


def three_layers(op, changed):
    """A layer of weights between two others."""
    rng = np.random.default_rng(4)
    start = TensorType(shape=(5, 6, 8), scale=0.1, zero_point=-7)
    first = random_layer(rng, "conv", start, outputs=8, kernel=(3, 3), padding=(1, 1, 1, 1), name="first")
    around = (0, 0, 0, 0) if op == "dense" else (1, 2, 1, 0)
    middle = changed(random_layer(rng, op, first.output, outputs=8, stride=(2, 1), padding=around, name="middle"))
    last = random_layer(rng, "conv", middle.output, outputs=6, kernel=(1, 1), name="last")
    return Graph(name="net", inputs=(start,), layers=(first, middle, last)).check()


def with_enormous_bias(layer):
    """In its first two channels."""
    ends = np.array([2**31 - 1, -1 << 30], np.int32)
    return replace(layer, bias=np.concatenate([ends, layer.bias[2:]]), multiplier=layer.multiplier // 512)


@pytest.mark.parametrize("op", ["conv", "depthwise", "dense"])
@pytest.mark.parametrize("changed, why", [(shifted_left, "a scale of 1 or more"),
                                          (with_enormous_bias, "bias and sum may exceed 30 bits")])
@pytest.mark.parametrize("name", ["ecp5-25", "up5k"])
def test_numbers_that_no_engine_holds_are_the_cpus(op, changed, why, name):
    graph, design = three_layers(op, changed), PRESETS[name]
    program = check_program(graph, design, np.random.default_rng(5))
    assert [(type(plan).__name__, plan.name) for plan in program.plans if plan.tensor is not None] == [
        ("LayerPlan", "first"), ("KernelPlan", "middle"), ("LayerPlan", "last")]
    assert why_cpu(program.graph, 1, design) == why
    assert not compile_graph(three_layers(op, lambda layer: layer), design).kernels


@pytest.mark.parametrize("taps, kind, runs", [
    (2044, "scalable", "LayerPlan"), (2048, "scalable", "KernelPlan"), (2048, "lut", "LayerPlan")])
def test_sums_of_digits_that_the_accumulator_does_not_hold_are_the_cpus(taps, kind, runs):
    """A weight of 2 is the digits -2 and 1, so the least digits of 2,048 reach 2 ** 19; as a whole they fit."""
    rng, taken = np.random.default_rng(6), TensorType(shape=(1, 1, taps), scale=0.05, zero_point=-3)
    dense = replace(random_layer(rng, "dense", taken, outputs=4), weights=np.full((4, taps), 2, np.int8),
                    bias=np.zeros(4, np.int32))
    graph = Graph(name="long", inputs=(taken,), layers=(dense,)).check()
    design = replace(PRESETS["ecp5-25"], acc_bits=26, multiplier=kind, weight_bytes=131072)
    [plan] = check_program(graph, design, rng).plans
    assert type(plan).__name__ == runs


@pytest.mark.parametrize("bits, kept", [(26, 0), (28, 40)])
@pytest.mark.parametrize("name", ["ecp5-25", "ecp5-45"])
def test_the_digits_of_presets_hold_what_other_multipliers_did(name, bits, kept):
    """Dense layers of thousands of weights, as trained ones are, which an accumulator of 26 bits holds as a whole."""
    rng, held = np.random.default_rng(4), 0
    assert PRESETS[name].acc_bits == 28
    for _ in range(40):
        taken = TensorType(shape=(1, 1, int(rng.integers(5000, 12000))), scale=0.05, zero_point=-3)
        dense = random_layer(rng, "dense", taken, outputs=4)
        weights = np.clip(np.round(rng.laplace(0, rng.uniform(4, 10), dense.weights.shape)), -127, 127)
        dense = replace(dense, weights=weights.astype(np.int8))
        assert holds_sums(dense, replace(PRESETS[name], acc_bits=26, multiplier="lut"))
        held += holds_sums(dense, replace(PRESETS[name], acc_bits=bits))
    assert held == kept


def test_what_the_cpu_would_not_mend_stays_an_error():
    graph = three_layers("conv", shifted_left)
    with pytest.raises(CompileError, match=r"middle \(conv\): a scale of 1 or more, and the products of the CPU are "
                       r"exact, those of multiplier='trunc' are not; choose another multiplier"):
        compile_graph(graph, replace(PRESETS["ecp5-25"], multiplier="trunc"))
    graph, small = three_layers("dense", shifted_left), replace(PRESETS["ecp5-25"], weight_bytes=1024)
    assert check_program(graph, small, np.random.default_rng(5)).kernels       # outside, as its stream
    with pytest.raises(CompileError, match=r"take \d+ bytes, weight_bytes=1024; raise weight_bytes, stream them"):
        compile_graph(graph, replace(small, stream_bytes=0))
    alone = Graph(name="alone", inputs=(graph.layers[0].output,), layers=graph.layers[1:2]).check()
    with pytest.raises(CompileError, match=r"take \d+ bytes, weight_bytes=1024; raise weight_bytes, or narrow the"):
        compile_graph(alone, small)
    biased = three_layers("dense", with_enormous_bias)
    alone = Graph(name="alone", inputs=(biased.layers[0].output,), layers=biased.layers[1:2]).check()
    with pytest.raises(CompileError, match=r"\(dense\): sums reach \d+, acc_bits=18 holds 131071; raise acc_bits"):
        compile_graph(alone, replace(small, acc_bits=18, multiplier="lut"))
