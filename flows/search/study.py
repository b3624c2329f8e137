"""The search for candidates as one study: a change of what decides the worth of a candidate starts a new one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.run.progress import work
from flows.run.step import Keyed, canonical, keyed
from flows.search.point import Point
from flows.search.sampler import search
from flows.search.space import Space
from flows.search.worth import Evaluator, Requirement
from flows.train.data import DataSource

__all__ = ["Study"]


def _searched(space: Space) -> dict[str, Any]:
    """The tables of a space that decide what is searched; what is measured afterwards is none of them."""
    return {name: canonical(table) for name, table in vars(space).items() if name not in ("measure", "feedback")}


@dataclass(frozen=True, kw_only=True)
class Study(Keyed):
    """What decides the points of a search."""

    kind = "study"
    space: Space = keyed(_searched)
    data: DataSource | None
    requirement: Requirement
    models: tuple[Path, ...]

    def points(self, evaluator: Evaluator, database: Path) -> list[Point]:
        """Every candidate that was looked at, in order; the study in ``database`` goes on where it stopped."""
        with work("searching", self.space.search.trials):
            return search(self.space, evaluator, database=database, key=self.digest, wanted=evaluator.trained)
