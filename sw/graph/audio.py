"""Which features an audio network is given: windows of a waveform, and channels on the mel scale."""

from dataclasses import dataclass

import numpy as np

from hw.spec.errors import SpecError

__all__ = ["LARGEST_WINDOW", "MOST_CHANNELS", "STEPS", "WEIGHT_BITS", "FeatureSpec", "centers", "edges",
           "line_hertz", "mel"]

STEPS = 25.6                     # of a feature, in a unit of the logarithm
WEIGHT_BITS = 12                 # fractional bits of a channel's weights
SMALLEST_RATE, LARGEST_RATE = 4000, 48000         # Hz
LARGEST_WINDOW, MOST_CHANNELS = 1024, 128


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """What features are computed of which waveforms.

    Raises
    ------
    SpecError
        If a field is out of range, or the spectrum has too few lines for the channels.

    >>> spec = FeatureSpec()
    >>> spec.window, spec.hop, spec.transform, spec.frames(16000)
    (480, 320, 512, 49)
    """

    rate: int = 16000            # samples/s
    window_ms: int = 30
    hop_ms: int = 20
    channels: int = 40
    low_hz: int = 125            # of the lowest channel
    high_hz: int = 7500          # of the highest channel

    def __post_init__(self) -> None:
        if not SMALLEST_RATE <= self.rate <= LARGEST_RATE:
            raise SpecError(f"rate={self.rate}: features take {SMALLEST_RATE} to {LARGEST_RATE} samples/s")
        if not (0 < self.hop <= self.window and 16 <= self.window <= LARGEST_WINDOW):
            raise SpecError(f"window_ms={self.window_ms}, hop_ms={self.hop_ms}: a window has 16 to {LARGEST_WINDOW} "
                            f"samples, here {self.window}, and a hop 1 to as many, here {self.hop}")
        if not 1 <= self.channels <= MOST_CHANNELS:
            raise SpecError(f"channels={self.channels}: features have 1 to {MOST_CHANNELS} channels")
        if not 0 <= self.low_hz < self.high_hz <= self.rate / 2:
            raise SpecError(f"low_hz={self.low_hz}, high_hz={self.high_hz}: channels lie between 0 and half the "
                            f"rate, {self.rate / 2:g} Hz, the lower one first")
        if edges(self)[-1] >= self.transform // 2 + 1:
            raise SpecError(f"high_hz={self.high_hz}: the spectrum of {self.window} samples ends below; lower it")

    @property
    def window(self) -> int:
        """Samples."""
        return self.window_ms * self.rate // 1000

    @property
    def hop(self) -> int:
        """Samples from the beginning of a window to that of the next."""
        return self.hop_ms * self.rate // 1000

    @property
    def transform(self) -> int:
        """Points of the Fourier transform: a power of two."""
        return 1 << max(self.window - 1, 1).bit_length()

    @property
    def correction(self) -> int:
        """Bits that a channel's value has too few: the transform's scale less half of the weights'."""
        return self.transform.bit_length() - 1 - WEIGHT_BITS // 2

    def frames(self, samples: int) -> int:
        """Whole windows of a waveform."""
        return 0 if samples < self.window else 1 + (samples - self.window) // self.hop


def mel(hertz: float | np.float32) -> np.float32:
    """All of it in numbers of 32 bits, as the tables of TensorFlow Lite Micro are made."""
    return np.float32(1127.0) * np.float32(np.log1p(np.float64(np.float32(hertz) / np.float32(700.0))))


def line_hertz(spec: FeatureSpec) -> np.float32:
    """The distance of two lines of the spectrum."""
    return np.float32(0.5 * spec.rate / float(np.float32(spec.transform // 2)))


def centers(spec: FeatureSpec) -> list[np.float32]:
    """Of the channels and one more, mel."""
    low = mel(spec.low_hz)
    spacing = np.float32((mel(spec.high_hz) - low) / np.float32(spec.channels + 1))
    return [np.float32(low + np.float32(spacing * np.float32(number + 1))) for number in range(spec.channels + 1)]


def edges(spec: FeatureSpec) -> list[int]:
    """The first line of each channel's rise, and the end of the last one's."""
    line = line_hertz(spec)
    found = [int(1.5 + spec.low_hz / float(line))]
    for center in centers(spec):
        at = found[-1]
        while mel(np.float32(np.float32(at) * line)) <= center:
            at += 1
        found.append(at)
    return found
