"""What a network costs with fewer channels: engine cycles by a table of its layers, else multiply-accumulates."""

from collections.abc import Sequence
from math import prod

import numpy as np

from hw.spec.feedback import LatencyEntry, LayerLatency
from sw.models.coupling import Coupling
from sw.models.ir import Node, Traced

__all__ = ["Cost"]


class Cost:
    """Of a network, for any choice of the units that are left of it."""

    def __init__(self, traced: Traced, found: Coupling, latency: LatencyEntry | None) -> None:
        self.nodes, self.latency = traced.nodes, latency
        self.owners = [owner.ravel() for owner in found.owners]
        self.taps = {node.name: int(traced.tensors[node.tensors["weight"]][0, 0].numel())
                     for node in traced.nodes if node.op in ("conv", "linear")}
        self.numbers = {node.name: number for number, node in enumerate(traced.nodes)}

    @property
    def unit(self) -> str:
        return "cycles" if self.latency else "multiply-accumulates"

    def of(self, alive: np.ndarray) -> int:
        """With the units that are ``alive``."""
        left = [int((alive[owner] | (owner < 0)).sum()) for owner in self.owners]
        if self.latency is None:
            return sum(self._macs(node, left) for node in self.nodes)
        whole = sum(layer.cycles[0] for layer in self.latency.layers)
        return self.latency.cycles - whole + sum(self._cycles(layer, left) for layer in self.latency.layers)

    def _macs(self, node: Node, left: Sequence[int]) -> int:
        size = left[self.numbers[node.name]]
        if node.op not in ("conv", "linear"):
            return size if node.op == "norm" else 0
        read = node.reads[0]
        channels = self.nodes[read].shape[0]
        taken = left[read] * channels // len(self.owners[read])       # channels that it reads
        return size * self.taps[node.name] * (taken if node.groups == 1 else channels // node.groups)

    def _cycles(self, layer: LayerLatency, left: Sequence[int]) -> int:
        """Of a layer that is of no node, as the compiler puts some between, what it takes as it is."""
        number = self.numbers.get(layer.name.partition("+")[0])
        if number is None:
            return layer.cycles[0]
        read = next(iter(self.nodes[number].reads), number)
        return layer.cycles_of(left[read] // prod(layer.taken), left[number] // prod(layer.given))
