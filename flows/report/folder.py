"""What an exploration leaves: ``pareto.json``, ``points/``, ``feedback.json``, the report and its record."""

import fcntl
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flows.report.front import front_svg
from flows.report.page import RECORD, save_record, write_report
from flows.run.files import sweep, write_json, write_whole
from flows.search.job import ExploreError, Results
from flows.search.measure import Files
from flows.search.point import Metrics, Point
from hw.spec.presets import to_toml

__all__ = ["claimed", "write_results"]


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """One exploration at a time writes to ``folder``; what a killed one was writing goes. Raises ExploreError where
    another is at work.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ExploreError(f"{folder}: another exploration writes to it; wait for its end, or give another "
                               f"--out") from error
        sweep(folder)
        yield


def write_results(out: Path, results: Results) -> dict[str, Any]:
    """Write everything to ``out``; returns the content of ``pareto.json``. The folder of points is replaced whole."""
    found = results.exploration
    _write_points(out, found.points, results.files)
    document = {"points": [_entry(point) for point in found.points]}
    write_json(out / "pareto.json", document)
    if results.feedback:
        write_json(out / "feedback.json", asdict(results.feedback))
    else:
        (out / "feedback.json").unlink(missing_ok=True)     # of a run before, in another space
    write_whole(out / "front.svg", front_svg(found.points, f"Heddle on {found.task}"))
    save_record(out / RECORD, found)
    write_report(out)
    return document


def _write_points(out: Path, points: Sequence[Point], files: Mapping[str, Files]) -> None:
    fresh, stale = out / ".points.new", out / ".points.old"
    for folder in (fresh, stale):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        fresh.mkdir(parents=True)       # where every point failed there is none, and a report that says why
        for point in points:
            folder = fresh / point.id
            folder.mkdir(parents=True)
            (folder / "design.toml").write_text(to_toml(point.built), encoding="utf-8")
            for name, path in files[point.id].items():
                shutil.copyfile(path, folder / name)
        if (out / "points").exists():
            (out / "points").rename(stale)
        fresh.rename(out / "points")
    finally:
        for folder in (fresh, stale):
            shutil.rmtree(folder, ignore_errors=True)


def _entry(point: Point) -> dict[str, Any]:
    """A point as the contract of ``pareto.json`` has it."""
    folder, measured = f"points/{point.id}", point.measurement
    verification = None
    if measured:
        check = measured.checks[-1]
        verification = {"level": check.level, "inputs": check.inputs, "mismatches": check.mismatches}
    return {
        "id": point.id, "design": f"{folder}/design.toml", "model": f"{folder}/model.npz", "board": point.built.board,
        "metrics": _metrics(point.metrics), "estimated": _metrics(point.estimate), "fidelity": point.fidelity,
        "over_seeds": _over_seeds(point),
        "verification": verification, "bitstream": f"{folder}/{measured.bitstream}" if measured else None}


def _metrics(metrics: Metrics) -> dict[str, Any]:
    return {**asdict(metrics), "test_interval": metrics.test_interval and list(metrics.test_interval)}


def _over_seeds(point: Point) -> dict[str, Any] | None:
    """Accuracy on the test split of the same network, trained with several seeds."""
    found = point.over_seeds
    return {**asdict(found), "seeds": [repeat.seed for repeat in point.repeats],
            "accuracies": [repeat.accuracy for repeat in point.repeats]} if found else None
