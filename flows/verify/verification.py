"""Verifications and vectors of a model on a design, each made once and kept in the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from boards import Board
from flows.run.step import Step, keyed
from flows.run.store import Store
from flows.run.typed import read_typed, write_typed
from flows.verify.compare import VerifyReport
from flows.verify.inputs import input_types, output_types
from flows.verify.ladder import verify
from hw.soc.target import soc_facts
from hw.spec.design import DesignPoint
from sw.compiler import compile_graph
from sw.golden import run
from sw.graph.graph import Graph

__all__ = ["IMAGE", "VECTORS", "Vectors", "Verification"]

Arrays = np.ndarray | Sequence[np.ndarray]
IMAGE, VECTORS, RECORD = "model.bin", "model_vectors.npz", "report.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class Verification(Step[VerifyReport]):
    """One rung of the ladder, for inputs ``(N, ...)`` in the network's own types, of several inputs one each.

    ``outputs``, where there are any, are what the network must answer; without them the golden model says.
    """

    kind = "verified"
    model: Path
    design: DesignPoint = keyed(soc_facts)
    board: Board
    level: str
    inputs: Arrays
    outputs: Arrays | None = None

    def make(self, folder: Path, store: Store) -> None:
        write_typed(folder / RECORD, verify(Graph.load(self.model), self.design, level=self.level, inputs=self.inputs,
                                            outputs=self.outputs, board=self.board, store=store))

    def load(self, folder: Path) -> VerifyReport:
        return read_typed(VerifyReport, folder / RECORD)


@dataclass(frozen=True, kw_only=True, eq=False)
class Vectors(Step[dict[str, Path]]):
    """The model image, and inputs with their right outputs, for ``heddle verify`` and for a board; paths by name."""

    kind = "vectors"
    model: Path
    design: DesignPoint = keyed(DesignPoint.hardware)
    inputs: Arrays

    def make(self, folder: Path, store: Store) -> None:
        graph = Graph.load(self.model)
        (folder / IMAGE).write_bytes(compile_graph(graph, self.design).image)
        inputs = [self.inputs] if isinstance(self.inputs, np.ndarray) else self.inputs
        tensors = run(graph, inputs, self.design)
        answers = [tensors[number] for number in graph.answers]
        named = [*zip(input_types(graph), inputs, strict=True), *zip(output_types(graph), answers, strict=True)]
        arrays: dict[str, Any] = dict(named)
        np.savez_compressed(folder / VECTORS, **arrays)

    def load(self, folder: Path) -> dict[str, Path]:
        return {name: folder / name for name in (IMAGE, VECTORS)}
