"""Ways to cope with errors of hardware as a small SVG: a row each, a dot a seed, the mean as a bar."""

from collections.abc import Iterator
from html import escape
from math import floor

from flows.train.rivals import Rivals, Way

__all__ = ["rivals_svg"]

WIDTH, ROW, LEFT, RIGHT, TOP, BOTTOM = 760, 24, 190, 70, 64, 40
INK, MUTED, GRID, TOLD, UNTOLD = "#1f2430", "#6b7280", "#e5e7eb", "#e4662e", "#2a6fdb"


def rivals_svg(found: Rivals) -> str:
    """Test accuracy of every way; those that were chosen on valid are bold."""
    lowest = floor(10 * min(min(way.by_seed) for way in found.ways)) / 10
    height = TOP + ROW * len(found.ways) + BOTTOM
    parts = [*_axes(lowest, height, found), *(line for place, way in enumerate(found.ways)
                                              for line in _row(way, TOP + ROW * place + ROW // 2, lowest, found))]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif" font-size="11">\n'
            f'<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n")


def _x(value: float, lowest: float) -> float:
    return LEFT + (value - lowest) / (1 - lowest) * (WIDTH - LEFT - RIGHT)


def _text(x: float, y: float, text: str, colour: str = INK, **more: str) -> str:
    attributes = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}"{attributes}>{escape(text)}</text>'


def _axes(lowest: float, height: int, found: Rivals) -> Iterator[str]:
    low, high = found.effect.interval
    yield _text(16, 22, f"{found.errors}: {found.network}", font_size="13", font_weight="600")
    yield _text(16, 40, f"{found.feedback} over {found.rival}: {100 * found.effect.difference:+.1f} points, 95% "
                f"[{100 * low:.1f}, {100 * high:.1f}], {len(found.seeds)} seeds: {found.verdict}", MUTED)
    for tenth in range(round(10 * lowest), 11):
        x = _x(tenth / 10, lowest)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{height - BOTTOM}" stroke="{GRID}"/>'
        yield _text(x, height - BOTTOM + 16, f"{tenth / 10:.1f}", MUTED, text_anchor="middle")
    yield _text(_x((1 + lowest) / 2, lowest), height - 8, "test accuracy on hardware that errs", MUTED,
                text_anchor="middle")


def _row(way: Way, y: float, lowest: float, found: Rivals) -> Iterator[str]:
    colour = TOLD if way.informed else UNTOLD
    weight = "700" if way.name in (found.rival, found.feedback) else "400"
    yield _text(LEFT - 12, y + 4, way.name, text_anchor="end", font_weight=weight)
    for value in way.by_seed:
        yield f'<circle cx="{_x(value, lowest):.1f}" cy="{y:.1f}" r="3.5" fill="{colour}" fill-opacity="0.35"/>'
    mean = _x(way.test_accuracy, lowest)
    yield (f'<line x1="{mean:.1f}" x2="{mean:.1f}" y1="{y - 8:.1f}" y2="{y + 8:.1f}" stroke="{colour}" '
           f'stroke-width="3"/>')
    yield _text(WIDTH - 12, y + 4, f"{way.test_accuracy:.3f}", colour, text_anchor="end", font_weight=weight)
