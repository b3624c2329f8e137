"""The least cycles that a layer could take on a design: what each of its limits alone would allow."""

from dataclasses import dataclass

from hw.spec.design import DesignPoint
from sw.graph.graph import Graph

__all__ = ["Roof", "roofline"]


@dataclass(frozen=True, kw_only=True)
class Roof:
    """Lower bound of one layer's cycles and the limit that sets it."""

    cycles: int
    bound: str      # multipliers, requantizers, weights or activations


def roofline(graph: Graph, index: int, design: DesignPoint) -> Roof:
    """Roof of layer ``index``.

    ``multipliers``: every multiplier busy in every cycle; ``requantizers``: every requantizer gives an output in every
    cycle; ``weights`` and ``activations``: every byte read once from its scratchpad, through the whole port.
    """
    layer = graph.layers[index]
    limits = {
        "multipliers": (graph.taps(index), design.macs_per_cycle),
        "requantizers": (layer.output.size, design.requantizers),
        "weights": (layer.weights.size * layer.weight_bits, design.weight_word_bits),
        "activations": (sum(kind.size for kind in graph.taken(index)), design.fetch_bytes),
    }
    cycles = {name: -(-work // rate) for name, (work, rate) in limits.items()}
    bound = max(cycles, key=cycles.__getitem__)
    return Roof(cycles=cycles[bound], bound=bound)
