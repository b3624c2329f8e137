"""Biases of a model corrected for the multiplier of a design.

Off unless it is asked for: a model runs with the biases that its file has. Where it is asked for, by ``--correct`` of a
command or by this step, the corrected graph takes the model's place before anything is compiled. So the image, all
rungs of the ladder and the ``model.npz`` that a command leaves have the same biases, and that file needs no correction
again. ``Accuracy`` of what this step gives is the accuracy with corrected biases.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flows.run.step import Step, keyed
from flows.run.store import Store
from flows.train.accuracy import multiplier_of
from flows.train.data import DataSource
from hw.spec.design import DesignPoint
from sw.golden import corrected
from sw.graph.graph import Graph

__all__ = ["INPUTS", "Correction", "training_inputs"]

MODEL = "model.npz"
INPUTS = 256        # that correct: more of them move no bias by much


@dataclass(frozen=True, kw_only=True)
class Correction(Step[Path]):
    """The file of a model with biases corrected on training inputs of ``data``, whose labels are not looked at."""

    kind = "correction"
    model: Path
    data: DataSource
    design: DesignPoint = keyed(multiplier_of)

    def make(self, folder: Path, store: Store) -> None:
        graph = Graph.load(self.model)
        corrected(graph, training_inputs(graph, self.data), self.design).save(folder / MODEL)

    def load(self, folder: Path) -> Path:
        return folder / MODEL


def training_inputs(graph: Graph, source: DataSource) -> np.ndarray:
    """``INPUTS`` of a data set as ``graph`` takes them."""
    return source.load().sample(graph.input, INPUTS)
