"""What a candidate is worth, without building it: exact accuracy and cycles, estimated logic and Fmax."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from boards import find_board
from flows.estimate.memories import fit_memories
from flows.estimate.program import estimate_program
from flows.run.store import Store
from flows.search.sampler import Outcome
from flows.search.space import Candidate
from flows.train.training import accuracy
from hw.spec.errors import HeddleError
from hw.spec.multipliers import MULTIPLIERS
from sw.compiler import Program
from sw.data import Dataset
from sw.graph.graph import Graph

__all__ = ["Budget", "Evaluator", "Trainings"]

Key = tuple[str, float, int]    # network, width, weight bits


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What the user asks for."""

    max_latency_s: float | None = None
    min_accuracy: float | None = None

    def violations(self, metrics: Mapping[str, Any], available: Mapping[str, int]) -> dict[str, float]:
        """Each limit that is passed, and by which share of it."""
        over = {name: metrics[name] / have - 1 for name, have in available.items()
                if have and metrics.get(name, 0) > have}
        if metrics["fmax_mhz"] < metrics["clock_mhz"]:
            over["fmax_mhz"] = metrics["clock_mhz"] / metrics["fmax_mhz"] - 1
        if self.max_latency_s and metrics["latency_s"] > self.max_latency_s:
            over["latency_s"] = metrics["latency_s"] / self.max_latency_s - 1
        if self.min_accuracy and metrics["accuracy"] < self.min_accuracy:
            over["accuracy"] = self.min_accuracy - metrics["accuracy"]
        return over


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """Model files by network, width and bits: trained as usual, and with the noise of the inexact multiplier."""

    plain: Mapping[Key, Path]
    noisy: Mapping[Key, Path] = field(default_factory=dict)


class Evaluator:
    """Evaluates candidates; every answer is a pure function of the candidate and what is given here."""

    def __init__(self, *, store: Store, data: Dataset, trainings: Trainings, clock_mhz: float, budget: Budget) -> None:
        self.store, self.data, self.trainings = store, data, trainings
        self.clock_mhz, self.budget = clock_mhz, budget
        self._graphs: dict[Path, Graph] = {}
        self._models: dict[tuple[Key, str], Path] = {}
        self._programs: dict[Candidate, Program] = {}
        self._accuracies: dict[tuple[Path, str], float] = {}

    def __call__(self, candidate: Candidate) -> Outcome:
        try:
            program = self.program(candidate)
            estimated = estimate_program(program, find_board(candidate.board), self.clock_mhz)
            metrics = {"accuracy": self.accuracy(candidate), **estimated}
        except HeddleError as error:
            return Outcome(candidate=candidate, failure=str(error))
        available = find_board(candidate.board).budget
        return Outcome(candidate=candidate, metrics=metrics, violations=self.budget.violations(metrics, available))

    def model(self, candidate: Candidate) -> Path:
        """The model file: of several trainings the one that is best on the validation split with this multiplier."""
        key = (candidate.network, candidate.width, candidate.weight_bits)
        if MULTIPLIERS[candidate.multiplier].exact(candidate.weight_bits) or key not in self.trainings.noisy:
            return self.trainings.plain[key]
        if (key, candidate.multiplier) not in self._models:
            options = [self.trainings.plain[key], self.trainings.noisy[key]]
            self._models[key, candidate.multiplier] = max(options, key=lambda path: accuracy(
                self.store, path, self.data, candidate.design(), split="valid"))
        return self._models[key, candidate.multiplier]

    def graph(self, candidate: Candidate) -> Graph:
        path = self.model(candidate)
        if path not in self._graphs:
            self._graphs[path] = Graph.load(path)
        return self._graphs[path]

    def program(self, candidate: Candidate) -> Program:
        """The compiled network on a design with the memories that it needs."""
        design = candidate.design()
        anywhere = replace(candidate, board="")
        if anywhere not in self._programs:
            self._programs[anywhere] = fit_memories(self.graph(candidate), design)
        found = self._programs[anywhere]
        return replace(found, design=replace(found.design, board=candidate.board))

    def accuracy(self, candidate: Candidate) -> float:
        """On the test split, with integers, with the candidate's multiplier."""
        path = self.model(candidate)
        if (path, candidate.multiplier) not in self._accuracies:
            self._accuracies[path, candidate.multiplier] = accuracy(
                self.store, path, self.data, candidate.design())
        return self._accuracies[path, candidate.multiplier]
