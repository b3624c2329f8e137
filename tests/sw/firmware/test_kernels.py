"""The CPU's functions in C, compiled for this machine, against the golden operators; and planted faults."""

import ctypes
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from hw.spec.requant import doubling_high_multiply
from hw.tools import run as run_tool
from sw.firmware import c_header
from sw.firmware.build import SOURCES, kernel_files
from sw.golden.fixed import reciprocal
from sw.golden.kernels import FUNCTIONS, OPERATORS, name_of, run_call
from sw.golden.log_softmax import prepare_log_softmax
from sw.golden.softmax import prepare_softmax
from sw.graph.graph import Layer, TensorType
from tests.support.layers import NOTHING, made_kernel, random_kernel
from tests.support.operators import random_operator, random_values


def compiled(folder, changes: Mapping[str, str] | None = None, cpu="vexriscv"):
    """The functions by name, from their C files as they are for a CPU; ``changes`` are made to these first."""
    folder.mkdir(exist_ok=True)
    (folder / "heddle_config.h").write_text(c_header(cpu=cpu))
    for path in (*kernel_files(), SOURCES / "kernel.h"):
        text = path.read_text()
        for old, new in (changes or {}).items():
            text = text.replace(old, new)
        (folder / path.name).write_text(text)
    (folder / "workspace.c").write_text('#include "kernel.h"\nuint32_t heddle_workspace[HEDDLE_MAX_PAYLOAD / 4];\n')
    names = [*(path.name for path in kernel_files()), "workspace.c"]
    run_tool(["gcc", "-shared", "-fPIC", "-O1", "-std=c11", "-Wall", "-Wextra", "-Werror", "-I.", f"-I{SOURCES}",
              *names, "-o", "kernels.so"], cwd=folder, timeout_s=60, log=folder / "gcc.log")
    library = ctypes.CDLL(str(folder / "kernels.so"))
    return {name: getattr(library, f"heddle_kernel_{name}") for name in FUNCTIONS}


@pytest.fixture(scope="module")
def functions(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("kernels"))


@pytest.fixture(scope="module", params=["vexriscv", "serv"])
def any_cpu(request, tmp_path_factory):
    """As they are for a CPU that multiplies, and for one that does not."""
    return compiled(tmp_path_factory.mktemp(request.param), cpu=request.param)


def run_calls(functions, calls, memory):
    for call in calls:
        words = np.array(call.words, np.uint32)
        functions[name_of(call)](ctypes.c_void_p(words.ctypes.data), ctypes.c_void_p(memory.ctypes.data))


def answer(functions, layer, taken, data, *, source=4, output=None):
    """What the C functions give, on operands that lie one after the other; they write their output and nothing else."""
    taken, data = ([taken], [data]) if isinstance(data, np.ndarray) else (taken, data)
    sources = [source + sum(kind.bytes + 3 for kind in taken[:number]) for number in range(len(taken))]
    output = sources[-1] + taken[-1].bytes + 5 if output is None else output
    place = slice(output, output + layer.output.bytes)
    # of whole words, as the scratchpad is
    memory = np.random.default_rng(0).integers(-128, 128, place.stop + 8 + -place.stop % 4).astype(np.int8)
    for start, values in zip(sources, data, strict=True):
        memory[start:start + values.nbytes] = np.frombuffer(values.tobytes(), np.int8)
    before, calls = memory.copy(), OPERATORS[layer.op].calls(layer, taken, sources=sources, output=output)
    run_calls(functions, calls, memory)
    got = memory[place].copy()
    for call in calls:
        run_call(call, before)
    before[place] = got
    assert np.array_equal(memory, before)
    return got.view(layer.output.dtype).reshape(layer.output.shape)


def golden(layer, taken, data):
    taken, data = ([taken], [data]) if isinstance(data, np.ndarray) else (taken, data)
    return OPERATORS[layer.op].batch(layer, taken, [values[None] for values in data])[0]


def same(functions, layer, taken, data, **places):
    return answer(functions, layer, taken, data, **places).tobytes() == golden(layer, taken, data).tobytes()


def softmax(shape, beta=1.0, scale=0.1):
    multiplier, shift = prepare_softmax(beta, scale)
    return Layer(name="softmax", op="softmax", output=TensorType(shape=shape, scale=1 / 256, zero_point=-128),
                 weights=np.zeros(0, np.int8), bias=NOTHING, multiplier=np.array([multiplier], np.int32),
                 shift=np.array([shift], np.int32))


def kind(shape, bits=8):
    return TensorType(shape=shape, scale=0.1, zero_point=3, bits=bits)


def pairs():
    values = np.arange(-128, 128, dtype=np.int8)
    return np.stack(np.meshgrid(values, values), axis=-1)


@pytest.mark.parametrize("scale", [1e-6, 0.0146, 0.0625, 0.1447, 0.5, 8.0])
def test_softmax_of_every_pair(any_cpu, scale):
    data = pairs()
    layer = softmax(data.shape, scale=scale)
    assert np.array_equal(answer(any_cpu, layer, kind(data.shape), data), golden(layer, kind(data.shape), data))


@pytest.mark.parametrize("channels", [1, 3, 10, 12, 171, 257, 512, 1001, 4095])
@pytest.mark.parametrize("scale", [1e-6, 0.003, 0.1447])
def test_softmax_of_random_and_extreme_rows(any_cpu, scale, channels):
    rng = np.random.default_rng(channels)
    data = rng.integers(-128, 128, (3, 2, channels)).astype(np.int8)
    data[1, 0], data[1, 1], data[2, 0] = -128, 127, np.where(np.arange(channels) == channels // 2, 127, -128)
    layer = softmax(data.shape, scale=scale)
    assert np.array_equal(answer(any_cpu, layer, kind(data.shape), data, source=7),
                          golden(layer, kind(data.shape), data))


def near_ties():
    """Rows of few values, each many times, at scales whose outputs come close to halves: 2,000 of each scale."""
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 60, (2000, 3))
    data = np.full((2000, 1, 180), -128, np.int8)
    for row, (a, b, c) in zip(data[:, 0], counts, strict=True):
        row[:a], row[a:a + b], row[a + b:a + b + c] = 127, rng.integers(90, 127), rng.integers(60, 127)
    return data


@pytest.mark.parametrize("scale", [0.003, 0.0146, 0.0625])
def test_softmax_without_multiplications_close_to_ties(any_cpu, scale):
    data = near_ties()
    layer = softmax(data.shape, scale=scale)
    assert np.array_equal(answer(any_cpu, layer, kind(data.shape), data), golden(layer, kind(data.shape), data))


def test_the_definition_differs_from_the_quotient_by_less_than_is_said():
    """Of ``sw/firmware/src/kernels/softmax.c``: 2**-20, where 2**-16 is left for it."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for total in [1 << 19, (1 << 27) - 1, *(1 << rng.integers(19, 27, 3000)) + rng.integers(0, 1 << 19, 3000)]:
        mantissa, shift = reciprocal(int(total))
        power = int(rng.integers(0, 1 << 31))
        got = doubling_high_multiply(mantissa, power) / 2 ** (shift + 31 - 8)
        worst = max(worst, abs(got - power / (16 * int(total))))
    assert 2.0 ** -24 < worst < 2.0 ** -20


@pytest.mark.parametrize("old, new", [
    ("return shift < 32 ?", "return shift < 20 ?"), ("(power >> DROPPED) + (one >> 1)", "(power >> DROPPED)"),
    ("#define DROPPED 4", "#define DROPPED 5"), ("rest -= most;", "rest -= most - 1 - most / 4;"),
    ("(total >> 1) - (total >> UNSURE)", "total")])
def test_a_fault_in_the_division_is_found(tmp_path, old, new):
    assert any(old in path.read_text() for path in kernel_files())
    broken = compiled(tmp_path / "broken", {old: new}, cpu="serv")
    equal = np.zeros((4, 1, 300), np.int8)
    assert any(not np.array_equal(answer(broken, softmax(one.shape, scale=scale), kind(one.shape), one),
                                  golden(softmax(one.shape, scale=scale), kind(one.shape), one))
               for one in (near_ties(), equal) for scale in (0.003, 0.0146, 0.0625))


def test_softmax_of_narrow_inputs_has_a_short_table(functions):
    data = np.random.default_rng(0).integers(-8, 8, (5, 1, 9)).astype(np.int8)
    layer, taken = softmax(data.shape), kind(data.shape, bits=4)
    call, = OPERATORS["softmax"].calls(layer, [taken], sources=[0], output=0)
    assert len(call.words) == len(FUNCTIONS["softmax"].fields) + 16
    assert np.array_equal(answer(functions, layer, taken, data), golden(layer, taken, data))


@pytest.mark.parametrize("source, output, size", [(4, 4096, 1024), (5, 4096, 1024), (4, 4097, 1027), (4, 2048, 1027),
                                                  (4, 2048, 127), (5, 2049, 1)])
def test_every_byte_at_every_alignment(functions, source, output, size):
    rng = np.random.default_rng(size)
    data = np.resize(np.arange(-128, 128), (size, 1, 1)).astype(np.int8)
    for _ in range(20):
        layer = random_kernel(rng, "requantize", kind(data.shape))
        got = answer(functions, layer, kind(data.shape), data, source=source, output=output)
        assert np.array_equal(got, golden(layer, kind(data.shape), data))


@pytest.mark.parametrize("op", OPERATORS)
def test_every_operator_on_random_shapes_at_every_alignment(functions, op):
    rng = np.random.default_rng(list(OPERATORS).index(op))
    for index in range(80):
        layer, taken = random_operator(rng, op, most=6 if index % 4 else 20)
        data = [random_values(rng, kind, 3)[index % 3] for kind in taken]
        assert same(functions, layer, taken, data, source=4 + index // 3 % 4)


@pytest.mark.parametrize("op", ["add", "sub", "mul", "prelu", "maximum", "minimum"])
def test_two_operands_of_every_pair_of_values(functions, op):
    rng, values = np.random.default_rng(1), pairs()
    for _ in range(5):
        layer, taken = random_operator(rng, op)
        taken = [replace(one, shape=values.shape[:2] + (1,)) for one in taken]
        layer = replace(layer, output=replace(layer.output, shape=taken[0].shape))
        assert same(functions, layer, taken, [values[..., :1], values[..., 1:]])


def floats(scale):
    """Around every value that rounds to another one, and what is special."""
    halves = (np.float32(scale) * (np.arange(-400, 400) + np.float64(0.5))).astype(np.float32)
    special = np.array([0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 1e-45, -1e-40, 1.2e-38, 3e38, -3e38], np.float32)
    bits = np.random.default_rng(0).integers(0, 1 << 32, 3000, np.uint32).view(np.float32)
    near = np.float32(scale) * np.random.default_rng(1).uniform(-300, 300, 3000).astype(np.float32)
    around = [np.nextafter(halves, np.float32(end)) for end in (-np.inf, np.inf)]
    return np.concatenate([halves, *around, special, near, bits]).reshape(1, 1, -1)


@pytest.mark.parametrize("scale", [2.0**-126, 1.3e-38, 1e-5, 0.0078125, 0.1, 1 / 3, 1.0, 7.7, 1e6, 3e38])
def test_floats_to_bytes(functions, scale):
    with np.errstate(over="ignore", under="ignore"):
        data = floats(scale)
    for zero in (-128, 0, 127):
        layer, taken = random_operator(np.random.default_rng(0), "quantize")
        layer = replace(layer, output=replace(layer.output, shape=data.shape, scale=scale, zero_point=zero))
        taken = [replace(taken[0], shape=data.shape)]
        assert same(functions, layer, taken, [data])
        assert np.array_equal(OPERATORS["quantize"].plain(layer, taken, [data]), golden(layer, taken, [data]))


@pytest.mark.parametrize("scale", [2.0**-126, 1.3e-38, 1e-5, 0.0078125, 0.1, 1 / 3, 1.0, 7.7, 1e6, 3e38])
def test_bytes_to_floats(functions, scale):
    data = np.arange(-128, 128, dtype=np.int8).reshape(1, 1, -1)
    for zero in (-128, 0, 127):
        layer, taken = random_operator(np.random.default_rng(0), "dequantize")
        layer = replace(layer, output=replace(layer.output, shape=data.shape))
        taken = [replace(taken[0], shape=data.shape, scale=float(np.float32(scale)), zero_point=zero)]
        assert same(functions, layer, taken, [data])
        assert OPERATORS["dequantize"].plain(layer, taken, [data]).tobytes() == golden(layer, taken, [data]).tobytes()


@pytest.mark.parametrize("channels", [1, 2, 10, 257, 4095])
@pytest.mark.parametrize("scale", [2.0**-24, 0.003, 0.1447, 3.0, 60.0])
def test_log_softmax_of_random_and_extreme_rows(functions, scale, channels):
    rng = np.random.default_rng(channels)
    data = rng.integers(-128, 128, (3, 2, channels)).astype(np.int8)
    data[1, 0], data[1, 1], data[2, 0] = -128, 127, np.where(np.arange(channels) == channels // 2, 127, -128)
    layer = made_kernel("log_softmax", TensorType(shape=data.shape, scale=1 / 16, zero_point=127),
                        prepare_log_softmax(scale))
    assert same(functions, layer, [kind(data.shape)], [data])


def faults(broken, op, *, count=120):
    """Whether any of so many random layers shows that the functions are wrong."""
    rng = np.random.default_rng(7)
    for index in range(count):
        layer, taken = random_operator(rng, op, most=12)
        data = [random_values(rng, one, 3)[index % 3] for one in taken]
        if op == "quantize":
            data = [np.resize(floats(layer.output.scale), taken[0].shape)] if index % 2 else data
        try:
            if not same(broken, layer, taken, data, source=4 + index % 4):
                return True
        except AssertionError:
            return True
    return False


@pytest.mark.parametrize("op, old, new", [
    ("gather", "low >> shift | high << (32 - shift)", "low >> shift"), ("gather", "*from << n", "*from << (n & 8)"),
    ("concat", "words[3] = d", "words[3] = d + 1"),
    ("pad", "* 0x01010101u", "* 0x00010101u"), ("resize", "column[x]", "column[0]"),
    ("resize", "place == before", "place != before"), ("sub", "(b ^ op->flipped) - op->flipped", "b"),
    ("sub", "LEFT_SHIFT 20", "LEFT_SHIFT 19"), ("mul", " + (value >> 31 & scaling->away)", ""),
    ("prelu", "a < 0 ?", "a < -1 ?"), ("maximum", "a > b ? a : b", "b"),
    ("minimum", "next_four(&b, step_b)", "next_four(&b, 1)"),
    ("mean", "- zero_total", "+ zero_total"), ("mean", "odd += four >> 8", "odd += four >> 16"),
    ("mean", "-shift), multiplier)", "-shift), multiplier / 2)"),
    ("avgpool", "sum + count / 2", "sum"), ("avgpool", "window.rows * window.taps", "(uint32_t)(kernel_y * kernel_x)"),
    ("maxpool", "b = -128", "b = 0"), ("maxpool", "(four >> 24) > d", "(four >> 16) > d"),
    ("log_softmax", "LOG_2 1488522236", "LOG_2 1478522236"), ("log_softmax", "ABOVE 117049297", "ABOVE 817049297"),
    ("log_softmax", "- (1 << 23)", "+ (1 << 23)"), ("log_softmax", "difference > limit", "difference > limit - 1000"),
    ("conv", "*from++ - zero", "*from++ + zero"), ("conv", "(four >> 24)", "(four >> 16)"),
    ("conv", "row += words[HEDDLE_WEIGHTED_DILATION_Y]", "row++"), ("conv", "n == words[HEDDLE_WEIGHTED_EACH]", "0"),
    ("conv", "column >= width", "column > width"), ("conv", "n++ % BLOCK", "n++ & 1"), ("conv", "<< record[LEFT]", ""),
    ("depthwise", "weights += inputs", "weights += 0"), ("depthwise", "            n = 0;", ""),
    ("depthwise", "place.y += words[HEDDLE_WEIGHTED_STRIDE_Y]", "place.y++"), ("dense", "+ record[BIAS]", ""),
    ("dense", "record[RIGHT]", "0"), ("dense", "record += RECORD", "record++"),
    ("quantize", "divisor >> digits", "divisor >> 31"), ("quantize", "exponent < -1", "exponent < 0"),
    ("quantize", "twice >= divisor", "twice > divisor"), ("quantize", "exponent > 8 ||", "exponent > 7 ||"),
    ("features", "fraction(uint32_t value)\n{\n    return (int16_t)((int32_t)(value + (1u << 14))",
     "fraction(uint32_t value)\n{\n    return (int16_t)((int32_t)(value)"),
    ("features", "even_i - odd)", "even_i + odd)"), ("features", "own->splitting + 2 * (n - 1)", "own->splitting"),
    ("features", "(result >> 1) + bit", "(result >> 1)"), ("features", "ODD_SMOOTHING 983", "ODD_SMOOTHING 883"),
    ("features", "4 * interval - 6", "4 * interval - 5"), ("features", "LN_2 45426", "LN_2 45226"),
    ("dequantize", "(product >> shift & 1)", "1"), ("dequantize", "- zero, mantissa", "+ zero, mantissa")])
def test_a_fault_in_a_function_is_found(tmp_path, op, old, new):
    assert any(old in path.read_text() for path in (*kernel_files(), SOURCES / "kernel.h"))
    assert faults(compiled(tmp_path / "broken", {old: new}), op)


@pytest.mark.parametrize("old, new", [
    ("1515870810", "715870810"), ("NEWTON_STEPS 3", "NEWTON_STEPS 1"), ("(1u << (shift - 1))", "0"),
    ("(1 << (SUM_BITS - 1))", "0"), ("below < entries && shift < 32", "below + 1 < entries && shift < 32"),
    ("shift < 32", "shift < 28"), ("INT32_MAX", "INT32_MAX - (1 << 26)")])
def test_a_wrong_constant_is_found(tmp_path, old, new):
    assert any(old in path.read_text() for path in kernel_files())
    broken, data = compiled(tmp_path / "broken", {old: new}), pairs()
    few = [np.array([[[-128], [127]]], np.int8), data,
           np.random.default_rng(0).integers(-40, 128, (400, 1, 1001)).astype(np.int8)]
    assert any(not np.array_equal(answer(broken, softmax(one.shape, scale=scale), kind(one.shape), one),
                                  golden(softmax(one.shape, scale=scale), kind(one.shape), one))
               for one in few for scale in (0.003, 0.0625))


def test_a_wrong_lookup_is_found(tmp_path):
    broken = compiled(tmp_path / "broken", {"(four >> 16)": "(four >> 8)"})
    data = np.resize(np.arange(-128, 128), (1024, 1, 1)).astype(np.int8)
    layer = random_kernel(np.random.default_rng(0), "requantize", kind(data.shape))
    got = answer(broken, layer, kind(data.shape), data, output=2048)
    assert not np.array_equal(got, golden(layer, kind(data.shape), data))
