"""What a candidate is worth, without building it: exact accuracy and cycles, estimated logic and Fmax."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from boards import find_board
from flows.estimate.memories import fit_memories
from flows.estimate.program import estimate_program
from flows.fpga.buildable import check_buildable
from flows.run.store import Store
from flows.search.point import Metrics, Point
from flows.search.space import Candidate, Space
from flows.train.accuracy import Accuracy, Score
from flows.train.data import DataSource
from hw.spec.errors import HeddleError, SpecError
from hw.spec.feedback import Feedback
from hw.spec.multipliers import MULTIPLIERS
from sw.compiler import Program, compile_graph
from sw.graph.graph import Graph
from sw.quant.config import TrainConfig

__all__ = ["Evaluator", "Requirement", "Trainings"]


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """What the user asks for."""

    max_latency_s: float | None = None
    min_accuracy: float | None = None       # on the validation split, 0 to 1

    def violations(self, metrics: Metrics, available: Mapping[str, int]) -> dict[str, float]:
        """Each limit that is passed, and by which share of it; ``available`` is the board's."""
        used = asdict(metrics)
        over = {name: used[name] / have - 1 for name, have in available.items() if have and used.get(name, 0) > have}
        if metrics.fmax_mhz < metrics.clock_mhz:
            over["fmax_mhz"] = metrics.clock_mhz / metrics.fmax_mhz - 1
        if self.max_latency_s and metrics.latency_s > self.max_latency_s:
            over["latency_s"] = metrics.latency_s / self.max_latency_s - 1
        if self.min_accuracy and metrics.valid_accuracy is not None and metrics.valid_accuracy < self.min_accuracy:
            over["valid_accuracy"] = self.min_accuracy - metrics.valid_accuracy
        return over


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """Model files by what was trained: as usual, and with the noise of the inexact multiplier."""

    plain: Mapping[TrainConfig, Path]
    noisy: Mapping[TrainConfig, Path] = field(default_factory=dict)
    feedback: Mapping[int, Feedback] = field(default_factory=dict)       # that noisy ones know, by weight bits
    failed: Mapping[TrainConfig, str] = field(default_factory=dict)      # why there is no network


class Evaluator:
    """Evaluates candidates; every answer is a pure function of the candidate and what is given here.

    Without data there is no accuracy.
    """

    def __init__(self, *, store: Store, data: DataSource | None, trainings: Trainings, space: Space,
                 requirement: Requirement) -> None:
        self.store, self.data, self.trainings = store, data, trainings
        self.space, self.requirement = space, requirement
        self._graphs: dict[Path, Graph] = {}
        self._models: dict[tuple[TrainConfig, str], Path] = {}
        self._programs: dict[Candidate, Program] = {}
        self._scores: dict[tuple[Path, str, str], Score] = {}

    def __call__(self, candidate: Candidate) -> Point:
        board = find_board(candidate.board)
        try:
            program = self.program(candidate)
            check_buildable(program, board)
            estimate = estimate_program(program, board, self.space.hardware.clock_mhz)
            valid, test = self.score(candidate, "valid"), self.score(candidate, "test")
            metrics = Metrics(accuracy=test.accuracy if test else None, test_interval=test.interval if test else None,
                              valid_accuracy=valid.accuracy if valid else None, **asdict(estimate))
        except HeddleError as error:
            return Point(candidate=candidate, failure=str(error))
        return Point(candidate=candidate, design=program.design, estimated=metrics,
                     violations=self.requirement.violations(metrics, board.budget))

    def trained(self, candidate: Candidate) -> bool:
        """Whether there is a network for it."""
        return self.space.config(candidate.network, candidate.width, candidate.weight_bits) in self.trainings.plain

    def model(self, candidate: Candidate) -> Path:
        """The model file: of several trainings the one that is best on the validation split with this multiplier."""
        config = self.space.config(candidate.network, candidate.width, candidate.weight_bits)
        if config not in self.trainings.plain:
            raise SpecError(f"{config.label}: was not trained: {self.trainings.failed[config]}")
        exact = MULTIPLIERS[candidate.multiplier].exact(candidate.weight_bits)
        data = self.data
        if exact or data is None or config not in self.trainings.noisy:
            return self.trainings.plain[config]
        if (config, candidate.multiplier) not in self._models:
            options = [self.trainings.plain[config], self.trainings.noisy[config]]
            self._models[config, candidate.multiplier] = max(options, key=lambda path: Accuracy(
                model=path, data=data, split="valid", design=self.space.design(candidate)).value(self.store).right)
        return self._models[config, candidate.multiplier]

    def feedback(self, candidate: Candidate) -> Feedback | None:
        """What the candidate's network was trained with, if with anything."""
        config = self.space.config(candidate.network, candidate.width, candidate.weight_bits)
        informed = self.model(candidate) == self.trainings.noisy.get(config)
        return self.trainings.feedback[candidate.weight_bits] if informed else None

    def graph(self, candidate: Candidate) -> Graph:
        path = self.model(candidate)
        if path not in self._graphs:
            self._graphs[path] = Graph.load(path)
        return self._graphs[path]

    def program(self, candidate: Candidate) -> Program:
        """The compiled network on a design with the memories that it needs, or on the one that is given."""
        anywhere = replace(candidate, board="")
        if anywhere not in self._programs:
            compiled = compile_graph if self.space.given else fit_memories
            self._programs[anywhere] = compiled(self.graph(candidate), self.space.design(candidate))
        found = self._programs[anywhere]
        return replace(found, design=replace(found.design, board=candidate.board))

    def score(self, candidate: Candidate, split: str) -> Score | None:
        """Of the integer network on a split, with the candidate's multiplier; None without data."""
        if self.data is None:
            return None
        path = self.model(candidate)
        key = (path, candidate.multiplier, split)
        if key not in self._scores:
            self._scores[key] = Accuracy(model=path, data=self.data, split=split,
                                         design=self.space.design(candidate)).value(self.store)
        return self._scores[key]
