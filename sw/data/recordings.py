"""Folders of recordings: sound in WAV or FLAC files, each cut or filled with silence to one length."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Literal

import numpy as np

from hw.spec.errors import SpecError
from sw.data.assemble import TIME_SHIFT, assemble, usual
from sw.data.augment import Augmentation, TimeShift
from sw.data.dataset import Dataset
from sw.data.errors import DataError
from sw.data.folders import Files, FolderOptions, Unreadable, find_files, parts_of, read_all, reason_of, without_broken
from sw.data.options import option
from sw.golden.features import features
from sw.graph.audio import STEPS, FeatureSpec

__all__ = ["FULL", "RecordingOptions", "load_recordings"]

SUFFIXES = (".wav", ".flac")
FULL = 32768                # int16 that means 1
HIGHEST = 7500              # Hz of the highest channel of features, where the rate has them
RATES = (1000, 192000)      # samples a second
UNTOLD = (0, 0xFFFFFFFF)    # sizes of a chunk that was written before its end was known


@dataclass(frozen=True, kw_only=True)
class RecordingOptions(FolderOptions):
    """How recordings are read."""

    seconds: float = option(1.0, "length of an input; longer recordings are cut, shorter ones end in silence")
    rate: int = option(0, "samples a second that all are brought to; without it they have one rate")
    features: int = option(0, "channels of TensorFlow Lite Micro's audio front end, which a network is given; without "
                              "it the waveform itself")
    window: int = option(30, "milliseconds of a window of the front end")
    hop: int = option(20, "milliseconds from one window to the next")
    low: int = option(125, "Hz of the front end's lowest channel")
    high: int = option(0, "Hz of its highest channel; without it 7500, or 15/16 of half the rate where that is less")
    axes: Literal["image", "sequence"] = option("image", "what a network sees of features: an image with a row for "
                                                         "each window, or a sequence")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.seconds <= 60:
            raise DataError(f"seconds={self.seconds:g}: write more than 0 and up to 60")
        if self.rate and not RATES[0] <= self.rate <= RATES[1]:
            raise DataError(f"rate={self.rate}: write {RATES[0]} to {RATES[1]} samples a second")

    def spec(self, rate: int) -> FeatureSpec | None:
        """The front end for recordings of a rate, if there is one."""
        if not self.features:
            return None
        try:
            return FeatureSpec(rate=rate, window_ms=self.window, hop_ms=self.hop, channels=self.features,
                               low_hz=self.low, high_hz=self.high or min(HIGHEST, rate * 15 // 32))
        except SpecError as error:
            raise DataError(f"features={self.features}: {error}") from None


def load_recordings(path: str, options: RecordingOptions) -> Dataset:
    """The recordings of a folder; several channels of one are averaged.

    Raises
    ------
    DataError
        If there are none, they are of several rates, or broken; the message names the file.
    """
    if not path:
        raise DataError("data 'wav:': no folder; write wav:DIR")
    files = find_files(Path(path), SUFFIXES, options, "recording")
    rate, longer = _form(files, options)
    samples = max(1, round(options.seconds * rate))

    def read(file: Path) -> np.ndarray:
        return _samples(file, rate, samples)

    waves = read_all(files, np.empty((len(files.files), samples), np.int16), read, options)
    if longer:
        files.warnings.append(f"{path}: {longer} of {len(files.files)} recordings are longer than {options.seconds:g} "
                              f"s and cut; write seconds= to keep more")
    spec = options.spec(rate)
    inputs, scale = _inputs(waves, spec, options.axes)
    parts, names = parts_of(files, inputs, options)
    return assemble(Path(path).resolve().name, parts["train"], parts.get("test"), valid=parts.get("valid"),
                    options=options, scale=scale, class_names=names, rate=float(rate), warnings=files.warnings,
                    spec=spec, broken=files.broken, augmentations=_usual(inputs.shape[1:], spec))


def _inputs(waves: np.ndarray, spec: FeatureSpec | None, axes: str) -> tuple[np.ndarray, float]:
    """What a network gets of waveforms int16 ``(N, samples)``, and what one step of it means: the samples themselves,
    ``(N, samples, 1)``, or uint16 features, ``(N, windows, channels)`` as a sequence, with an axis more as an image.
    """
    if not spec:
        return waves[..., None], 1 / FULL
    if not spec.frames(waves.shape[1]):
        raise DataError(f"window={spec.window_ms}: a recording of {waves.shape[1]} samples has no whole window of "
                        f"{spec.window}; write a smaller one, or more seconds=")
    found = features(spec, waves)
    return found if axes == "sequence" else found[..., None], 1 / STEPS


def _usual(shape: Sequence[int], spec: FeatureSpec | None) -> tuple[Augmentation, ...]:
    """Features may begin a little earlier or later; up and down is another sound."""
    return (TimeShift(steps=max(1, shape[0] // TIME_SHIFT)),) if spec and shape[0] > 1 else usual(shape) * (not spec)


def _form(files: Files, options: RecordingOptions) -> tuple[int, int]:
    """The rate, and how many recordings are longer than asked for; broken files are sorted out."""
    import soundfile

    found, reasons = [], []
    for each in files.files:
        try:
            _check_whole(each.path)
            info = soundfile.info(str(each.path))
            found.append((info.samplerate, info.frames / info.samplerate))
            reasons.append("" if info.frames else "has no samples")
        except (soundfile.LibsndfileError, Unreadable, OSError) as error:
            reasons.append(reason_of(each.path, _said(error, each.path)))
            found.append((0, 0.0))
    if any(reasons):
        kept = without_broken(files, reasons, options)
        found = [found[number] for number in kept]
    rates = Counter(rate for rate, _ in found)
    if not options.rate and len(rates) > 1:
        (usual_rate, count), (other, _) = rates.most_common(2)
        odd = next(each.path for each, (rate, _) in zip(files.files, found, strict=True) if rate == other)
        raise DataError(f"{odd}: has {other} samples a second, {count} of {len(found)} recordings have {usual_rate}; "
                        f"add rate={usual_rate}, or another")
    return options.rate or next(iter(rates)), sum(seconds > options.seconds for _, seconds in found)


def _check_whole(path: Path) -> None:
    """A WAV file that ends before its samples do is broken; the library reads on without a word."""
    with path.open("rb") as file:
        if file.read(4) != b"RIFF":
            return
        size, place = path.stat().st_size, 12
        while place + 8 <= size:
            file.seek(place)
            head = file.read(8)
            length = int.from_bytes(head[4:], "little")
            if head[:4] == b"data":
                if length not in UNTOLD and place + 8 + length > size:
                    raise Unreadable(f"ends after {size - place - 8} of {length} bytes of samples")
                return
            place += 8 + length + length % 2


def _samples(path: Path, rate: int, samples: int) -> np.ndarray:
    """int16 ``(samples,)``."""
    import soundfile

    try:
        values, found = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise Unreadable(_said(error, path)) from None
    if not np.isfinite(values).all():
        raise Unreadable("has values that are not finite")
    wave = values.mean(1, dtype=np.float64).astype(np.float32)
    if found != rate:
        from scipy.signal import resample_poly

        common = gcd(found, rate)
        wave = resample_poly(wave, rate // common, found // common)
    out = np.zeros(samples, np.int16)
    part = np.round(np.clip(wave[:samples], -1, 1) * FULL).clip(-FULL, FULL - 1)
    out[:len(part)] = part
    return out


def _said(error: Exception, path: Path) -> str:
    """The library's reason, without the path and on one line."""
    said = str(error).replace(f"Error opening {str(path)!r}: ", "")
    return " ".join(said.split()).rstrip(".") or type(error).__name__
