"""Integer accuracy of a model on a data set, with the products of a design's multiplier."""

from dataclasses import dataclass
from pathlib import Path

from flows.run.step import Step, keyed
from flows.run.store import Store
from flows.run.typed import read_typed, write_typed
from flows.train.data import DataSource
from flows.train.intervals import Wilson, wilson
from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS
from sw.golden import run
from sw.graph.graph import Graph

__all__ = ["Accuracy", "Score", "multiplier_of"]

RECORD = "accuracy.json"


def multiplier_of(design: DesignPoint | None) -> str:
    """All that accuracy depends on of a design."""
    if design is None or MULTIPLIERS[design.multiplier].exact(design.weight_bits):
        return "exact"
    return f"{design.multiplier}, {design.weight_bits} bits"


@dataclass(frozen=True, kw_only=True)
class Score:
    """How many inputs of a split are right."""

    right: int
    inputs: int

    @property
    def accuracy(self) -> float:
        """0 to 1."""
        return self.right / self.inputs

    @property
    def interval(self) -> Wilson:
        """95%."""
        return wilson(self.right, self.inputs)


@dataclass(frozen=True, kw_only=True)
class Accuracy(Step[Score]):
    """How much of a split the integer graph gets right; without a design with exact products.

    The answer is the first of the largest outputs, as the firmware has it.
    """

    kind = "accuracy"
    model: Path
    data: DataSource
    split: str
    design: DesignPoint | None = keyed(multiplier_of, default=None)

    def make(self, folder: Path, store: Store) -> None:
        graph, data = Graph.load(self.model), self.data.load()
        outputs = run(graph, data.quantized(self.split, graph.input), self.design)[-1]
        right = outputs.reshape(len(outputs), -1).argmax(1) == data.labels[self.split]
        write_typed(folder / RECORD, Score(right=int(right.sum()), inputs=len(right)))

    def load(self, folder: Path) -> Score:
        return read_typed(Score, folder / RECORD)
