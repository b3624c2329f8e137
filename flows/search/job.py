"""The main job: from data and a budget to a Pareto front whose best points were measured."""

import fcntl
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from boards import find_board
from flows.report.console import Display
from flows.report.folder import write_outputs
from flows.run.store import Store, open_store, sources
from flows.search.measure import choose_measured
from flows.search.prepare import Prepared, prepare
from flows.search.sampler import Outcome, search
from flows.search.space import Space, load_space
from flows.search.worth import Budget, Evaluator
from hw.spec.errors import HeddleError, SpecError
from hw.tools import TOOLS
from hw.tools import version as tool_version
from sw.data import Dataset, load_dataset
from sw.models import NETWORKS

__all__ = ["ExploreError", "Request", "explore"]

#: What decides the outcome of a candidate; a change of it starts a new study.
DECIDES = ("hw.spec", "boards", "sw.compiler", "sw.golden", "sw.graph", "sw.data", "sw.models", "sw.quant",
           "flows.search.worth", "flows.estimate.program", "flows.estimate.resources", "flows.estimate.energy",
           "flows.estimate.memories", "flows.search.sampler",
           "flows.search.space", "flows.search.pareto")


class ExploreError(HeddleError):
    """The exploration has no answer; the message says why and what to relax."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asks for."""

    data: str = "digits"
    space_file: Path | None = None
    boards: tuple[str, ...] = ()
    max_latency: float | None = None      # seconds
    min_accuracy: float | None = None     # 0 to 1
    trials: int | None = None
    jobs: int = 2
    out: Path = Path("runs/explore")

    def space(self) -> Space:
        """The space with what the command line says on top. Raises SpecError for unknown names."""
        space = load_space(self.space_file)
        if self.boards:
            space = replace(space, hardware=replace(space.hardware, boards=self.boards))
        if self.trials is not None:
            space = replace(space, search=replace(space.search, trials=self.trials))
        for name in (*space.networks.names, space.feedback.network):
            if name not in NETWORKS:
                raise SpecError(f"{self.space_file or 'space'}: network {name!r} is unknown; "
                                f"choose {' or '.join(NETWORKS)}")
        for name in space.hardware.boards:
            find_board(name)
        return space

    def budget(self) -> Budget:
        return Budget(max_latency_s=self.max_latency, min_accuracy=self.min_accuracy)


def explore(request: Request, display: Display) -> dict[str, Any]:
    """Run the job and write ``pareto.json``, ``points/``, ``study.db``, ``feedback.json`` and ``report.html``.

    Returns
    -------
    dict
        The content of ``pareto.json``.

    Raises
    ------
    HeddleError
        If the request is wrong, or no candidate meets it.
    """
    space = request.space()
    data = load_dataset(request.data)
    store = open_store()
    with _claimed(request.out):
        prepared = prepare(space, store, data, request.data, jobs=request.jobs, display=display)
        evaluator = Evaluator(store=store, data=data, trainings=prepared.trainings,
                              clock_mhz=space.hardware.clock_mhz, budget=request.budget())
        outcomes = _search(request, space, data, store, evaluator, prepared, display)
        if not any(outcome.feasible for outcome in outcomes):
            raise ExploreError(_nothing_fits(outcomes))
        points, failures = choose_measured(space, store, request.data, evaluator, outcomes, jobs=request.jobs,
                                           display=display)
        document = write_outputs(request.out, points=points, outcomes=outcomes, prepared=prepared,
                                 failures=[*prepared.failures, *_failed(outcomes), *failures],
                                 record={"data": _data_record(data), "space": space.record(),
                                         "budget": _budget_record(request), "versions": _versions()})
    _show_front(display, document)
    return document


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """One exploration at a time writes to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ExploreError(f"{folder}: another exploration writes to it; wait for its end, or give another "
                               f"--out") from error
        yield


def _search(request: Request, space: Space, data: Dataset, store: Store, evaluator: Evaluator, prepared: Prepared,
            display: Display) -> list[Outcome]:
    key = store.digest("study", {
        "space": {name: value for name, value in space.record().items() if name not in ("measure", "feedback")},
        "data": data.digest, "budget": _budget_record(request), "sources": sources(*DECIDES),
        "models": sorted(str(path.parent.name) for path in (*prepared.trainings.plain.values(),
                                                            *prepared.trainings.noisy.values()))})
    with display.bar("searching", space.search.trials) as bar:
        return search(space, evaluator, database=request.out / "study.db", key=key,
                      progress=lambda done, total: bar.set(done, total))


def _failed(outcomes: list[Outcome]) -> list[dict[str, str]]:
    return [{"id": outcome.candidate.id, "stage": "estimate", "reason": outcome.failure}
            for outcome in outcomes if outcome.failure]


def _nothing_fits(outcomes: list[Outcome]) -> str:
    """Which limit stops the candidate that comes closest."""
    closest = min((outcome for outcome in outcomes if not outcome.failure),
                  key=lambda outcome: sum(outcome.violations.values()), default=None)
    if closest is None:
        return f"every candidate failed, the first with: {outcomes[0].failure}"
    over = ", ".join(f"{name} by {share:.0%}" for name, share in closest.violations.items())
    return (f"none of {len(outcomes)} candidates meets the budget; the closest, {closest.candidate.id}, misses {over}; "
            f"relax --max-latency or --min-accuracy, or take a larger board or space")


def _data_record(data: Dataset) -> dict[str, Any]:
    return {"name": data.name, "classes": data.classes, "shape": list(data.shape), "seed": data.seed,
            "digest": data.digest, "counts": {split: len(labels) for split, labels in data.labels.items()}}


def _budget_record(request: Request) -> dict[str, Any]:
    limits = {"max_latency": request.max_latency, "min_accuracy": request.min_accuracy}
    return {name: limit for name, limit in limits.items() if limit is not None}


def _versions() -> dict[str, str]:
    """Versions of Heddle, Python, the tools and the libraries whose results are shown."""
    found = {"heddle": _installed("heddle"), "python": platform.python_version()}
    found |= {name: _installed(name) for name in ("amaranth", "litex", "torch", "numpy", "scikit-learn", "optuna")}
    for name in TOOLS:
        try:
            found[name] = tool_version(name)
        except HeddleError:
            found[name] = "not installed"
    return found


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _show_front(display: Display, document: dict[str, Any]) -> None:
    rows = sorted(document["points"], key=lambda point: -point["metrics"]["accuracy"])
    display.table(
        "Pareto front", ("point", "fidelity", "accuracy", "latency, µs", "clock, MHz", "LUT", "DSP", "BRAM"),
        [(point["id"], point["fidelity"], f"{point['metrics']['accuracy']:.4f}",
          f"{1e6 * point['metrics']['latency_s']:,.1f}", f"{point['metrics']['clock_mhz']:.1f}",
          *(f"{point['metrics'][name]:,}" for name in ("lut", "dsp", "bram"))) for point in rows],
        styles={index: "bold green" for index, point in enumerate(rows) if point["fidelity"] == "measured"})
