"""Ways to design a network and its accelerator, compared: both at once, or one after the other, at equal compute.

All have the same space, data, trainings and sampler, and the same CPU seconds of training and of looking for hardware.
They differ in what the sampler is told and in which networks meet which accelerators.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from math import log10
from pathlib import Path
from time import process_time

from flows.run.progress import note, tell
from flows.run.store import Store
from flows.search.candidate import NetworkChoice, Pairs
from flows.search.pareto import front, hypervolume, pareto
from flows.search.point import Point
from flows.search.samplers import DEFAULT, SAMPLERS, Asked, Told
from flows.search.space import Space
from flows.search.space_file import load_space
from flows.search.trainings import Drafts, Trainer, draft_all
from flows.search.ways import (
    HARDWARE_FIRST,
    JOINT,
    NETWORK_FIRST,
    PROXY_FIRST,
    best_chip,
    best_network,
    place,
    proxy_cost,
    with_chip,
    within_half_a_point,
)
from flows.search.worth import Evaluator, Requirement
from flows.train.data import DataSource
from flows.train.training import TrainedModel
from hw.spec.errors import HeddleError

__all__ = ["FLOWS", "TASKS", "Arena", "Outcome", "Task", "compare_flows", "compare_samplers", "run_flow"]

FLOWS = (JOINT, NETWORK_FIRST, HARDWARE_FIRST, PROXY_FIRST)
BATCH = 4               # networks that are asked for at once


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is learned, and how much is spent on it."""

    name: str
    data: str                           # of ``--data``, with {folder} where the data lie
    folder: str                         # of the data, where they are not a library's
    budget_s: float                     # CPU seconds of each way and seed
    trials: int                         # networks that these are expected to train
    reference: tuple[float, float, float]   # of the hypervolume: accuracy, latency in s, LUTs of the SoC

    @property
    def space(self) -> Space:
        return load_space(Path(__file__).with_name("tasks") / f"{self.name}.toml")


TASKS = {task.name: task for task in (
    Task(name="digits", data="digits", folder="", budget_s=40, trials=24, reference=(0.9, 2e-4, 24288)),
    Task(name="spoken", folder="spoken_digits/recordings", budget_s=80, trials=24, reference=(0.8, 1e-3, 24288),
         data="wav:{folder},names={label}_{speaker}_{take}.wav,by=take,test=0-4,axes=sequence"),
    Task(name="mnist", folder="mnist", budget_s=80, trials=24, reference=(0.93, 1e-3, 24288), data="mnist:{folder}"))}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a way of working found."""

    flow: str
    seed: int
    cpu_s: float                                    # of trainings, and of looking for hardware
    points: tuple[Point, ...]
    curve: tuple[tuple[float, float], ...] = ()     # CPU seconds and hypervolume on valid, after each network

    def hypervolume(self, reference: Sequence[float]) -> float:
        """On the test split, of the points that valid chose."""
        return hypervolume([place(point, test=True) for point in front(self.points)], _corner(reference))


@dataclass(frozen=True, kw_only=True)
class Arena:
    """What all ways of one task and seed share."""

    task: Task
    seed: int
    store: Store
    sources: Mapping[Pairs, DataSource]
    jobs: int

    @cached_property
    def space(self) -> Space:
        found = self.task.space
        return replace(found, search=replace(found.search, seed=self.seed),
                       training=replace(found.training, seed=self.seed))

    @cached_property
    def drafts(self) -> Drafts:
        return draft_all(self.space, self.store, self.sources, self.space.choices, jobs=self.jobs)

    def evaluator(self, space: Space) -> Evaluator:
        return Evaluator(store=self.store, sources=self.sources, space=space, requirement=Requirement(),
                         drafts=self.drafts.models)

    def proxy(self, choice: NetworkChoice) -> float:
        """Multiply-accumulates x bits of their weights."""
        return proxy_cost(self.drafts.models[choice])


@dataclass(kw_only=True)
class _Run:
    """One way while it goes on."""

    arena: Arena
    evaluator: Evaluator
    cost: Callable[[NetworkChoice], float | None]   # what the sampler is told beside accuracy
    looks: bool                                     # for hardware, to say so
    spent: float = 0.0                              # CPU seconds
    told: list[Told] = field(default_factory=list)
    trained: dict[NetworkChoice, TrainedModel] = field(default_factory=dict)
    known: dict[NetworkChoice, tuple[Point, ...]] = field(default_factory=dict)

    def spend(self, sampler: str, look: Callable[["_Run"], None] = lambda run: None) -> None:
        """Train what the sampler asks for until the budget is spent; the training that exceeds it still counts."""
        arena, trainer = self.arena, Trainer(store=self.arena.store, sources=self.arena.sources,
                                             space=self.arena.space, jobs=self.arena.jobs)
        choices, budget = list(arena.drafts.models), arena.task.budget_s

        @cache
        def odds() -> Sequence[Sequence[float]]:
            learned = trainer.learn(choices, arena.task.trials)
            self.spent += learned.cpu_seconds
            return learned.odds

        while self.spent < budget and len(self.told) < len(choices):
            batch = SAMPLERS[sampler](Asked(choices=choices, told=self.told, count=BATCH,
                                            trials=arena.task.trials, seed=arena.seed, odds=odds))
            if not batch:
                return
            models = trainer.models(batch)
            for choice in batch:
                if self.spent >= budget:
                    return
                accuracy = None
                if model := models.get(choice):
                    self.trained[choice] = model
                    self.spent += model.record.cpu_seconds
                    accuracy = model.record.valid_accuracy
                if self.looks:
                    self.look(choice)
                self.told.append(Told(choice=choice, accuracy=accuracy, cost=self.cost(choice)))
                look(self)

    def look(self, choice: NetworkChoice) -> None:
        """For hardware, on the account of this way."""
        self.spent += sum(fits.cpu_seconds for fits in self.evaluator.fits(choice))

    def points(self, choices: Sequence[NetworkChoice]) -> tuple[Point, ...]:
        """Of trained networks that fit somewhere."""
        self.evaluator.trainings = replace(self.evaluator.trainings, plain={
            choice: model.path for choice, model in self.trained.items()})
        for choice in choices:
            if choice in self.trained and choice not in self.known and self.evaluator.cost(choice) is not None:
                self.known[choice] = tuple(point for point in self.evaluator.points(choice) if point.feasible)
        return tuple(point for choice in choices for point in self.known.get(choice, ()))


def run_flow(arena: Arena, flow: str, *, sampler: str = DEFAULT, curve: bool = False) -> Outcome:
    """One way of working, with the budget of its task."""
    whole = arena.evaluator(arena.space)
    if flow == JOINT:
        run = _Run(arena=arena, evaluator=whole, cost=whole.cost, looks=True)
    elif flow == NETWORK_FIRST:
        run = _Run(arena=arena, evaluator=whole, cost=lambda choice: 1.0, looks=False)
    elif flow == HARDWARE_FIRST:
        began = process_time()
        alone = arena.evaluator(with_chip(arena.space, best_chip(arena.space, arena.drafts.models)))
        run = _Run(arena=arena, evaluator=alone, cost=alone.cost, looks=True, spent=process_time() - began)
    else:
        run = _Run(arena=arena, evaluator=whole, cost=arena.proxy, looks=False)
    seen: list[tuple[float, float]] = []

    def look(now: _Run) -> None:
        values = [place(point) for point in front(now.points(list(now.trained)))]
        seen.append((now.spent, hypervolume(values, _corner(arena.task.reference))))

    run.spend(sampler, look if curve else lambda now: None)
    met = _met(flow, run, arena)
    for choice in met if not run.looks else ():
        run.look(choice)
    return Outcome(flow=flow, seed=arena.seed, cpu_s=run.spent, points=run.points(met), curve=tuple(seen))


def _met(flow: str, run: _Run, arena: Arena) -> list[NetworkChoice]:
    """The networks for which hardware is looked for."""
    scored = [told for told in run.told if told.accuracy is not None]
    if flow == NETWORK_FIRST:
        return [best_network(arena.drafts.models, scored)]
    if flow == PROXY_FIRST:
        return [scored[number].choice for number in pareto([told.values or (0.0, 0.0) for told in scored])]
    return list(run.trained)


def _corner(reference: Sequence[float]) -> tuple[float, float, float]:
    accuracy, latency_s, lut = reference
    return accuracy, -log10(latency_s), -log10(lut)


def compare_flows(task: Task, data: str, store: Store, *, seeds: Sequence[int],
                  jobs: int) -> Iterator[dict[str, object]]:
    """A row for each way and seed, as ``heddle bench --json`` has them."""
    for arena in _arenas(task, data, store, seeds, jobs, len(FLOWS)):
        outcomes = []
        for flow in FLOWS:
            tell(f"{task.name}, seed {arena.seed}: {flow}")
            outcomes.append(run_flow(arena, flow))
        for outcome, small in zip(outcomes, within_half_a_point([each.points for each in outcomes]), strict=True):
            yield {"task": task.name, "flow": outcome.flow, "seed": arena.seed, "cpu_s": round(outcome.cpu_s, 1),
                   "hypervolume": round(outcome.hypervolume(task.reference), 5), "reference": list(task.reference),
                   "latency_lut_at_equal_accuracy": small and small.metrics.latency_s * small.metrics.lut,
                   "points": len(front(outcome.points)),
                   "accuracy": max((point.metrics.accuracy or 0 for point in front(outcome.points)), default=None)}
    tell("")


def compare_samplers(task: Task, data: str, store: Store, *, seeds: Sequence[int],
                     jobs: int) -> Iterator[dict[str, object]]:
    """A row for each sampler and seed of the joint search: hypervolume on valid over CPU seconds, and on the test split
    at the end.
    """
    for arena in _arenas(task, data, store, seeds, jobs, len(SAMPLERS)):
        for name in SAMPLERS:
            tell(f"{task.name}, seed {arena.seed}: {name}")
            outcome = run_flow(arena, JOINT, sampler=name, curve=True)
            yield {"task": task.name, "sampler": name, "seed": arena.seed, "cpu_s": round(outcome.cpu_s, 1),
                   "hypervolume": round(outcome.hypervolume(task.reference), 5), "reference": list(task.reference),
                   "curve": [[round(spent, 1), round(covered, 5)] for spent, covered in outcome.curve]}
    tell("")


def _arenas(task: Task, data: str, store: Store, seeds: Sequence[int], jobs: int, ways: int) -> Iterator[Arena]:
    """One for each seed. Raises HeddleError where no network can be built."""
    space = task.space
    sources = {choice.data: DataSource.of(space.source(choice, data)) for choice in space.choices}
    note(f"{task.name}: at most {ways * len(seeds) * task.budget_s / 60:.0f} minutes of CPU; what was trained is kept, "
         f"and a run that is stopped goes on")
    for seed in seeds:
        arena = Arena(task=task, seed=seed, store=store, sources=sources, jobs=jobs)
        if not arena.drafts.models:
            raise HeddleError(f"{task.name}: {arena.drafts.failures[0].reason}")
        yield arena
