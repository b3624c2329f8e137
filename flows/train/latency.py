"""Engine cycles of a network and of each of its layers, before it is trained: what pruning saves where."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.estimate.memories import fit_memories
from flows.run.step import Step, keyed
from flows.run.store import Store
from flows.run.typed import read_typed, write_typed
from flows.train.data import DataSource
from flows.train.networks import named, network_key, untrained
from hw.spec.design import DesignPoint
from hw.spec.feedback import LatencyEntry
from sw.compiler import CompileError, Program, compile_graph
from sw.compiler.latency import layer_latencies
from sw.graph.graph import Graph
from sw.models import network_source
from sw.quant.config import TrainConfig

__all__ = ["Latency", "latency_entry"]

RECORD = "latency.json"
MOST_COUNTS = 32        # of the channels of a layer: of the widest, the table has so many


@dataclass(frozen=True, kw_only=True)
class Latency(Step[LatencyEntry]):
    """Of the untrained network: cycles do not depend on values.

    Of one that the design's memories do not hold it is what it would be with larger ones.
    """

    kind = "latency"
    config: TrainConfig = keyed(untrained)
    data: DataSource
    design: DesignPoint

    def code(self) -> tuple[Path, ...]:
        """The file that the network's function is in."""
        return (network_source(self.config.network),)

    def key(self) -> dict[str, Any]:
        return {**super().key(), "network": network_key(self.config, self.data)}

    def make(self, folder: Path, store: Store) -> None:
        from sw.quant.training import draft  # brings torch, which takes seconds to load

        program = _compiled(draft(self.config, self.data.load()), self.design)
        write_typed(folder / RECORD, latency_entry(named(self.config), program))

    def load(self, folder: Path) -> LatencyEntry:
        return read_typed(LatencyEntry, folder / RECORD)


def _compiled(graph: Graph, design: DesignPoint) -> Program:
    try:
        return compile_graph(graph, design)
    except CompileError:
        return fit_memories(graph, design)


def latency_entry(config: TrainConfig, program: Program) -> LatencyEntry:
    """Cycles of a compiled network and the tables of its layers, by as many channels as the array has columns; by a
    multiple of them in one with very many channels.
    """
    cols, widest = program.design.cols, max(kind.shape[-1] for kind in program.graph.types())
    step = cols * -(-widest // (cols * MOST_COUNTS))
    return LatencyEntry(network=config.network, width=config.width, weight_bits=config.weight_bits,
                        design=program.design.label, cycles=program.cycles, step=step,
                        layers=layer_latencies(program, step=step))
