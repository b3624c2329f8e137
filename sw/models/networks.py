"""The networks that come with Heddle. To add one, write a function like these beside them."""

from sw.models.build import network
from sw.models.layers import LayerSpec, Shape

__all__ = ["dscnn", "mlp"]

SMALL_IMAGE = 16         # pixels; larger inputs are halved by the stem


@network("mlp")
def mlp(shape: Shape, classes: int) -> tuple[LayerSpec, ...]:
    """Two hidden dense layers."""
    return (LayerSpec(op="dense", channels=32), LayerSpec(op="dense", channels=32),
            LayerSpec(op="dense", channels=classes, scaled=False, relu=False))


@network("dscnn")
def dscnn(shape: Shape, classes: int) -> tuple[LayerSpec, ...]:
    """A convolution, three depthwise-separable blocks of which the second halves the image, pooling, dense.

    Kernels are 3 wide along an axis, and 1 where the input has but one pixel: around it there is only padding.
    """
    kernel = (min(shape[0], 2) * 2 - 1, min(shape[1], 2) * 2 - 1)
    stem = (1, 1) if max(shape[:2]) <= SMALL_IMAGE else (2, 2)
    return (LayerSpec(op="conv", channels=16, kernel=kernel, stride=stem),
            *_separable(24, kernel), *_separable(32, kernel, stride=(2, 2)), *_separable(32, kernel),
            LayerSpec(op="avgpool", kernel=(0, 0)),
            LayerSpec(op="dense", channels=classes, scaled=False, relu=False))


def _separable(channels: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)) -> tuple[LayerSpec, LayerSpec]:
    return LayerSpec(op="depthwise", kernel=kernel, stride=stride), LayerSpec(op="conv", channels=channels)
