"""Random layers and graphs, for tests of everything that runs them."""

import numpy as np

from sw.graph.graph import Graph, Layer, TensorType

__all__ = ["random_graph", "random_layer", "random_inputs"]


def random_layer(rng: np.random.Generator, op: str, taken: TensorType, *, weight_bits: int = 8, outputs: int = 8,
                 kernel: tuple[int, int] = (3, 3), stride: tuple[int, int] = (1, 1),
                 padding: tuple[int, int, int, int] = (0, 0, 0, 0), name: str = "layer") -> Layer:
    """A layer with random weights whose outputs spread over the int8 range."""
    height, width, channels = taken.shape
    limit = (1 << weight_bits - 1) - 1
    if op == "avgpool":
        shape, outputs = (*kernel, 0), channels
        taps = kernel[0] * kernel[1]
    else:
        outputs = channels if op == "depthwise" else outputs
        shape = {"conv": (outputs, *kernel, channels), "depthwise": (*kernel, channels),
                 "dense": (outputs, taken.size)}[op]
        taps = int(np.prod(shape)) // outputs
    top, left, bottom, right = padding
    size = (1, 1) if op == "dense" else ((height + top + bottom - kernel[0]) // stride[0] + 1,
                                         (width + left + right - kernel[1]) // stride[1] + 1)
    zero = int(rng.integers(-128, 128))
    scale = 40 / (74 * limit * taps ** 0.5)
    shift = rng.integers(0, 4, outputs)
    multiplier = np.clip(scale * 2.0 ** 31 * 2.0 ** shift * rng.uniform(0.5, 1.5, outputs), 0, 2**31 - 1)
    pooled = op == "avgpool"
    return Layer(
        name=name, op=op, weight_bits=weight_bits,
        weights=rng.integers(-limit, limit + 1, shape).astype(np.int8),
        bias=np.zeros(0, np.int32) if pooled else rng.integers(-30 * limit, 30 * limit + 1, outputs).astype(np.int32),
        multiplier=np.zeros(0, np.int32) if pooled else multiplier.astype(np.int32),
        shift=np.zeros(0, np.int32) if pooled else shift.astype(np.int32),
        output=TensorType(shape=(*size, outputs), scale=taken.scale if pooled else 0.1,
                          zero_point=taken.zero_point if pooled else zero),
        stride=(1, 1) if op == "dense" else stride, padding=padding,
        act_min=-128 if pooled else int(rng.choice([-128, zero])), act_max=127)


def random_graph(rng: np.random.Generator, *, weight_bits: int = 8, layers: int | None = None) -> Graph:
    """A chain of one to four random layers on a small random input."""
    shape = tuple(int(n) for n in (*rng.integers(1, 9, 2), rng.choice([1, 3, 4, 5, 8, 12, 17])))
    kind = TensorType(shape=shape, scale=0.05, zero_point=int(rng.integers(-128, 128)))
    chosen: list[Layer] = []
    start = kind
    for index in range(layers or int(rng.integers(1, 5))):
        op = str(rng.choice(["conv", "depthwise", "conv", "dense", "avgpool"]))
        height, width, _ = kind.shape
        kernel = (int(rng.integers(1, min(height, 5) + 1)), int(rng.integers(1, min(width, 5) + 1)))
        if op == "avgpool" and (kernel[0] * kernel[1]).bit_count() != 1 or kernel == (1, 1) and op == "avgpool":
            op = "conv"
        padding = (0, 0, 0, 0) if op in ("avgpool", "dense") else tuple(
            int(rng.integers(0, size)) for size in (kernel[0], kernel[1]) * 2)
        layer = random_layer(rng, op, kind, weight_bits=weight_bits, outputs=int(rng.integers(1, 20)), kernel=kernel,
                             stride=tuple(int(n) for n in rng.integers(1, 4, 2)), padding=padding,
                             name=f"{op}{index}")
        chosen.append(layer)
        kind = layer.output
    return Graph(name="random", input=start, layers=tuple(chosen)).check()


def random_inputs(rng: np.random.Generator, graph: Graph, count: int) -> np.ndarray:
    """int8 ``(count, H, W, C)``; the first two are the extremes."""
    inputs = rng.integers(-128, 128, (count, *graph.input.shape)).astype(np.int8)
    inputs[:1], inputs[1:2] = -128, 127
    return inputs
