"""What an exploration leaves: ``pareto.json``, ``points/``, ``feedback.json``, the report and its record."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from boards import find_board
from flows.estimate.roofline import roofline
from flows.report.front_svg import front_svg
from flows.report.page import FORMAT, RECORD, write_report
from flows.run.files import write_json, write_whole
from flows.search.pareto import dominates, front
from flows.search.prepare import Prepared
from flows.search.sampler import Outcome
from hw.spec.presets import to_toml
from sw.compiler import Program

__all__ = ["Point", "front_of", "write_outputs"]

METRICS = ("accuracy", "cycles", "latency_s", "clock_mhz", "fmax_mhz", "timing_met", "lut", "ff", "dsp", "bram",
           "energy_j")


@dataclass(frozen=True, kw_only=True)
class Point:
    """A point of the front: what was estimated and, where ``measured`` is not empty, what is true.

    ``correction`` holds estimates that were improved by what measured points have shown; ``measured`` holds
    ``metrics`` (those that measuring replaces), ``checks``, ``layers``, ``seed``, and ``files``: paths by the name
    that they get in the point's folder.
    """

    outcome: Outcome
    program: Program
    model: Path
    measured: Mapping[str, Any] = field(default_factory=dict)
    correction: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.outcome.candidate.id

    @property
    def metrics(self) -> dict[str, Any]:
        return {**self.outcome.metrics, **self.correction, **self.measured.get("metrics", {})}


def front_of(points: Sequence[Point]) -> list[Point]:
    """The front: of the measured points, then of the estimated ones that stand beside those.

    An estimate never beats a measurement: where one of the two dominates the other, the measured point stays.
    """
    kept = front([point for point in points if point.measured], lambda point: point.metrics)
    estimated = [point for point in points if not point.measured and not any(
        dominates(point.metrics, other.metrics) or dominates(other.metrics, point.metrics)
        or _equal(point.metrics, other.metrics) for other in kept)]
    return kept + front(estimated, lambda point: point.metrics)


def _equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return not dominates(one, other) and not dominates(other, one) and all(
        one[name] == other[name] for name in ("accuracy", "latency_s", "lut"))


def write_outputs(out: Path, *, points: Sequence[Point], outcomes: Sequence[Outcome], prepared: Prepared,
                  failures: Sequence[Mapping[str, str]], record: Mapping[str, Any]) -> dict[str, Any]:
    """Write everything to ``out``; returns the content of ``pareto.json``. The folder of points is replaced whole."""
    chosen = sorted(points, key=lambda point: (-point.metrics["accuracy"], point.metrics["latency_s"], point.id))
    _write_points(out, chosen)
    document = {"points": [_entry(point) for point in chosen]}
    write_json(out / "pareto.json", document)
    if prepared.feedback:
        write_json(out / "feedback.json", asdict(prepared.feedback))
    write_whole(out / "front.svg", front_svg(document["points"], f"Heddle on {record['data']['name']}"))
    write_json(out / RECORD, {
        "format": FORMAT, **record, "points": [_long_entry(point) for point in chosen],
        "trials": [{"id": item.candidate.id, "metrics": item.metrics, "violations": item.violations}
                   for item in outcomes if not item.failure],
        "failures": list(failures), "trainings": prepared.records, "feedback": prepared.comparison})
    write_report(out)
    return document


def _write_points(out: Path, points: Sequence[Point]) -> None:
    fresh, stale = out / ".points.new", out / ".points.old"
    for folder in (fresh, stale):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        for point in points:
            folder = fresh / point.id
            folder.mkdir(parents=True)
            (folder / "design.toml").write_text(to_toml(point.program.design))
            shutil.copyfile(point.model, folder / "model.npz")
            for name, path in point.measured.get("files", {}).items():
                shutil.copyfile(path, folder / name)
        if (out / "points").exists():
            (out / "points").rename(stale)
        fresh.rename(out / "points")
    finally:
        for folder in (fresh, stale):
            shutil.rmtree(folder, ignore_errors=True)


def _entry(point: Point) -> dict[str, Any]:
    measured, folder = point.measured, f"points/{point.id}"
    check = measured["checks"][-1] if measured else {}
    return {
        "id": point.id, "design": f"{folder}/design.toml", "model": f"{folder}/model.npz",
        "board": point.program.design.board,
        "metrics": {name: point.metrics[name] for name in METRICS},
        "estimated": {name: point.outcome.metrics[name] for name in METRICS},
        "fidelity": "measured" if measured else "estimated",
        "verification": {name: check[name] for name in ("level", "inputs", "mismatches")} if measured else None,
        "bitstream": f"{folder}/heddle.bit" if measured else None}


def _long_entry(point: Point) -> dict[str, Any]:
    """What the report shows beyond :func:`_entry`."""
    design, graph = point.program.design, point.program.graph
    layers = []
    for plan, layer in zip(point.program.layers, point.measured.get("layers", ()), strict=False):
        roof = roofline(plan, design)
        layers.append({**layer, "roof": roof.cycles, "bound": roof.bound})
    return {**_entry(point), "label": f"{graph.name} {design.label}", "macs_per_cycle": design.macs_per_cycle,
            "budget": find_board(design.board).budget, "layers": layers, "seed": point.measured.get("seed"),
            "checks": list(point.measured.get("checks", ()))}
