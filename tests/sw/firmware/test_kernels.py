"""The CPU's functions in C, compiled for this machine, against the golden operators; and planted faults."""

import ctypes
from collections.abc import Mapping

import numpy as np
import pytest

from hw.tools import run as run_tool
from sw.firmware import c_header
from sw.firmware.build import SOURCES, kernel_files
from sw.golden.kernels import FUNCTIONS, OPERATORS, run_call
from sw.golden.softmax import prepare_softmax
from sw.graph.graph import Layer, TensorType
from tests.support.layers import NOTHING, random_kernel


def compiled(folder, changes: Mapping[str, str] | None = None):
    """The functions by name, from their C files; ``changes`` are made to these first."""
    folder.mkdir(exist_ok=True)
    (folder / "heddle_config.h").write_text(c_header())
    for path in kernel_files():
        text = path.read_text()
        for old, new in (changes or {}).items():
            text = text.replace(old, new)
        (folder / path.name).write_text(text)
    names = [path.name for path in kernel_files()]
    run_tool(["gcc", "-shared", "-fPIC", "-O1", "-std=c11", "-Wall", "-Wextra", "-Werror", "-I.", f"-I{SOURCES}",
              *names, "-o", "kernels.so"], cwd=folder, timeout_s=60, log=folder / "gcc.log")
    library = ctypes.CDLL(str(folder / "kernels.so"))
    return {name: getattr(library, f"heddle_kernel_{name}") for name in FUNCTIONS}


@pytest.fixture(scope="module")
def functions(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("kernels"))


def answer(functions, layer, taken, data, *, source=4, output=None):
    """What the C function gives; it must write its output and nothing else."""
    output = source + data.size + 5 if output is None else output
    memory = np.random.default_rng(0).integers(-128, 128, output + data.size + 8).astype(np.int8)
    memory[source:source + data.size] = data.reshape(-1)
    before = memory.copy()
    for call in OPERATORS[layer.op].calls(layer, [taken], sources=[source], output=output):
        words = np.array(call.words, np.uint32)
        name = list(FUNCTIONS)[call.runner - 1]
        functions[name](ctypes.c_void_p(words.ctypes.data), ctypes.c_void_p(memory.ctypes.data))
        run_call(call, before)
    got = memory[output:output + data.size].copy()
    before[output:output + data.size] = got
    assert np.array_equal(memory, before)
    return got.reshape(data.shape)


def golden(layer, taken, data):
    return OPERATORS[layer.op].batch(layer, [taken], [data[None]])[0]


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
def test_softmax_of_every_pair(functions, scale):
    data = pairs()
    layer = softmax(data.shape, scale=scale)
    assert np.array_equal(answer(functions, layer, kind(data.shape), data), golden(layer, kind(data.shape), data))


@pytest.mark.parametrize("channels", [1, 3, 10, 12, 257, 1001, 4095])
@pytest.mark.parametrize("scale", [1e-6, 0.003, 0.1447])
def test_softmax_of_random_and_extreme_rows(functions, scale, channels):
    rng = np.random.default_rng(channels)
    data = rng.integers(-128, 128, (3, 2, channels)).astype(np.int8)
    data[1, 0], data[1, 1], data[2, 0] = -128, 127, np.where(np.arange(channels) == channels // 2, 127, -128)
    layer = softmax(data.shape, scale=scale)
    assert np.array_equal(answer(functions, layer, kind(data.shape), data, source=7),
                          golden(layer, kind(data.shape), data))


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
