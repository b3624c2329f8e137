"""The search: all of a space where that is little enough, else Optuna's multi-objective TPE over it; kept in a database
so that a stopped search goes on.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

from flows.run.progress import count
from flows.run.typed import from_plain, to_plain
from flows.search.pareto import OBJECTIVES
from flows.search.point import Point
from flows.search.space import Candidate, Space

__all__ = ["search"]

GEOMETRY = ("rows", "cols", "lanes")
POINT = "point"         # name of the attribute that a trial keeps it under


Options = Mapping[str, tuple[Candidate, dict[str, Any]]]   # by id: a candidate and its parameters


def search(space: Space, evaluate: Callable[[Candidate], Point], *, database: Path, key: str,
           wanted: Callable[[Candidate], bool] = lambda candidate: True) -> list[Point]:
    """Look at all candidates that are ``wanted`` if there are no more than ``space.search.trials``, in the space's
    order; else at so many different ones that the sampler asks for.

    The study named ``key`` in ``database`` goes on where it stopped; what was told stays told. The sampler is
    seeded by the number of points, so a stopped search that goes on equals one that was never stopped.
    The search runs in memory, a hundred times faster than the database, which follows once a second and at the end.

    Returns
    -------
    list of Point
        One per candidate in the order of the search, failures included; failures do not count as trials.
    """
    storage = _storage(database)
    stored = _study(key, storage)
    study = _study(key, None)
    study.add_trials([trial for trial in stored.get_trials() if POINT in trial.user_attrs])
    points = {point.id: point for point in map(_point, study.get_trials(deepcopy=False))}
    saved, last = len(points), monotonic()
    options = {candidate.id: (candidate, _parameters(candidate)) for candidate in space.candidates()
               if wanted(candidate)}
    done, most = sum(not point.failure for point in points.values()), min(space.search.trials, len(options))
    count(done, most)
    suggest = _enumerated if len(options) <= space.search.trials else _sampled
    try:
        while done < most and len(points) < len(options):
            trial, candidate = suggest(study, space, options, points)
            point = _told(study, trial, evaluate(candidate))
            points[point.id] = point
            done += not point.failure
            count(done, most)
            if monotonic() - last > 1:
                saved, last = _save(study, stored, saved), monotonic()
    finally:
        _save(study, stored, saved)
        storage.remove_session()
        storage.engine.dispose()     # else its connections stay open until they are found dead
    return list(points.values())


def _enumerated(study: Any, space: Space, options: Options, points: Mapping[str, Point]) -> tuple[Any, Candidate]:
    """The first candidate that is new."""
    from optuna.samplers import RandomSampler

    study.sampler = RandomSampler(seed=space.search.seed)       # asked for nothing
    return _asked(study, space, next(parameters for name, (_, parameters) in options.items() if name not in points))


def _asked(study: Any, space: Space, parameters: Mapping[str, Any]) -> tuple[Any, Candidate]:
    study.enqueue_trial(dict(parameters))
    trial = study.ask()
    return trial, _suggest(trial, space)


def _sampled(study: Any, space: Space, options: Options, points: Mapping[str, Point]) -> tuple[Any, Candidate]:
    """What the sampler suggests; where it repeats itself, the nearest candidate that is new."""
    from optuna.trial import TrialState

    seed = space.search.seed * 1_000_003 + len(points)
    study.sampler = _sampler(space, seed)
    trial = study.ask()
    candidate = _suggest(trial, space)
    if candidate.id not in options or candidate.id in points:
        study.tell(trial, state=TrialState.FAIL)
        unseen = [parameters for name, (_, parameters) in options.items() if name not in points]
        return _asked(study, space, _nearest(trial.params, unseen, Random(seed)))
    return trial, candidate


def _told(study: Any, trial: Any, point: Point) -> Point:
    """The study knows what came of the trial."""
    from optuna.trial import TrialState

    trial.set_user_attr(POINT, to_plain(point))
    if point.failure:
        study.tell(trial, state=TrialState.FAIL)
        return point
    trial.set_constraint("over_limits", sum(point.violations.values()))
    study.tell(trial, [getattr(point.metrics, name) or 0.0 for name in OBJECTIVES])     # no accuracy without data
    return point


def _study(key: str, storage: Any) -> Any:
    import optuna  # slow to load; the command line does without it

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(
        storage=storage, study_name=key, load_if_exists=True,
        directions=["maximize" if sign > 0 else "minimize" for sign in OBJECTIVES.values()])


def _storage(database: Path) -> Any:
    """The database; one that cannot be read is put aside, since every result is in the store as well."""
    from optuna.storages import RDBStorage

    database.parent.mkdir(parents=True, exist_ok=True)
    if not _whole(database):
        database.replace(database.with_name(f"{database.name}.damaged"))
    return RDBStorage(url=f"sqlite:///{database.resolve()}",
                      engine_kwargs={"connect_args": {"timeout": 60, "factory": _Connection}})


def _whole(database: Path) -> bool:
    """Whether a database can be read, or is still to be made."""
    try:
        with closing(sqlite3.connect(database, timeout=60)) as connection:
            return connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
    except sqlite3.DatabaseError:
        return False


class _Connection(sqlite3.Connection):
    """Leaves it to the system when the disk is written: a killed process loses nothing by that."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.execute("PRAGMA synchronous = OFF")


def _save(study: Any, stored: Any, saved: int) -> int:
    """Append the points behind ``saved`` to the database; returns how many it holds."""
    ended = [trial for trial in study.get_trials(deepcopy=False) if POINT in trial.user_attrs
             and trial.state.is_finished()]
    stored.add_trials(ended[saved:])
    return len(ended)


def _point(trial: Any) -> Point:
    return from_plain(Point, trial.user_attrs[POINT], where="study.db")


def _sampler(space: Space, seed: int) -> Any:
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed, n_startup_trials=space.search.startup, multivariate=True)


def _suggest(trial: Any, space: Space) -> Candidate:
    nets, chips = space.networks, space.hardware
    geometry = trial.suggest_categorical("geometry", ["x".join(map(str, item)) for item in chips.geometries])
    return Candidate(
        network=trial.suggest_categorical("network", nets.names), width=trial.suggest_categorical("width", nets.widths),
        weight_bits=trial.suggest_categorical("weight_bits", nets.weight_bits),
        **dict(zip(GEOMETRY, map(int, geometry.split("x")), strict=True)),
        multiplier=trial.suggest_categorical("multiplier", chips.multipliers),
        requantizers=trial.suggest_categorical("requantizers", chips.requantizers),
        requantizer_dsps=trial.suggest_categorical("requantizer_dsps", chips.requantizer_dsps),
        depthwise_taps=trial.suggest_categorical("depthwise_taps", chips.depthwise_taps),
        board=trial.suggest_categorical("board", chips.boards))


def _parameters(candidate: Candidate) -> dict[str, Any]:
    """What :func:`_suggest` must return for ``candidate``."""
    values = asdict(candidate)
    geometry = "x".join(str(values.pop(name)) for name in GEOMETRY)
    return {"geometry": geometry, **values}


def _nearest(wanted: Mapping[str, Any], unseen: Sequence[dict[str, Any]], random: Random) -> dict[str, Any]:
    """The parameters that differ least from ``wanted``; random ones of several."""
    distances = [sum(parameters[name] != value for name, value in wanted.items()) for parameters in unseen]
    least = min(distances)
    return random.choice([parameters for parameters, far in zip(unseen, distances, strict=True) if far == least])
