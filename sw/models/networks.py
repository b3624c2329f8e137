"""Networks as sequences of layers, so that one number scales their width."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from hw.spec.errors import HeddleError

__all__ = ["NETWORKS", "LayerSpec", "ModelError", "build", "network"]

OPS = ("conv", "depthwise", "avgpool", "dense")
MULTIPLE = 4             # scaled channels are a multiple of it: the array's columns come in powers of two
SMALL_IMAGE = 16         # pixels; larger inputs are halved by the stem

Shape = tuple[int, int, int]   # height, width, channels


class ModelError(HeddleError, ValueError):
    """A network cannot be built; the message names it."""


@dataclass(frozen=True, kw_only=True)
class LayerSpec:
    """One layer before training. Convolutions are padded so that stride 1 keeps the size (TFLite's SAME)."""

    op: str                               # conv, depthwise, avgpool or dense
    channels: int = 0                     # outputs at width 1; 0 keeps the input's (depthwise, avgpool)
    kernel: tuple[int, int] = (1, 1)      # y, x; (0, 0) covers the whole input
    stride: tuple[int, int] = (1, 1)      # y, x
    relu: bool = True                     # conv, depthwise and dense only
    scaled: bool = True                   # the width multiplies ``channels``

    def __post_init__(self) -> None:
        if self.op not in OPS:
            raise ModelError(f"op={self.op!r}: choose {', '.join(OPS)}")
        if (self.channels > 0) != (self.op in ("conv", "dense")):
            raise ModelError(f"channels={self.channels}: {self.op} "
                             f"{'needs at least 1' if self.op in ('conv', 'dense') else 'keeps its input, leave it 0'}")


Network = Callable[[Shape, int], tuple[LayerSpec, ...]]
NETWORKS: dict[str, Network] = {}


def network(name: str) -> Callable[[Network], Network]:
    """Registers a function ``(input shape, classes) -> layers at width 1`` under ``name``."""
    def register(make: Network) -> Network:
        if name in NETWORKS:
            raise ModelError(f"network {name!r}: registered twice; choose another name")
        NETWORKS[name] = make
        return make
    return register


@network("mlp")
def mlp(shape: Shape, classes: int) -> tuple[LayerSpec, ...]:
    """Two hidden dense layers."""
    return (LayerSpec(op="dense", channels=32), LayerSpec(op="dense", channels=32),
            LayerSpec(op="dense", channels=classes, scaled=False, relu=False))


@network("dscnn")
def dscnn(shape: Shape, classes: int) -> tuple[LayerSpec, ...]:
    """A convolution, three depthwise-separable blocks of which the second halves the image, pooling, dense."""
    stem = (1, 1) if max(shape[:2]) <= SMALL_IMAGE else (2, 2)
    return (LayerSpec(op="conv", channels=16, kernel=(3, 3), stride=stem),
            *_separable(24), *_separable(32, stride=(2, 2)), *_separable(32),
            LayerSpec(op="avgpool", kernel=(0, 0)),
            LayerSpec(op="dense", channels=classes, scaled=False, relu=False))


def _separable(channels: int, stride: tuple[int, int] = (1, 1)) -> tuple[LayerSpec, LayerSpec]:
    return LayerSpec(op="depthwise", kernel=(3, 3), stride=stride), LayerSpec(op="conv", channels=channels)


def _scaled(channels: int, width: float) -> int:
    return max(MULTIPLE, round(channels * width / MULTIPLE) * MULTIPLE)


def build(name: str, shape: Shape, classes: int, width: float = 1.0) -> tuple[LayerSpec, ...]:
    """The layers of a network with ``width`` times its channels, in multiples of 4.

    Raises
    ------
    ModelError
        If there is no such network, or the width is not positive.

    >>> [layer.channels for layer in build("mlp", (8, 8, 1), 10, width=0.5)]
    [16, 16, 10]
    """
    if name not in NETWORKS:
        raise ModelError(f"network {name!r}: unknown; choose {' or '.join(NETWORKS)}")
    if not 0 < width <= 16:
        raise ModelError(f"width={width}: the width multiplier is above 0 and at most 16")
    return tuple(replace(layer, channels=_scaled(layer.channels, width)) if layer.channels and layer.scaled else layer
                 for layer in NETWORKS[name](shape, classes))
