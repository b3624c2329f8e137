"""Changing a graph: other layers at the same places, without what nothing reads any more."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from sw.graph.graph import Graph
from sw.graph.layer import Layer

__all__ = ["change_layers", "read_by_one", "without_unread"]


def change_layers(graph: Graph, change: Callable[[Graph, int], Layer | None]) -> Graph:
    """With every layer for which ``change(graph, its index)`` gives another one; what is not read then is gone."""
    types, layers = graph.types(), []
    for index, layer in enumerate(graph.layers):
        changed = change(graph, index) or layer
        if changed is not layer and changed.views == (types[changed.inputs[0]].shape,):
            changed = replace(changed, views=())
        layers.append(changed)
    return without_unread(replace(graph, layers=tuple(layers)))


def read_by_one(graph: Graph, tensor: int, reader: int) -> bool:
    """Whether nothing but one layer reads a tensor."""
    readers = [index for index in range(len(graph.layers)) if tensor in graph.inputs_of(index)]
    return readers == [reader] and tensor not in graph.answers and all(state.next != tensor for state in graph.states)


def without_unread(graph: Graph) -> Graph:
    """Without layers and constants that nothing reads any more."""
    kept = set(_needed(graph))
    layers = [index for index in range(len(graph.layers)) if graph.first + index in kept]
    ends = len(graph.inputs) + len(graph.states)
    constants = [place for place in range(len(graph.constants)) if ends + place in kept]
    if len(layers) == len(graph.layers) and len(constants) == len(graph.constants):
        return graph
    numbers = {number: number for number in range(ends)}
    numbers |= {ends + place: ends + at for at, place in enumerate(constants)}
    first = ends + len(constants)
    numbers |= {graph.first + index: first + at for at, index in enumerate(layers)}
    moved = tuple(replace(graph.layers[index], inputs=tuple(numbers[number] for number in graph.inputs_of(index)))
                  for index in layers)
    return replace(graph, layers=moved, outputs=tuple(numbers[number] for number in graph.answers),
                   constants=tuple(graph.constants[place] for place in constants),
                   states=tuple(replace(state, next=numbers[state.next]) for state in graph.states))


def _needed(graph: Graph) -> Iterator[int]:
    """Numbers of the tensors that answers and states come from."""
    seen, left = set[int](), [*graph.answers, *(state.next for state in graph.states)]
    while left:
        number = left.pop()
        if number in seen:
            continue
        seen.add(number)
        yield number
        index = graph.layer_of(number)
        left += graph.inputs_of(index) if index is not None else ()
