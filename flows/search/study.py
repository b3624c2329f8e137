"""The search for networks, each with all its accelerators: which are trained, in which order, and what came of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.run.progress import count, work
from flows.run.step import Keyed, canonical, keyed
from flows.search.candidate import NetworkChoice
from flows.search.journal import Journal
from flows.search.point import Failed, Point
from flows.search.samplers import DEFAULT, SAMPLERS, Asked, Told, ranked
from flows.search.space import Space
from flows.search.trainings import Trained
from flows.search.worth import Evaluator, Requirement
from flows.train.data import DataSource
from hw.spec.errors import HeddleError

__all__ = ["Found", "Study"]

BATCH = 4           # networks that are asked for at once


@dataclass(frozen=True, kw_only=True)
class Found:
    """All that a search found."""

    points: tuple[Point, ...] = ()      # of every network on every accelerator that none beats
    failures: tuple[Failed, ...] = ()
    told: tuple[Told, ...] = ()         # of every network, in the order in which they were asked for
    trained: Trained = field(default_factory=Trained)


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

    def found(self, evaluator: Evaluator, choices: Sequence[NetworkChoice], train: Callable[
            [Sequence[NetworkChoice]], Trained], short: Callable[[Sequence[NetworkChoice], float], Mapping[
                NetworkChoice, float]], database: Path) -> Found:
        """All of ``choices`` if there are no more than ``space.search.trials``, else those that the sampler asks for.

        ``train`` trains networks, ``short`` tries them with a share of a training. A search that was stopped goes on
        where it was, since the sampler asks for the same networks again and what was trained is in the store.
        """
        plan, found = self.space.search, Found()
        most = min(plan.trials, len(choices))
        with Journal(database, self.digest, choices) as journal:
            while len(found.told) < most:
                batch = self._asked(choices, found, most)
                if not batch:
                    break
                found = self._worked(evaluator, batch, found, train, short, journal)
        return found

    def _asked(self, choices: Sequence[NetworkChoice], found: Found, most: int) -> list[NetworkChoice]:
        plan = self.space.search
        if len(choices) <= plan.trials:
            return list(choices)
        sampler = SAMPLERS[DEFAULT if plan.sampler == "auto" else plan.sampler]
        count = max(BATCH, plan.halving ** 2 if plan.halving > 1 else 0)
        return sampler(Asked(choices=choices, told=found.told, count=min(count, most - len(found.told)), trials=most,
                             seed=plan.seed))

    def _worked(self, evaluator: Evaluator, batch: Sequence[NetworkChoice], found: Found, train: Any, short: Any,
                journal: Journal) -> Found:
        """What came of a batch beside what was found before."""
        tried, left = self._halved(evaluator, batch, short)
        trained = found.trained | train(left)
        evaluator.trainings = trained.trainings
        points, failures, told = list(found.points), list(found.failures), list(found.told)
        with work("searching", len(batch)):
            for number, choice in enumerate(batch, 1):
                here: tuple[Point, ...] = ()
                if choice in trained.trainings.plain:
                    try:
                        here = evaluator.points(choice)
                    except HeddleError as error:
                        failures.append(Failed(id=choice.id, doing="evaluating", reason=str(error)))
                best = max((point.metrics.valid_accuracy or 0.0 for point in here), default=tried.get(choice))
                told.append(Told(choice=choice, accuracy=best, cost=evaluator.cost(choice)))
                points += here
                journal.add(told[-1], here)
                count(number)
        return Found(points=tuple(points), failures=tuple(failures), told=tuple(told), trained=trained)

    def _halved(self, evaluator: Evaluator, batch: Sequence[NetworkChoice],
                short: Any) -> tuple[dict[NetworkChoice, float], list[NetworkChoice]]:
        """Successive halving (Jamieson and Talwalkar, 2016): accuracies of short trainings, and those that go on."""
        left, plan = list(batch), self.space.search
        tried: dict[NetworkChoice, float] = {}
        for share in (plan.halving ** -2, plan.halving ** -1) if plan.halving > 1 and len(batch) > 1 else ():
            tried |= short(left, share)
            told = [Told(choice=choice, accuracy=tried.get(choice), cost=evaluator.cost(choice)) for choice in left]
            left = [each.choice for each in ranked(told)[:max(1, len(left) // plan.halving)]]
        return tried, left
