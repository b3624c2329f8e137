"""Integer accuracy of a model on a data set, with the products of a design's multiplier."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flows.run.step import Step, keyed
from flows.run.store import Store
from flows.run.typed import read_typed, write_typed
from flows.train.data import DataSource
from flows.train.intervals import Wilson, area_interval, wilson
from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS
from sw.data import Dataset, judge
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
    """How much of a split is right, as :func:`sw.data.judge` counts it: inputs, or pairs in halves."""

    right: int
    count: int
    anomalous: int = 0          # inputs, where pairs are counted

    @staticmethod
    def of(data: Dataset, split: str, outputs: np.ndarray) -> "Score":
        """Of outputs ``(N, ...)`` by their real values."""
        return Score.at(data, split, judge(data, split, outputs).share)

    @staticmethod
    def at(data: Dataset, split: str, accuracy: float) -> "Score":
        """Of what :func:`sw.data.judge` says of a split."""
        inputs = len(data.labels[split])
        anomalous = int(data.labels[split].sum()) if data.reconstructs else 0
        count = 2 * anomalous * (inputs - anomalous) if data.reconstructs else inputs
        return Score(right=round(accuracy * count), count=count, anomalous=anomalous)

    @property
    def accuracy(self) -> float:
        """0 to 1: the share of right inputs, or the area under the curve."""
        return self.right / self.count

    @property
    def interval(self) -> Wilson:
        """95%."""
        if self.anomalous:
            return area_interval(self.accuracy, self.count // (2 * self.anomalous), self.anomalous)
        return wilson(self.right, self.count)


@dataclass(frozen=True, kw_only=True)
class Accuracy(Step[Score]):
    """How much of a split the integer graph gets right; without a design with exact products."""

    kind = "accuracy"
    model: Path
    data: DataSource
    split: str
    design: DesignPoint | None = keyed(multiplier_of, default=None)

    def make(self, folder: Path, store: Store) -> None:
        graph, data = Graph.load(self.model), self.data.load()
        outputs = run(graph, data.quantized(self.split, graph.input), self.design)[-1]
        write_typed(folder / RECORD, Score.of(data, self.split, graph.output.real(outputs)))

    def load(self, folder: Path) -> Score:
        return read_typed(Score, folder / RECORD)
