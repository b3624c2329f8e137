"""Rungs that run a model image: every output, the tensors inside, and every cycle, compared with the golden model."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from flows.verify.compare import KernelReport, LayerReport, Mismatch, differences
from flows.verify.rungs import TRAFFIC_SEED, Case, Findings
from hw.spec.commands import COUNTERS
from sw.compiler import LayerPlan, Program

__all__ = ["ImageRung", "Observed", "kernel_reports", "terms_of"]

TENSOR_CYCLES = 20_000_000      # simulated for the tensors inside the network: decides how many inputs these take
SLOWER = 100                    # times as long as predicted, that is a hang; bus traffic explains a part of that


@dataclass(frozen=True, kw_only=True, eq=False)
class Observed:
    """What the hardware gave for N inputs to a program of L layers."""

    outputs: np.ndarray          # int8 (N, output_bytes)
    cycles: np.ndarray           # int64 (N,): of an inference, as the level counts it
    engine_cycles: np.ndarray    # int64 (N,): the engine's own counter
    layer_cycles: np.ndarray | None     # int64 (N, L): of each layer of the engine, if it has a log of them
    counters: np.ndarray | None = None   # int64 (N, L, 5): the engine's layer log, where the level reads all of it
    kernel_cycles: np.ndarray | None = None   # int64 (N, K): of each call of the CPU, where the level has one
    slack: float = 0.0           # share of the predicted cycles by which a network may differ, and a layer by any


class ImageRung(ABC):
    """Runs model images."""

    level: str
    stops_anywhere: bool         # a program may end after any layer, and the bus be meddled with
    reloads: bool = True         # another image may follow

    @abstractmethod
    def run(self, image: bytes, inputs: np.ndarray, *, cycle_limit: int, traffic: int = 0) -> Observed:
        """Run all inputs; ``traffic`` is the seed of meddling on the bus and of pauses of the memory that weights
        stream from, 0 for none. An inference of more than ``cycle_limit`` clock cycles is a SimulationError.
        """

    @abstractmethod
    def waves(self, image: bytes, inputs: np.ndarray, file: Path) -> None:
        """Waves of the first input."""

    def check(self, case: Case) -> Findings:
        return _Check(case, self).findings()

    def trace(self, case: Case, first: Mismatch | None, file: Path) -> None:
        index, image = first.input if first else 0, case.program.image
        names = [plan.name for plan in case.program.plans]
        if first and first.layer in names:
            image = case.program.prefix(names.index(first.layer) + 1).image
        file.parent.mkdir(parents=True, exist_ok=True)
        self.waves(image, case.program.pack_inputs(case.inputs)[index:index + 1], file)


class _Check:
    """One case on one rung."""

    def __init__(self, case: Case, rung: "ImageRung") -> None:
        self.program, self.rung, self.thorough = case.program, rung, case.thorough
        self.inputs = case.program.pack_inputs(case.inputs)
        self.tensors, self.answers = case.tensors, case.answers
        self.mismatches = 0
        self.first: Mismatch | None = None

    def findings(self) -> Findings:
        program, rung = self.program, self.rung
        observed = self._run(program.image, self.inputs)
        self._outputs(observed.outputs, "value")
        if rung.stops_anywhere and self.thorough:
            self._inner_tensors()
            if not self.mismatches:
                few = self.inputs[:self._few()]
                self._outputs(self._run(program.image, few, TRAFFIC_SEED).outputs, "value under bus traffic")
        differing = self._differing(observed)
        return Findings(
            mismatches=self.mismatches, first=self.first or self._cycles(observed, differing),
            cycles=tuple(observed.cycles.tolist()), engine_cycles=tuple(observed.engine_cycles.tolist()),
            layers=tuple(_layer_reports(program, observed, differing or 0)),
            kernels=kernel_reports(program, observed.kernel_cycles))

    def _run(self, image: bytes, inputs: np.ndarray, traffic: int = 0) -> Observed:
        return self.rung.run(image, inputs, cycle_limit=max(1, SLOWER * self.program.cycles), traffic=traffic)

    def _outputs(self, got: np.ndarray, what: str) -> None:
        """Compare what the network answers; where it differs, look for the layer that went wrong first."""
        graph = self.program.graph
        for number, wanted, values in zip(graph.answers, self.answers, self.program.unpack_outputs(got), strict=True):
            made = graph.layer_of(number)
            name = graph.layers[made].name if made is not None else f"tensor {number}"
            count, found = differences(name, wanted[:len(got)], values, what)
            self.mismatches += count
            if found and not self.first:
                self.first = self._earliest(found)

    def _inner_plans(self) -> list[int]:
        """After how many plans a tensor of the graph is complete; without the answer that the last one makes."""
        return [count for count, plan in enumerate(self.program.plans[:-1], 1) if plan.tensor is not None]

    def _earliest(self, found: Mismatch) -> Mismatch:
        """The same input again, stopped after each layer, the engine's or the CPU's."""
        if not self.rung.reloads or self.program.graph.states and found.input:
            return found        # what is stopped leaves no states for the next inference
        one = slice(found.input, found.input + 1)
        traffic = TRAFFIC_SEED if "traffic" in found.what else 0
        for plans in self._inner_plans():
            got = self._run(self.program.prefix(plans).image, self.inputs[one], traffic).outputs
            _, earlier = self._compare(plans, one, got, found.what)
            if earlier:
                return Mismatch(**{**vars(earlier), "input": found.input})
        return found

    def _inner_tensors(self) -> None:
        """Every tensor before the last, of as many inputs as time allows."""
        few = slice(self._few())
        for plans in self._inner_plans():
            got = self._run(self.program.prefix(plans).image, self.inputs[few]).outputs
            count, found = self._compare(plans, few, got, "value")
            self.mismatches += count
            self.first = self.first or found

    def _compare(self, plans: int, part: slice, got: np.ndarray, what: str) -> tuple[int, Mismatch | None]:
        """The tensor after ``plans`` plans, of a part of the inputs."""
        plan = self.program.plans[plans - 1]
        wanted = self.tensors[plan.tensor or 0][part]
        got = got[:, plan.output.places]
        return differences(plan.name, wanted, np.ascontiguousarray(got).view(wanted.dtype).reshape(wanted.shape), what)

    def _few(self) -> int:
        if self.program.graph.states:
            return 1
        ends = np.cumsum([plan.cycles for plan in self.program.layers])
        return int(np.clip(TENSOR_CYCLES // max(1, ends.sum()), 1, len(self.inputs)))

    def _differing(self, observed: Observed) -> int | None:
        """The first input whose cycles are not as predicted."""
        if observed.slack:
            far = np.abs(observed.engine_cycles / self.program.cycles - 1) > observed.slack
            return int(far.argmax()) if far.any() else None
        predicted = np.array([list(terms_of(plan).values()) for plan in self.program.layers]).reshape(-1, len(COUNTERS))
        wrong = observed.engine_cycles != self.program.cycles
        if observed.layer_cycles is not None:
            wrong |= (observed.layer_cycles != predicted.sum(axis=1)).any(1)
        if observed.counters is not None:
            wrong |= (observed.counters != predicted).any((1, 2))
        return int(wrong.argmax()) if wrong.any() else None

    def _cycles(self, observed: Observed, index: int | None) -> Mismatch | None:
        """The first layer of input ``index`` whose cycles are not as predicted, and the first of its counters."""
        if index is None:
            return None
        for plan, shown in zip(self.program.layers, () if observed.slack else _shown(observed, index), strict=False):
            wanted = {**terms_of(plan), "": plan.cycles}
            for name, got in shown.items():
                if got != wanted[name]:
                    return Mismatch(input=index, layer=plan.name, what=f"{name} cycles".strip(), expected=wanted[name],
                                    got=got)
        return Mismatch(input=index, layer="END", what="cycles", expected=self.program.cycles,
                        got=int(observed.engine_cycles[index]))


def terms_of(plan: LayerPlan) -> dict[str, int]:
    """The prediction for a layer, in the order of the layer log."""
    terms = asdict(plan.cycle_terms)
    return {name: terms[name] for name in COUNTERS}


def _shown(observed: Observed, index: int) -> list[dict[str, int]]:
    """What each layer of input ``index`` took: by counter where they were read, and in all, under an empty name."""
    if observed.layer_cycles is None:
        return []
    totals = observed.layer_cycles[index].tolist()
    if observed.counters is None:
        return [{"": total} for total in totals]
    return [{**dict(zip(COUNTERS, counters, strict=True)), "": total}
            for total, counters in zip(totals, observed.counters[index].tolist(), strict=True)]


def _layer_reports(program: Program, observed: Observed, index: int) -> Iterator[LayerReport]:
    unknown: list[dict[str, int]] = [{}] * len(program.layers)
    for plan, seen in zip(program.layers, _shown(observed, index) or unknown, strict=True):
        counters = {name: seen[name] for name in COUNTERS} if len(seen) > 1 else None
        yield LayerReport(name=plan.name, op=plan.op, macs=plan.macs, cycles=seen.get(""), predicted_cycles=plan.cycles,
                          counters=counters, predicted_counters=terms_of(plan))


def kernel_reports(program: Program, cycles: np.ndarray | None = None) -> tuple[KernelReport, ...]:
    """What the CPU runs, with the first input's ``cycles`` (N, calls) where the level has them."""
    if cycles is None:
        return tuple(KernelReport(name=plan.name, op=plan.op, cycles=None) for plan in program.kernels)
    ends = list(accumulate(len(plan.calls) for plan in program.kernels))
    return tuple(KernelReport(name=plan.name, op=plan.op, cycles=int(cycles[0, end - len(plan.calls):end].sum()))
                 for plan, end in zip(program.kernels, ends, strict=True))
