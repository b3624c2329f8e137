"""Engine cycles of each layer of a program, and of the same layer with fewer channels: what pruning needs to know.

The cycles of a layer follow from its own command, so that those of a network are a sum. Each is found by compiling a
graph of that layer alone, with what is fused into it: the closed form of ``sw.compiler.cycles``, over every command
that the design can run it with.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.feedback import LayerLatency
from sw.compiler.compile import LayerPlan, Program, compile_graph
from sw.compiler.schedule import Stage, held_tensors
from sw.graph.graph import Graph
from sw.graph.layer import POOLS, WEIGHTED, Layer, TensorType

__all__ = ["layer_latencies"]

ROOMY_ACT, ROOMY_WEIGHT = 131072, 524288      # bytes
PRODUCTS = ("conv", "dense")      # those whose outputs are others than the channels that they read
BESIDE = "beside"
Pair = tuple[int, int]


def layer_latencies(program: Program, *, step: int) -> tuple[LayerLatency, ...]:
    """Of all layers that the engine runs, as they are and with every smaller multiple of ``step`` channels.

    Channels of the network's input and of its answers stay as they are. A layer that takes other cycles in the program
    than alone (its weights stream, its rows do not all fit at once, or channels of others lie between its own) says
    that it is not exact: as it is, it takes what it does there, with fewer channels what it would alone.
    """
    found: dict[Stage, list[LayerPlan]] = {}
    for plan in program.layers:
        found.setdefault(replace(plan.stage, rows=None), []).append(plan)
    held = held_tensors([plan.stage for plan in program.plans], program.graph)
    return tuple(_Alone(program, stage, plans, held[stage.source]).latency(step) for stage, plans in found.items())


class _Alone:
    """A stage of a program, to be compiled by itself."""

    def __init__(self, program: Program, stage: Stage, plans: Sequence[LayerPlan], source: int) -> None:
        self.graph, self.stage, self.plans, self.source = program.graph, stage, plans, source
        self.design = _roomy(program.design)
        self.layers = [self.graph.layers[index] for index in stage.layers]
        self.read = self.graph.types()[source]
        self.dense = bool(self.layers) and self.layers[0].op == "dense"
        taken = self.graph.taken(stage.layer)[0] if stage.layer is not None else self.read
        self.taken = (1, 1, taken.size) if self.dense else taken.image
        self.given = self.layers[-1].output.image if self.layers else self.read.image

    def latency(self, step: int) -> LayerLatency:
        first, total = (self.layers[0] if self.layers else None), sum(plan.cycles for plan in self.plans)
        whole = (self.taken[2], self.given[2])
        alone = self._cycles(whole)
        table: dict[Pair, int] = {whole: total}
        for pair in self.pairs(step) if alone is not None else ():
            if pair != whole and (cycles := self._cycles(pair)) is not None:
                table[pair] = cycles
        return LayerLatency(
            name=self.plans[0].name, op=self.plans[0].op, kernel=first.kernel if first else (1, 1),
            stride=first.stride if first else (1, 1), taken=self.taken[:2], given=self.given[:2],
            exact=alone == total, channels=tuple(table), cycles=tuple(table.values()))

    def pairs(self, step: int) -> Iterator[Pair]:
        """Channels read and written, the most first."""
        pixels = self.taken[2] // self.read.shape[-1] if self.dense else 1      # of a flattened image
        read = [self.taken[2]] if self.source < self.graph.first else [
            pixels * count for count in _counts(self.taken[2] // pixels, step)]
        if self.layers[0].op not in PRODUCTS:
            if self.taken[2] == self.given[2]:
                yield from ((count, count) for count in read)
            return
        written = [self.given[2]] if self.stage.output in self.graph.answers else _counts(self.given[2], step)
        yield from ((taken, given) for taken in read for given in written)

    def _cycles(self, pair: Pair) -> int | None:
        """None where the layer cannot be compiled alone."""
        graph = self.alone(pair)
        if graph is None:
            return None
        try:
            return sum(plan.cycles for plan in compile_graph(graph, self.design).layers if plan.name != BESIDE)
        except HeddleError:
            return None

    def alone(self, pair: Pair) -> Graph | None:
        """A graph of the stage alone, with so many channels; None where there is none."""
        layers = [_resized(layer, pair, self.taken[2]) for layer in self.layers]
        inputs, made = [replace(self.read, shape=(*self.taken[:2], pair[0]))], list[Layer]()
        if add := next((layer for layer in layers if layer is not None and layer.op == "add"), None):
            inputs.append(add.output)
            made.append(_passed(add.output))
        last = 0
        for layer in layers:
            if layer is None:
                return None
            reads = (last, len(inputs)) if layer is add else (last,)
            last = len(inputs) + len(made)
            made.append(replace(layer, inputs=reads[::-1] if self.stage.swapped else reads))
        return Graph(name="alone", inputs=tuple(inputs), layers=tuple(made))


def _passed(kind: TensorType) -> Layer:
    """What gives its input, an input of the graph, as it is: an add does not write over those."""
    empty = np.zeros(0, np.int32)
    return Layer(name=BESIDE, op="maxpool", output=kind, inputs=(1,), weights=np.zeros((1, 1, 0), np.int8), bias=empty,
                 multiplier=empty, shift=empty)


def _roomy(design: DesignPoint) -> DesignPoint:
    """With memories that hold any layer; those of a single-port memory are what its blocks are."""
    return design if design.memory == "spram" else replace(
        design, act_bytes=ROOMY_ACT, weight_bytes=ROOMY_WEIGHT)


def _counts(most: int, step: int) -> list[int]:
    return [most, *range((most - 1) // step * step, 0, -step)]


def _resized(layer: Layer, pair: Pair, channels: int) -> Layer | None:
    """The layer with other channels, and any weights; None where their number alone does not say what it computes."""
    taken, given = pair
    output = replace(layer.output, shape=(*layer.output.image[:2], given))
    if layer.op in ("add", "table"):
        return replace(layer, output=output, views=())
    if layer.op in POOLS:
        return replace(layer, output=output, views=())
    if layer.op not in WEIGHTED or layer.op == "conv" and layer.weights.shape[-1] != channels or (
            layer.op == "depthwise" and layer.weights.shape[-1] != channels):
        return None
    shape = {"conv": (given, *layer.kernel, taken), "depthwise": (*layer.kernel, taken), "dense": (given, taken)}
    ones = np.ones(given, np.int32)
    return replace(layer, output=output, views=(), weights=np.ones(shape[layer.op], np.int8), bias=0 * ones,
                   multiplier=ones << 30, shift=8 * ones)
