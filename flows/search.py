"""The search: Optuna's multi-objective TPE over a space, kept in a database so that a stopped search goes on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

from flows.pareto import OBJECTIVES
from flows.space import Candidate, Space

__all__ = ["Outcome", "search"]

GEOMETRY = ("rows", "cols", "lanes")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a candidate: ``metrics``, or the reason why there are none.

    ``violations`` names each budget that is exceeded and by which share of it; a candidate that has one may not
    be in the front.
    """

    candidate: Candidate
    metrics: dict[str, Any] = field(default_factory=dict)
    violations: dict[str, float] = field(default_factory=dict)
    failure: str = ""

    @property
    def feasible(self) -> bool:
        return not self.failure and not self.violations

    def record(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> "Outcome":
        return Outcome(**{**record, "candidate": Candidate(**record["candidate"])})


def search(space: Space, evaluate: Callable[[Candidate], Outcome], *, database: Path, key: str,
           progress: Callable[[int, int], None] = lambda done, total: None) -> list[Outcome]:
    """Look at ``space.search.trials`` different candidates, or at all if there are fewer.

    The study named ``key`` in ``database`` goes on where it stopped; what was told stays told. The sampler is
    seeded by the number of trials told, so a stopped search that goes on equals one that was never stopped.
    The search runs in memory, a hundred times faster than the database, which follows once a second and at the end.

    Returns
    -------
    list of Outcome
        One per candidate in the order of the search, failures included; failures do not count as trials.
    """
    stored = _study(key, _storage(database))
    study = _study(key, None)
    study.add_trials([trial for trial in stored.get_trials() if trial.state.is_finished()])
    saved = len(study.trials)
    outcomes = {item.candidate.id: item for item in _told(study)}
    candidates = {candidate.id: candidate for candidate in space.candidates()}
    done, wanted = sum(not item.failure for item in outcomes.values()), min(space.search.trials, len(candidates))
    last = monotonic()
    progress(done, wanted)
    try:
        while done < wanted and len(outcomes) < len(candidates):
            outcome = _step(study, space, candidates, outcomes, evaluate)
            if outcome is not None:
                outcomes[outcome.candidate.id] = outcome
                done += not outcome.failure
                progress(done, wanted)
            if monotonic() - last > 1:
                saved, last = _save(study, stored, saved), monotonic()
    finally:
        _save(study, stored, saved)
    return list(outcomes.values())


def _step(study: Any, space: Space, candidates: Mapping[str, Candidate], outcomes: Mapping[str, Outcome],
          evaluate: Callable[[Candidate], Outcome]) -> Outcome | None:
    """One trial; None where the sampler repeats itself: the next trial takes the nearest unseen candidate."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    study.sampler = _sampler(space, len(trials))
    if trials and "outcome" not in trials[-1].user_attrs:
        unseen = [candidate for name, candidate in candidates.items() if name not in outcomes]
        study.enqueue_trial(_nearest(trials[-1].params, unseen, Random(space.search.seed + len(trials))))
    trial = study.ask()
    candidate = _suggest(trial, space)
    if candidate.id not in candidates or candidate.id in outcomes:
        study.tell(trial, state=TrialState.FAIL)
        return None
    outcome = evaluate(candidate)
    trial.set_user_attr("outcome", outcome.record())
    if outcome.failure:
        study.tell(trial, state=TrialState.FAIL)
        return outcome
    trial.set_constraint("over_budget", sum(outcome.violations.values()))
    study.tell(trial, [outcome.metrics[name] for name in OBJECTIVES])
    return outcome


def _study(key: str, storage: Any) -> Any:
    import optuna  # slow to load; the command line does without it

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(
        storage=storage, study_name=key, load_if_exists=True,
        directions=["maximize" if sign > 0 else "minimize" for sign in OBJECTIVES.values()])


def _storage(database: Path) -> Any:
    from optuna.storages import RDBStorage

    database.parent.mkdir(parents=True, exist_ok=True)
    return RDBStorage(f"sqlite:///{database.resolve()}", engine_kwargs={"connect_args": {"timeout": 60}})


def _save(study: Any, stored: Any, saved: int) -> int:
    """Append the ended trials behind ``saved`` to the database; returns how many it holds."""
    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    stored.add_trials(ended[saved:])
    return len(ended)


def _told(study: Any) -> list[Outcome]:
    return [Outcome.from_record(trial.user_attrs["outcome"]) for trial in study.get_trials(deepcopy=False)
            if "outcome" in trial.user_attrs]


def _sampler(space: Space, told: int) -> Any:
    from optuna.samplers import TPESampler

    return TPESampler(seed=space.search.seed * 1_000_003 + told, n_startup_trials=space.search.startup,
                      multivariate=True)


def _suggest(trial: Any, space: Space) -> Candidate:
    nets, chips = space.networks, space.hardware
    geometry = trial.suggest_categorical("geometry", ["x".join(map(str, item)) for item in chips.geometries])
    return Candidate(
        network=trial.suggest_categorical("network", nets.names), width=trial.suggest_categorical("width", nets.widths),
        weight_bits=trial.suggest_categorical("weight_bits", nets.weight_bits),
        **dict(zip(GEOMETRY, map(int, geometry.split("x")), strict=True)),
        multiplier=trial.suggest_categorical("multiplier", chips.multipliers),
        requantizers=trial.suggest_categorical("requantizers", chips.requantizers),
        board=trial.suggest_categorical("board", chips.boards))


def _parameters(candidate: Candidate) -> dict[str, Any]:
    """What :func:`_suggest` must return for ``candidate``."""
    values = asdict(candidate)
    geometry = "x".join(str(values.pop(name)) for name in GEOMETRY)
    return {"geometry": geometry, **values}


def _nearest(wanted: Mapping[str, Any], unseen: Sequence[Candidate], random: Random) -> dict[str, Any]:
    """Parameters of the candidate that differs least from ``wanted``; a random one of several."""
    options = [_parameters(candidate) for candidate in unseen]
    distances = [sum(option[name] != value for name, value in wanted.items()) for option in options]
    return random.choice([option for option, far in zip(options, distances, strict=True) if far == min(distances)])
