"""The rung ``array``: what the bare array's elements sum up, and what they should."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from cosim.array import build_array, run_array
from flows.run.store import Store
from flows.verify.rungs import array_key
from hw.spec.design import DesignPoint
from sw.compiler import Program
from sw.compiler.channels import pooling_scale
from sw.golden import accumulate
from sw.graph.layer import POOLS

__all__ = ["array_differences", "stored_array"]


def stored_array(store: Store, design: DesignPoint) -> Path:
    """The bare array's cocotb build, from the store."""
    return store.get("array-sim", array_key(design), lambda folder: build_array(design, folder))


def array_differences(program: Program, tensors: Sequence[np.ndarray], store: Store, *,
                      stalls: int | None) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """For each layer that the array runs: its name, the sums that it must give, and those that it gives.

    ``stalls`` is the seed of random pauses; without one there are none.
    """
    graph, design = program.graph, program.design
    sums = run_array(stored_array(store, design), program, tensors, stalls=stalls)
    for index, (layer, got) in enumerate(zip(graph.layers, sums, strict=False)):
        if got is None:
            continue
        numbers = graph.inputs_of(index)
        wanted = accumulate(layer, graph.types()[numbers[0]], tensors[numbers[0]], design)
        if layer.op in POOLS:
            taps = layer.kernel[0] * layer.kernel[1] if layer.op == "avgpool" else 1
            wanted = wanted * pooling_scale(taps, design.weight_bits)[0]
        yield layer.name, wanted, got
