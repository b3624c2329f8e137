from types import SimpleNamespace

import numpy as np
import pytest

from hw.spec.commands import COMMAND_BITS, COUNTS, OPCODES, encode
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.image import HEADER_BYTES
from hw.spec.timing import drain_cycles
from sw import golden
from sw.compiler import CompileError, compile_graph
from sw.golden import ProgramError, interpret
from sw.graph.graph import Graph
from tests.support.images import program_of, run_image, with_changed_command, with_flipped_bit
from tests.support.layers import random_graph, random_inputs, random_residual
from tests.sw.golden.nets import inputs_of, kind, layer, weights_of

DESIGNS = [DesignPoint(), DesignPoint(rows=4, cols=2, lanes=2),
           DesignPoint(rows=1, cols=1, lanes=8, multiplier="trunc"),
           DesignPoint(rows=4, cols=4, lanes=1, weight_bits=4, multiplier="trunc"),
           DesignPoint(rows=2, cols=4, lanes=4, weight_bits=2)]


def pack(values, width):
    """Unsigned integer whose lowest ``width`` bits are the first value."""
    return sum((int(value) & (1 << width) - 1) << n * width for n, value in enumerate(values))


def param_words(design, params):
    """``params``: up to cols (bias, multiplier, shift); the set's words, lowest first."""
    slice_bits = design.lanes * design.weight_bits
    columns = [pack([bias], 32) | pack([multiplier], 32) << 32 | pack([shift], 8) << 64
               for bias, multiplier, shift in params]
    if design.record_per_word:
        return columns
    return [pack([column >> word * slice_bits for column in columns], slice_bits) for word in range(design.param_words)]


def folded(graph):
    one = graph.layers[0]
    sums = one.weights.astype(int).sum(axis=(0, 1) if one.op == "depthwise" else (1, 2, 3))
    return list(zip(one.bias - graph.input.zero_point * sums, one.multiplier, one.shift, strict=True))


def common(graph, design, words):
    one, (height, width, channels) = graph.layers[0], graph.input.shape
    top, left = one.padding[:2]
    return {
        "opcode": OPCODES["LAYER"], "kernel_rows": one.kernel[0], "in_zero": graph.input.zero_point,
        "out_zero": one.output.zero_point, "act_min": one.act_min, "act_max": one.act_max,
        "in_start": 64 - top * width * channels - left * channels, "out_base": 512, "bands": 1, "first_segments": 1,
        "in_height": height, "in_row_bytes": width * channels, "out_width": one.output.shape[1],
        "step_x_bytes": one.stride[1] * channels, "step_y_bytes": one.stride[0] * width * channels,
        "stride_y": one.stride[0], "first_x_bytes": -left * channels, "first_y": -top,
        "tail_lanes": design.lanes - 1, "weight_base": words,
        "spacing": drain_cycles(design, depthwise=one.op == "depthwise")}


def conv_program(graph, design, base):
    """Command and weight words of a convolution, written straight from the description of the command."""
    one, params = graph.layers[0], folded(graph)
    outputs, kernel_y, kernel_x, channels = one.weights.shape
    rows_of_kernel = one.weights.reshape(outputs, kernel_y, -1)
    steps = -(-kernel_x * channels // design.lanes)
    padded = np.zeros((-(-outputs // design.cols) * design.cols, kernel_y, steps * design.lanes), np.int8)
    padded[:outputs, :, :kernel_x * channels] = rows_of_kernel
    params += [(0, 0, 0)] * (len(padded) - outputs)
    words = []
    for first in range(0, outputs, design.cols):
        words += param_words(design, params[first:first + design.cols])
        for ky in range(kernel_y):
            for step in range(steps):
                block = padded[first:first + design.cols, ky, step * design.lanes:(step + 1) * design.lanes]
                words.append(pack(block.reshape(-1), design.weight_bits))
    pixels = one.output.shape[0] * one.output.shape[1]
    command = common(graph, design, base) | {
        "segments": -(-steps // design.rows), "tail_steps": (steps - 1) % design.rows + 1,
        "segment_steps": design.rows, "segment_bytes": design.fetch_bytes, "tile_rows": design.rows,
        "tile_cols": design.cols, "groups": -(-pixels // design.rows),
        "tail_rows": (pixels - 1) % design.rows + 1, "blocks": -(-outputs // design.cols),
        "tail_cols": (outputs - 1) % design.cols + 1, "out_row_bytes": outputs,
        "out_group_bytes": design.rows * outputs, "out_block_bytes": design.cols}
    return command, words


def depthwise_program(graph, design, base):
    one, params = graph.layers[0], folded(graph)
    kernel_y, kernel_x, channels = one.weights.shape
    size, cols = design.depthwise_channels, design.depthwise_cols
    blocks = -(-channels // size)
    params += [(0, 0, 0)] * (blocks * size - channels)
    padded = np.zeros((kernel_y, kernel_x, blocks * size), np.int8)
    padded[:, :, :channels] = one.weights
    words = []
    for first in range(0, blocks * size, size):
        for row in range(design.depthwise_rows):
            words += param_words(design, params[first + row * cols:first + (row + 1) * cols])
        for tap in padded[:, :, first:first + size].reshape(-1, design.depthwise_rows, cols):
            word = np.zeros((design.cols, design.lanes), np.int8)
            word[:cols, :design.depthwise_rows] = tap.T
            words.append(pack(word.reshape(-1), design.weight_bits))
    last = channels - (blocks - 1) * size
    command = common(graph, design, base) | {
        "depthwise": 1, "segments": kernel_x, "segment_bytes": channels, "tail_steps": 1, "segment_steps": 1,
        "tile_rows": design.depthwise_rows, "tile_cols": cols, "distance": cols,
        "block_bytes": size, "groups": one.output.shape[0] * one.output.shape[1], "blocks": blocks,
        "tail_rows": -(-last // cols), "tail_cols": (last - 1) % cols + 1, "out_row_bytes": cols,
        "out_group_bytes": channels, "out_block_bytes": size}
    return command, words


def image_of(design, commands, words):
    """Header, program, weights; the program starts at the first whole word behind the header."""
    width = design.weight_word_bits
    start = HEADER_BYTES * 8 // width
    memory = pack(commands, COMMAND_BITS) << start * width
    memory |= pack(words, width) << (start + len(commands) * COMMAND_BITS // width) * width
    body = memory.to_bytes(design.weight_bytes, "little")[HEADER_BYTES:].rstrip(b"\0")
    return run_image(body + bytes(COMMAND_BITS // 4), program=start)      # zeros behind them


def one_layer(design, op):
    rng = np.random.default_rng(7)
    shape = (5, 4, 7)
    if op == "conv":
        output, weights = kind((3, 4, 6), rng), weights_of(rng, (6, 3, 3, 7), design.weight_bits)
        made = layer(rng, op, weights, output, bits=design.weight_bits, stride=(2, 1), padding=(1, 1, 1, 1))
    else:
        output, weights = kind((4, 4, 7), rng), weights_of(rng, (3, 2, 7), design.weight_bits)
        made = layer(rng, op, weights, output, bits=design.weight_bits, padding=(1, 1, 0, 0))
    return Graph(name=op, inputs=(kind(shape, rng),), layers=(made,)).check()


def build(design, op):
    graph = one_layer(design, op)
    base = 2 * (COMMAND_BITS // design.weight_word_bits) + HEADER_BYTES * 8 // design.weight_word_bits
    command, words = (conv_program if op == "conv" else depthwise_program)(graph, design, base)
    return graph, command, words


@pytest.mark.parametrize("op", ["conv", "depthwise"])
@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.label)
def test_a_program_computes_its_layer(design, op):
    graph, command, words = build(design, op)
    image = image_of(design, [encode(command), encode({"opcode": OPCODES["END"]})], words)
    inputs = inputs_of(graph, 3)
    expected = golden.run(graph, inputs, design)[-1]
    for data, want in zip(inputs, expected, strict=True):
        act = bytearray(b"\x55" * design.act_bytes)
        act[64:64 + data.size] = data.tobytes()
        before = bytes(act)
        interpret(design, image, act)
        assert np.array_equal(np.frombuffer(act[512:512 + want.size], np.int8).reshape(want.shape), want)
        assert (act[:512], act[512 + want.size:]) == (before[:512], before[512 + want.size:]), "wrote elsewhere"


def test_a_swapped_weight_is_seen():
    design = DESIGNS[0]
    graph, command, words = build(design, "conv")
    words[design.param_words] ^= 1 << 5
    image = image_of(design, [encode(command), encode({"opcode": OPCODES["END"]})], words)
    data = inputs_of(graph, 3)[1]
    act = bytearray(design.act_bytes)
    act[64:64 + data.size] = data.tobytes()
    interpret(design, image, act)
    assert act[512:512 + 72] != golden.run(graph, data[None], design)[-1].tobytes()


LAYER = dict.fromkeys(COUNTS, 1) | {"opcode": OPCODES["LAYER"], "in_height": 1, "in_row_bytes": 1, "spacing": 64}


@pytest.mark.parametrize("commands, error", [
    ([0x11], r"command 0 at weight word 4: starts with 0x11, not 0x4d; compile the model again"),
    ([encode({"opcode": 7})], r"unknown opcode 7; compile the model again"),
    ([encode({"opcode": OPCODES["STREAM"]})], r"unknown opcode 2; compile the model again"),
    ([encode(LAYER) ^ 1 << 100], r"command 0 .*: damaged, its checksum is off by 0x0010; load the model again"),
    ([encode(LAYER)] * 65, r"command 64 .*more than 64 layers; split the model"),
    ([encode(LAYER)], r"command 1 .*starts with 0x00"),
    ([encode(LAYER | {"groups": 0})], r"command 0 .*: groups=0: must be 1 or more; compile the model again"),
    ([encode(LAYER | {"window": 1})], r"window=1: goes with depthwise=1 and local=1; set both"),
    ([encode(LAYER | {"local": 1})], r"local=1: the elements have no memory for these weights; choose dataflow="),
    ([encode(LAYER | {"segment_steps": 3, "segments": 2})], r"segment_steps=3: a fetched word has 2 steps; choose no"),
    ([encode(LAYER | {"groups": 9, "in_height": 9, "stride_y": 1, "step_y_bytes": 1, "out_base": 3,
                      "out_group_bytes": 1})], r"command 0 .*: reads what it has written itself"),
])
def test_a_broken_program_is_refused(commands, error):
    design = DesignPoint()
    with pytest.raises(ProgramError, match=error):
        interpret(design, image_of(design, commands, []), bytearray(design.act_bytes))


def test_memories_of_the_wrong_size_are_refused():
    design = DesignPoint(act_bytes=1024, weight_bytes=1024)
    image = image_of(design, [encode({"opcode": OPCODES["END"]})], [])
    with pytest.raises(ProgramError, match=r"activation memory of 7 bytes: act_bytes=1024"):
        interpret(design, image, bytearray(7))
    large = image_of(DesignPoint(act_bytes=1024), [encode({"opcode": OPCODES["END"]})], [1] * 114)
    with pytest.raises(ProgramError, match=r"image of \d+ bytes: weight_bytes=1024; raise weight_bytes"):
        interpret(design, large, bytearray(1024))
    with pytest.raises(SpecError, match="damaged"):
        interpret(design, image[:-1] + b"\x01", bytearray(1024))


OPS = ("conv", "depthwise", "conv", "dense", "avgpool", "maxpool", "add")
MEMORIES = {"act_bytes": 8192, "weight_bytes": 32768}
#: one of each way to read commands, parameters, weights and activations
KINDS = {
    "columns": DesignPoint(rows=4, cols=4, lanes=4, requantizers=4, depthwise_taps=4, **MEMORIES),
    "records": DesignPoint(rows=2, cols=4, lanes=4, **MEMORIES),
    "wide": DesignPoint(rows=4, cols=8, lanes=4, requantizers=8, depthwise_taps=4, **MEMORIES),
    "ternary": DesignPoint(rows=2, cols=4, lanes=2, weight_bits=2, multiplier="lut", requantizers=2, **MEMORIES),
    "packed": DesignPoint(rows=2, cols=4, lanes=4, weight_bits=4, multiplier="packed", dataflow="weight", **MEMORIES),
    "binary": DesignPoint(rows=2, cols=4, lanes=4, weight_bits=1, multiplier="lut", requantizers=4, **MEMORIES),
    "narrow": DesignPoint(rows=2, cols=4, lanes=4, act_bits=4, weight_bits=4, multiplier="lut", depthwise_taps=2,
                          **MEMORIES),
    "truncated": DesignPoint(rows=2, cols=4, lanes=4, multiplier="trunc", depthwise_taps=2, **MEMORIES),
    "streamed": DesignPoint(rows=4, cols=4, lanes=4, requantizers=4, act_bytes=8192, weight_bytes=4096,
                            stream_bytes=2),
    "spram": DesignPoint(engine="compact", rows=1, cols=4, lanes=4, multiplier="mac16", requantizer_cycles=2,
                         requantizer_dsps=0, memory="spram", act_bytes=131072, weight_bytes=4096, cpu="serv"),
}


def compiled(design, seed, *, make=None):
    """A random graph that fits, and its program."""
    rng = np.random.default_rng(seed)
    for _ in range(200):
        if make:
            graph = make(rng)
        elif rng.integers(4) == 0:
            graph = random_residual(rng, weight_bits=design.weight_bits, act_bits=design.act_bits)
        else:
            graph = random_graph(rng, weight_bits=design.weight_bits, act_bits=design.act_bits, ops=OPS,
                                 depth_multiplier=2)
        try:
            return graph, compile_graph(graph, design)
        except CompileError:
            continue
    raise AssertionError("no random graph fits the design")


def answered(program, inputs, image=None):
    """What the interpreter answers, on a memory full of rubbish."""
    outputs = []
    for data in inputs:
        act = bytearray(np.random.default_rng(1).integers(0, 256, program.design.act_bytes, np.uint8).tobytes())
        act[program.input.address:program.input.address + program.input.size] = data.tobytes()
        interpret(program.design, image or program.image, act)
        outputs.append(np.frombuffer(bytes(act), np.int8, program.output.size, program.output.address))
    return np.array(outputs)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", KINDS)
def test_random_programs_compute_their_graphs(name, seed):
    design = KINDS[name]
    graph, program = compiled(design, seed)
    inputs = random_inputs(np.random.default_rng(seed), graph, 2)
    assert np.array_equal(answered(program, inputs), golden.run(graph, inputs, design)[-1].reshape(2, -1))


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_many_random_programs_compute_their_graphs(name):
    for seed in range(1000, 1150):
        test_random_programs_compute_their_graphs(name, seed)


WAYS = {"window": ("columns", "depthwise"), "broadcast": ("columns", "conv"), "local": ("packed", "conv"),
        "uniform": ("records", "avgpool"), "maximum": ("narrow", "maxpool"), "add": ("wide", "add"),
        "stream": ("spram", "conv")}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_run_a_layer(way, monkeypatch):
    """Whether or not it is the fastest."""
    name, op = WAYS[way]
    design = KINDS[name]
    monkeypatch.setattr("sw.compiler.compile.layer_cycles", lambda _, command: SimpleNamespace(total=-command[way]))
    found = 0
    for seed in range(8):
        graph, program = compiled(design, seed, make=lambda rng: random_graph(
            rng, weight_bits=design.weight_bits, act_bits=design.act_bits, ops=(op,)))
        found += sum(layer.command[way] for layer in program.layers)
        inputs = random_inputs(np.random.default_rng(seed), graph, 2)
        assert np.array_equal(answered(program, inputs), golden.run(graph, inputs, design)[-1].reshape(2, -1))
    assert found > 2


def changed(program, change, way="opcode"):
    """The image with a change in the first LAYER command that has ``way``."""
    number, command = next((number, layer.command) for number, layer in enumerate(program.layers)
                           if layer.command[way])
    return with_changed_command(program, number + bool(program.streamed_bytes), **change(command))


@pytest.mark.parametrize("way, change", [
    ("window", lambda command: {"first_segments": command["first_segments"] + 1}),
    ("window", lambda command: {"in_start": command["in_start"] + 1}),
    ("broadcast", lambda command: {"in_start": command["in_start"] + 1}),
    ("local", lambda command: {"out_zero": command["out_zero"] ^ 4}),
    ("maximum", lambda command: {"maximum": 0}),
    ("uniform", lambda command: {"act_max": command["act_max"] - 1}),
    ("add", lambda command: {"add_zero": command["add_zero"] ^ 4}),
    ("add", lambda command: {"out_zero": command["out_zero"] ^ 4}),
    ("stream", lambda command: {"out_base": command["out_base"] + 2}),
])
def test_a_changed_command_is_seen(way, change, monkeypatch):
    name, op = WAYS[way]
    design = KINDS[name]
    monkeypatch.setattr("sw.compiler.compile.layer_cycles", lambda _, command: SimpleNamespace(total=-command[way]))
    for seed in range(20):
        graph, program = compiled(design, seed, make=lambda rng: random_graph(
            rng, weight_bits=design.weight_bits, act_bits=design.act_bits, ops=(op,), layers=1))
        if any(layer.command[way] for layer in program.layers) and program.output.size > 20:
            break
    inputs = random_inputs(np.random.default_rng(seed), graph, 4)
    assert np.array_equal(answered(program, inputs, changed(program, lambda _: {})), answered(program, inputs))
    try:
        got = answered(program, inputs, changed(program, change, way))
    except ProgramError:
        return
    assert not np.array_equal(got, golden.run(graph, inputs, design)[-1].reshape(4, -1))


@pytest.mark.parametrize("name, change, error", [
    ("spram", {"block_words": 3}, r"block_words=3: a block takes \d+; compile the model again"),
    ("packed", {"local": 1, "local_words": 99}, r"local_words=99: a tile has \d+ steps; load as many"),
])
def test_words_that_do_not_add_up_are_refused(name, change, error):
    design = KINDS[name]
    _, program = compiled(design, 3, make=lambda rng: random_graph(
        rng, weight_bits=design.weight_bits, ops=("conv",), layers=1))
    with pytest.raises(ProgramError, match=error):
        answered(program, np.zeros((1, *program.graph.input.shape), np.int8), changed(program, lambda _: change))


def test_a_stream_that_ends_early_is_refused():
    _, program = compiled(KINDS["spram"], 3)
    image = with_changed_command(program, 0, stream_bytes=16)
    with pytest.raises(ProgramError, match=r"waits for weight words \d+ to \d+ of a stream of 1 through a ring of"):
        answered(program, np.zeros((1, *program.graph.input.shape), np.int8), image)


@pytest.mark.parametrize("bit", [8, 40, 100, 200, 330, 400, 500])
def test_any_damaged_bit_of_a_command_is_refused(bit):
    _, program = compiled(KINDS["columns"], 1)
    image = with_flipped_bit(program, weight_word=program_of(program.image), bit=bit)
    with pytest.raises(ProgramError, match=r"command 0 at weight word \d+: damaged, its checksum is off by"):
        answered(program, np.zeros((1, *program.graph.input.shape), np.int8), image)
