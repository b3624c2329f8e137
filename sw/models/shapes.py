"""Sizes that follow from a network's layers and its input."""

from collections.abc import Sequence

from sw.models.layers import LayerSpec, ModelError, Shape

__all__ = ["kernel_of", "macs", "output_of", "padding_of", "shapes"]


def kernel_of(layer: LayerSpec, taken: Shape) -> tuple[int, int]:
    """Kernel height and width on an input of shape ``taken``."""
    return (layer.kernel[0] or taken[0], layer.kernel[1] or taken[1])


def padding_of(layer: LayerSpec, taken: Shape) -> tuple[int, int, int, int]:
    """Top, left, bottom, right as TFLite's SAME has them: the odd one goes to the bottom and right."""
    if layer.op not in ("conv", "depthwise"):
        return 0, 0, 0, 0
    total = [max((-(-size // stride) - 1) * stride + kernel - size, 0)
             for size, stride, kernel in zip(taken, layer.stride, kernel_of(layer, taken), strict=False)]
    return total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2


def output_of(layer: LayerSpec, taken: Shape) -> Shape:
    """Shape of the layer's output; raises ModelError where the layer does not fit its input."""
    if layer.op == "dense":
        return 1, 1, layer.channels
    if layer.op == "avgpool":
        height, width = (size // kernel for size, kernel in zip(taken, kernel_of(layer, taken), strict=False))
    else:
        height, width = (-(-size // stride) for size, stride in zip(taken, layer.stride, strict=False))
    if height < 1 or width < 1:
        raise ModelError(f"{layer.op} {layer.kernel}: does not fit its input {taken}; use a smaller kernel, "
                         f"or kernel=(0, 0) for all of it")
    return height, width, layer.channels or taken[2]


def shapes(layers: Sequence[LayerSpec], shape: Shape) -> list[Shape]:
    """Shape of the input, then of each layer's output."""
    found = [shape]
    for layer in layers:
        found.append(output_of(layer, found[-1]))
    return found


def macs(layers: Sequence[LayerSpec], shape: Shape) -> int:
    """Multiply-accumulates of one inference, padding taps included and pooling not, as ``Graph.macs`` counts them."""
    total, sizes = 0, shapes(layers, shape)
    for layer, taken, (height, width, channels) in zip(layers, sizes, sizes[1:], strict=False):
        if layer.op == "avgpool":
            continue
        kernel = kernel_of(layer, taken)
        depth = {"conv": taken[2], "dense": taken[0] * taken[1] * taken[2]}.get(layer.op, 1)
        total += height * width * channels * depth * (1 if layer.op == "dense" else kernel[0] * kernel[1])
    return total
