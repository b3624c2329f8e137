"""The smallest memories that hold a network."""

from dataclasses import replace

from hw.spec.design import DesignPoint
from sw.compiler import CompileError, Program, compile_graph
from sw.graph.graph import Graph

__all__ = ["fit_memories", "least_act_bytes", "weight_bytes_for"]

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
    weight_bytes, act_bytes = weight_bytes_for(len(roomy.image), design), least_act_bytes(graph)
    while True:
        try:
            return compile_graph(graph, replace(design, act_bytes=act_bytes, weight_bytes=weight_bytes))
        except CompileError:
            # Alignment may push two tensors that fit to the byte into each other.
            if act_bytes >= LARGEST_ACT:
                raise
            act_bytes *= 2


def weight_bytes_for(image_bytes: int, design: DesignPoint) -> int:
    """The smallest weight scratchpad for an image."""
    return min(LARGEST_WEIGHT, _power_of_two(max(image_bytes, FEWEST_WORDS * design.weight_port_bits // 8)))


def least_act_bytes(graph: Graph) -> int:
    """No smaller activation scratchpad holds what a layer reads and writes; alignment may want a larger one."""
    sizes = [kind.size for kind in graph.types()]
    return min(LARGEST_ACT, _power_of_two(max(map(sum, zip(sizes, sizes[1:], strict=False)))))


def _power_of_two(size: int) -> int:
    return max(SMALLEST, 1 << (size - 1).bit_length())
