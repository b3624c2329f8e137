"""The search for networks, each with all its accelerators: which are trained, in which order, and what came of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from flows.run.progress import count, work
from flows.run.step import Keyed, canonical, keyed
from flows.search.candidate import NetworkChoice
from flows.search.journal import Journal
from flows.search.point import Failed, Point
from flows.search.samplers import DEFAULT, SAMPLERS, Asked, Told, ranked
from flows.search.space import Space
from flows.search.supernet import Learned
from flows.search.trainings import Drafts, Trained, Tried
from flows.search.worth import Evaluator, Requirement
from flows.train.data import DataSource
from hw.spec.errors import HeddleError

__all__ = ["Found", "Maker", "Study"]

BATCH = 4           # networks that are asked for at once


class Maker(Protocol):
    """What makes networks: :class:`flows.search.trainings.Trainer`, or a model that is given."""

    def draft(self, choices: Sequence[NetworkChoice]) -> Drafts:
        """Untrained, and what runs them."""

    def short(self, choices: Sequence[NetworkChoice], share: float) -> Tried:
        """Tried with a share of a training."""

    def train(self, choices: Sequence[NetworkChoice]) -> Trained:
        """To the end."""

    def learn(self, choices: Sequence[NetworkChoice], trials: int) -> Learned:
        """What a supernet makes of them, where ``trials`` are to be trained."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """All that a search found."""

    points: tuple[Point, ...] = ()      # of every network on every accelerator that none beats
    failures: tuple[Failed, ...] = ()   # of networks that nothing runs, and of what went wrong with trained ones
    told: tuple[Told, ...] = ()         # of every network, in the order in which they were asked for
    trained: Trained = field(default_factory=Trained)

    @property
    def count(self) -> int:
        """Networks that something runs: others cost no training."""
        return sum(each.cost is not None for each in self.told)


def _searched(space: Space) -> dict[str, Any]:
    """The tables of a space that decide what is searched; what is measured afterwards is none of them."""
    return {name: canonical(getattr(space, name)) for name in space.__dataclass_fields__
            if name not in ("measure", "feedback")}


@dataclass(frozen=True, kw_only=True)
class Study(Keyed):
    """What decides the points of a search."""

    kind = "study"
    space: Space = keyed(_searched)
    data: tuple[DataSource, ...]
    requirement: Requirement
    models: tuple[Path, ...] = ()       # that are given, and not trained

    def found(self, evaluator: Evaluator, maker: Maker, database: Path) -> Found:
        """All networks if there are no more than ``space.search.trials``, else those that the sampler asks for, until
        something runs so many.

        A network is trained only where something runs it. A search that was stopped goes on where it was, since the
        sampler asks for the same networks again and what was trained is in the store.
        """
        choices, found = self.space.choices, Found()
        odds = cache(lambda: maker.learn(choices, self.space.search.trials).odds)
        most = min(self.space.search.trials, len(choices))
        with Journal(database, self.digest, choices) as journal:
            while (left := most - found.count) > 0 and (batch := self._asked(choices, found, left, odds)):
                found = self._worked(evaluator, batch, found, maker, journal)
        return found

    def _asked(self, choices: Sequence[NetworkChoice], found: Found, most: int,
               odds: Callable[[], Sequence[Sequence[float]]]) -> list[NetworkChoice]:
        """At most so many; none where there are no more."""
        plan = self.space.search
        if len(choices) <= plan.trials:
            return [] if found.told else list(choices)
        sampler = SAMPLERS[DEFAULT if plan.sampler == "auto" else plan.sampler]
        count = max(BATCH, plan.halving ** 2 if plan.halving > 1 else 0)
        return sampler(Asked(choices=choices, told=found.told, count=min(count, most), trials=plan.trials,
                             seed=plan.seed, odds=odds))

    def _worked(self, evaluator: Evaluator, batch: Sequence[NetworkChoice], found: Found, maker: Maker,
                journal: Journal) -> Found:
        """What came of a batch beside what was found before."""
        drafts = maker.draft(batch)
        evaluator.drafts = {**evaluator.drafts, **drafts.models}
        tried, left = self._halved(evaluator, [choice for choice in batch if choice in drafts.models], maker)
        made = maker.train(left) if left else Trained()
        trained = found.trained | replace(made, failures=tried.failures + made.failures)
        evaluator.trainings = trained.trainings
        points, failures, told = list(found.points), [*found.failures, *drafts.failures], list(found.told)
        with work("searching", len(batch)):
            for number, choice in enumerate(batch, 1):
                here: tuple[Point, ...] = ()
                if choice in trained.trainings.plain:
                    try:
                        here = evaluator.points(choice)
                    except HeddleError as error:
                        failures.append(Failed(id=choice.id, doing="evaluating", reason=str(error)))
                best = max((point.metrics.valid_accuracy or 0.0 for point in here),
                           default=tried.accuracies.get(choice))
                told.append(Told(choice=choice, accuracy=best, cost=evaluator.cost(choice)))
                points += here
                journal.add(told[-1], here)
                count(number)
        return Found(points=tuple(points), failures=tuple(failures), told=tuple(told), trained=trained)

    def _halved(self, evaluator: Evaluator, batch: Sequence[NetworkChoice],
                maker: Maker) -> tuple[Tried, list[NetworkChoice]]:
        """Successive halving (Jamieson and Talwalkar, 2016): accuracies of short trainings, and those that go on."""
        left, plan = list(batch), self.space.search
        tried = Tried()
        for share in (plan.halving ** -2, plan.halving ** -1) if plan.halving > 1 and len(batch) > 1 else ():
            tried |= maker.short(left, share)
            told = [Told(choice=choice, accuracy=tried.accuracies.get(choice), cost=evaluator.cost(choice))
                    for choice in left]
            left = [each.choice for each in ranked(told)[:max(1, len(left) // plan.halving)]]
        return tried, left
