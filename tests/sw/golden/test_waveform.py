"""A network that hears by itself: features of a waveform as an operator of the CPU."""

import numpy as np
import pytest

from sw.golden import run
from sw.golden.features import features
from sw.golden.kernels import OPERATORS, run_call
from sw.golden.waveform import hearing, prepare_features, spec_of
from sw.graph.audio import FeatureSpec
from sw.graph.graph import Graph, GraphError, TensorType
from tests.support.layers import made_kernel, random_add, random_layer

MICRO_SCALE = 666 / 256 / 25.6      # at which a quantized feature is what TensorFlow Lite Micro's micro_speech has
SPEC = FeatureSpec(window_ms=16, hop_ms=8, channels=10)
SAMPLES = 1000


def ears(scale=MICRO_SCALE, **fields):
    output = TensorType(shape=(SPEC.frames(SAMPLES), 10, 1), scale=scale, zero_point=-128)
    layer = made_kernel("features", output, **{"parameters": (16000, 16, 8, 10, 125, 7500), **fields})
    return layer, TensorType(shape=(1, 1, SAMPLES), scale=1.0, zero_point=0, dtype="int16")


def graph_of(layer, taken, multiplier=None):
    multiplier = prepare_features(layer.output.scale) if multiplier is None else multiplier
    object.__setattr__(layer, "multiplier", np.array([multiplier], np.int32))
    return Graph(name="ears", inputs=(taken,), layers=(layer,)).check()


def test_it_quantizes_as_micro_speech_does():
    values = np.arange(671, dtype=np.int64)
    wanted = np.clip((values * 256 + 333) // 666 - 128, -128, 127)
    found = values * prepare_features(MICRO_SCALE) + (1 << 23) >> 24
    assert np.array_equal(np.clip(found - 128, -128, 127), wanted)


def test_a_network_of_waveforms():
    graph = graph_of(*ears())
    waveforms = np.random.default_rng(0).integers(-9000, 9000, (3, 1, 1, SAMPLES)).astype(np.int16)
    values = features(SPEC, waveforms.reshape(3, SAMPLES)).astype(np.int64)
    wanted = np.clip((values * 256 + 333) // 666 - 128, -128, 127)
    assert spec_of(graph.layers[0]) == SPEC
    assert np.array_equal(run(graph, waveforms)[graph.answers[0]], wanted[..., None])


def test_a_call_reads_its_waveform_and_writes_its_features_alone():
    graph, rng = graph_of(*ears()), np.random.default_rng(1)
    layer, size = graph.layers[0], graph.output.size
    memory = rng.integers(-128, 128, 2 * SAMPLES + size + 24).astype(np.int8)
    call, = OPERATORS["features"].calls(layer, graph.inputs, sources=[4], output=2 * SAMPLES + 16)
    before = memory.copy()
    run_call(call, memory)
    waveform = before[4:4 + 2 * SAMPLES].copy().view("<i2").reshape(1, 1, SAMPLES)
    before[2 * SAMPLES + 16:][:size] = OPERATORS["features"].plain(layer, graph.inputs, [waveform]).reshape(-1)
    assert np.array_equal(memory, before)


@pytest.mark.parametrize("fields, text", [
    ({"parameters": (16000, 16, 8)}, "has 3 parameters; it takes rate, window_ms, hop_ms, channels, low_hz, high_hz"),
    ({"parameters": (16000, 16, 8, 10, 125, 9000)}, "low_hz=125, high_hz=9000: channels lie between 0 and half the"),
    ({"parameters": (16000, 16, 16, 10, 125, 7500)}, "shape is (6, 10, 1), but 1000 samples have 3 windows of 10")])
def test_what_is_wrong_with_a_layer_is_one_line(fields, text):
    with pytest.raises(GraphError) as caught:
        graph_of(*ears(**fields))
    assert text in str(caught.value)


def test_it_takes_waveforms_alone_and_a_multiplier():
    layer, taken = ears()
    with pytest.raises(GraphError, match="int8 to int8; it makes int8 of int16"):
        graph_of(layer, TensorType(shape=taken.shape, scale=0.1, zero_point=0))
    with pytest.raises(GraphError, match=r"multiplier is int32\(1,\); expected int32\(1,\) above 0"):
        graph_of(layer, taken, multiplier=0)
    with pytest.raises(GraphError, match="scale 0.0005: features take a scale of 1/1024 or more"):
        prepare_features(0.0005)


def test_a_network_with_a_front_end_answers_as_without():
    """With an add of two layers, whose numbers move."""
    rng, kind = np.random.default_rng(2), ears()[0].output
    conv = random_layer(rng, "conv", kind, outputs=1, kernel=(1, 1), name="conv")
    again = random_layer(rng, "conv", conv.output, outputs=1, kernel=(1, 1), name="again")
    both = random_add(rng, (1, 2), (conv.output, again.output), name="both")
    graph = Graph(name="net", inputs=(kind,), layers=(conv, again, both), outputs=(3, 1)).check()
    waveforms = rng.integers(-9000, 9000, (2, 1, 1, SAMPLES)).astype(np.int16)
    heard = hearing(graph, SPEC, SAMPLES)
    assert heard.outputs == (4, 2) and heard.inputs[0].dtype == "int16"
    after = run(heard, waveforms)
    before = run(graph, after[heard.first])
    for old, new in zip(graph.answers, heard.answers, strict=True):
        assert np.array_equal(before[old], after[new])


def test_a_network_of_other_features_is_refused():
    graph = Graph(name="net", inputs=(ears()[0].output,), layers=(random_layer(
        np.random.default_rng(0), "conv", ears()[0].output, kernel=(1, 1)),)).check()
    with pytest.raises(GraphError, match=r"^net: takes int8 \(6, 10, 1\), but 2000 samples have 14 windows of 10"):
        hearing(graph, SPEC, 2000)
