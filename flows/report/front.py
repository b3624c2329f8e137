"""The front as a small SVG, for a README or a slide: ``front.svg`` beside the report."""

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil, floor, log10

from flows.search.point import Point

__all__ = ["front_svg"]

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 132, 44, 52
LIGHT, DARK = (207, 224, 251), (11, 47, 107)     # few LUTs, many LUTs
INK, MUTED, GRID, MEASURED = "#1f2430", "#6b7280", "#e5e7eb", "#e4662e"


class _Scale:
    """From data to pixels. Upwards is accuracy, or without data logic, which is then best at the bottom."""

    def __init__(self, points: Sequence[Point]) -> None:
        latencies = [1e6 * point.metrics.latency_s for point in points]
        self.low, self.high = log10(min(latencies)) - 0.1, log10(max(latencies)) + 0.1
        luts = [point.metrics.lut for point in points]
        self.few, self.many = min(luts), max(luts)
        known = [_lowest(point) for point in points]
        worst = min((low for low in known if low is not None), default=None)
        self.accuracies = worst is not None
        self.step = 0.05 if worst is not None else 10.0 ** floor(log10(max(self.many, 1)))
        self.bottom = 0.0 if worst is None else floor((worst - 0.005) / self.step) * self.step
        self.top = 1.005 if worst is not None else 1.05 * self.many

    def x(self, latency_us: float) -> float:
        return LEFT + (log10(latency_us) - self.low) / (self.high - self.low) * (WIDTH - LEFT - RIGHT)

    def y(self, height: float) -> float:
        """Of an accuracy or of LUTs."""
        return TOP + (self.top - height) / (self.top - self.bottom) * (HEIGHT - TOP - BOTTOM)

    def place(self, point: Point) -> tuple[float, float]:
        accuracy = point.metrics.accuracy
        return self.x(1e6 * point.metrics.latency_s), self.y(point.metrics.lut if accuracy is None else accuracy)

    def colour(self, lut: float) -> str:
        share = (lut - self.few) / (self.many - self.few) if self.many > self.few else 0.5
        return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in zip(LIGHT, DARK, strict=True))


def _lowest(point: Point) -> float | None:
    """Accuracy that is drawn of a point, its bar included."""
    interval = point.metrics.test_interval
    return interval[0] if point.measurement and interval else point.metrics.accuracy


def front_svg(points: Sequence[Point], title: str) -> str:
    """Accuracy against latency, colour is LUTs; diamonds were measured, with the accuracy's 95% interval, circles are
    estimates. Without data LUTs against latency.
    """
    if not points:
        return f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"/>\n'
    scale = _Scale(points)
    parts = [f'<text x="{LEFT}" y="24" font-size="15" font-weight="600" fill="{INK}">{escape(title)}</text>',
             *_axes(scale), *_legend(scale)]
    # Measured points last, on top of the others.
    for point in sorted(points, key=lambda item: item.fidelity == "measured"):
        parts.append(_mark(scale, point))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'font-family="system-ui, sans-serif" font-size="12">\n<rect width="{WIDTH}" height="{HEIGHT}" '
            'fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n")


def _axes(scale: _Scale) -> Iterator[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    for step in range(round(scale.bottom / scale.step), floor(scale.top / scale.step) + 1):
        y = scale.y(step * scale.step)
        label = f"{5 * step}%" if scale.accuracies else f"{step * scale.step:,.0f}"
        yield f'<path d="M{LEFT} {y:.1f}H{right}" stroke="{GRID}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="{MUTED}">{label}</text>'
    for decade in range(floor(scale.low), ceil(scale.high) + 1):
        for factor in (1, 2, 5):
            latency = factor * 10.0 ** decade
            if scale.low <= log10(latency) <= scale.high:
                x = scale.x(latency)
                yield f'<path d="M{x:.1f} {TOP}V{bottom}" stroke="{GRID}"/>'
                yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle" fill="{MUTED}">{latency:g}</text>'
    yield (f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 12}" text-anchor="middle" fill="{MUTED}">latency of one '
           f'inference, µs</text>')
    yield (f'<text x="16" y="{(TOP + bottom) / 2}" text-anchor="middle" fill="{MUTED}" transform="rotate(-90 16 '
           f'{(TOP + bottom) / 2})">{"integer accuracy, test split" if scale.accuracies else "LUTs"}</text>')


def _legend(scale: _Scale) -> Iterator[str]:
    x = WIDTH - RIGHT + 24
    yield _diamond(x, TOP + 6, "#ffffff") + f'<text x="{x + 16}" y="{TOP + 10}" fill="{INK}">measured</text>'
    yield (f'<circle cx="{x}" cy="{TOP + 28}" r="5" fill="#ffffff" stroke="{INK}"/>'
           f'<text x="{x + 16}" y="{TOP + 32}" fill="{INK}">estimated</text>')
    yield f'<text x="{x - 6}" y="{TOP + 66}" fill="{MUTED}">LUTs</text>'
    for index in range(5):
        lut = scale.many + (scale.few - scale.many) * index / 4
        y = TOP + 76 + 20 * index
        yield (f'<rect x="{x - 6}" y="{y}" width="14" height="20" fill="{scale.colour(lut)}"/>'
               f'<text x="{x + 16}" y="{y + 14}" fill="{MUTED}">{round(lut, -2):,.0f}</text>')


def _mark(scale: _Scale, point: Point) -> str:
    metrics = point.metrics
    x, y = scale.place(point)
    colour = scale.colour(metrics.lut)
    shape = _diamond(x, y, colour) if point.measurement else (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}" stroke="{INK}" stroke-width="0.8"/>')
    bar = f"{_bar(scale, metrics.test_interval, x)}\n" if point.measurement and metrics.test_interval else ""
    return bar + shape.replace("/>", f"><title>{escape(point.id)}</title></{'path' if 'path' in shape else 'circle'}>")


def _bar(scale: _Scale, interval: tuple[float, float], x: float) -> str:
    """The 95% interval of the accuracy."""
    low, high = map(scale.y, interval)
    return (f'<path d="M{x:.1f} {low:.1f}V{high:.1f}M{x - 4:.1f} {low:.1f}h8M{x - 4:.1f} {high:.1f}h8" '
            f'stroke="{MUTED}" fill="none"/>')


def _diamond(x: float, y: float, colour: str) -> str:
    return (f'<path d="M{x:.1f} {y - 9:.1f}l8 9l-8 9l-8 -9z" fill="{colour}" stroke="{MEASURED}" '
            'stroke-width="2"/>')
