"""Audio features as TensorFlow Lite Micro's front end computes them, bit for bit.

A waveform is cut into windows; of each the power spectrum is gathered into channels that are evenly spaced on the mel
scale, their square roots lose the noise, are divided by their own level (per-channel amplitude normalization) and come
out as logarithms: ``uint16``, of which :data:`sw.graph.audio.STEPS` make 1. The arithmetic is that of
``tensorflow/lite/experimental/microfrontend`` and its fixed-point transform, KISS FFT; PyPI ``pymicro-features`` is the
reference for the window, hop and channels that it has.

All that depends on a :class:`FeatureSpec` alone is in its :class:`FeatureTables`, which the firmware is given as they
are.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sw.graph.audio import WEIGHT_BITS, FeatureSpec, centers, edges, line_hertz, mel

__all__ = ["FeatureTables", "features", "features_by", "tables_of"]

WINDOW_BITS = 12                 # fractional bits of a window's coefficients
NOISE_BITS = 14                  # of the noise's smoothing
SMOOTHING_BITS = 10              # that the noise's estimate has more than a signal
EVEN_SMOOTHING, ODD_SMOOTHING = int(0.025 * (1 << NOISE_BITS)), int(0.06 * (1 << NOISE_BITS))
LEAST_SIGNAL = int(0.05 * (1 << NOISE_BITS))      # of a channel, that is left when the noise is taken away
GAIN_BITS, GAIN_OFFSET, GAIN_STRENGTH = 21, 80.0, 0.95
SNR_BITS, OUTPUT_BITS = 12, 6
GAIN_INTERVALS = 32              # of the gain's table: a parabola for each power of two
LOG_BITS, LOG_SEGMENTS, LOG_SHIFT = 16, 7, 6
LN_2 = 45426                     # with LOG_BITS
BLOCK = 2048                     # windows that are transformed at a time


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureTables:
    """The integers that a specification comes down to."""

    window: np.ndarray          # int16 (window,)
    twiddles: np.ndarray        # int16 (transform / 2, 2): cosine and sine of the complex transform's angles
    splitting: np.ndarray       # int16 (transform / 4, 2): those that make a real transform of it
    edges: np.ndarray           # int16 (channels + 2,): where in the spectrum each channel's rise begins
    weights: np.ndarray         # int16: of every line between the edges, for the channel that it rises in
    gains: np.ndarray           # int16 (125,): of the noise's estimate, three for each power of two
    logarithms: np.ndarray      # uint16 (130,): log2(1 + x) - x

    @property
    def correction(self) -> int:
        """Bits that a channel's value has too few: the transform's scale less half of the weights'."""
        return len(self.twiddles).bit_length() - WEIGHT_BITS // 2


@lru_cache(maxsize=16)
def tables_of(spec: FeatureSpec) -> FeatureTables:
    """All tables of a specification."""
    cuts, weights = edges(spec), []
    line, peaks = line_hertz(spec), [mel(spec.low_hz), *centers(spec)]
    for below, peak, start, stop in zip(peaks, peaks[1:], cuts, cuts[1:], strict=False):
        for at in range(start, stop):
            weight = np.float32((peak - mel(np.float32(np.float32(at) * line))) / (peak - below))
            weights.append(_rounded(float(weight) * (1 << WEIGHT_BITS)))
    turn = np.float32(np.pi * 2.0) / np.float32(spec.window)
    angles = turn * (np.arange(spec.window, dtype=np.float32) + np.float32(0.5))
    raised = np.float32(0.5) - np.float32(0.5) * np.cos(angles.astype(np.float64)).astype(np.float32)
    half = spec.transform // 2
    return FeatureTables(
        window=np.floor(raised.astype(np.float64) * (1 << WINDOW_BITS) + 0.5).astype(np.int16),
        twiddles=_circle(-2 * np.pi * np.arange(half) / half),
        splitting=_circle(-np.pi * ((np.arange(half // 2) + 1) / half + 0.5)),
        edges=np.array(cuts, np.int16), weights=np.array(weights, np.int16), gains=_gains(spec),
        logarithms=np.append(np.floor((np.log2(1 + np.arange(129) / 128) - np.arange(129) / 128) * (1 << LOG_BITS)
                                      + 0.5), 0).astype(np.uint16))


def _rounded(value: float) -> int:
    return int(np.floor(value + 0.5))


def _circle(angles: np.ndarray) -> np.ndarray:
    return np.floor(0.5 + 32767 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)).astype(np.int16)


def _gain(spec: FeatureSpec, estimate: int) -> int:
    level = np.float32(np.float32(estimate) / np.float32(1 << SMOOTHING_BITS - spec.correction)) + np.float32(
        GAIN_OFFSET)
    gain = np.float32(1 << GAIN_BITS) * np.float32(float(level) ** float(np.float32(-GAIN_STRENGTH)))
    return 32767 if gain > 32767 else int(np.float32(gain + np.float32(0.5)))


def _gains(spec: FeatureSpec) -> np.ndarray:
    """The gains of 0 and 1, then of each power of two its own and a parabola up to the next one."""
    table = np.zeros(4 * GAIN_INTERVALS - 3, np.int64)
    table[:2] = _gain(spec, 0), _gain(spec, 1)
    for interval in range(2, GAIN_INTERVALS + 1):
        first = 1 << interval - 1
        last = 2 * first - 1 if interval == GAIN_INTERVALS else 2 * first
        one, two, three = (_gain(spec, value) for value in (first, first + first // 2, last))
        slope = 4 * (two - one) - (three - one)
        table[4 * interval - 6:4 * interval - 3] = one, slope, three - one - slope
    return table.astype(np.int16)


def features(spec: FeatureSpec, waveforms: np.ndarray) -> np.ndarray:
    """uint16 ``(N, frames, channels)`` of waveforms int16 ``(N, samples)``, each from silence on."""
    return features_by(tables_of(spec), spec.hop, waveforms)


def features_by(tables: FeatureTables, hop: int, waveforms: np.ndarray) -> np.ndarray:
    """:func:`features` by tables and a hop in samples."""
    size, channels = len(tables.window), len(tables.edges) - 2
    count = max(0, 1 + (waveforms.shape[1] - size) // hop)
    found = np.zeros((len(waveforms), count, channels), np.uint16)
    if not found.size:
        return found
    windows = sliding_window_view(waveforms, size, axis=1)[:, ::hop].reshape(-1, size)
    signals = np.concatenate([_channels(tables, windows[start:start + BLOCK])
                              for start in range(0, len(windows), BLOCK)]).reshape(found.shape)
    noise = np.zeros((len(waveforms), channels), np.int64)
    for frame in range(count):
        signal, noise = _without_noise(signals[:, frame], noise)
        found[:, frame] = _logarithms(tables, _normalized(tables, signal, noise))
    return found


def _channels(tables: FeatureTables, samples: np.ndarray) -> np.ndarray:
    """The square root of each channel's power, int64 ``(N, channels)``."""
    windowed = samples.astype(np.int64) * tables.window >> WINDOW_BITS
    shift = 15 - _bits(np.maximum(_int16(np.abs(windowed)), 0).max(axis=1))
    scaled = _int16(windowed << shift[:, None])
    real, imaginary = _spectrum(tables, np.pad(scaled, ((0, 0), (0, 2 * len(tables.twiddles) - len(tables.window)))))
    first, last = int(tables.edges[0]), int(tables.edges[-1])
    power = (real * real + imaginary * imaginary)[:, first:last]
    cuts = (tables.edges[:-1] - first).tolist()
    rising = _sums(power * tables.weights.astype(np.int64), cuts)
    falling = _sums(power * ((1 << WEIGHT_BITS) - tables.weights.astype(np.int64)), cuts)
    return _roots(rising[:, 1:] + falling[:, :-1]) >> shift[:, None]


def _bits(values: np.ndarray) -> np.ndarray:
    """Bits up to the highest one that is set."""
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


def _int16(values: np.ndarray) -> np.ndarray:
    """The low 16 bits, signed."""
    return values.astype(np.int16).astype(np.int64)


def _sums(values: np.ndarray, cuts: list[int]) -> np.ndarray:
    """Of the columns from each cut to the next."""
    bounds = [*cuts, values.shape[1]]
    return np.stack([values[:, start:stop].sum(axis=1)
                     for start, stop in zip(bounds, bounds[1:], strict=False)], axis=1)


def _roots(values: np.ndarray) -> np.ndarray:
    """Square roots, rounded, but where the root of a number of 32 bits would have 17."""
    roots = np.sqrt(values.astype(np.float64)).astype(np.int64)
    roots -= roots * roots > values
    roots += (roots + 1) * (roots + 1) <= values
    return roots + ((values - roots * roots > roots) & ((roots != 0xFFFF) | (values >> 32 > 0)))


def _fraction(value: np.ndarray) -> np.ndarray:
    """Of a product with a number of 15 fractional bits, rounded."""
    return _int16(value + (1 << 14) >> 15)


def _turned(real: np.ndarray, imaginary: np.ndarray, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cosine, sine = angles[..., 0].astype(np.int64), angles[..., 1].astype(np.int64)
    return _fraction(real * cosine - imaginary * sine), _fraction(real * sine + imaginary * cosine)


def _transformed(tables: FeatureTables, real: np.ndarray,
                 imaginary: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The transform along the last axis, a power of two, scaled by its length: by fours, then by a two."""
    size = real.shape[-1]
    if size == 1:
        return real, imaginary
    radix = 4 if size % 4 == 0 else 2
    parts = [part.reshape(*part.shape[:-1], size // radix, radix).swapaxes(-1, -2) for part in (real, imaginary)]
    parts = [_fraction(part * (32767 // radix)) for part in _transformed(tables, *parts)]
    steps = np.arange(size // radix) * (len(tables.twiddles) // size)
    turned = [(parts[0][..., 0, :], parts[1][..., 0, :])]
    turned += [_turned(parts[0][..., place, :], parts[1][..., place, :], tables.twiddles[steps * place])
               for place in range(1, radix)]
    if radix == 2:
        (a, b), (c, d) = turned
        return _int16(np.concatenate([a + c, a - c], axis=-1)), _int16(np.concatenate([b + d, b - d], axis=-1))
    (a, b), (c, d), (e, f), (g, h) = turned
    reals = a + e + c + g, a - e + d - h, a + e - c - g, a - e - d + h
    imaginaries = b + f + d + h, b - f - c + g, b + f - d - h, b - f + c - g
    return _int16(np.concatenate(reals, axis=-1)), _int16(np.concatenate(imaginaries, axis=-1))


def _spectrum(tables: FeatureTables, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lines 0 to half of the transform, of real samples: those of even and odd ones are the two parts of a complex
    transform of half the length."""
    parts = _transformed(tables, samples[:, 0::2], samples[:, 1::2])
    real, imaginary, negative = (_fraction(part * (32767 // 2)) for part in (*parts, -parts[1]))
    half = real.shape[1]
    back = -np.arange(1, half // 2 + 1) % half
    one, other = (real[:, 1:half // 2 + 1], imaginary[:, 1:half // 2 + 1]), (real[:, back], negative[:, back])
    total = _int16(one[0] + other[0]), _int16(one[1] + other[1])
    turned = _turned(_int16(one[0] - other[0]), _int16(one[1] - other[1]), tables.splitting)
    lines = np.zeros((2, len(samples), half + 1), np.int64)
    lines[0, :, 0], lines[0, :, half] = _int16(real[:, 0] + imaginary[:, 0]), _int16(real[:, 0] - imaginary[:, 0])
    lines[0, :, 1:half // 2 + 1], lines[1, :, 1:half // 2 + 1] = total[0] + turned[0] >> 1, total[1] + turned[1] >> 1
    above = half - np.arange(1, half // 2 + 1)
    lines[0][:, above], lines[1][:, above] = total[0] - turned[0] >> 1, turned[1] - total[1] >> 1
    return _int16(lines[0]), _int16(lines[1])


def _without_noise(signal: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is left of a signal without its steady part, and the new estimate of that."""
    smoothing = np.where(np.arange(signal.shape[1]) % 2, ODD_SMOOTHING, EVEN_SMOOTHING)
    raised = (signal << SMOOTHING_BITS) & 0xFFFFFFFF
    noise = raised * smoothing + noise * ((1 << NOISE_BITS) - smoothing) >> NOISE_BITS
    left = raised - np.minimum(noise, raised) >> SMOOTHING_BITS
    return np.maximum(left, signal * LEAST_SIGNAL >> NOISE_BITS), noise


def _normalized(tables: FeatureTables, signal: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """A signal times the gain of its noise, compressed."""
    table, interval = tables.gains.astype(np.int64), _bits(noise)
    place = np.maximum(4 * interval - 6, 0)
    part = np.where(interval < 11, noise << np.maximum(11 - interval, 0), noise >> np.maximum(interval - 11, 0)) & 0x3FF
    curve = (table[place + 2] * part >> 5) + (table[place + 1] << 5)
    gain = (_int32(curve * part) + (1 << 14) >> 15) + table[place]
    gain = np.where(noise <= 2, table[np.minimum(noise, 2)], _int16(gain))
    ratio = (signal * gain >> GAIN_BITS - tables.correction - SNR_BITS) & 0xFFFFFFFF
    return np.where(ratio < 2 << SNR_BITS, ratio * ratio >> 2 + 2 * SNR_BITS - OUTPUT_BITS,
                    (ratio >> SNR_BITS - OUTPUT_BITS) - (1 << OUTPUT_BITS))


def _int32(values: np.ndarray) -> np.ndarray:
    return values.astype(np.int32).astype(np.int64)


def _logarithms(tables: FeatureTables, signal: np.ndarray) -> np.ndarray:
    correction = tables.correction
    value = (signal << correction if correction >= 0 else signal >> -correction) & 0xFFFFFFFF
    whole = np.maximum(_bits(value) - 1, 0)
    part = value - (np.int64(1) << whole)
    part = np.where(whole < LOG_BITS, part << np.maximum(LOG_BITS - whole, 0), part >> np.maximum(whole - LOG_BITS, 0))
    segment = part >> LOG_BITS - LOG_SEGMENTS
    table = tables.logarithms.astype(np.int64)
    below, above = table[segment], table[segment + 1]
    part = part + below + ((above - below) * (part - (segment << LOG_BITS - LOG_SEGMENTS)) >> LOG_BITS)
    natural = LN_2 * ((whole << LOG_BITS) + part) + (1 << LOG_BITS - 1) >> LOG_BITS
    scaled = (natural << LOG_SHIFT) + (1 << LOG_BITS - 1) >> LOG_BITS
    return np.minimum(np.where(value > 1, scaled, 0), 0xFFFF).astype(np.uint16)
