"""The main job: from data and a requirement to a Pareto front whose best points were measured."""

import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from math import floor
from pathlib import Path

from boards import Board, check_design, find_board
from flows.estimate.resources import estimate_resources, uncalibrated
from flows.run.progress import note
from flows.run.queue import keeping
from flows.run.store import Store, open_store
from flows.search.given import give
from flows.search.measure import Files, measure_best
from flows.search.point import Failed, Point
from flows.search.samplers import Told
from flows.search.seeds import Repeated, repeat_measured
from flows.search.space import Space
from flows.search.space_file import HARDWARE_FIRST, MODEL_FIRST, load_space
from flows.search.study import Found, Maker, Study
from flows.search.trainings import Comparison, Sources, Trainer, TrainError, inexact
from flows.search.ways import Way, ways_of
from flows.search.worth import Evaluator, Requirement
from flows.train.data import DataSource
from flows.train.training import MODEL
from hw.soc.cpus import find_cpu
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError, SpecError
from hw.spec.feedback import Feedback
from hw.spec.presets import load_design
from hw.tools import TOOLS
from hw.tools import version as tool_version
from sw.data import Dataset
from sw.models import ModelError, check_name
from sw.quant.record import TrainingRecord

__all__ = ["DataFacts", "Exploration", "ExploreError", "Request", "Results", "explore"]

COUNTED = ("lut", "ff", "dsp", "bram", "spram")


class ExploreError(HeddleError):
    """The exploration has no answer; the message says why and what to change."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asks for: both halves, hardware for a ``model``, or networks for a ``design``."""

    data: str | None = None               # digits; with a model none
    model: str | None = None
    design: str | None = None
    space_file: Path | None = None
    boards: tuple[str, ...] = ()
    max_latency: float | None = None      # seconds
    min_accuracy: float | None = None     # 0 to 1, on the validation split
    trials: int | None = None
    jobs: int = 2
    out: Path = Path("runs/explore")

    def space(self) -> Space:
        """The space with what the command line says on top; of a given design it has no other.

        Raises
        ------
        SpecError
            For unknown names, and for what contradicts each other.
        """
        self._check()
        space = load_space(self.space_file or (MODEL_FIRST if self.model else HARDWARE_FIRST if self.design else None))
        if self.design:
            design = load_design(self.design)
            space = space.on(design, self.boards or (design.board,))
        elif self.boards:
            space = replace(space, hardware=replace(space.hardware, boards=self.boards))
        if self.trials is not None:
            space = replace(space, search=replace(space.search, trials=self.trials))
        for name in (*(family.name for family in space.networks), space.feedback.network):
            try:
                check_name(name)
            except ModelError as error:
                raise SpecError(f"{self.space_file or 'space'}: {error}") from error
        for name in space.hardware.boards:
            board = find_board(name)
            if space.given:
                _check_given(space.given, board)
        return space

    def _check(self) -> None:
        if self.model and self.design:
            raise SpecError("--model and --design: nothing is left to search; ask `heddle estimate` or `heddle "
                            "verify`, or leave one of them out")
        if self.model and self.data is None and self.min_accuracy is not None:
            raise SpecError(f"--min-accuracy {self.min_accuracy:g}: without data a model has no accuracy; add --data "
                            f"SOURCE, or leave it out")

    def source(self) -> DataSource:
        """Raises DataError, or ExploreError for data that name no classes."""
        data = DataSource.of(self.data or "digits")
        if data.load().reconstructs:
            raise ExploreError(f"data {self.data!r}: one class alone is learned; a search compares networks that tell "
                               f"classes apart: leave normal= out, or use `heddle train`")
        for warning in data.load().warnings:
            note(f"warning: {warning}")
        return data

    def requirement(self) -> Requirement:
        return Requirement(max_latency_s=self.max_latency, min_accuracy=self.min_accuracy)


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """What the data set is."""

    name: str
    classes: int
    shape: tuple[int, ...]
    seed: int                       # of the split
    digest: str
    counts: Mapping[str, int]       # by split

    @staticmethod
    def of(data: Dataset) -> "DataFacts":
        return DataFacts(name=data.name, classes=data.classes, shape=data.shape, seed=data.seed, digest=data.digest,
                         counts={split: len(labels) for split, labels in data.labels.items()})


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """All that an exploration found; its report is made from this alone."""

    data: DataFacts | None          # None for a model that is given without any
    model: str = ""                 # that was given: no network was searched; the name is that of the space
    space: Space
    requirement: Requirement
    versions: Mapping[str, str]
    points: tuple[Point, ...]                   # the front
    looked: int                                 # networks on accelerators whose cost was computed
    told: tuple[Told, ...]                      # every network, in the order in which they were asked for
    trials: tuple[Point, ...]                   # of each network the accelerators that none beats
    failures: tuple[Failed, ...]
    ways: tuple[Way, ...]                       # what the joint search and the two other ways give, on estimates
    trainings: tuple[TrainingRecord, ...]
    comparison: Comparison | None

    @property
    def task(self) -> str:
        """What was asked for, in short: the model, the data, or both."""
        return " on ".join(filter(None, (self.model, self.data.name if self.data else "")))


@dataclass(frozen=True, kw_only=True)
class Results:
    """An exploration, and files for its folder."""

    exploration: Exploration
    feedback: Feedback | None
    files: Mapping[str, Files]      # by the id of a point of the front, then by name: its model, and what was built


def explore(request: Request) -> Results:
    """Train, measure the hardware's noise, search, and measure the best points; ``study.db`` is in ``request.out``.

    Raises
    ------
    HeddleError
        If the request is wrong, or no candidate meets it.
    """
    space = request.space()
    _check_clock(space)
    store = open_store()
    start = _with_model(request, space, store, request.model) if request.model else _untrained(request, space, store)
    space, sources, requirement = start.space, start.sources, request.requirement()
    evaluator = Evaluator(store=store, sources=sources, space=space, requirement=requirement, drafts={})
    study = Study(space=space, data=tuple(sources.values()) if sources else (), requirement=requirement,
                  models=start.models)
    with keeping(request.jobs):     # not longer: what routes needs the memory that torch takes
        found = study.found(evaluator, start.maker, request.out / "study.db")
    if not evaluator.drafts:
        raise ExploreError(f"no network of the space runs on its hardware; the first, {found.failures[0].id}: "
                           f"{found.failures[0].reason}")
    if not found.trained.trainings.plain:
        raise TrainError(f"no network could be trained; the first, {found.trained.failures[0].id}: "
                         f"{found.trained.failures[0].reason}")
    if not any(point.feasible for point in found.points):
        raise ExploreError(_nothing_fits(found, request))
    best = measure_best(space, store, evaluator, found.points, jobs=request.jobs, vectors=start.vectors)
    repeated = Repeated(points=best.points, failures=()) if start.model else repeat_measured(
        space, store, evaluator, best.points, jobs=request.jobs)
    points = tuple(sorted(repeated.points, key=lambda point: (-(point.metrics.valid_accuracy or 0),
                                                           point.metrics.latency_s, point.id)))
    files = {point.id: {MODEL: evaluator.model(point.candidate), **best.files.get(point.id, {})} for point in points}
    failures = (*found.trained.failures, *found.failures, *best.failures, *repeated.failures)
    exploration = Exploration(
        data=DataFacts.of(start.data.load()) if start.data else None, model=start.model, space=space,
        requirement=requirement, versions=_versions(), points=points, trials=found.points, told=found.told,
        looked=sum(fits.looked for choice in evaluator.drafts for fits in evaluator.fits(choice)), failures=failures,
        trainings=found.trained.records, comparison=found.trained.comparison,
        ways=ways_of(evaluator, found.points, found.told))
    return Results(exploration=exploration, feedback=found.trained.feedback, files=files)


@dataclass(frozen=True, kw_only=True)
class _Start:
    """What a search begins with: networks that can be trained, or a model that is given."""

    space: Space
    data: DataSource | None
    sources: Sources | None
    maker: Maker
    model: str = ""                 # that is given
    models: tuple[Path, ...] = ()   # its file
    vectors: Path | None = None     # beside it


def _untrained(request: Request, space: Space, store: Store) -> _Start:
    data = request.source()
    sources = {choice.data: DataSource.of(space.source(choice, data.name)) for choice in space.choices}
    sampled = len(space.choices) > space.search.trials
    if sampled and (erring := next(filter(None, (inexact(space, choice.widest) for choice in space.choices)), "")):
        raise SpecError(f"[search] trials = {space.search.trials}: a space of {len(space.choices)} networks is "
                        f"sampled, and multiplier {erring!r} errs, whose feedback takes all networks; raise trials, "
                        f"or leave it out")
    return _Start(space=space, data=data, sources=sources,
                  maker=Trainer(store=store, sources=sources, space=space, jobs=request.jobs))


def _with_model(request: Request, space: Space, store: Store, model: str) -> _Start:
    data, given = request.source() if request.data else None, give(model, store)
    space = given.alone(space)
    given.check(space, data)
    return _Start(space=space, data=data, sources={(): data} if data else None, maker=given, model=given.name,
                  models=(given.path,), vectors=given.vectors)


def _check_clock(space: Space) -> None:
    """Raises ExploreError, before anything is trained, where no design of the space could run at its clock."""
    wanted, fastest = space.clock_mhz, 0.0
    for option in space.all_options:
        board = find_board(option.boards[-1])
        if uncalibrated(option.design, board):
            return
        fastest = max(fastest, estimate_resources(option.design, board).fmax_mhz)
    if fastest < wanted:
        raise ExploreError(f"clock_mhz = {wanted:g}: no design of the space is estimated to run above {fastest:.1f} "
                           f"MHz; lower clock_mhz in [hardware] to {int(fastest)} or less")


def _check_given(design: DesignPoint, board: Board) -> None:
    """Raises HeddleError where nothing can be measured on a design, whatever the network."""
    check_design(design, board)
    find_cpu(design.cpu)
    if short := board.shortfalls({kind: getattr(estimate_resources(design, board), kind) for kind in COUNTED}):
        raise ExploreError(f"design {design.label} on board {board.name!r}: {short[0]}; choose a larger board or a "
                           f"smaller design")


def _nothing_fits(found: Found, request: Request) -> str:
    """Which limits stop the candidate that comes closest, and what to change about each."""
    closest = min(found.points, key=lambda point: sum(point.violations.values()), default=None)
    if closest is None:
        return f"every network failed, the first with: {found.failures[0].reason}"
    over = ", ".join(f"{name} by {share:.0%}" for name, share in closest.violations.items())
    counts = Counter(name for point in found.points for name in point.violations)
    excluded = ", ".join(f"{name} excludes {count}" for name, count in counts.items())
    return (f"none of {len(found.points)} candidates meets the requirement ({excluded}); the closest, {closest.id}, "
            f"misses {over}; {' and '.join(_remedies(closest, request))}")


def _remedies(point: Point, request: Request) -> list[str]:
    """What to change so that a point meets what it misses; each limit has its own way out."""
    metrics, found = point.metrics, []
    faster = "give a larger array" if request.design else "add larger arrays to the space"
    better = "give a better model" if request.model else "add wider networks to the space"
    if "latency_s" in point.violations:
        found.append(f"raise --max-latency to {metrics.latency_s:.3g}, or {faster}")
    if "valid_accuracy" in point.violations:
        found.append(f"lower --min-accuracy, which is asked of the validation split, to "
                     f"{floor(1000 * (metrics.valid_accuracy or 0)) / 1000:g}, or {better}")
    if "fmax_mhz" in point.violations:
        found.append(f"lower clock_mhz in the space to {int(metrics.fmax_mhz)}")
    if short := [name for name in ("lut", "ff", "dsp", "bram", "spram") if name in point.violations]:
        found.append(f"take a larger board or smaller arrays ({', '.join(short)} exceeded)")
    return found


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
