"""The smallest memories that hold a network."""

from dataclasses import replace

from hw.spec.design import DesignPoint
from sw.compiler import CompileError, Program, compile_graph
from sw.graph.graph import Graph

__all__ = ["fit_memories"]

SMALLEST, LARGEST_ACT, LARGEST_WEIGHT = 1024, 131072, 524288   # bytes
FEWEST_WORDS = 64   # of weights; a shorter memory costs as many block RAMs, and its contents could not be patched


def fit_memories(graph: Graph, design: DesignPoint) -> Program:
    """``graph`` compiled for ``design`` with the smallest powers of two as ``act_bytes`` and ``weight_bytes``.

    Raises
    ------
    CompileError
        If it does not run on the design even with the largest memories.
    """
    roomy = compile_graph(graph, replace(design, act_bytes=LARGEST_ACT, weight_bytes=LARGEST_WEIGHT))
    weight_bytes = min(LARGEST_WEIGHT,
                       _power_of_two(max(len(roomy.image), FEWEST_WORDS * design.weight_port_bits // 8)))
    sizes = [kind.size for kind in graph.types()]
    act_bytes = min(LARGEST_ACT, _power_of_two(max(map(sum, zip(sizes, sizes[1:], strict=False)))))
    while True:
        try:
            return compile_graph(graph, replace(design, act_bytes=act_bytes, weight_bytes=weight_bytes))
        except CompileError:
            # Alignment may push two tensors that fit to the byte into each other.
            if act_bytes >= LARGEST_ACT:
                raise
            act_bytes *= 2


def _power_of_two(size: int) -> int:
    return max(SMALLEST, 1 << (size - 1).bit_length())
