"""What features can be asked for."""

import pytest

from hw.spec.errors import SpecError
from sw.graph.audio import FeatureSpec


@pytest.mark.parametrize("fields, text", [
    ({"rate": 1000}, "rate=1000: features take 4000 to 48000 samples/s"),
    ({"window_ms": 10, "hop_ms": 20}, "window_ms=10, hop_ms=20: a window has 16 to 1024 samples, here 160, and a hop"),
    ({"channels": 0}, "channels=0: features have 1 to 128 channels"),
    ({"high_hz": 9000}, "low_hz=125, high_hz=9000: channels lie between 0 and half the rate, 8000 Hz"),
    ({"high_hz": 8000}, "high_hz=8000: the spectrum of 480 samples ends below; lower it")])
def test_what_cannot_be_computed_is_one_line(fields, text):
    with pytest.raises(SpecError, match=f"^{text}"):
        FeatureSpec(**fields)
