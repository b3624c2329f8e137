"""Estimates against what the simulated SoC counted, on a VexRiscv, with calls of 16 to 4,000 outputs."""

from dataclasses import replace

import numpy as np
import pytest

from sw.golden.kernels import FUNCTIONS, OPERATORS, call_cycles, constant_call
from sw.graph.audio import FeatureSpec
from sw.graph.layer import TensorType
from tests.support.layers import made_kernel

PAIR = (1 << 30, 4)


def kind(*shape, dtype="int8"):
    return TensorType(shape=shape, scale=0.1, zero_point=0, dtype=dtype)


LINE, REAL, BYTES = kind(1, 1, 4000), kind(1, 1, 2000, dtype="float32"), kind(1, 1, 2000)
#: operator, output, tensors that it reads, pairs of multiplier and shift, other fields, counted cycles
COUNTED = [
    ("table", LINE, [LINE], 0, {"weights": np.zeros(256, np.int8)}, 41341),
    ("table", kind(1, 1, 40), [kind(1, 1, 40)], 0, {"weights": np.zeros(256, np.int8)}, 1699),
    ("add", LINE, [LINE, LINE], 3, {}, 438736),
    ("add", kind(500, 1, 8), [kind(500, 1, 8), kind(1, 1, 8)], 3, {}, 453275),
    ("mul", LINE, [LINE, LINE], 1, {}, 285865), ("prelu", LINE, [LINE, LINE], 2, {}, 288002),
    ("minimum", LINE, [LINE, LINE], 0, {}, 239863),
    ("gather", LINE, [LINE], 0, {"parameters": (0, 0, 0, 1)}, 14134),
    ("gather", LINE, [kind(1, 1, 8000)], 0, {"parameters": (0, 0, 0, 2)}, 81403),
    ("concat", kind(1, 250, 32), [kind(1, 250, 16)] * 2, 0, {"parameters": (-1,)}, 2 * 31154),
    ("concat", kind(1, 1333, 6), [kind(1, 1333, 3)] * 2, 0, {"parameters": (-1,)}, 2 * 101667),
    ("pad", kind(502, 1, 8), [kind(500, 1, 8)], 0, {"parameters": (1, 1, *(0,) * 7, 5)}, 8112 + 13973),
    ("resize", kind(8, 124, 8), [kind(4, 62, 8)], 0, {"parameters": (0, 1)}, 72368),
    ("mean", kind(1, 1, 16), [kind(1, 250, 16)], 1, {}, 31679),
    ("mean", kind(1, 1, 3), [kind(1, 1333, 3)], 1, {}, 92524),
    ("softmax", kind(1, 400, 10), [kind(1, 400, 10)], 1, {}, 529793),
    ("log_softmax", kind(1, 400, 10), [kind(1, 400, 10)], 2, {}, 784333),
    ("quantize", BYTES, [REAL], 0, {}, 105916),
    ("dequantize", REAL, [BYTES], 0, {"act_min": -128, "act_max": 127}, 193299),
    *((op, kind(4, width, channels), [kind(4, width, channels)], 0,
       {"weights": np.zeros((3, 3, 0), np.int8), "padding": (1, 1, 1, 1)}, cycles)
      for op, width, channels, cycles in (("avgpool", 125, 8, 681359), ("avgpool", 333, 3, 1355253),
                                          ("maxpool", 125, 8, 611670), ("maxpool", 333, 3, 1328630)))]


def weights(*shape, **fields):
    outputs = shape[-1] if len(shape) == 3 else shape[0]
    return outputs, {"weights": np.zeros(shape, np.int8), "bias": np.zeros(outputs, np.int32), **fields}


AROUND = {"padding": (1, 1, 1, 1)}
COUNTED += [
    ("conv", kind(10, 9, 8), [kind(10, 9, 3)], *weights(8, 3, 3, 3, **AROUND), 555443),
    ("conv", kind(10, 9, 13), [kind(10, 9, 8)], *weights(13, 1, 1, 8), 414051),
    ("conv", kind(5, 5, 16), [kind(10, 9, 13)], *weights(16, 3, 3, 13, **AROUND, stride=(2, 2)), 761847),
    ("depthwise", kind(10, 9, 8), [kind(10, 9, 8)], *weights(3, 3, 8, **AROUND), 1175777),
    ("depthwise", kind(5, 5, 32), [kind(5, 5, 16)], *weights(3, 3, 32, **AROUND), 676592),
    ("dense", kind(1, 1, 50), [kind(1, 1, 48)], *weights(50, 48), 49486)]


def estimated(calls):
    return sum(map(call_cycles, calls))


def calls_of(op, output, taken, pairs, fields, *, source=0):
    layer = made_kernel(op, output, [PAIR] * pairs, **fields)
    if op in ("softmax", "log_softmax"):
        layer = replace(layer, multiplier=np.full(pairs, 1 << 30, np.int32), shift=np.full(pairs, 22, np.int32))
    return OPERATORS[op].calls(layer, taken, sources=[source, 12288][:len(taken)], output=20480)


@pytest.mark.parametrize("case", COUNTED, ids=[f"{case[0]}{case[1].size}" for case in COUNTED])
def test_an_estimate_is_near_what_was_counted(case):
    *layer, cycles = case
    assert abs(estimated(calls_of(*layer)) / cycles - 1) < 0.22


@pytest.mark.parametrize("spec, frames, cycles", [
    (FeatureSpec(), 5, 995965), (FeatureSpec(window_ms=16, hop_ms=16, channels=10), 7, 604886),
    (FeatureSpec(window_ms=64, hop_ms=32, channels=64), 2, 838694),
    (FeatureSpec(window_ms=20, hop_ms=10), 11, 1957366), (FeatureSpec(window_ms=32, hop_ms=32, channels=16), 3, 516334),
    (FeatureSpec(rate=8000, window_ms=32, hop_ms=16, channels=20, high_hz=3800), 14, 1383243)])
def test_features_cost_what_was_counted(spec, frames, cycles):
    layer = made_kernel("features", kind(1, frames, spec.channels), parameters=tuple(vars(spec).values()))
    taken = TensorType(shape=(1, 1, 2000), scale=1.0, zero_point=0, dtype="int16")
    calls = OPERATORS["features"].calls(replace(layer, multiplier=np.ones(1, np.int32)), [taken], sources=[0],
                                        output=4096)
    assert calls[0].words[2] == frames
    assert abs(estimated(calls) / cycles - 1) < 0.02


def test_a_constant_costs_what_its_bytes_do():
    assert abs(estimated([constant_call(np.zeros(400, np.int8), output=20480)]) / 1482 - 1) < 0.1


def test_what_lies_beside_its_words_costs_more():
    for op, pairs, fields in (("table", 0, {"weights": np.zeros(256, np.int8)}), ("add", 3, {}),
                              ("gather", 0, {"parameters": (0, 0, 0, 1)})):
        taken = [LINE] * (2 if op == "add" else 1)
        assert estimated(calls_of(op, LINE, taken, pairs, fields)) < estimated(
            calls_of(op, LINE, taken, pairs, fields, source=1))


def test_every_function_has_a_price():
    used = {call.runner for *layer, _ in COUNTED for call in calls_of(*layer)}
    elsewhere = {1 + list(FUNCTIONS).index(name) for name in ("constant", "features")}
    assert used == set(range(1, 1 + len(FUNCTIONS))) - elsewhere
