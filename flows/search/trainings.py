"""Networks of a space: drafted, so that it is known what runs them, and trained; the comparison with feedback."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from flows.run.progress import advance, note, tell, work
from flows.run.queue import Failure, Result, run_queue
from flows.run.store import Store
from flows.search.candidate import NetworkChoice, Pairs
from flows.search.point import Failed
from flows.search.price import Priced, prices
from flows.search.space import Space
from flows.search.supernet import Learned, Member, Supernet
from flows.search.worth import Trainings, fittings
from flows.train.accuracy import Accuracy
from flows.train.data import DataSource
from flows.train.feedback import make_feedback
from flows.train.rivals import Rivals, compare
from flows.train.training import TrainedModel, Training
from flows.train.untrained import Untrained
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.feedback import Feedback, NoiseProfile
from hw.spec.multipliers import MULTIPLIERS
from sw.quant.record import TrainingRecord

__all__ = ["Comparison", "Drafts", "Sources", "TrainError", "Trained", "Trainer", "Tried", "draft_all",
           "inexact", "reference_design"]

Sources = Mapping[Pairs, DataSource]      # by options of the data
Models = Mapping[NetworkChoice, TrainedModel]
SUPERNET = 1 / 8        # steps of a supernet, as a share of those of all trainings


class TrainError(HeddleError):
    """No network could be trained; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What feedback from the hardware does to accuracy, against what is cheaper."""

    profile: NoiseProfile
    rivals: Rivals


@dataclass(frozen=True, kw_only=True)
class Drafts:
    """Networks before they are trained."""

    models: Mapping[NetworkChoice, Path]        # of those that fit somewhere
    failures: tuple[Failed, ...]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Trained networks, the feedback record and what came of it, and trainings that failed."""

    trainings: Trainings = field(default_factory=Trainings)
    records: tuple[TrainingRecord, ...] = ()        # of each network
    feedback: Feedback | None = None
    comparison: Comparison | None = None
    failures: tuple[Failed, ...] = ()

    def __or__(self, other: "Trained") -> "Trained":
        """What came of both."""
        return Trained(trainings=self.trainings | other.trainings, records=self.records + other.records,
                       feedback=self.feedback or other.feedback, comparison=self.comparison or other.comparison,
                       failures=self.failures + other.failures)


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of short trainings."""

    accuracies: Mapping[NetworkChoice, float] = field(default_factory=dict)     # on the validation split, the last one
    failures: tuple[Failed, ...] = ()

    def __or__(self, other: "Tried") -> "Tried":
        """What came of both, one after the other."""
        return Tried(accuracies={**self.accuracies, **other.accuracies}, failures=self.failures + other.failures)


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


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """In a worker: a network's draft, and what it runs on."""

    space: Space
    store: Store
    sources: Sources

    def __call__(self, choice: NetworkChoice) -> Path:
        """Raises TrainError where nothing fits, and what building and lowering raise."""
        tell("compiling")
        config = replace(self.space.config(choice), seed=0)     # no seed changes what a network takes
        model = Untrained(config=config, data=self.sources[choice.data]).value(self.store)
        groups = list(fittings(self.space, choice, model, self.space.options(choice)))
        fits = [group.fitting.value(self.store) for group in groups]
        if not groups:
            raise TrainError("no accelerator of the space is one for it")
        if not any(each.front for each in fits):
            raise TrainError(next((each.line for each in fits if each.line), "no design runs it"))
        return model


def draft_all(space: Space, store: Store, sources: Sources, choices: Sequence[NetworkChoice], *, jobs: int) -> Drafts:
    """What runs each network, before a second of training is spent; those that cannot be built or fit nowhere are
    failures.
    """
    def done(result: Result[NetworkChoice]) -> None:
        advance()
        if isinstance(result.value, Failure):
            note(f"not trained: {result.task.id}: {result.value.reason}")

    with work("looking for hardware", len(choices)):
        results = run_queue(_Draft(space=space, store=store, sources=sources), choices, jobs=jobs,
                            name=lambda choice: choice.id, done=done)
    # in the order of the choices, whichever ended first: a sampler is asked with these
    return Drafts(models={result.task: result.value for result in results if result.ok}, failures=tuple(
        Failed(id=result.task.id, doing="compiling, before training", reason=result.value.reason)
        for result in results if not result.ok))


@dataclass(frozen=True, kw_only=True)
class _Pricing:
    """In a worker: what a network costs, untrained."""

    space: Space
    store: Store
    sources: Sources

    def __call__(self, choice: NetworkChoice) -> Priced:
        """Raises what building and lowering raise."""
        tell("compiling")
        config = replace(self.space.config(choice), seed=0)     # as a draft's
        model = Untrained(config=config, data=self.sources[choice.data]).value(self.store)
        found = [price.value(self.store) for price in prices(self.space, choice, model)]
        return Priced(cost=min((each.cost for each in found if each.cost is not None), default=None),
                      cpu_seconds=sum(each.cpu_seconds for each in found))


@dataclass(kw_only=True)
class Trainer:
    """What every batch of trainings shares."""

    store: Store
    sources: Sources
    space: Space
    jobs: int

    def draft(self, choices: Sequence[NetworkChoice]) -> Drafts:
        """Untrained, and what runs them."""
        return draft_all(self.space, self.store, self.sources, choices, jobs=self.jobs)

    def train(self, choices: Sequence[NetworkChoice]) -> Trained:
        """Networks as the space's recipe has them, and where a multiplier of the space errs, with feedback as well."""
        plan, plain = self.space.feedback.choice, self._batch("training the networks", choices)
        designs = {bits: reference_design(self.space, kind, bits)
                   for bits in sorted({choice.widest for choice in (*choices, plan)})
                   if (kind := inexact(self.space, bits))}
        if not designs or not plain.models:
            return plain.trained
        return self._close_loop(plain, designs)

    def models(self, choices: Sequence[NetworkChoice]) -> Models:
        """As :meth:`train` does where every multiplier is exact."""
        return self._batch("training the networks", choices).models

    def short(self, choices: Sequence[NetworkChoice], share: float) -> Tried:
        """Trainings with a share of the passes."""
        found = self._batch(f"trying networks with {share:.0%} of a training", choices, share=share)
        return Tried(accuracies={choice: model.record.valid_accuracy for choice, model in found.models.items()},
                     failures=found.failures)

    def learn(self, choices: Sequence[NetworkChoice], trials: int) -> Learned:
        """What a supernet makes of networks, in a share of the steps of ``trials`` trainings; those that cannot be
        built, or fit nowhere, have no chance.

        Raises
        ------
        TrainError
            If the supernet cannot be trained.
        """
        with work("pricing networks", len(choices)):
            results = run_queue(_Pricing(space=self.space, store=self.store, sources=self.sources), choices,
                                jobs=self.jobs, name=lambda choice: choice.id, done=lambda result: advance())
        priced: dict[NetworkChoice, Priced] = {result.task: result.value for result in results if result.ok}
        members = tuple(Member(choice=choice, config=self.space.config(choice), data=self.sources[choice.data],
                               cost=cost)
                        for choice in choices if choice in priced and (cost := priced[choice].cost) is not None)
        learned = self._learned(Supernet(members=members, seed=self.space.search.seed,
                                         steps=round(SUPERNET * trials * self._steps(members))))
        places = {member.choice: place for place, member in enumerate(members)}
        return Learned(cpu_seconds=learned.cpu_seconds + sum(each.cpu_seconds for each in priced.values()),
                       odds=tuple(tuple(odds[places[choice]] if choice in places else 0.0 for choice in choices)
                                  for odds in learned.odds))

    def _learned(self, supernet: Supernet) -> Learned:
        with work("training a supernet", 1):
            [result] = run_queue(partial(_value, self.store), [supernet], jobs=1, name=lambda step: step.kind,
                                 done=lambda result: advance())
        if isinstance(result.value, Failure):
            raise TrainError(f"[search] sampler = 'gradient': its supernet cannot be trained: {result.value.reason}; "
                             f"or take another sampler")
        learned: Learned = result.value
        return learned

    def _steps(self, members: Sequence[Member]) -> float:
        """Of the optimizer in a training, in the mean."""
        recipes = [(member.config.recipe, len(member.data.load().labels["train"])) for member in members]
        return sum(recipe.inputs(1, count) / recipe.batch for recipe, count in recipes) / max(len(recipes), 1)

    def _close_loop(self, plain: "_Batch", designs: Mapping[int, DesignPoint]) -> Trained:
        """Measure the inexact multiplier, train with what was measured, compare."""
        plan, records = self.space.feedback, {}
        with work("measuring the multiplier's RTL", len(designs)):
            for bits, design in designs.items():
                records[bits] = make_feedback(self.store, design, self.space.clock_mhz, {
                    self.space.config(choice): model.path for choice, model in plain.models.items()
                    if choice.widest == bits})
                advance()
        informed = [choice for choice in plain.models if choice.widest in designs]
        second = self._batch("training with feedback", informed, records=records)
        main = records.get(plan.weight_bits)
        comparison, failed = self._comparison(main) if main else (None, ())
        first = plain.trained
        return replace(
            first, feedback=main or next(iter(records.values())), comparison=comparison,
            failures=first.failures + second.trained.failures + failed,
            trainings=replace(first.trainings, noisy=_paths(second.models), feedback=records))

    def _batch(self, title: str, choices: Sequence[NetworkChoice], *, share: float = 1.0,
               records: Mapping[int, Feedback] | None = None) -> "_Batch":
        """What came of each network; those that failed are in ``failures`` instead."""
        tasks = {self._training(choice, share, (records or {}).get(choice.widest)): choice for choice in choices}

        def done(result: Result[Training]) -> None:
            advance()
            if isinstance(result.value, Failure):
                note(f"failed: {result.task.label}: {result.value.reason}")

        # the wide ones first: they take longest
        ordered = sorted(tasks, key=lambda training: -training.config.width)
        with work(title, len(ordered)):
            results = run_queue(partial(_train, self.store, share == 1), ordered, jobs=self.jobs,
                                name=lambda training: training.label, done=done)
        return _Batch(models={tasks[result.task]: result.value for result in results if result.ok},
                      failures=tuple(Failed(id=tasks[result.task].id, doing="training", reason=result.value.reason)
                                     for result in results if not result.ok))

    def _training(self, choice: NetworkChoice, share: float, feedback: Feedback | None) -> Training:
        config, data = self.space.config(choice), self.sources[choice.data]
        if share != 1:
            count = len(data.load().labels["train"])
            config = replace(config, recipe=replace(config.recipe, passes=config.recipe.inputs(share, count) / count))
        return Training(config=config, data=data, feedback=feedback)

    def _comparison(self, feedback: Feedback) -> tuple[Comparison | None, tuple[Failed, ...]]:
        """On the multiplier of the record; None, and a failure, where a training fails."""
        plan, noise = self.space.feedback, feedback.noise
        if noise is None:
            return None, ()
        config = self.space.config(plan.choice)
        try:
            rivals = compare(self.store, config, next(iter(self.sources.values())), feedback, jobs=self.jobs,
                             seeds=range(config.seed, config.seed + plan.seeds))
        except HeddleError as error:
            note(f"failed: the comparison with feedback: {error}")
            return None, (Failed(id=config.label, doing="comparing with feedback", reason=str(error)),)
        return Comparison(profile=noise, rivals=rivals), ()


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """What came of some trainings."""

    models: Models
    failures: tuple[Failed, ...]

    @property
    def trained(self) -> Trained:
        return Trained(trainings=Trainings(plain=_paths(self.models)), failures=self.failures,
                       records=tuple(model.record for model in self.models.values()))


def _train(store: Store, whole: bool, training: Training) -> TrainedModel:
    """In a worker: train, and evaluate what was trained to its end."""
    trained = training.value(store)
    if whole:
        tell("evaluating")
        for split in ("valid", "test"):
            Accuracy(model=trained.path, data=training.data, split=split, design=None).value(store)
    return trained


def _value(store: Store, step: Supernet) -> Learned:
    """In a worker."""
    return step.value(store)


def _paths(models: Models) -> dict[NetworkChoice, Path]:
    return {choice: model.path for choice, model in models.items()}
