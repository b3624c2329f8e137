"""Which tensors lie inside others: a concatenation, a split or a slice that is a place in memory and no copy.

Tensors that lie at fixed distances from each other are a *group*; its root is one of them, or a block that is none:
all inputs of a network of several lie in a row, and so do its outputs.
"""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from math import prod

from sw.graph.graph import Graph, Layer
from sw.graph.layer import TensorType

__all__ = ["INPUTS", "NOWHERE", "OUTPUTS", "Groups", "Link", "Operand", "Shared", "Spot", "find_shared",
           "has_channels", "slice_offset", "slice_pitch"]

INPUTS, OUTPUTS = -1, -2      # roots that are no tensor
BLOCK_ALIGNMENT = 4           # of inputs and outputs in their blocks, bytes

Operand = tuple[int, int]     # a layer, and which of the tensors that it reads
NOWHERE = -1                  # for an operand: all of them


@dataclass(frozen=True, kw_only=True)
class Link:
    """Where a tensor lies in another one."""

    inside: int
    offset: int                       # bytes
    pitch: int = 0                    # bytes from pixel to pixel, if other channels lie between; 0: in one piece
    pixel: int = 0                    # bytes of a pixel of ``inside``, where that may have other channels between
    size: int = 0                     # bytes of the tensor, and of a pixel of it, in that case
    channels: int = 0
    operand: Operand | None = None    # whose place this is, if channels lie between

    @property
    def whole(self) -> bool:
        """Whether the tensor lies in one piece within one pixel."""
        return bool(self.pixel) and not self.pitch and self.offset % self.pixel + self.size <= self.pixel

    @property
    def follows(self) -> bool:
        """Whether its pixels may be as far apart as those of ``inside``, whatever that is."""
        same = self.channels == self.pixel and self.offset % self.pixel == 0 if self.pixel else False
        return self.whole or (self.pitch == self.pixel if self.pitch else same)


@dataclass(frozen=True, kw_only=True)
class Spot:
    """Where a tensor lies in the root of its group."""

    root: int
    offset: int         # bytes
    pitch: int = 0      # bytes from pixel to pixel; 0: it lies in one piece
    within: int = 0     # where in a pixel of the root its own begin, if they lie apart


class Groups:
    """Tensors with their places in each other."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}

    def spot(self, tensor: int) -> Spot:
        if (link := self._links.get(tensor)) is None:
            return Spot(root=tensor, offset=0)
        outer = self.spot(link.inside)
        if not outer.pitch:
            return Spot(root=outer.root, offset=outer.offset + link.offset, pitch=link.pitch,
                        within=link.offset % link.pitch if link.pitch else 0)
        pixels, rest = divmod(link.offset, link.pixel)
        offset = outer.offset + pixels * outer.pitch + rest
        if link.whole:
            return Spot(root=outer.root, offset=offset)
        return Spot(root=outer.root, offset=offset, pitch=outer.pitch, within=outer.within + rest)

    def place(self, tensor: int) -> tuple[int, int]:
        """The root of a tensor's group and the tensor's offset there, bytes."""
        spot = self.spot(tensor)
        return spot.root, spot.offset

    def pitch(self, tensor: int) -> int:
        """How far its pixels lie apart; 0 where the tensor lies in one piece."""
        return self.spot(tensor).pitch

    def put(self, tensor: int, link: Link) -> None:
        """Let ``tensor``, the root of its group, lie inside another one."""
        self._links[tensor] = link

    def torn(self, tensor: int) -> bool:
        """Whether a tensor cannot lie where it was put, because the pixels there have others between."""
        link = self._links.get(tensor)
        return link is not None and bool(self.pitch(link.inside)) and not link.follows

    def operand(self, tensor: int) -> Operand:
        """Whose place, nearest to a tensor whose pixels lie apart, made them so."""
        link = self._links[tensor]
        return link.operand if link.operand is not None else self.operand(link.inside)

    def above(self, tensor: int) -> Operand:
        """The same of what the tensor lies in."""
        return self.operand(self._links[tensor].inside)

    def __iter__(self) -> Iterator[int]:
        """Tensors that lie inside others."""
        return iter(self._links)


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What of a graph needs no stage."""

    groups: Groups
    free: frozenset[int]              # layers whose outputs are there without anybody's doing, but for ``joined``
    pinned: frozenset[int]            # tensors that lie inside others or have others inside: none is overwritten
    copied: Mapping[int, int]         # outputs that need a copy at the end, by their place in the row of outputs
    joined: Mapping[Operand, Link]    # operands of free layers that are copied to their places there


def find_shared(graph: Graph, engine_adds: frozenset[int], *, alignment: int, channels: bool = False,
                apart: Container[Operand] = ()) -> Shared:
    """Which layers of a checked graph are places.

    A ``gather`` is one if its output lies in its input as it is; a ``concat`` if its operands follow each other in its
    output, each is made by a layer, has no other fixed place and is no operand or result of an add on the engine,
    which takes place itself.

    With ``channels`` also a ``gather`` of some channels of each pixel, and a ``concat`` of channels: its operands lie
    beside each other in each pixel. Those that have no place there as others have (``apart``, and what no layer makes,
    has another fixed place, or takes the place of what it is added to) are copied to theirs.

    Parameters
    ----------
    engine_adds : layers whose sums overwrite an operand
    alignment : bytes that every place is a multiple of
    channels : whether pixels may lie apart
    apart : operands that do not lie where pixels are apart, but are copied; of a gather, or with ``NOWHERE`` of a
        concat: it is no place
    """
    groups, free, pinned = Groups(), set[int](), set[int]()
    joined: dict[Operand, Link] = {}
    sums = {graph.first + index for index in engine_adds}
    moving = sums | {number for index in engine_adds for number in graph.inputs_of(index)}
    for index, layer in enumerate(graph.layers):
        output, read = graph.first + index, graph.inputs_of(index)
        if output in moving and not channels:
            continue
        if layer.op == "gather" and (link := _slice(graph, index, alignment, channels)) is not None:
            if (index, 0) not in apart or link.operand is None:
                groups.put(output, link)
                free.add(index)
                pinned |= {output, read[0]}
        elif layer.op == "concat" and output not in moving and _follows(graph, index, groups, moving, alignment):
            offset = 0
            for number, kind in zip(read, graph.taken(index), strict=True):
                groups.put(number, _link(output, offset, kind, layer.output))
                offset += kind.bytes
            free.add(index)
            pinned |= {output, *read}
        elif layer.op == "concat" and channels and (index, NOWHERE) not in apart and (links := _beside(graph, index)):
            for place, (number, link) in enumerate(zip(read, links, strict=True)):
                fits = (number >= graph.first and number not in sums and groups.place(number)[0] == number
                        and number not in graph.answers and link.offset % alignment == 0)
                if fits and (index, place) not in apart:
                    groups.put(number, link)
                    pinned.add(number)
                else:
                    joined[index, place] = link
            free.add(index)
            pinned.add(output)
    copied = _put_ends(graph, groups, pinned)
    return Shared(groups=groups, free=frozenset(free), pinned=frozenset(pinned), copied=copied, joined=joined)


def has_channels(graph: Graph) -> bool:
    """Whether anything of a graph may be a place for channels of each pixel."""
    return any(_slice(graph, index, 1, True) is not None and slice_offset(layer) is None if layer.op == "gather"
               else layer.op == "concat" and bool(_beside(graph, index)) for index, layer in enumerate(graph.layers))


def _link(inside: int, offset: int, kind: TensorType, whole: TensorType, pitch: int = 0,
          operand: Operand | None = None) -> Link:
    return Link(inside=inside, offset=offset, pitch=pitch, pixel=whole.shape[-1] * whole.element_bytes,
                size=kind.bytes, channels=kind.shape[-1] * kind.element_bytes, operand=operand)


def _slice(graph: Graph, index: int, alignment: int, channels: bool) -> Link | None:
    """Where in its input the output of a gather lies."""
    layer, (source,) = graph.layers[index], graph.inputs_of(index)
    whole = graph.types()[source]
    if (offset := slice_offset(layer)) is not None:
        return _link(source, offset, layer.output, whole) if offset % alignment == 0 else None
    pitch, offset = slice_pitch(layer), layer.parameters[0]
    if not channels or pitch is None or offset % alignment or whole.element_bytes != 1:
        return None
    height, width, _ = layer.output.shape
    if offset - offset % pitch + height * width * pitch > whole.bytes:
        return None      # the last pixel that is read lies partly behind the tensor
    return _link(source, offset, layer.output, whole, pitch, (index, 0))


def slice_pitch(layer: Layer) -> int | None:
    """How far apart the pixels of a gather's output lie in its input, each in one piece within as many bytes."""
    if len(layer.output.shape) != 3:
        return None
    offset, row, pixel, step = layer.parameters
    height, width, channels = layer.output.shape
    pitch = row if width == 1 else pixel
    even = height == 1 or row == width * pitch
    return pitch if even and (step == 1 or channels == 1) and offset % max(1, pitch) + channels <= pitch else None


def _beside(graph: Graph, index: int) -> list[Link]:
    """Where each operand of a concatenation of channels lies in its output; none where it is another one."""
    layer, taken = graph.layers[index], graph.taken(index)
    shape = layer.output.shape
    if layer.views or layer.parameters[0] != -1 or len(shape) != 3 or layer.output.element_bytes != 1:
        return []
    if any(len(kind.shape) != 3 or kind.shape[:2] != shape[:2] for kind in taken):
        return []
    links, offset = [], 0
    for place, kind in enumerate(taken):
        pitch = shape[2] if shape[:2] != (1, 1) else 0
        links.append(_link(graph.first + index, offset, kind, layer.output, pitch, (index, place)))
        offset += kind.shape[2]
    return links


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
        groups.put(number, Link(inside=INPUTS, offset=offset))
        pinned.add(number)
        offset += -(-kind.bytes // BLOCK_ALIGNMENT) * BLOCK_ALIGNMENT
    if len(graph.answers) == 1 and groups.place(graph.answers[0])[0] in range(len(graph.inputs), graph.first):
        copied[0] = 0        # a state takes another value at the end, a constant may be gone
    offset = 0
    for place, number in enumerate(graph.answers if len(graph.answers) > 1 else ()):
        if number >= graph.first and groups.place(number)[0] == number and _computed(graph, number):
            groups.put(number, Link(inside=OUTPUTS, offset=offset))
            pinned.add(number)
        else:
            copied[place] = offset
        offset += -(-types[number].bytes // BLOCK_ALIGNMENT) * BLOCK_ALIGNMENT
    return copied


def _computed(graph: Graph, number: int) -> bool:
    """Whether a layer makes the tensor anew: no sum that takes the place of an operand."""
    return graph.layers[number - graph.first].op != "add"
