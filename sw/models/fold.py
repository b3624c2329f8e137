"""Nodes that cost a layer of their own and need none: they become fields of those beside them, or vanish.

- A batch normalization behind a convolution or a linear layer that nobody else reads.
- A ReLU or another clamp around 0 behind a product, a sum or a multiplication, of which the same is true.
- Zeros around a convolution's input.
- A move behind a move, and one that moves nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf

import numpy as np

from sw.models.ir import PRODUCTS, Node, readers
from sw.models.moves import affine, index_of

__all__ = ["fold"]

Nodes = list[Node]
CLAMPED = (*PRODUCTS, "add", "sub", "mul")


def fold(nodes: Sequence[Node]) -> Nodes:
    """The same network with fewer nodes, in an order in which they can run; the last one stays the last."""
    found = list(nodes)
    for step in (_moves, _norm, _clamp, _padding):
        found = _everywhere(found, step)
    return found


def _everywhere(nodes: Nodes, step: Callable[[Nodes, int, list[list[int]]], tuple[int, Node] | None]) -> Nodes:
    """Where ``step`` gives one, a node and the node before take one place: that of the node before if nothing reads
    it, else their own."""
    place = 1
    while place < len(nodes):
        found = step(nodes, place, readers(nodes))
        if found is None:
            place += 1
            continue
        gone, node = found
        nodes = _without(nodes, gone, place, node)
        place = max(1, place - 1)
    return nodes


def _without(nodes: Nodes, gone: int, place: int, node: Node) -> Nodes:
    """``node`` at ``place``, without node ``gone``, whose readers read what ``node`` is instead."""
    into = place if gone != place else node.reads[0]
    changed = [replace(one, reads=tuple(into if read == gone else read for read in one.reads)) if at != place else node
               for at, one in enumerate(nodes)]
    kept = [at for at in range(len(nodes)) if at != gone]
    places = {at: new for new, at in enumerate(kept)}
    return [replace(changed[at], reads=tuple(places[read] for read in changed[at].reads)) for at in kept]


def _before(nodes: Nodes, place: int, read: list[list[int]]) -> tuple[int, Node] | None:
    """The node that a node alone reads."""
    if len(nodes[place].reads) != 1:
        return None
    number = nodes[place].reads[0]
    return (number, nodes[number]) if read[number] == [place] and number else None


def _moves(nodes: Nodes, place: int, read: list[list[int]]) -> tuple[int, Node] | None:
    node = nodes[place]
    if node.op != "move":
        return None
    source = nodes[node.reads[0]]
    if node.shape == source.shape and place < len(nodes) - 1 and np.array_equal(
            index_of(node).ravel(), np.arange(node.size)):
        return place, node
    if (found := _before(nodes, place, read)) is None or found[1].op != "move":
        return None
    where = index_of(found[1]).ravel()[index_of(node)]
    if (joined := affine(where)) is None:
        return None
    return found[0], replace(node, reads=found[1].reads, offset=joined[0], strides=joined[1])


def _norm(nodes: Nodes, place: int, read: list[list[int]]) -> tuple[int, Node] | None:
    node, found = nodes[place], _before(nodes, place, read)
    if node.op != "norm" or found is None or found[1].op not in ("conv", "linear") or found[1].normalized:
        return None
    tensors = {**found[1].tensors, **node.tensors}
    return found[0], replace(found[1], tensors=tensors, epsilon=node.epsilon)


def _clamp(nodes: Nodes, place: int, read: list[list[int]]) -> tuple[int, Node] | None:
    node, found = nodes[place], _before(nodes, place, read)
    if node.op != "table" or node.function not in ("relu", "relu6", "clamp") or found is None:
        return None
    bounds = {"relu": (0.0, inf), "relu6": (0.0, 6.0)}.get(node.function) or node.numbers
    number, source = found
    if source.op not in CLAMPED or (source.low, source.high) != (-inf, inf) or not bounds[0] <= 0 <= bounds[1]:
        return None
    return number, replace(source, low=bounds[0], high=bounds[1])


def _padding(nodes: Nodes, place: int, read: list[list[int]]) -> tuple[int, Node] | None:
    node, found = nodes[place], _before(nodes, place, read)
    if node.op != "conv" or found is None or found[1].op != "pad":
        return None
    around = found[1].around
    if around[0] != (0, 0):
        return None
    pairs = [(0, 0)] * (3 - len(around)) + list(around[1:])
    padding = tuple(own + more for own, more in zip(node.padding, (
        pairs[0][0], pairs[1][0], pairs[0][1], pairs[1][1]), strict=True))
    most = [(taps - 1) * step for taps, step in zip(node.kernel, node.dilation, strict=True)]
    if any(side > most[at % 2] for at, side in enumerate(padding)):
        return None
    return found[0], replace(node, reads=found[1].reads, padding=(padding[0], padding[1], padding[2], padding[3]))
