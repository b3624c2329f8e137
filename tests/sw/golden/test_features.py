"""Audio features: equal to the front end of TensorFlow Lite Micro, as PyPI's pymicro-features has it."""

import ctypes
import ctypes.util
import importlib.util

import numpy as np
import pytest

from sw.golden import features as module
from sw.golden.features import features, tables_of
from sw.graph import audio
from sw.graph.audio import STEPS, FeatureSpec

RATE = 16000
SPEC = FeatureSpec(hop_ms=10)      # what pymicro-features computes
needs_reference = pytest.mark.skipif(importlib.util.find_spec("pymicro_features") is None,
                                     reason="PyPI has pymicro-features for x86_64 alone")


def reference(waveform):
    """uint16 ``(frames, channels)`` of the front end itself."""
    from pymicro_features import MicroFrontend

    frontend, rows = MicroFrontend(), []
    for start in range(0, len(waveform) - 159, 160):
        found = frontend.process_samples(waveform[start:start + 160].astype("<i2").tobytes()).features
        rows += [found] if found else []
    return np.round(np.array(rows) * STEPS).astype(np.uint16)


@pytest.fixture
def c_logarithms(monkeypatch):
    """The reference's tables have the logarithms of the C library, in some of which the last bit is another one."""
    library = ctypes.CDLL(ctypes.util.find_library("m"))
    library.log1pf.restype, library.log1pf.argtypes = ctypes.c_float, [ctypes.c_float]
    for place in (module, audio):
        monkeypatch.setattr(place, "mel", lambda hertz: np.float32(1127) * np.float32(
            library.log1pf(np.float32(hertz) / np.float32(700))))
    tables_of.cache_clear()
    yield
    tables_of.cache_clear()


def waveforms():
    """Of every kind, a second each: noise, loud and quiet, tones, steps, silence, what a sample can hold."""
    rng, time = np.random.default_rng(0), np.arange(RATE)
    envelope = np.repeat(rng.uniform(0, 1, 32), RATE // 32)
    found = [rng.integers(-32768, 32768, RATE), rng.integers(-3, 4, RATE), 3000 * np.sin(0.3 * time),
             32767 * np.sign(np.sin(0.05 * time)), np.zeros(RATE), np.full(RATE, -32768), np.full(RATE, 32767),
             12000 * np.sin(1e-5 * time * time) * envelope, rng.normal(0, 6000, RATE) * envelope,
             np.where(time < RATE // 2, 0, rng.integers(-20000, 20000, RATE)), 32767 * (time % 4000 == 0)]
    return np.clip(np.array(found), -32768, 32767).astype(np.int16)


@needs_reference
def test_every_value_is_the_front_ends(c_logarithms):
    found = features(SPEC, waveforms())
    wanted = np.array([reference(waveform) for waveform in waveforms()])
    assert found.shape == wanted.shape == (11, 98, 40)
    assert np.array_equal(found, wanted)
    assert found.max() > 600 and len(np.unique(found)) > 300


@needs_reference
@pytest.mark.parametrize("name, value", [("EVEN_SMOOTHING", 410), ("LN_2", 45427), ("LEAST_SIGNAL", 1638)])
def test_a_constant_that_is_a_step_off_is_seen(c_logarithms, monkeypatch, name, value):
    monkeypatch.setattr(module, name, value)
    found = features(SPEC, waveforms())
    assert not np.array_equal(found, np.array([reference(waveform) for waveform in waveforms()]))


def test_two_weights_are_one_step_off_at_most_with_the_logarithms_of_this_machine(c_logarithms, monkeypatch):
    theirs = tables_of(SPEC)
    monkeypatch.undo()
    tables_of.cache_clear()
    apart = np.abs(theirs.weights.astype(int) - tables_of(SPEC).weights)
    assert np.array_equal(theirs.edges, tables_of(SPEC).edges)
    assert apart.max() <= 1 and np.count_nonzero(apart) <= 2


@pytest.mark.parametrize("spec, frames", [
    (FeatureSpec(), 49), (FeatureSpec(window_ms=16, hop_ms=16, channels=10), 62),
    (FeatureSpec(rate=8000, window_ms=32, high_hz=3800, channels=20), 49),
    (FeatureSpec(window_ms=64, hop_ms=32, channels=64), 30),
    (FeatureSpec(rate=48000, window_ms=20, high_hz=20000, channels=16), 50)])
def test_other_windows_hops_and_channels(spec, frames):
    rng = np.random.default_rng(1)
    tone = 8000 * np.sin(2 * np.pi * 1000 * np.arange(spec.rate) / spec.rate) + rng.normal(0, 30, spec.rate)
    found = features(spec, tone.astype(np.int16)[None])
    assert found.shape == (1, frames, spec.channels) == (1, spec.frames(spec.rate), spec.channels)
    loudest = int(found[0, 0].argmax())
    line = spec.rate / spec.transform
    low, high = (tables_of(spec).edges[place] * line for place in (loudest, loudest + 2))
    assert low - line <= 1000 <= high + line


def test_each_waveform_begins_in_silence_and_none_is_too_short_to_ask():
    both = waveforms()[:2]
    alone = [features(SPEC, one[None])[0] for one in both]
    assert np.array_equal(features(SPEC, both), alone)
    assert features(SPEC, both[:, :SPEC.window - 1]).shape == (2, 0, 40)
