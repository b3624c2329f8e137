"""A page of samples of a data set, as SVG: a row a class, with images, waveforms and spectrograms, features, curves."""

import base64
import io
from collections.abc import Callable, Iterator
from html import escape
from typing import Protocol

import numpy as np

from flows.report.text import printable
from sw.data import Dataset

__all__ = ["samples_svg"]

ROWS = 12                                    # classes
SHOWN = (("train", 6), ("test", 2))          # split -> samples of a class
CELL, GAP, BREAK = 96, 10, 26                # pixels: a sample, between two, between splits
LEFT, TOP, MARGIN = 130, 74, 20
NAME, TITLE = 16, 105                        # characters that have room
WAVE = 34                                    # pixels of a waveform; the rest of its cell is the spectrogram
CURVES = 6                                   # channels of a sequence
FRAME, LEAST_DB = 256, -70.0                 # samples of a spectrum, and what is drawn as silence
INK, MUTED, GRID = "#1f2430", "#6b7280", "#e5e7eb"
COLOURS = ("#2a6fdb", "#c4501d", "#2f855a", "#805ad5", "#b7791f", "#4a5568")
#: From silence to loud.
SHADES = np.array([(255, 255, 255), (190, 214, 250), (42, 111, 219), (11, 47, 107), (5, 10, 30)], float)


def samples_svg(data: Dataset, title: str) -> str:
    """The first classes, the same samples every time, evenly spread over each split."""
    rows = min(data.classes, ROWS)
    width = LEFT + sum(count * (CELL + GAP) for _, count in SHOWN) + BREAK + MARGIN
    height = TOP + rows * (CELL + GAP) + MARGIN
    kinds: dict[str, Callable[[Dataset], _Kind]] = {
        "image": _Images, "recording": _Recordings, "features": _Features}
    draw = kinds.get(data.kind, _Curves)(data)
    more = f", the first {rows} of {data.classes} classes" if data.classes > rows else ""
    about = f"{data.kind}: {'×'.join(map(str, data.shape))}{more}; {draw.scale}"
    parts = [f'<text x="{MARGIN}" y="28" font-size="15" font-weight="600" fill="{INK}">'
             f'{_text(_short(title, TITLE))}</text>',
             f'<text x="{MARGIN}" y="47" fill="{MUTED}">{_text(about)}</text>']
    left = LEFT
    for split, count in SHOWN:
        parts.append(f'<text x="{left}" y="{TOP - 8}" fill="{MUTED}">{split}</text>')
        for row in range(rows):
            y = TOP + row * (CELL + GAP)
            if split == SHOWN[0][0]:
                parts.append(f'<text x="{LEFT - 12}" y="{y + CELL / 2 + 4:g}" text-anchor="end" fill="{INK}">'
                             f'{_text(_short(data.called(row)))}</text>')
            for place, number in enumerate(_chosen(data.labels[split], row, count)):
                hint = data.names[split][number] if split in data.names else f"{split} {number}"
                x = left + place * (CELL + GAP)
                parts.append(f'<g transform="translate({x} {y})"><title>{_text(hint)}</title>'
                             f'{"".join(draw.cell(data.inputs[split][number]))}</g>')
        left += count * (CELL + GAP) + BREAK
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="12">\n'
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n")


def _text(text: str) -> str:
    return escape(printable(text))


def _short(name: str, most: int = NAME) -> str:
    return name if len(name) <= most else f"{name[:most - 1]}…"


def _chosen(labels: np.ndarray, label: int, count: int) -> list[int]:
    """Numbers of inputs of a class, evenly spread."""
    every = np.flatnonzero(labels == label)
    if len(every) <= count:
        return [int(number) for number in every]
    return [int(number) for number in every[np.linspace(0, len(every) - 1, count).round().astype(int)]]


def _png(pixels: np.ndarray, x: float, y: float, width: float, height: float) -> str:
    """An image of uint8 ``(rows, columns, 1 or 3)``, embedded."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(buffer, "PNG")
    content = base64.b64encode(buffer.getvalue()).decode("ascii")
    return (f'<image x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" preserveAspectRatio="none" '
            f'style="image-rendering:pixelated" href="data:image/png;base64,{content}"/>')


class _Kind(Protocol):
    """How inputs of one kind are drawn."""

    scale: str              # what colours and heights mean

    def cell(self, one: np.ndarray) -> Iterator[str]:
        """The elements of a sample, as stored, in a square of ``CELL`` pixels."""


class _Images:
    """Pixels between the least and the largest value of the training data; of other than 3 channels the first."""

    def __init__(self, data: Dataset) -> None:
        low, high = (float(bound) for bound in (data.inputs["train"].min(), data.inputs["train"].max()))
        self.low, self.span = low, high - low
        real = [(bound - data.offset) * data.scale for bound in (low, high)]
        self.scale = f"black is {real[0]:.3g}, white {real[1]:.3g}"

    def cell(self, one: np.ndarray) -> Iterator[str]:
        shown = one if one.shape[-1] == 3 else one[..., :1]
        share = (shown.astype(np.float64) - self.low) / self.span
        factor = CELL / max(shown.shape[:2])
        height, width = shown.shape[0] * factor, shown.shape[1] * factor
        yield _png((share * 255).round().clip(0, 255).astype(np.uint8), (CELL - width) / 2, (CELL - height) / 2, width,
                   height)


class _Recordings:
    """The waveform, each as loud as it is, and below it the spectrogram of its first channel."""

    def __init__(self, data: Dataset) -> None:
        self.offset, self.step = data.offset, data.scale
        seconds = data.shape[1] / data.rate
        self.scale = f"{seconds:g} s at {data.rate:g} Hz; spectrograms up to {data.rate / 2:g} Hz, {LEAST_DB:g} to 0 dB"

    def cell(self, one: np.ndarray) -> Iterator[str]:
        values = (one[:, 0].astype(np.float64) - self.offset) * self.step
        parts = np.array_split(values, min(CELL, len(values)))
        middle = WAVE / 2
        pitch = CELL / len(parts)
        path = "".join(f"M{(place + 0.5) * pitch:.1f} {middle - part.max().clip(-1, 1) * middle:.1f}"
                       f"V{middle - part.min().clip(-1, 1) * middle + 0.5:.1f}" for place, part in enumerate(parts))
        yield f'<rect width="{CELL}" height="{WAVE}" fill="#f6f7f9"/>'
        yield f'<path d="{path}" stroke="{COLOURS[0]}" fill="none"/>'
        yield _png(_shaded(_spectrogram(values)), 0, WAVE + 2, CELL, CELL - WAVE - 2)


class _Features:
    """Channels from the lowest up, windows from left to right."""

    def __init__(self, data: Dataset) -> None:
        self.low, high = (float(bound) for bound in (data.inputs["train"].min(), data.inputs["train"].max()))
        self.span = high - self.low
        real = [(bound - data.offset) * data.scale for bound in (self.low, high)]
        self.scale = (f"windows from left to right, channels from the lowest up; white is {real[0]:.3g}, black "
                      f"{real[1]:.3g}")

    def cell(self, one: np.ndarray) -> Iterator[str]:
        shares = (one.reshape(one.shape[:2]).astype(np.float64) - self.low) / self.span
        yield _png(_shaded_shares(shares.T[::-1]), 0, 0, CELL, CELL)


def _spectrogram(wave: np.ndarray) -> np.ndarray:
    """Loudness in dB below a full tone, ``(frequencies, moments)``, high frequencies first."""
    padded = np.pad(wave, (0, max(0, FRAME - len(wave))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::FRAME // 2]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(FRAME), axis=1)) / (FRAME / 4)
    return 20 * np.log10(np.maximum(spectrum, 1e-9)).T[::-1]


def _shaded(decibels: np.ndarray) -> np.ndarray:
    return _shaded_shares((decibels - LEAST_DB) / -LEAST_DB)


def _shaded_shares(shares: np.ndarray) -> np.ndarray:
    """From 0, silence, to 1."""
    share = shares.clip(0, 1) * (len(SHADES) - 1)
    below = np.minimum(share.astype(int), len(SHADES) - 2)
    part = (share - below)[..., None]
    return (SHADES[below] * (1 - part) + SHADES[below + 1] * part).round().astype(np.uint8)


class _Curves:
    """Channels over time, or the features of a row of a table in their order; each on its own scale."""

    def __init__(self, data: Dataset) -> None:
        train = data.inputs["train"]
        self.table = data.kind == "table"
        rows = train.reshape(len(train), -1) if self.table else train.reshape(-1, train.shape[-1])
        self.low, self.high = rows.min(0).astype(np.float64), rows.max(0).astype(np.float64)
        self.scale = ("features from left to right, each from its least to its largest value" if self.table else
                      f"channels{'' if rows.shape[1] <= CURVES else f' 0 to {CURVES - 1}'} one below the other, each "
                      f"from its least to its largest value")

    def cell(self, one: np.ndarray) -> Iterator[str]:
        span = np.where(self.high > self.low, self.high - self.low, 1)
        yield f'<rect width="{CELL}" height="{CELL}" fill="#f6f7f9"/>'
        if self.table:
            share = ((one.reshape(-1) - self.low) / span).clip(0, 1)
            pitch = CELL / len(share)
            path = "".join(f"M{(place + 0.5) * pitch:.1f} {CELL}V{CELL - CELL * each:.1f}"
                           for place, each in enumerate(share))
            yield f'<path d="{path}" stroke="{COLOURS[0]}" stroke-width="{max(0.5, pitch * 0.7):.2f}" fill="none"/>'
            return
        share = ((one - self.low) / span).clip(0, 1)
        lanes = min(share.shape[1], CURVES)
        lane, pitch = CELL / lanes, CELL / max(len(share) - 1, 1)
        for channel in range(lanes):
            path = "L".join(f"{place * pitch:.1f} {(channel + 1 - each) * lane:.1f}"
                            for place, each in enumerate(share[:, channel]))
            yield f'<path d="M{path}" stroke="{COLOURS[channel]}" fill="none"/>'
