"""The rung ``array``: each layer's tiles through the bare array, under cocotb; what its elements sum up is compared."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cosim.array import run_array
from flows.verify.compare import LayerReport, Mismatch, differences
from flows.verify.images import kernel_reports, terms_of
from flows.verify.rungs import TRAFFIC_SEED, Case, Findings
from hw.spec.errors import HeddleError
from sw.compiler.channels import pooling_scale
from sw.golden import accumulate
from sw.graph.layer import POOLS

__all__ = ["ArrayRung"]


class ArrayRung:
    """Accumulators, without pauses and with random ones; the array counts no cycles."""

    level = "array"

    def __init__(self, simulator: Path) -> None:
        self.simulator = simulator

    def check(self, case: Case) -> Findings:
        mismatches, first = 0, None
        for stalls in (None, TRAFFIC_SEED) if case.thorough else (None,):
            for layer, wanted, got in self._sums(case, stalls):
                count, found = differences(layer, wanted, got, "accumulator")
                mismatches, first = mismatches + count, first or found
        layers = tuple(LayerReport(name=plan.name, op=plan.op, macs=plan.macs, cycles=None,
                                   predicted_cycles=plan.cycles, counters=None, predicted_counters=terms_of(plan))
                       for plan in case.program.layers)
        return Findings(mismatches=mismatches, first=first, cycles=(), engine_cycles=(), layers=layers,
                        kernels=kernel_reports(case.program))

    def trace(self, case: Case, first: Mismatch | None, file: Path) -> None:
        raise HeddleError("level 'array': writes no waves; trace the level engine")

    def _sums(self, case: Case, stalls: int | None) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """For each layer that the array runs: its name, the sums that it must give, and those that it gives.

        ``stalls`` is the seed of random pauses; without one there are none.
        """
        program, tensors = case.program, case.tensors
        graph, design = program.graph, program.design
        sums = run_array(self.simulator, program, tensors, stalls=stalls)
        for index, (layer, got) in enumerate(zip(graph.layers, sums, strict=False)):
            if got is None:
                continue
            numbers = graph.inputs_of(index)
            wanted = accumulate(layer, graph.types()[numbers[0]], tensors[numbers[0]], design)
            if layer.op in POOLS:
                taps = layer.kernel[0] * layer.kernel[1] if layer.op == "avgpool" else 1
                wanted = wanted * pooling_scale(taps, design.weight_bits)[0]
            yield layer.name, wanted, got
