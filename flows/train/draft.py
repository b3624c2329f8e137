"""Before a network is trained: whether it can be, and whether a design runs it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.estimate.memories import fit_memories
from flows.run.files import read_json, write_json
from flows.run.step import Step, keyed
from flows.run.store import Store
from flows.train.data import DataSource
from flows.train.networks import network_key, untrained
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from sw.compiler import compile_graph
from sw.graph.graph import Graph
from sw.models import network_source
from sw.quant.config import TrainConfig

__all__ = ["Draft", "Untrained", "refusal"]

MODEL, RECORD = "model.npz", "draft.json"


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
class Untrained(Step[Path]):
    """``model.npz`` of the untrained network, from which all that a design takes is known.

    Its weights are random and its activations' ranges those of random inputs. Raises ModelError or QuantError where
    the network cannot be trained; the line names the layer.
    """

    kind = "untrained"
    config: TrainConfig = keyed(untrained)
    data: DataSource

    def code(self) -> tuple[Path, ...]:
        """The file that the network's function is in."""
        return (network_source(self.config.network),)

    def key(self) -> dict[str, Any]:
        return {**super().key(), "network": network_key(self.config, self.data)}

    def make(self, folder: Path, store: Store) -> None:
        from sw.quant.training import draft  # brings torch, which takes seconds to load

        draft(self.config, self.data.load()).save(folder / MODEL)

    def load(self, folder: Path) -> Path:
        return folder / MODEL


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
