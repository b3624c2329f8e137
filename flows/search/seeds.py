"""Networks of measured points, trained again with other seeds: how much of an accuracy is luck."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from flows.run.progress import advance, note, tell, work
from flows.run.queue import Failure, Result, run_queue
from flows.run.store import Store
from flows.search.point import Failed, Point, Repeat
from flows.search.space import Space
from flows.search.worth import Evaluator
from flows.train.accuracy import Accuracy
from flows.train.training import Training
from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS

__all__ = ["Repeated", "repeat_measured"]


@dataclass(frozen=True, kw_only=True)
class Repeated:
    """The points, those that were measured with what other seeds gave, and trainings that failed."""

    points: tuple[Point, ...]
    failures: tuple[Failed, ...]


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A training with another seed, and the multiplier that its network runs on."""

    training: Training
    design: DesignPoint

    @property
    def label(self) -> str:
        return f"{self.training.label} on {self.design.multiplier}"


def repeat_measured(space: Space, store: Store, evaluator: Evaluator, points: Sequence[Point], *,
                    jobs: int) -> Repeated:
    """Train the network of every measured point with the seeds that follow its own, as it was trained itself.

    Nothing is chosen by the result. A training that fails is missing from it.
    """
    tasks = {point.id: list(_tasks(space, evaluator, point)) for point in points if point.measurement}
    unique = list(dict.fromkeys(task for each in tasks.values() for task in each))
    unique.sort(key=lambda task: -task.training.config.width)       # the wide ones first: they take longest
    found: dict[_Task, float] = {}
    failures: list[Failed] = []

    def done(result: Result[_Task]) -> None:
        advance()
        if isinstance(result.value, Failure):
            note(f"failed: {result.task.label}: {result.value.reason}")
            failures.append(Failed(id=result.task.label, doing="training with another seed",
                                   reason=result.value.reason))
        else:
            found[result.task] = result.value

    if unique:
        with work("training the measured networks with other seeds", len(unique)):
            run_queue(partial(_score, store), unique, jobs=jobs, name=lambda task: task.label, done=done)
    return Repeated(points=tuple(_with_repeats(space, point, tasks, found) for point in points),
                    failures=tuple(failures))


def _tasks(space: Space, evaluator: Evaluator, point: Point) -> Iterator[_Task]:
    candidate = point.candidate
    config, data = space.config(candidate.network), evaluator.data(candidate.network)
    if data is None:
        return
    # Of a design only the multiplier decides what is right, so points of one network and multiplier share a task.
    kind = MULTIPLIERS[candidate.chip.multiplier]
    design = DesignPoint(weight_bits=kind.design_bits(candidate.network.widest), multiplier=kind.name)
    for seed in range(config.seed + 1, config.seed + space.measure.seeds):
        yield _Task(training=Training(config=replace(config, seed=seed), data=data,
                                      feedback=evaluator.feedback(candidate)), design=design)


def _score(store: Store, task: _Task) -> float:
    """In a worker: accuracy on the test split."""
    trained = task.training.value(store)
    tell("evaluating")
    return Accuracy(model=trained.path, data=task.training.data, split="test",
                    design=task.design).value(store).accuracy


def _with_repeats(space: Space, point: Point, tasks: Mapping[str, Sequence[_Task]],
                  found: Mapping[_Task, float]) -> Point:
    others = [Repeat(seed=task.training.config.seed, accuracy=found[task])
              for task in tasks.get(point.id, ()) if task in found]
    if not others or point.metrics.accuracy is None:
        return point
    own = space.config(point.candidate.network).seed
    return replace(point, repeats=(Repeat(seed=own, accuracy=point.metrics.accuracy), *others))
