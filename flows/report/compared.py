"""A page of what ``heddle bench`` says of ways of working and of samplers: hypervolume by CPU seconds, and at last."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

from flows.report.document import Charts, section, table, whole
from flows.report.figures import Figure, anytime_figure, reached_figure
from flows.run.files import write_whole

__all__ = ["comparison_page", "write_comparison"]

Row = Mapping[str, Any]
Curve = Sequence[tuple[float, float]]      # CPU seconds, and the hypervolume from there on
STEPS = 60                                 # of the seconds that all have


def write_comparison(path: Path, document: Mapping[str, Sequence[Row]]) -> Path:
    """The page of a document of ``heddle bench --json``."""
    return write_whole(path, comparison_page(document))


def comparison_page(document: Mapping[str, Sequence[Row]]) -> str:
    """A section for each task and for what was compared on it; of a task without data what is missing."""
    charts = Charts()
    parts = [_part(charts, kind, task, [row for row in rows if row["task"] == task])
             for kind in ("codesign", "samplers") if (rows := document.get(kind))
             for task in dict.fromkeys(row["task"] for row in rows)]
    head = ("<h1>Ways to search</h1><p class='muted'>All have the same space, data and trainings, and the same CPU "
            "seconds. Hypervolume is in accuracy and the decimal logarithms of latency and LUTs.</p>")
    return whole("Heddle: ways to search", head + "".join(parts), charts)


def _part(charts: Charts, kind: str, task: str, rows: Sequence[Row]) -> str:
    name = f"{kind}-{task}"
    if missing := next((row["error"] for row in rows if row.get("error")), None):
        return section(name, escape(task), escape(missing))
    reference = ", ".join(f"{value:g}" for value in rows[0]["reference"])
    count = len({row["seed"] for row in rows})
    seeds = f"{count} seeds" if count > 1 else "one seed"
    if kind == "codesign":
        return section(
            name, f"{escape(task)}: together, or one half first",
            f"Hypervolume on the test split above accuracy, seconds and LUTs of {reference}; a dot is one of {seeds}, "
            f"a line the median.", charts.chart(reached_figure(_by(rows, "flow", "hypervolume"))),
            _table(rows, "flow", "latency_lut_at_equal_accuracy", "latency x LUTs at equal accuracy, s"))
    return section(
        name, f"{escape(task)}: samplers",
        f"Hypervolume on the validation split, which chooses, by CPU seconds: the median of {seeds}, and what "
        f"lies between the best and the worst of them. Above {reference}.",
        charts.chart(_anytime({sampler: [row["curve"] for row in rows if row["sampler"] == sampler]
                               for sampler in _names(rows, "sampler")})), _table(rows, "sampler"))


def _names(rows: Sequence[Row], key: str) -> list[str]:
    return list(dict.fromkeys(str(row[key]) for row in rows))


def _by(rows: Sequence[Row], key: str, value: str) -> dict[str, list[float]]:
    return {name: [row[value] for row in rows if row[key] == name and row[value] is not None]
            for name in _names(rows, key)}


def _table(rows: Sequence[Row], key: str, value: str = "", title: str = "") -> str:
    columns = [("hypervolume on test", _by(rows, key, "hypervolume")), ("CPU seconds", _by(rows, key, "cpu_s")),
               *([(title, _by(rows, key, value))] if value else [])]
    return table((key, *(f"{name}: median (each seed)" for name, _ in columns)), [
        (escape(name), *(_cell(found[name]) for _, found in columns)) for name in _names(rows, key)])


def _cell(values: Sequence[float]) -> str:
    return f"{median(values):.4g} ({', '.join(f'{value:.4g}' for value in values)})" if values else "–"


def _anytime(curves: Mapping[str, Sequence[Curve]]) -> Figure:
    """Of each its least, median and greatest value at the same seconds, as far as every seed of it came."""
    bands = {}
    for name, seeds in curves.items():
        if not all(seeds):
            continue
        start, end = max(curve[0][0] for curve in seeds), min(curve[-1][0] for curve in seeds)
        seconds = [start + (end - start) * step / STEPS for step in range(STEPS + 1)]
        values = [sorted(at(curve, second) for curve in seeds) for second in seconds]
        bands[name] = seconds, [each[0] for each in values], [median(each) for each in values], [
            each[-1] for each in values]
    return anytime_figure(bands)


def at(curve: Curve, second: float) -> float:
    """What a curve has reached.

    >>> at([(1.0, 0.1), (3.0, 0.4)], 2.9), at([(1.0, 0.1), (3.0, 0.4)], 3.0), at([(1.0, 0.1)], 0.5)
    (0.1, 0.4, 0.0)
    """
    return max((value for reached, value in curve if reached <= second), default=0.0)
