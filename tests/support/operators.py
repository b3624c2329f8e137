"""Random operators of the CPU, of every kind, for tests of everything that runs them."""

from collections.abc import Callable
from dataclasses import replace
from math import prod

import numpy as np

from sw.golden.elementwise import prepare_add, prepare_mul, prepare_prelu
from sw.golden.pooling import prepare_mean
from sw.golden.waveform import prepare_features
from sw.graph.audio import FeatureSpec
from sw.graph.graph import Graph
from sw.graph.layer import POOLS, WEIGHTED, Constant, Layer, TensorType
from tests.support.layers import KEEPING, made_kernel, random_kernel, random_layer, shifted_left

__all__ = ["every_function", "random_operator", "random_type", "random_values"]


def random_operator(rng: np.random.Generator, op: str, *, most: int = 6) -> tuple[Layer, list[TensorType]]:
    """Any operator of the CPU, on small tensors of random types and shapes: the layer, and what it reads."""
    shape = tuple(int(n) for n in rng.integers(1, most + 1, 3))
    kind = random_type(rng, shape)
    if op in KEEPING:
        return random_kernel(rng, op, kind), [kind]
    return _MAKERS[op](rng, op, kind)


def random_type(rng: np.random.Generator, shape: tuple[int, ...], dtype: str = "int8") -> TensorType:
    if dtype == "float32":
        return TensorType(shape=shape, scale=1.0, zero_point=0, dtype=dtype)
    return TensorType(shape=shape, scale=float(np.float32(2 ** rng.uniform(-7, 0))), dtype=dtype,
                      zero_point=int(rng.integers(-128, 128)))


def _clamped(rng: np.random.Generator, kind: TensorType) -> dict[str, int]:
    return {"act_min": int(rng.choice([-128, kind.zero_point])), "act_max": 127}


def _random_binary(rng: np.random.Generator, op: str, kind: TensorType) -> tuple[Layer, list[TensorType]]:
    """Any axis of one operand may be 1; one of them may have fewer axes in front, or four in all."""
    whole = kind.shape if rng.integers(2) else (2, *kind.shape)
    shapes = [tuple(1 if rng.random() < 0.3 else size for size in whole) for _ in range(2)]
    if len(whole) == 4 and rng.integers(2):
        shapes[1] = shapes[1][1:]
    first, second = (random_type(rng, shape) for shape in shapes)
    shape = np.broadcast_shapes(*shapes)
    if op in ("maximum", "minimum"):
        types = [replace(first, shape=one) for one in (*shapes, shape)]
        return made_kernel(op, types[2]), types[:2]
    if op in ("add", "sub"):
        output = replace(random_type(rng, shape), scale=max(first.scale, second.scale) * float(rng.uniform(0.3, 3)))
        pairs = prepare_add(first.scale, second.scale, output.scale)
        return made_kernel(op, output, pairs, bias=np.zeros(3, np.int32), **_clamped(rng, output)), [first, second]
    if op == "mul":
        times = float(2 ** rng.uniform(-2 if rng.integers(3) else -15, 8))
        output = replace(random_type(rng, shape), scale=first.scale * second.scale * times)
        return made_kernel(op, output, prepare_mul(first.scale, second.scale, output.scale)), [first, second]
    output = replace(random_type(rng, shape), scale=first.scale * float(2 ** rng.uniform(-2, 2)))
    return made_kernel(op, output, prepare_prelu(first.scale, second.scale, output.scale)), [first, second]


def _random_pool(rng: np.random.Generator, op: str, kind: TensorType) -> tuple[Layer, list[TensorType]]:
    kernel = tuple(int(rng.integers(1, size + 1)) for size in kind.shape[:2])
    padding = tuple(int(rng.integers(0, size)) for size in kernel * 2)
    layer = random_layer(rng, op, kind, kernel=kernel, stride=tuple(int(n) for n in rng.integers(1, 4, 2)),
                         padding=padding)
    return layer, [kind]


def _random_weighted(rng: np.random.Generator, op: str, kind: TensorType) -> tuple[Layer, list[TensorType]]:
    """Any stride, padding, dilation, groups; shifts of either sign; now and then a bias of all 32 bits."""
    height, width, channels = kind.shape
    several, groups = int(rng.choice([1, 1, 2, 3, 4, 5])), int(rng.integers(1, 4)) if op == "conv" else 1
    kernel, fields, size, outputs = (1, 1), {}, (1, 1), several
    if op != "dense":
        kernel, dilation, stride = (tuple(int(n) for n in rng.integers(1, most, 2)) for most in (4, 3, 4))
        extent = [(taps - 1) * step + 1 for taps, step in zip(kernel, dilation, strict=True)]
        before = [int(rng.integers(0, most)) for most in extent]
        behind = [max(int(rng.integers(0, most)), most - first - length)
                  for most, first, length in zip(extent, before, (height, width), strict=True)]
        size = tuple((sum(lengths) - most) // step + 1 for *lengths, most, step in zip(
            (height, width), before, behind, extent, stride, strict=True))
        fields = {"dilation": dilation, "stride": stride, "padding": (*before, *behind)}
    kind = replace(kind, shape=(height, width, channels * groups))
    outputs = channels * several if op == "depthwise" else groups * several
    shape = {"conv": (outputs, *kernel, channels), "depthwise": (*kernel, outputs), "dense": (outputs, kind.size)}[op]
    shift = rng.integers(-8, 8, outputs)
    multiplier = 2.0 ** (31 + shift + rng.uniform(-14, -8, outputs))
    every = rng.integers(-1 << 31, 1 << 31, outputs)
    output = random_type(rng, (*size, outputs))
    return made_kernel(op, output, list(zip(multiplier.astype(int), shift, strict=True)),
                       weights=rng.integers(-128, 128, shape).astype(np.int8),
                       bias=np.where(rng.random(outputs) < 0.1, every, every >> 18).astype(np.int32),
                       **fields, **_clamped(rng, output)), [kind]


def _random_mean(rng: np.random.Generator, op: str, kind: TensorType) -> tuple[Layer, list[TensorType]]:
    output = replace(random_type(rng, (1, kind.shape[0], kind.shape[2])), scale=kind.scale * float(rng.uniform(0.2, 1)))
    return made_kernel(op, output, [prepare_mean(kind.scale, output.scale, kind.shape[1])]), [kind]


def _random_concat(rng: np.random.Generator, op: str, kind: TensorType) -> tuple[Layer, list[TensorType]]:
    axis, count = int(rng.integers(-3, 0)), int(rng.integers(1, 4))
    sizes = [int(rng.integers(1, 5)) for _ in range(count)]
    shapes = [tuple(size if place == 3 + axis else one for place, one in enumerate(kind.shape))
              for size in (*sizes, sum(sizes))]
    *taken, output = (replace(kind, shape=shape) for shape in shapes)
    return made_kernel(op, output, parameters=(axis,)), taken


def _random_gather(rng: np.random.Generator, op: str, kind: TensorType) -> tuple[Layer, list[TensorType]]:
    """Permuted axes, some read backwards, in steps, or again and again; up to six of them."""
    kind = replace(kind, shape=tuple(int(n) for n in rng.integers(1, 4, int(rng.integers(3, 7)))))
    offset, shape, strides = 0, [], []
    for axis in rng.permutation(len(kind.shape)).tolist():
        size, stride, step = kind.shape[axis], prod(kind.shape[axis + 1:]), int(rng.choice([1, 1, 1, -1, 2, 0]))
        shape.append(int(rng.integers(1, 4)) if step == 0 else -(-size // abs(step)))
        strides.append(stride * step)
        offset += stride * (size - 1) if step == -1 else 0
    return made_kernel(op, replace(kind, shape=tuple(shape)), parameters=(offset, *strides)), [kind]


def _random_pad(rng: np.random.Generator, op: str, kind: TensorType) -> tuple[Layer, list[TensorType]]:
    counts = rng.integers(0, 3, (3, 3)).tolist()
    shape = tuple(before + after + size + (size - 1) * between
                  for size, (before, after, between) in zip(kind.shape, counts, strict=True))
    parameters = (*(one for axis in counts for one in axis), int(rng.integers(-128, 128)))
    return made_kernel(op, replace(kind, shape=shape), parameters=parameters), [kind]


def _random_resize(rng: np.random.Generator, op: str, kind: TensorType) -> tuple[Layer, list[TensorType]]:
    shape = (*(int(n) for n in rng.integers(1, 9, 2)), kind.shape[2])
    flags = ((0, 0), (1, 0), (0, 1))[int(rng.integers(3))]
    return made_kernel(op, replace(kind, shape=shape), parameters=flags), [kind]


def _random_conversion(rng: np.random.Generator, op: str, kind: TensorType) -> tuple[Layer, list[TensorType]]:
    other = random_type(rng, kind.shape, "float32")
    taken, given = (other, kind) if op == "quantize" else (kind, other)
    return made_kernel(op, given, act_min=-128, act_max=127), [taken]


def _random_features(rng: np.random.Generator, op: str, kind: TensorType) -> tuple[Layer, list[TensorType]]:
    """Of a few windows; what ``kind`` says does not matter."""
    spec = FeatureSpec(rate=(8000, 16000)[int(rng.integers(2))], window_ms=int(rng.integers(4, 33)), high_hz=3500,
                       hop_ms=int(rng.integers(1, 5)), channels=int(rng.integers(1, 24)), low_hz=int(rng.integers(300)))
    samples = spec.window + int(rng.integers(0, 3 * spec.hop))
    output = TensorType(shape=(1, spec.frames(samples), spec.channels), scale=float(rng.uniform(0.05, 0.2)),
                        zero_point=int(rng.integers(-128, 0)))
    parameters = tuple(getattr(spec, name) for name in FeatureSpec.__dataclass_fields__)
    layer = made_kernel(op, output, parameters=parameters)
    return replace(layer, multiplier=np.array([prepare_features(output.scale)], np.int32)), [
        TensorType(shape=(1, 1, samples), scale=1.0, zero_point=0, dtype="int16")]


_MAKERS: dict[str, Callable[[np.random.Generator, str, TensorType], tuple[Layer, list[TensorType]]]] = {
    **dict.fromkeys(("add", "sub", "mul", "maximum", "minimum", "prelu"), _random_binary),
    **dict.fromkeys(POOLS, _random_pool), **dict.fromkeys(WEIGHTED, _random_weighted),
    "mean": _random_mean, "concat": _random_concat, "gather": _random_gather,
    "pad": _random_pad, "resize": _random_resize, "quantize": _random_conversion, "dequantize": _random_conversion,
    "features": _random_features}


def random_values(rng: np.random.Generator, kind: TensorType, count: int) -> np.ndarray:
    """``(count, *shape)`` of a tensor's dtype; the first two are the extremes, floats reach beyond what int8 holds."""
    if kind.dtype == "float32":
        shape = (count, *kind.shape)
        return (rng.normal(0, 1, shape) * 2 ** rng.uniform(-8, 8, shape)).astype(np.float32)
    values = rng.integers(kind.low, kind.high + 1, (count, *kind.shape)).astype(kind.dtype)
    values[:1], values[1:2] = kind.low, kind.high
    return values


def every_function(rng: np.random.Generator) -> Graph:
    """A network in which the CPU makes use of all its functions, before, between and behind runs of the engine."""
    start = TensorType(shape=(6, 5, 4), scale=1.0, zero_point=0, dtype="float32")
    layers: list[Layer] = []
    slope, bias = random_type(rng, (1, 1, 4)), random_type(rng, (5, 1))
    bias = replace(bias, shape=(1, 5, 1))
    constants = tuple(Constant(type=kind, values=random_values(rng, kind, 3)[2]) for kind in (slope, bias))

    def append(layer: Layer, *reads: int) -> int:
        """Tensors are the input, two constants, and the layers' outputs; 3 more than a layer's number."""
        layers.append(replace(layer, inputs=reads, name=f"{layer.op}{len(layers)}"))
        return 2 + len(layers)

    def kind(number: int) -> TensorType:
        return layers[number - 3].output

    first = random_type(rng, start.shape)
    last = append(made_kernel("quantize", first), 0)
    last = append(random_layer(rng, "conv", first, outputs=4, kernel=(1, 1)), last)
    held = last
    for op, other, number in (("add", bias, 2), ("mul", bias, 2), ("prelu", slope, 1)):
        pairs = {"add": prepare_add, "mul": prepare_mul, "prelu": prepare_prelu}[op](kind(last).scale, other.scale, 0.1)
        output = replace(random_type(rng, start.shape), scale=0.1)
        last = append(made_kernel(op, output, pairs, bias=np.zeros(3 if op == "add" else 0, np.int32)), last, number)
    last = append(replace(random_kernel(rng, "table", kind(last)), output=kind(held)), last)
    last = append(made_kernel("maximum", kind(last)), held, last)
    wide = replace(kind(last), shape=(6, 5, 8))
    last = append(made_kernel("concat", wide, parameters=(-1,)), last, held)
    last = append(made_kernel("pad", replace(wide, shape=(9, 5, 8)), parameters=(1, 2, 0, 0, 0, 0, 0, 0, 0, 7)), last)
    last = append(random_layer(rng, "avgpool", kind(last), kernel=(3, 3), stride=(2, 1), padding=(1, 1, 1, 1)), last)
    last = append(random_layer(rng, "conv", kind(last), outputs=8, kernel=(1, 1)), last)
    last = append(shifted_left(random_layer(rng, "depthwise", kind(last), kernel=(3, 3), padding=(1, 1, 1, 1))), last)
    last = append(made_kernel("gather", replace(kind(last), shape=(5, 5, 8)), parameters=(0, 8, 40, 1)), last)
    last = append(made_kernel("resize", replace(kind(last), shape=(8, 7, 8)), parameters=(0, 1)), last)
    output = random_type(rng, (1, 8, 8))
    last = append(made_kernel("mean", output, [prepare_mean(kind(last).scale, output.scale, 7)]), last)
    last = append(random_kernel(rng, "log_softmax", kind(last)), last)
    last = append(random_kernel(rng, "softmax", kind(last)), last)
    append(made_kernel("dequantize", TensorType(shape=kind(last).shape, scale=1.0, zero_point=0, dtype="float32"),
                       act_min=-128, act_max=127), last)
    return Graph(name="everything", inputs=(start,), layers=tuple(layers), constants=constants).check()
