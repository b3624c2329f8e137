"""Which tensors lie inside others: a concatenation, a split or a slice that is a place in memory and no copy.

Tensors that lie at fixed distances from each other are a *group*; its root is one of them, or a block that is none:
all inputs of a network of several lie in a row, and so do its outputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from sw.graph.graph import Graph, Layer

__all__ = ["INPUTS", "OUTPUTS", "Groups", "Shared", "find_shared"]

INPUTS, OUTPUTS = -1, -2      # roots that are no tensor
BLOCK_ALIGNMENT = 4           # of inputs and outputs in their blocks, bytes


class Groups:
    """Tensors with their places in each other."""

    def __init__(self) -> None:
        self._roots: dict[int, tuple[int, int]] = {}      # tensor -> another one of the group, offset there

    def place(self, tensor: int) -> tuple[int, int]:
        """The root of a tensor's group and the tensor's offset there, bytes."""
        offset = 0
        while tensor in self._roots:
            tensor, step = self._roots[tensor]
            offset += step
        return tensor, offset

    def put(self, tensor: int, inside: int, offset: int) -> None:
        """Let ``tensor``, the root of its group, lie ``offset`` bytes behind the beginning of ``inside``."""
        self._roots[tensor] = inside, offset

    def alone(self, tensor: int) -> bool:
        """Whether no other tensor has a place in relation to this one."""
        return tensor not in self._roots and all(inside != tensor for inside, _ in self._roots.values())


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What of a graph needs no stage."""

    groups: Groups
    free: frozenset[int]              # layers whose outputs are there without anybody's doing
    pinned: frozenset[int]            # tensors that lie inside others or have others inside: none is overwritten
    copied: Mapping[int, int]         # outputs that need a copy at the end, by their place in the row of outputs


def find_shared(graph: Graph, engine_adds: frozenset[int], *, alignment: int) -> Shared:
    """Which layers of a checked graph are places.

    A ``gather`` is one if its output lies in its input as it is; a ``concat`` if its operands follow each other in its
    output, each is made by a layer, has no other fixed place and is no operand or result of an add on the engine,
    which takes place itself.

    Parameters
    ----------
    engine_adds : layers whose sums overwrite an operand
    alignment : bytes that every place is a multiple of
    """
    groups, free, pinned = Groups(), set[int](), set[int]()
    moving = {number for index in engine_adds for number in (*graph.inputs_of(index), graph.first + index)}
    for index, layer in enumerate(graph.layers):
        output, read = graph.first + index, graph.inputs_of(index)
        if layer.op == "gather" and (offset := slice_offset(layer)) is not None and offset % alignment == 0:
            if output not in moving:
                groups.put(output, read[0], offset)
                free.add(index)
                pinned |= {output, read[0]}
        elif layer.op == "concat" and output not in moving and _follows(graph, index, groups, moving, alignment):
            offset = 0
            for number, kind in zip(read, graph.taken(index), strict=True):
                groups.put(number, output, offset)
                offset += kind.bytes
            free.add(index)
            pinned |= {output, *read}
    copied = _put_ends(graph, groups, pinned)
    return Shared(groups=groups, free=frozenset(free), pinned=frozenset(pinned), copied=copied)


def slice_offset(layer: Layer) -> int | None:
    """Where in its input the output of a gather begins, if it lies there in one piece."""
    offset, *strides = layer.parameters
    shape = layer.output.shape
    whole = [prod(shape[axis + 1:]) for axis in range(len(shape))]
    kept = all(size == 1 or step == wanted for size, step, wanted in zip(shape, strides, whole, strict=True))
    return offset if kept else None


def _follows(graph: Graph, index: int, groups: Groups, moving: set[int], alignment: int) -> bool:
    layer, read = graph.layers[index], graph.inputs_of(index)
    outer = prod(layer.output.shape[:layer.parameters[0]])
    sizes = [kind.bytes for kind in graph.taken(index)]
    return (outer == 1 and len(set(read)) == len(read) and all(size % alignment == 0 for size in sizes[:-1])
            and all(number >= graph.first and number not in moving and groups.place(number)[0] == number
                    and number not in graph.answers for number in read))


def _put_ends(graph: Graph, groups: Groups, pinned: set[int]) -> Mapping[int, int]:
    """Several inputs, and several outputs, each in a row; outputs that have a place already are copied there."""
    types, copied = graph.types(), dict[int, int]()
    offset = 0
    for number, kind in enumerate(graph.inputs if len(graph.inputs) > 1 else ()):
        groups.put(number, INPUTS, offset)
        pinned.add(number)
        offset += -(-kind.bytes // BLOCK_ALIGNMENT) * BLOCK_ALIGNMENT
    if len(graph.answers) == 1 and groups.place(graph.answers[0])[0] in range(len(graph.inputs), graph.first):
        copied[0] = 0        # a state takes another value at the end, a constant may be gone
    offset = 0
    for place, number in enumerate(graph.answers if len(graph.answers) > 1 else ()):
        if number >= graph.first and groups.alone(number) and _computed(graph, number):
            groups.put(number, OUTPUTS, offset)
            pinned.add(number)
        else:
            copied[place] = offset
        offset += -(-types[number].bytes // BLOCK_ALIGNMENT) * BLOCK_ALIGNMENT
    return copied


def _computed(graph: Graph, number: int) -> bool:
    """Whether a layer makes the tensor anew: no sum that takes the place of an operand."""
    return graph.layers[number - graph.first].op != "add"
