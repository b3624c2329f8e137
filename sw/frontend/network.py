"""A graph under construction: tensors before they have their numbers.

An importer adds sources and layers in the order in which they run. What no output and no state needs is left out when
the graph is made, and only then has every tensor its number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sw.graph.graph import Constant, Graph, GraphError, Layer, State
from sw.graph.layer import TensorType

__all__ = ["MOST_FILE_LAYERS", "MOST_WEIGHTS", "Network", "Read", "Value"]

MOST_FILE_LAYERS = 1024
MOST_WEIGHTS = 1 << 27     # bytes of weights, bias and constants of all layers; a layer that shares some counts anew
EMPTY = np.zeros(0, np.int32)


@dataclass(frozen=True, kw_only=True)
class Value:
    """A tensor of a network."""

    source: str                # "input", "state", "constant" or "layer"
    index: int                 # among those
    type: TensorType


#: A tensor and the shape in which it is read.
Read = tuple[Value, tuple[int, ...]]


class Network:
    """Sources and layers, each known by its :class:`Value`."""

    def __init__(self) -> None:
        self.inputs: list[TensorType] = []
        self.states: list[State] = []
        self.constants: list[Constant] = []
        self.layers: list[tuple[Layer, tuple[Value, ...]]] = []
        self.next: list[Value] = []            # of each state
        self.weights = 0

    def input(self, kind: TensorType) -> Value:
        self.inputs.append(kind)
        return Value(source="input", index=len(self.inputs) - 1, type=kind)

    def state(self, name: str, kind: TensorType, initial: np.ndarray) -> Value:
        """A state that keeps its value, until :meth:`assign` says what it becomes."""
        self.states.append(State(name=name, type=kind, initial=initial.reshape(kind.shape), next=-1))
        value = Value(source="state", index=len(self.states) - 1, type=kind)
        self.next.append(value)
        return value

    def begin(self, state: Value, initial: np.ndarray) -> None:
        """What ``state`` is before the first inference."""
        self.states[state.index] = replace(self.states[state.index], initial=initial)

    def assign(self, state: Value, becomes: Value) -> None:
        """What ``state`` becomes when an inference ends."""
        self.next[state.index] = becomes

    def constant(self, kind: TensorType, values: np.ndarray) -> Value:
        self._counted(values)
        self.constants.append(Constant(type=kind, values=values.reshape(kind.shape)))
        return Value(source="constant", index=len(self.constants) - 1, type=kind)

    def layer(self, name: str, op: str, reads: Sequence[Read], output: TensorType, **fields: Any) -> Value:
        """A layer that gives ``output``; ``fields`` are its others, arrays among them empty unless given."""
        views = tuple(shape for _, shape in reads)
        if all(shape == value.type.shape for value, shape in reads):
            views = ()
        arrays: dict[str, Any] = {"weights": np.zeros(0, np.int8), "bias": EMPTY, "multiplier": EMPTY, "shift": EMPTY}
        layer = Layer(name=name, op=op, output=output, views=views, **(arrays | fields))
        self._counted(layer.weights, layer.bias)
        if len(self.layers) >= MOST_FILE_LAYERS:
            raise GraphError(f"needs more than {MOST_FILE_LAYERS} layers; use a smaller network")
        self.layers.append((layer, tuple(value for value, _ in reads)))
        return Value(source="layer", index=len(self.layers) - 1, type=output)

    def _counted(self, *arrays: np.ndarray) -> None:
        self.weights += sum(array.nbytes for array in arrays)
        if self.weights > MOST_WEIGHTS:
            raise GraphError(f"has more than {MOST_WEIGHTS} bytes of weights; no board has the memory for them: use a "
                             f"smaller network")

    def graph(self, name: str, outputs: Sequence[Value], *, input_shapes: Sequence[tuple[int, ...]] = (),
              output_shapes: Sequence[tuple[int, ...]] = ()) -> Graph:
        """The checked graph that gives ``outputs``. Raises GraphError where it is none."""
        numbers = self._numbers(self._needed(outputs))

        def number(value: Value) -> int:
            return numbers[value.source, value.index]

        kept = [index for kind, index in numbers if kind == "layer"]
        layers = tuple(replace(self.layers[index][0], inputs=tuple(map(number, self.layers[index][1])))
                       for index in kept)
        states = tuple(replace(self.states[index], next=number(self.next[index]))
                       for kind, index in numbers if kind == "state")
        constants = tuple(self.constants[index] for kind, index in numbers if kind == "constant")
        answers = tuple(map(number, outputs))
        return Graph(name=name, inputs=tuple(self.inputs), layers=layers, states=states, constants=constants,
                     outputs=() if answers == (len(numbers) - 1,) else answers, input_shapes=tuple(input_shapes),
                     output_shapes=tuple(output_shapes)).check()

    def _needed(self, outputs: Sequence[Value]) -> set[tuple[str, int]]:
        """What the outputs are computed from, over the inferences before too."""
        found: set[tuple[str, int]] = set()
        waiting = list(outputs)
        while waiting:
            value = waiting.pop()
            if (value.source, value.index) in found:
                continue
            found.add((value.source, value.index))
            if value.source == "layer":
                waiting += self.layers[value.index][1]
            if value.source == "state":
                waiting.append(self.next[value.index])
        return found

    def _numbers(self, needed: set[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Sources and layers in the order of a graph, with their numbers; all inputs, of the others what is needed."""
        counts = {"input": len(self.inputs), "state": len(self.states), "constant": len(self.constants),
                  "layer": len(self.layers)}
        order = [(kind, index) for kind, count in counts.items() for index in range(count)
                 if kind == "input" or (kind, index) in needed]
        return {entry: number for number, entry in enumerate(order)}
