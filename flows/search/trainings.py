"""Everything that is trained before the search: the networks of the space, and the comparison with feedback."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from flows.run.progress import advance, note, tell, work
from flows.run.queue import Failure, Result, run_queue
from flows.run.store import Store
from flows.search.point import Failed
from flows.search.space import Space
from flows.search.worth import Trainings
from flows.train.accuracy import Accuracy
from flows.train.data import DataSource
from flows.train.draft import Draft
from flows.train.feedback import make_feedback
from flows.train.rivals import Rivals, compare
from flows.train.training import TrainedModel, Training
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.feedback import Feedback, NoiseProfile
from hw.spec.multipliers import MULTIPLIERS
from sw.quant.config import TrainConfig
from sw.quant.record import TrainingRecord

__all__ = ["Comparison", "Prepared", "TrainError", "draft_all", "inexact", "reference_design", "train_all"]

Models = Mapping[TrainConfig, TrainedModel]


class TrainError(HeddleError):
    """No network could be trained; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What feedback from the hardware does to accuracy, against what is cheaper."""

    profile: NoiseProfile
    rivals: Rivals


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Trained networks, the feedback record and what came of it, and trainings that failed."""

    trainings: Trainings
    records: tuple[TrainingRecord, ...]     # of each network of the space
    feedback: Feedback | None
    comparison: Comparison | None
    failures: tuple[Failed, ...]


def inexact(space: Space, weight_bits: int) -> str | None:
    """A multiplier of the space that errs with weights of that width, or None."""
    return next((kind for kind in space.hardware.multipliers if not MULTIPLIERS[kind].exact(weight_bits)), None)


def reference_design(space: Space, multiplier: str, weight_bits: int) -> DesignPoint:
    """The fastest array of the space, for the latency table."""
    if space.given:
        return space.given
    rows, cols, lanes = max(space.hardware.geometries, key=lambda item: item[0] * item[1] * item[2])
    return DesignPoint(rows=rows, cols=cols, lanes=lanes, weight_bits=weight_bits, multiplier=multiplier,
                       requantizers=max(count for count in (1, *space.hardware.requantizers) if count <= cols),
                       depthwise_taps=max(taps for taps in (1, *space.hardware.depthwise_taps) if taps <= lanes),
                       board=space.hardware.boards[0])


def draft_all(space: Space, store: Store, data: DataSource) -> dict[TrainConfig, str]:
    """Networks of the space that none of its designs runs, and what the compiler says of the last one.

    Raises
    ------
    ModelError, QuantError
        If a network cannot be built for the data, or not be lowered.
    """
    designs: dict[int, dict[DesignPoint, None]] = {}
    for candidate in space.candidates():
        designs.setdefault(candidate.weight_bits, {})[replace(space.design(candidate), board="")] = None
    plan = space.feedback
    compared = [space.config(plan.network, plan.width, plan.weight_bits)] if inexact(space, plan.weight_bits) else []
    refused = {}
    configs = list(dict.fromkeys((*space.configs(), *compared)))
    with work("checking the networks", len(configs)):
        for config in configs:
            step = Draft(config=config, data=data, designs=tuple(designs.get(config.weight_bits, ())),
                         fit=space.given is None)
            if line := step.value(store):
                refused[config] = line
            advance()
    return refused


def train_all(space: Space, store: Store, data: DataSource, *, jobs: int,
              refused: Mapping[TrainConfig, str] = MappingProxyType({})) -> Prepared:
    """Train all that the search needs; of networks that no design runs there are the reasons instead.

    Raises
    ------
    TrainError
        If not a single network could be trained.
    """
    job = _Trainer(store=store, data=data, space=space, jobs=jobs)
    plan = space.feedback
    widths = sorted({*space.networks.weight_bits, plan.weight_bits})
    job.designs = {bits: reference_design(space, kind, bits) for bits in widths if (kind := inexact(space, bits))}
    job.refuse(refused)
    configs = [config for config in space.configs() if config not in refused]
    compared = space.config(plan.network, plan.width, plan.weight_bits)
    paired = plan.weight_bits in job.designs and compared not in refused
    plain = job.train("training the networks", [(config, None) for config in configs])
    if not plain:
        raise TrainError(f"no network could be trained: {job.failures[0].reason}")
    if not job.designs:
        return Prepared(trainings=Trainings(plain=_paths(plain), failed=job.failed), records=_records(plain),
                        feedback=None, comparison=None, failures=tuple(job.failures))
    return _close_loop(job, plain, compared if paired else None)


def _close_loop(job: "_Trainer", plain: Models, compared: TrainConfig | None) -> Prepared:
    """Measure the inexact multiplier, train with what was measured, compare."""
    space, plan = job.space, job.space.feedback
    records = {}
    with work("measuring the multiplier's RTL", len(job.designs)):
        for bits, design in job.designs.items():
            records[bits] = make_feedback(job.store, design, space.hardware.clock_mhz, _paths(plain))
            advance()
    informed = [config for config in plain if config.weight_bits in job.designs]
    main = records.get(plan.weight_bits)
    second = job.train("training with feedback", [(config, records[config.weight_bits]) for config in informed])
    comparison = _comparison(job, compared, main) if main and compared else None
    noisy = _paths({config: second[config] for config in informed if config in second})
    return Prepared(
        trainings=Trainings(plain=_paths(plain), noisy=noisy, feedback=records, failed=job.failed),
        records=_records(plain), feedback=main or next(iter(records.values())), comparison=comparison,
        failures=tuple(job.failures))


class _Trainer:
    """What every batch of trainings shares."""

    def __init__(self, *, store: Store, data: DataSource, space: Space, jobs: int) -> None:
        self.store, self.data, self.space, self.jobs = store, data, space, jobs
        self.designs: Mapping[int, DesignPoint] = {}     # with an inexact multiplier, by weight bits
        self.failures: list[Failed] = []
        self.failed: dict[TrainConfig, str] = {}         # why there is no network

    def refuse(self, refused: Mapping[TrainConfig, str]) -> None:
        """Record what is not trained, and why."""
        for config, line in refused.items():
            note(f"not trained: {config.label}: {line}")
            self.failed[config] = line
            self.failures.append(Failed(id=config.label, doing="compiling, before training", reason=line))

    def train(self, title: str, asked: Iterable[tuple[TrainConfig, Feedback | None]]) -> Models:
        """What came of each configuration; those that failed are in ``failures`` instead."""
        unique = [Training(config=config, data=self.data, feedback=feedback)
                  for config, feedback in dict(asked).items()]
        unique.sort(key=lambda training: -training.config.width)     # the wide ones first: they take longest
        with work(title, len(unique)):
            def done(result: Result[Training]) -> None:
                advance()
                if isinstance(result.value, Failure):
                    note(f"failed: {result.task.label}: {result.value.reason}")
                    self.failed[result.task.config] = result.value.reason
                    self.failures.append(Failed(id=result.task.label, doing="training", reason=result.value.reason))

            results = run_queue(partial(_train, self.store, self.designs), unique, jobs=self.jobs,
                                name=lambda training: training.label, done=done)
        return {result.task.config: result.value for result in results if result.ok}


def _train(store: Store, designs: Mapping[int, DesignPoint], training: Training) -> TrainedModel:
    """In a worker: train, and evaluate; also on the design with an inexact multiplier, if there is one."""
    trained = training.value(store)
    tell("evaluating")
    for design in dict.fromkeys((None, designs.get(training.config.weight_bits))):
        for split in ("valid", "test"):
            Accuracy(model=trained.path, data=training.data, split=split, design=design).value(store)
    return trained


def _paths(models: Models) -> dict[TrainConfig, Path]:
    return {config: model.path for config, model in models.items()}


def _records(models: Models) -> tuple[TrainingRecord, ...]:
    return tuple(model.record for model in models.values())


def _comparison(job: _Trainer, compared: TrainConfig, feedback: Feedback) -> Comparison | None:
    """On the multiplier of the record; None, and a failure, where a training fails."""
    plan, noise = job.space.feedback, feedback.noise
    if noise is None:
        return None
    try:
        rivals = compare(job.store, compared, job.data, feedback, jobs=job.jobs,
                         seeds=range(compared.seed, compared.seed + plan.seeds))
    except HeddleError as error:
        note(f"failed: the comparison with feedback: {error}")
        job.failures.append(Failed(id=compared.label, doing="comparing with feedback", reason=str(error)))
        return None
    return Comparison(profile=noise, rivals=rivals)
