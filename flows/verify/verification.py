"""Verifications and vectors of a model on a design, each made once and kept in the store."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boards import Board
from flows.run.step import Step, keyed
from flows.run.store import Store
from flows.run.typed import read_typed, write_typed
from flows.verify.compare import VerifyReport
from flows.verify.ladder import verify
from hw.soc.target import soc_facts
from hw.spec.design import DesignPoint
from sw.compiler import compile_graph
from sw.golden import run
from sw.graph.graph import Graph

__all__ = ["IMAGE", "VECTORS", "Vectors", "Verification"]

IMAGE, VECTORS, RECORD = "model.bin", "model_vectors.npz", "report.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class Verification(Step[VerifyReport]):
    """One rung of the ladder, for inputs int8 ``(N, height, width, channels)``."""

    kind = "verified"
    model: Path
    design: DesignPoint = keyed(soc_facts)
    board: Board
    level: str
    inputs: np.ndarray

    def make(self, folder: Path, store: Store) -> None:
        write_typed(folder / RECORD, verify(Graph.load(self.model), self.design, level=self.level, inputs=self.inputs,
                                            board=self.board, store=store))

    def load(self, folder: Path) -> VerifyReport:
        return read_typed(VerifyReport, folder / RECORD)


@dataclass(frozen=True, kw_only=True, eq=False)
class Vectors(Step[dict[str, Path]]):
    """The model image, and inputs with their right outputs, for ``heddle verify`` and for a board; paths by name."""

    kind = "vectors"
    model: Path
    design: DesignPoint = keyed(DesignPoint.hardware)
    inputs: np.ndarray

    def make(self, folder: Path, store: Store) -> None:
        graph = Graph.load(self.model)
        (folder / IMAGE).write_bytes(compile_graph(graph, self.design).image)
        np.savez_compressed(folder / VECTORS, inputs=self.inputs, outputs=run(graph, self.inputs, self.design)[-1])

    def load(self, folder: Path) -> dict[str, Path]:
        return {name: folder / name for name in (IMAGE, VECTORS)}
