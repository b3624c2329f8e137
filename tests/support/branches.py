"""Random networks of branches: parts of channels go their own ways and come together again."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sw.graph.graph import Graph, Layer, TensorType
from tests.support.layers import made_kernel, random_add, random_layer, same_padding

__all__ = ["KINDS", "random_branches"]


class _Net:
    """Appends layers whose outputs all have one scale and zero point, so that any of them may be put together."""

    def __init__(self, rng: np.random.Generator, *, even: bool, weight_bits: int):
        self.rng, self.unit, self.weight_bits = rng, 2 if even else 1, weight_bits
        size = tuple(int(n) for n in rng.integers(3, 9, 2))
        self.kind = TensorType(shape=(*size, self.count(3, 12)), scale=0.1, zero_point=int(rng.integers(-128, 128)))
        self.types, self.layers = [self.kind], list[Layer]()

    def count(self, least: int, most: int) -> int:
        """A number of channels; small multiples of 4 come often."""
        if self.rng.integers(2):
            return int(self.rng.choice([4, 8, 16]))
        return int(self.rng.integers(least, most)) * self.unit

    def append(self, layer: Layer) -> int:
        if layer.op not in ("gather", "concat", "resize"):
            kind = replace(layer.output, scale=0.1, zero_point=self.kind.zero_point)
            layer = replace(layer, output=kind, act_min=-128)
        self.layers.append(replace(layer, name=f"{layer.op}{len(self.layers)}"))
        self.types.append(self.layers[-1].output)
        return len(self.layers)

    def conv(self, source: int, outputs: int = 0, kernel: tuple[int, int] | None = None, op: str = "conv",
             stride: tuple[int, int] = (1, 1)) -> int:
        """A convolution or pool that keeps the size, but for its stride."""
        taken = self.types[source]
        if kernel is None:
            kernel = [(1, 1), (3, 3), (1, 3), (3, 1), (2, 2)][self.rng.integers(5)]
        padding = same_padding(taken.shape, kernel, stride)
        return self.append(random_layer(self.rng, op, taken, outputs=outputs or self.count(1, 10), kernel=kernel,
                                        stride=stride, padding=padding, inputs=(source,),
                                        weight_bits=8 if op == "maxpool" else self.weight_bits))

    def move(self, op: str, sources: Sequence[int], shape: Sequence[int], *parameters: int) -> int:
        return self.append(made_kernel(op, replace(self.kind, shape=tuple(shape)), inputs=tuple(sources),
                                       parameters=parameters, act_min=-128, act_max=127))

    def joined(self, *sources: int) -> int:
        channels = [self.types[number].shape[2] for number in sources]
        return self.move("concat", sources, (*self.types[sources[0]].shape[:2], sum(channels)), -1)

    def part(self, source: int, first: int, count: int) -> int:
        """Some channels of each pixel."""
        height, width, channels = self.types[source].shape
        return self.move("gather", (source,), (height, width, count), first, width * channels, channels, 1)

    def halves(self, source: int) -> list[int]:
        channels = self.types[source].shape[2]
        cut = max(min(self.unit, channels - 1), channels // 2 // self.unit * self.unit)
        return [self.part(source, 0, cut), self.part(source, cut, channels - cut)]


def _fire(net: _Net) -> None:
    now = net.conv(0, kernel=(3, 3))
    for _ in range(2):
        squeezed = net.conv(now, kernel=(1, 1))
        now = net.joined(net.conv(squeezed, kernel=(1, 1)), net.conv(squeezed, kernel=(3, 3)))
        if net.rng.integers(2):
            now = net.conv(now, op="maxpool", kernel=(2, 2), stride=(2, 1))
    net.conv(now, kernel=(1, 1))


def _inception(net: _Net) -> None:
    now = net.conv(0, kernel=(1, 1))
    for _ in range(2):
        second, third = net.conv(now, kernel=(1, 1)), net.conv(net.conv(now, kernel=(1, 1)), kernel=(1, 3))
        pooled = net.conv(now, op="maxpool", kernel=(3, 3))
        now = net.joined(net.conv(now, kernel=(1, 1)), net.conv(second, kernel=(3, 3)), net.conv(third, kernel=(3, 1)),
                         net.conv(pooled, kernel=(1, 1)) if net.rng.integers(2) else pooled)
    net.conv(now, op="depthwise", kernel=(3, 3))


def _shuffle(net: _Net) -> None:
    now = net.conv(0, 2 * net.count(2, 5), kernel=(3, 3))
    for _ in range(2):
        kept, taken = net.halves(now)
        inner = net.conv(net.conv(taken, kernel=(1, 1)), op="depthwise", kernel=(3, 3))
        now = net.joined(kept, net.conv(inner, kernel=(1, 1)))
        height, width, channels = net.types[now].shape
        if channels % 2 == 0 and net.rng.integers(2):
            shuffled = net.move("gather", (now,), (height, width, channels // 2, 2), 0, width * channels, channels, 1,
                                channels // 2)
            layer = net.layers[-1]
            net.layers[-1] = replace(layer, output=replace(layer.output, shape=(height, width, channels // 2, 2)))
            kind = net.types[shuffled]
            net.types[shuffled] = replace(kind, shape=(height, width, channels))
            now = net.conv(shuffled, 2 * net.count(2, 5), kernel=(1, 1))
            net.layers[-1] = replace(net.layers[-1], views=((height, width, channels),))
    net.conv(now, kernel=(1, 1))


def _dense(net: _Net) -> None:
    now = net.conv(0, kernel=(3, 3))
    for _ in range(3):
        inner = net.conv(now, kernel=(1, 1)) if net.rng.integers(3) else now
        now = net.joined(now, net.conv(inner, kernel=(3, 3)))
    net.conv(now, kernel=(1, 1))


def _unet(net: _Net) -> None:
    skip = net.conv(0, kernel=(3, 3))
    height, width, _ = net.types[skip].shape
    low = net.conv(net.conv(skip, op="maxpool", kernel=(2, 2), stride=(2, 2)), kernel=(3, 3))
    large = net.move("resize", (low,), (height, width, net.types[low].shape[2]), 0, 0)
    if net.rng.integers(2):
        large = net.conv(large, kernel=(2, 2))
    net.conv(net.joined(skip, large), kernel=(3, 3))


def _any(net: _Net) -> None:
    """Whatever reads and makes parts of channels, and what cannot."""
    rng = net.rng
    for _ in range(int(rng.integers(5, 11))):
        source = int(rng.integers(max(0, len(net.types) - 5), len(net.types)))
        height, width, channels = net.types[source].shape
        alike = [number for number, kind in enumerate(net.types) if kind.shape[:2] == (height, width)]
        what = rng.choice(["conv", "depthwise", "maxpool", "join", "join", "part", "part", "rows", "apart", "table",
                           "add"])
        if what in ("conv", "depthwise", "maxpool"):
            net.conv(source, op=str(what))
        elif what == "join":
            net.joined(*(int(number) for number in rng.choice(alike, rng.integers(2, 4))))
        elif what == "part" and channels > net.unit:
            first = int(rng.integers(0, (channels - 1) // net.unit)) * net.unit
            net.part(source, first, int(rng.integers(1, (channels - first) // net.unit + 1)) * net.unit)
        elif what == "rows" and height > 1:
            first = int(rng.integers(0, height - 1))
            net.move("gather", (source,), (height - first, width, channels), first * width * channels, width * channels,
                     channels, 1)
        elif what == "apart" and width % 2 == 0:
            net.move("gather", (source,), (height, width // 2, channels), channels * int(rng.integers(0, 2)),
                     width * channels, 2 * channels, 1)
        elif what == "table":
            net.append(made_kernel("table", net.types[source], inputs=(source,),
                                   weights=rng.integers(-128, 128, 256).astype(np.int8)))
        elif what == "add":
            other = int(rng.choice([number for number in alike if net.types[number].shape[2] == channels]))
            net.append(random_add(rng, (source, other), [net.types[source]] * 2))
    net.conv(len(net.types) - 1, kernel=(1, 1))


KINDS = {"fire": _fire, "inception": _inception, "shuffle": _shuffle, "dense": _dense, "unet": _unet, "any": _any}


def random_branches(rng: np.random.Generator, kind: str, *, even: bool = False, weight_bits: int = 8) -> Graph:
    """A network of one of ``KINDS``; ``even``: in most places even numbers of channels. It has one or more outputs."""
    net = _Net(rng, even=even, weight_bits=weight_bits)
    KINDS[kind](net)
    read = {number for layer in net.layers for number in layer.inputs}
    unread = tuple(number for number in range(len(net.types)) if number not in read)
    return Graph(name=kind, inputs=(net.kind,), layers=tuple(net.layers), outputs=unread).check()
