"""Before a network is trained: whether it can be, and whether a design runs it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from flows.estimate.memories import fit_memories
from flows.run.files import read_json, write_json
from flows.run.step import Step
from flows.run.store import Store
from flows.train.untrained import Untrained
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from sw.compiler import compile_graph
from sw.graph.graph import Graph

__all__ = ["Draft", "refusal"]

RECORD = "draft.json"


def refusal(graph: Graph, designs: Iterable[DesignPoint], *, fit: bool = True) -> str:
    """What the compiler says of a network on the last of several designs, if none of them runs it; else ""."""
    line = ""
    for design in designs:
        try:
            (fit_memories if fit else compile_graph)(graph, design)
            return ""
        except HeddleError as error:
            line = f"{design.label}: {error}"
    return line


@dataclass(frozen=True, kw_only=True)
class Draft(Step[str]):
    """What the compiler says of the untrained network on the last of several designs, if none of them runs it; else "".

    Raises what :class:`Untrained` raises.
    """

    kind = "draft"
    network: Untrained
    designs: tuple[DesignPoint, ...] = ()
    fit: bool = True                # with the memories that the network needs, not with the designs' own

    def make(self, folder: Path, store: Store) -> None:
        line = refusal(Graph.load(self.network.value(store)), self.designs, fit=self.fit)
        write_json(folder / RECORD, {"line": line})

    def load(self, folder: Path) -> str:
        return str(read_json(folder / RECORD)["line"])
