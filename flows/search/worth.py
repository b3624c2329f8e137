"""What the networks of a space are worth on its accelerators: exact accuracy and cycles, estimated logic and Fmax."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from boards import find_board
from flows.run.store import Store
from flows.search.candidate import Candidate, NetworkChoice, Pairs
from flows.search.fits import Fit, Fits, Fitting
from flows.search.point import Metrics, Point
from flows.search.space import Option, Space
from flows.train.accuracy import Accuracy, Score, multiplier_of
from flows.train.data import DataSource
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError, SpecError
from hw.spec.feedback import Feedback
from hw.spec.multipliers import MULTIPLIERS
from sw.graph.graph import Graph

__all__ = ["Evaluator", "Requirement", "Trainings", "fittings"]


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """What the user asks for."""

    max_latency_s: float | None = None
    min_accuracy: float | None = None       # on the validation split, 0 to 1

    def violations(self, metrics: Metrics, available: Mapping[str, int]) -> dict[str, float]:
        """Each limit that is passed, and by which share of it; ``available`` is the board's."""
        used = asdict(metrics)
        over = {name: used[name] / have - 1 for name, have in available.items() if have and used[name] > have}
        if metrics.fmax_mhz < metrics.clock_mhz:
            over["fmax_mhz"] = metrics.clock_mhz / metrics.fmax_mhz - 1
        if self.max_latency_s and metrics.latency_s > self.max_latency_s:
            over["latency_s"] = metrics.latency_s / self.max_latency_s - 1
        if self.min_accuracy and metrics.valid_accuracy is not None and metrics.valid_accuracy < self.min_accuracy:
            over["valid_accuracy"] = self.min_accuracy - metrics.valid_accuracy
        return over


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """Model files by network: as usual, and with the noise of the inexact multiplier."""

    plain: Mapping[NetworkChoice, Path] = field(default_factory=dict)
    noisy: Mapping[NetworkChoice, Path] = field(default_factory=dict)
    feedback: Mapping[int, Feedback] = field(default_factory=dict)       # that noisy ones know, by weight bits

    def __or__(self, other: "Trainings") -> "Trainings":
        """Those of both."""
        return Trainings(**{name: {**getattr(self, name), **getattr(other, name)} for name in vars(self)})


@dataclass(frozen=True, kw_only=True)
class _Group:
    """Accelerators on which a network has the same outputs."""

    options: tuple[Option, ...]
    fitting: Fitting


def fittings(space: Space, choice: NetworkChoice, model: Path, options: Sequence[Option]) -> Iterator[_Group]:
    """One for each kind of products, since accuracy differs between them."""
    kinds = dict.fromkeys(multiplier_of(option.design) for option in options)
    for kind in kinds:
        same = tuple(option for option in options if multiplier_of(option.design) == kind)
        yield _Group(options=same, fitting=Fitting(
            model=model, designs=tuple(option.design for option in same),
            boards=tuple(option.boards for option in same), clock_mhz=space.clock_mhz,
            given=space.given is not None))


class Evaluator:
    """Evaluates networks; every answer is a pure function of the network and what is given here.

    ``sources`` are the data by their options; without data there is no accuracy. ``drafts`` are the untrained networks,
    whose best accelerators are known before they are trained; more may join them.
    """

    def __init__(self, *, store: Store, sources: Mapping[Pairs, DataSource] | None,
                 space: Space, requirement: Requirement, drafts: Mapping[NetworkChoice, Path]) -> None:
        self.store, self.sources, self.drafts = store, sources, drafts
        self.space, self.requirement = space, requirement
        self.trainings = Trainings()
        self._models: dict[tuple[NetworkChoice, str], Path] = {}
        self._fits: dict[NetworkChoice, tuple[Fits, ...]] = {}

    def on(self, space: Space) -> "Evaluator":
        """The same networks, trained or not, in another space."""
        found = Evaluator(store=self.store, sources=self.sources, space=space, requirement=self.requirement,
                          drafts=self.drafts)
        found.trainings = self.trainings
        return found

    def data(self, choice: NetworkChoice) -> DataSource | None:
        return None if self.sources is None else self.sources[choice.data]

    def fits(self, choice: NetworkChoice) -> tuple[Fits, ...]:
        """What the network would run on, known before it is trained."""
        if choice not in self._fits:
            self._fits[choice] = tuple(group.fitting.value(self.store) for group in self._groups(choice))
        return self._fits[choice]

    def cost(self, choice: NetworkChoice) -> float | None:
        """The least latency x LUTs, s; None where nothing fits, and where there is no draft for that reason."""
        fronts = [fit.estimate for fits in self.fits(choice) for fit in fits.front] if choice in self.drafts else []
        return min((fit.latency_s * fit.lut for fit in fronts), default=None)

    def points(self, choice: NetworkChoice) -> tuple[Point, ...]:
        """The trained network on every accelerator that none beats; where none fits, on that which comes closest.

        Raises
        ------
        SpecError
            If it was not trained.
        HeddleError
            If none runs it; the line is the compiler's.
        """
        found, lines = [], [fits.line for fits in self.fits(choice)]
        for group in fittings(self.space, choice, self.drafts[choice], self._best(choice)):
            design = group.options[0].design
            model = self._model(choice, design.multiplier)
            fits = replace(group.fitting, model=model).value(self.store)
            valid, test = (self._score(choice, model, design, split) for split in ("valid", "test"))
            for fit in fits.front or ([fits.closest] if fits.closest else []):
                found.append(self._point(choice, group.options[fit.number], fit, valid, test))
            lines.append(fits.line)
        if not found:
            raise HeddleError(next(filter(None, lines), "no accelerator of the space is one for it"))
        return tuple(found)

    def _groups(self, choice: NetworkChoice) -> list[_Group]:
        return list(fittings(self.space, choice, self.drafts[choice], self.space.options(choice)))

    def _best(self, choice: NetworkChoice) -> tuple[Option, ...]:
        """The accelerators of the untrained network's fronts: its training changes none of what they take."""
        both = zip(self._groups(choice), self.fits(choice), strict=True)
        return tuple(group.options[fit.number] for group, fits in both
                     for fit in fits.front or ([fits.closest] if fits.closest else []))

    def _point(self, choice: NetworkChoice, option: Option, fit: Fit, valid: Score | None, test: Score | None) -> Point:
        candidate = Candidate(network=choice, chip=option.chip, board=fit.design.board)
        metrics = Metrics(accuracy=test.accuracy if test else None, test_interval=test.interval if test else None,
                          valid_accuracy=valid.accuracy if valid else None, **asdict(fit.estimate))
        budget = find_board(fit.design.board).budget
        return Point(candidate=candidate, design=fit.design, estimated=metrics,
                     violations=self.requirement.violations(metrics, budget))

    def model(self, candidate: Candidate) -> Path:
        """The model file: of several trainings the one that is best on the validation split with this multiplier."""
        return self._model(candidate.network, candidate.chip.multiplier)

    def _model(self, choice: NetworkChoice, multiplier: str) -> Path:
        trained, data = self.trainings, self.data(choice)
        if choice not in trained.plain:
            raise SpecError(f"{choice.id}: was not trained")
        exact = MULTIPLIERS[multiplier].exact(choice.widest)
        if exact or data is None or choice not in trained.noisy:
            return trained.plain[choice]
        if (choice, multiplier) not in self._models:
            design = next(option.design for option in self.space.options(choice)
                          if option.chip.multiplier == multiplier)
            self._models[choice, multiplier] = max(
                (trained.plain[choice], trained.noisy[choice]), key=lambda path: Accuracy(
                    model=path, data=data, split="valid", design=design).value(self.store).right)
        return self._models[choice, multiplier]

    def feedback(self, candidate: Candidate) -> Feedback | None:
        """What the candidate's network was trained with, if with anything."""
        informed = self.model(candidate) == self.trainings.noisy.get(candidate.network)
        return self.trainings.feedback[candidate.network.widest] if informed else None

    def graph(self, candidate: Candidate) -> Graph:
        return Graph.load(self.model(candidate))

    def _score(self, choice: NetworkChoice, model: Path, design: DesignPoint, split: str) -> Score | None:
        """Of the integer network on a split, with a design's products; None without data."""
        data = self.data(choice)
        return None if data is None else Accuracy(model=model, data=data, split=split, design=design).value(self.store)
