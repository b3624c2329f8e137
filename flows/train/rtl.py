"""A forward pass through the RTL: a split of a data set in the Verilated engine.

It gives what golden gives with the design's products, bit for bit, accumulators included, and is some hundred times
slower: whoever settles or trains with what the RTL computes has it for free with the products of the forward pass
``exact`` (``sw.quant.exact``). This is the proof, for the inputs that accuracy is counted on.
"""

from dataclasses import dataclass
from pathlib import Path

from cosim.engine import run_engine
from flows.estimate.memories import fit_memories
from flows.run.step import Step
from flows.run.store import Store
from flows.run.typed import read_typed, write_typed
from flows.train.accuracy import Score
from flows.train.data import DataSource
from flows.verify.engine_simulator import jobs_for, simulator_for
from hw.spec.design import DesignPoint
from sw.golden import run
from sw.graph.graph import Graph

__all__ = ["InRtl", "RtlAccuracy"]

RECORD = "rtl.json"


@dataclass(frozen=True, kw_only=True)
class InRtl:
    """What the RTL gave for a split."""

    score: Score
    mismatches: int             # outputs that differ from golden's
    cycles: int                 # of an inference
    inferences_per_s: float     # on the core that made this, one that does nothing else


@dataclass(frozen=True, kw_only=True)
class RtlAccuracy(Step[InRtl]):
    """How much of a split the engine of ``design`` gets right, with the memories that the network needs.

    Raises CompileError where the design does not run the network.
    """

    kind = "rtl-accuracy"
    model: Path
    data: DataSource
    split: str
    design: DesignPoint

    def make(self, folder: Path, store: Store) -> None:
        graph, data = Graph.load(self.model), self.data.load()
        program = fit_memories(graph, self.design)
        inputs = data.quantized(self.split, graph.input)
        simulator = simulator_for(program.design, len(inputs)).value(store)
        found = run_engine(simulator, program.image, inputs, jobs=jobs_for(len(inputs)))
        wanted = run(graph, inputs, program.design)[graph.answers[0]].reshape(len(inputs), -1)
        write_typed(folder / RECORD, InRtl(
            score=Score.of(data, self.split, graph.output.real(found.outputs)),
            mismatches=int((found.outputs != wanted).sum()), cycles=int(found.cycles[0]),
            inferences_per_s=round(found.inferences_per_s, 2)))

    def load(self, folder: Path) -> InRtl:
        return read_typed(InRtl, folder / RECORD)
