"""Random TFLite models: one operator each, and networks of several, in the shapes and scales that files come in."""

import numpy as np

from tests.sw.frontend.files import build, operator, subgraph, tensor

__all__ = ["STEPS", "Model", "network", "one_operator"]

SAME, VALID = 0, 1
ACTIVATIONS = (0, 0, 1, 2, 3)      # none, none, RELU, RELU_N1_TO_1, RELU6


class Model:
    """Tensors and operators so far; what is added is known by the number of its tensor."""

    def __init__(self, rng):
        self.rng, self.tensors, self.operators, self.inputs = rng, [], [], []

    def pick(self, *choices):
        return choices[int(self.rng.integers(len(choices)))]

    def number(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def zero(self):
        return self.pick(-128, 127, 0, self.number(-128, 127))

    def scale(self, low=-2.5, high=0.0):
        return float(np.float32(10.0 ** self.rng.uniform(low, high)))

    def tensor(self, shape, *, scale=None, zero=None, **fields):
        scale, zero = self.scale() if scale is None else scale, self.zero() if zero is None else zero
        self.tensors.append(tensor(tuple(shape), scale=scale, zero=zero, **fields))
        return len(self.tensors) - 1

    def input(self, shape, **fields):
        self.inputs.append(self.tensor(shape, **fields))
        return self.inputs[-1]

    def second(self, shape, **fields):
        """An input beside the first one, of one inference; where that has a batch inside, a constant."""
        return self.input(shape, **fields) if shape[0] == 1 or len(shape) == 1 else self.constant(shape, **fields)

    def like(self, source, shape, **fields):
        """A tensor with the scale and zero point of ``source``."""
        one = self.tensors[source]
        return self.tensor(shape, **{"scale": one["scale"], "zero": one["zero"]} | fields)

    def integers(self, values, kind="INT32"):
        values = np.asarray(values, {"INT32": np.int32, "INT64": np.int64}[kind])
        return self.tensor(values.shape, kind=kind, data=values, scale=[], zero=[])

    def constant(self, shape, **fields):
        return self.tensor(shape, data=self.rng.integers(-128, 128, shape).astype(np.int8), **fields)

    def shape(self, source):
        return self.tensors[source]["shape"]

    def real(self, source):
        return float(np.atleast_1d(self.tensors[source]["scale"])[0])

    def add(self, name, inputs, output, options="", **fields):
        self.operators.append(operator(name, inputs, output, options, **fields))
        return output

    def bytes(self, outputs, *more):
        return build(subgraph(self.tensors, self.operators, inputs=self.inputs, outputs=outputs), *more)


STEPS = {}


def step(name, least=1, most=4):
    """A step takes a model and a tensor of ``least`` to ``most`` dimensions, and gives a tensor; None if it cannot."""
    def register(function):
        STEPS[name] = (function, least, most)
        return function
    return register


def _weights(model, shape, axis, terms, source):
    """Weights, bias and output scale: a sum of ``terms`` random products fills the output, or now and then exceeds it.

    Returns the operands behind the input, and the output's scale.
    """
    channels, bits = shape[axis], model.pick("INT8", "INT8", "INT8", "INT4")
    many = model.rng.random() < 0.6 and not (bits == "INT4" and len(shape) == 2)
    scales = [model.scale(-3, -1) for _ in range(channels)] if many else [model.scale(-3, -1)]
    values = model.rng.integers(*((-8, 8) if bits == "INT4" else (-127, 128)), shape).astype(np.int8)
    data = values
    if bits == "INT4":
        flat = np.concatenate([values.reshape(-1), np.zeros(values.size % 2, np.int8)]).view(np.uint8) & 15
        data = flat[::2] | flat[1::2] << 4
    weights = model.tensor(shape, kind=bits, data=data, scale=scales, zero=[0] * len(scales), axis=axis)
    typical = model.real(source) * max(scales) * (4 if bits == "INT4" else 64) * 64 * terms ** 0.5
    output = typical / model.pick(64, 128, 30000, 127 * 64 * 64)      # a factor of 1 and more too
    operands = [weights]
    if model.rng.random() < 0.8:
        bias = model.rng.integers(-2000, 2000, channels).astype(np.int32)
        operands.append(model.tensor((channels,), kind="INT32", data=bias, zero=[0] * len(scales),
                                     scale=[model.real(source) * scale for scale in scales]))
    # a clamp at 6 must be a number of steps that fits 32 bits, or the runtime refuses the file
    return operands, float(np.float32(max(output, 1e-7)))


def _output_size(length, taps, stride, padding, dilation=1):
    reach = (taps - 1) * dilation + 1
    return -(-length // stride) if padding == SAME else (length - reach) // stride + 1


def _window(model, shape, *, dilated=True):
    kernel, stride = (model.number(1, 4), model.number(1, 4)), (model.number(1, 3), model.number(1, 3))
    dilation = (model.number(1, 3), model.number(1, 2)) if dilated and model.rng.random() < 0.3 else (1, 1)
    padding = model.pick(SAME, VALID)
    size = [_output_size(length, taps, step, padding, spread) for length, taps, step, spread in zip(
        shape[1:3], kernel, stride, dilation, strict=True)]
    return (kernel, stride, dilation, padding, size) if min(size) > 0 else None


@step("CONV_2D", 4)
def _conv(model, source):
    (batch, _, _, channels), found = model.shape(source), _window(model, model.shape(source))
    if found is None or channels > 64:
        return None
    kernel, stride, dilation, padding, size = found
    groups = model.pick(1, 1, *(count for count in (2, 3, 4) if channels % count == 0))
    outputs = groups * model.number(1, 5)
    operands, scale = _weights(model, (outputs, *kernel, channels // groups), 0,
                               kernel[0] * kernel[1] * channels // groups, source)
    output = model.tensor((batch, *size, outputs), scale=scale)
    return model.add("CONV_2D", [source, *operands], output, "Conv2DOptions", Padding=padding, StrideH=stride[0],
                     StrideW=stride[1], DilationHFactor=dilation[0], DilationWFactor=dilation[1],
                     FusedActivationFunction=model.pick(*ACTIVATIONS))


@step("DEPTHWISE_CONV_2D", 4)
def _depthwise(model, source):
    (batch, _, _, channels), found = model.shape(source), _window(model, model.shape(source))
    if found is None or channels > 64:
        return None
    kernel, stride, dilation, padding, size = found
    several = model.pick(1, 1, 2, 3)
    operands, scale = _weights(model, (1, *kernel, channels * several), 3, kernel[0] * kernel[1], source)
    output = model.tensor((batch, *size, channels * several), scale=scale)
    return model.add("DEPTHWISE_CONV_2D", [source, *operands], output, "DepthwiseConv2DOptions", Padding=padding,
                     StrideH=stride[0], StrideW=stride[1], DepthMultiplier=several, DilationHFactor=dilation[0],
                     DilationWFactor=dilation[1], FusedActivationFunction=model.pick(*ACTIVATIONS))


@step("TRANSPOSE_CONV", 4)
def _transposed(model, source):
    batch, height, width, channels = model.shape(source)
    if batch != 1 or channels > 16 or height * width > 64:
        return None
    kernel, stride = (model.number(1, 4), model.number(1, 4)), (model.number(1, 3), model.number(1, 3))
    padding, outputs = model.pick(SAME, VALID), model.number(1, 4)
    size = [length * step + (0 if padding == SAME else max(taps - step, 0))
            for length, taps, step in zip((height, width), kernel, stride, strict=True)]
    operands, scale = _weights(model, (outputs, *kernel, channels), 0, kernel[0] * kernel[1] * channels, source)
    if model.tensors[operands[0]]["kind"] != "INT8":
        return None
    shape = model.integers([1, *size, outputs])
    output = model.tensor((1, *size, outputs), scale=scale)
    return model.add("TRANSPOSE_CONV", [shape, operands[0], source, *operands[1:]], output, "TransposeConvOptions",
                     Padding=padding, StrideH=stride[0], StrideW=stride[1])


@step("FULLY_CONNECTED")
def _dense(model, source):
    shape, outputs = model.shape(source), model.number(1, 6)
    size = int(np.prod(shape))
    inputs = shape[-1] if model.rng.random() < 0.5 else size
    if inputs > 2000 or size // inputs > 64:
        return None
    operands, scale = _weights(model, (outputs, inputs), 0, inputs, source)
    given = (*shape[:-1], outputs) if inputs == shape[-1] and model.rng.random() < 0.7 else (size // inputs, outputs)
    output = model.tensor(given, scale=scale)
    return model.add("FULLY_CONNECTED", [source, *operands], output, "FullyConnectedOptions",
                     FusedActivationFunction=model.pick(*ACTIVATIONS))


@step("AVERAGE_POOL_2D", 4)
@step("MAX_POOL_2D", 4)
def _pool(model, source):
    found = _window(model, model.shape(source), dilated=False)
    if found is None:
        return None
    kernel, stride, _, padding, size = found
    batch, _, _, channels = model.shape(source)
    return model.add(model.pick("AVERAGE_POOL_2D", "MAX_POOL_2D"), [source],
                     model.like(source, (batch, *size, channels)), "Pool2DOptions", Padding=padding,
                     StrideH=stride[0], StrideW=stride[1], FilterHeight=kernel[0], FilterWidth=kernel[1],
                     FusedActivationFunction=model.pick(*ACTIVATIONS))


def _other(model, source, *, scale=None):
    """A second operand for ``source``: the same, a constant that broadcasts, or another input."""
    shape, fields = model.shape(source), {} if scale is None else {"scale": scale}
    kind = model.pick("constant", "scalar", "channels", "input", "self", "broadcast")
    if kind == "self":
        return source
    if kind == "input":
        return model.second(shape, **fields)
    if kind == "broadcast":
        shape = tuple(model.pick(1, length) for length in shape)
    return model.constant({"scalar": (), "channels": shape[-1:]}.get(kind, shape), **fields)


def _both(model, source):
    other = _other(model, source)
    return [source, other] if model.rng.random() < 0.5 else [other, source]


def _binary(name, options, scaled, activations=ACTIVATIONS):
    @step(name)
    def binary(model, source):
        operands = _both(model, source)
        reals = [model.real(operand) for operand in operands]
        scale = (reals[0] * reals[1] * 64 if scaled else max(reals) * 1.5) * model.rng.uniform(0.3, 3)
        return model.add(name, operands, model.tensor(model.shape(source), scale=float(np.float32(scale))), options,
                         **({"FusedActivationFunction": model.pick(*activations)} if activations else {}))
    return binary


_binary("ADD", "AddOptions", scaled=False)
_binary("SUB", "SubOptions", scaled=False)
_binary("MUL", "MulOptions", scaled=True)


@step("PRELU")
def _prelu(model, source):
    shape = model.shape(source)
    alpha = model.constant(model.pick(shape[-1:], (*(1,) * (len(shape) - 1), shape[-1]), shape))
    scale = model.real(source) * model.rng.uniform(0.5, 4)
    return model.add("PRELU", [source, alpha], model.tensor(shape, scale=float(np.float32(scale))))


@step("MAXIMUM")
@step("MINIMUM")
def _choice(model, source):
    return model.add(model.pick("MAXIMUM", "MINIMUM"), _both(model, source), model.like(source, model.shape(source)))


def _unary(name, **fixed):
    @step(name)
    def unary(model, source):
        if name in ("LOGISTIC", "TANH") and model.real(source) > 15:      # which the kernels do not take
            return None
        scale = model.real(source) * model.rng.uniform(0.3, 2)
        return model.add(name, [source], model.tensor(model.shape(source), **{"scale": float(np.float32(scale))}
                                                      | fixed))
    return unary


_unary("ABS")
_unary("RELU")
_unary("ELU")
_unary("QUANTIZE")
_unary("LOGISTIC", scale=1 / 256, zero=-128)
_unary("TANH", scale=1 / 128, zero=0)


@step("RELU6")
def _relu6(model, source):
    given = model.pick(model.like(source, model.shape(source)), model.tensor(model.shape(source)))
    return model.add("RELU6", [source], given)


@step("HARD_SWISH")
def _hard_swish(model, source):
    scale = model.real(source) * model.rng.uniform(0.1, 2)
    return model.add("HARD_SWISH", [source], model.tensor(model.shape(source), scale=float(np.float32(scale))))


@step("LEAKY_RELU")
def _leaky_relu(model, source):
    scale = model.real(source) * model.rng.uniform(0.3, 2)
    return model.add("LEAKY_RELU", [source], model.tensor(model.shape(source), scale=float(np.float32(scale))),
                     "LeakyReluOptions", Alpha=float(model.rng.uniform(-0.5, 1.5)))


@step("ISLAND")
def _island(model, source):
    """Float32 between a DEQUANTIZE and a QUANTIZE, as converters leave it."""
    shape = model.shape(source)

    def real(**fields):
        return model.tensor(shape, kind="FLOAT32", scale=[], zero=[], **fields)
    values = first = model.add("DEQUANTIZE", [source], real())
    for _ in range(model.number(1, 3)):
        name = model.pick("ABS", "NEG", "RELU", "RELU6", "LEAKY_RELU", "ELU", "HARD_SWISH", "LOGISTIC", "TANH",
                          "SQUARE", "ADD", "MUL", "SUB")
        if name in ("ADD", "MUL", "SUB"):
            number = model.tensor((), kind="FLOAT32", scale=[], zero=[], data=np.float32(model.rng.normal()))
            values = model.add(name, [values, model.pick(number, first)], real(), f"{name.capitalize()}Options",
                               FusedActivationFunction=model.pick(0, 1, 3))
        else:
            options = {"LEAKY_RELU": ("LeakyReluOptions", {"Alpha": 0.3})}.get(name, ("", {}))
            values = model.add(name, [values], real(), options[0], **options[1])
    scale = model.real(source) * model.rng.uniform(0.3, 2)
    return model.add("QUANTIZE", [values], model.tensor(shape, scale=float(np.float32(scale))))


@step("SOFTMAX")
def _softmax(model, source):
    if model.real(source) < 1e-6:      # which the kernel does not take
        return None
    return model.add("SOFTMAX", [source], model.tensor(model.shape(source), scale=1 / 256, zero=-128),
                     "SoftmaxOptions", Beta=model.pick(1.0, 0.7))


@step("LOG_SOFTMAX")
def _log_softmax(model, source):
    if model.real(source) < 1e-6:
        return None
    return model.add("LOG_SOFTMAX", [source], model.tensor(model.shape(source), scale=16 / 256, zero=127))


@step("MEAN")
@step("SUM")
def _mean(model, source):
    name, shape = model.pick("MEAN", "MEAN", "SUM"), model.shape(source)
    axes = sorted(model.rng.choice(len(shape), model.number(1, len(shape)), replace=False).tolist())
    if len(shape) == 4 and model.rng.random() < 0.4:
        axes = [1, 2]
    keep, count = bool(model.rng.random() < 0.5), int(np.prod([shape[axis] for axis in axes]))
    sizes = [1 if axis in axes else length for axis, length in enumerate(shape)]
    given = sizes if keep else [length for axis, length in enumerate(shape) if axis not in axes]
    scale = model.real(source) * (1 if name == "MEAN" else count ** 0.5) * model.rng.uniform(0.5, 2)
    signs = [axis - model.pick(0, len(shape)) for axis in axes]
    return model.add(name, [source, model.integers(signs)], model.tensor(given, scale=float(np.float32(scale))),
                     "ReducerOptions", KeepDims=keep) if given else None


@step("REDUCE_MAX")
@step("REDUCE_MIN")
def _extreme(model, source):
    shape, axis = model.shape(source), model.number(0, len(model.shape(source)) - 1)
    given = [length for place, length in enumerate(shape) if place != axis]
    return model.add(model.pick("REDUCE_MAX", "REDUCE_MIN"), [source, model.integers([axis])],
                     model.like(source, given), "ReducerOptions", KeepDims=False) if given else None


@step("RESHAPE")
def _reshape(model, source):
    size, rank = int(np.prod(model.shape(source))), model.number(1, 4)
    shape = []
    for _ in range(rank - 1):
        shape.append(model.pick(1, *(part for part in range(1, size + 1) if size % part == 0)))
        size //= shape[-1]
    shape.append(size)
    return model.add("RESHAPE", [source, model.integers(shape)], model.like(source, shape), "ReshapeOptions",
                     NewShape=shape)


@step("EXPAND_DIMS", 1, 3)
def _expand(model, source):
    axis, shape = model.number(0, len(model.shape(source))), list(model.shape(source))
    return model.add("EXPAND_DIMS", [source, model.integers([axis])],
                     model.like(source, [*shape[:axis], 1, *shape[axis:]]))


@step("SQUEEZE")
def _squeeze(model, source):
    shape = model.shape(source)
    axes = [axis for axis, length in enumerate(shape) if length == 1][:len(shape) - 1]
    given = [length for axis, length in enumerate(shape) if axis not in axes]
    return model.add("SQUEEZE", [source], model.like(source, given), "SqueezeOptions", SqueezeDims=axes) \
        if axes else None


@step("TRANSPOSE")
def _transpose(model, source):
    shape, order = model.shape(source), model.rng.permutation(len(model.shape(source))).tolist()
    return model.add("TRANSPOSE", [source, model.integers(order)],
                     model.like(source, [shape[axis] for axis in order]))


@step("CONCATENATION")
def _concatenation(model, source):
    shape, parts = list(model.shape(source)), model.number(2, 4)
    axis, operands = model.number(0, len(shape) - 1), [source]
    for _ in range(parts - 1):
        sizes = [*shape[:axis], model.number(1, 3), *shape[axis + 1:]]
        make = model.pick(model.constant, model.second)
        operands.append(make(sizes, scale=model.tensors[source]["scale"], zero=model.tensors[source]["zero"]))
    whole = sum(model.shape(operand)[axis] for operand in operands)
    return model.add("CONCATENATION", operands, model.like(source, [*shape[:axis], whole, *shape[axis + 1:]]),
                     "ConcatenationOptions", Axis=axis - model.pick(0, len(shape)))


@step("PACK", 1, 3)
def _pack(model, source):
    shape, axis = list(model.shape(source)), model.number(0, len(model.shape(source)))
    operands = [source, model.constant(shape), source][:model.number(1, 3)]
    return model.add("PACK", operands, model.like(source, [*shape[:axis], len(operands), *shape[axis:]]),
                     "PackOptions", ValuesCount=len(operands), Axis=axis)


def _finish(model, parts):
    """Several outputs of one operator: each but the last is an output of the model."""
    model.outputs = [*getattr(model, "outputs", []), *parts[:-1]]
    return parts[-1]


@step("SPLIT", 2)
def _split(model, source):
    shape = list(model.shape(source))
    choices = [(axis, count) for axis, length in enumerate(shape) for count in (2, 3) if length % count == 0]
    if not choices:
        return None
    axis, count = model.pick(*choices)
    sizes = [*shape[:axis], shape[axis] // count, *shape[axis + 1:]]
    parts = [model.like(source, sizes) for _ in range(count)]
    return _finish(model, model.add("SPLIT", [model.integers(axis), source], parts, "SplitOptions", NumSplits=count))


@step("SPLIT_V", 2)
def _split_v(model, source):
    shape = list(model.shape(source))
    axis = model.number(0, len(shape) - 1)
    if shape[axis] < 2:
        return None
    first = model.number(1, shape[axis] - 1)
    sizes = [first, shape[axis] - first]
    parts = [model.like(source, [*shape[:axis], size, *shape[axis + 1:]]) for size in sizes]
    return _finish(model, model.add("SPLIT_V", [source, model.integers(sizes), model.integers(axis)], parts,
                                    "SplitVOptions", NumSplits=2))


@step("UNPACK", 2)
def _unpack(model, source):
    shape = list(model.shape(source))
    axis = model.number(0, len(shape) - 1)
    if shape[axis] > 5:
        return None
    parts = [model.like(source, [*shape[:axis], *shape[axis + 1:]]) for _ in range(shape[axis])]
    return _finish(model, model.add("UNPACK", [source], parts, "UnpackOptions", Num=shape[axis], Axis=axis))


@step("SLICE")
def _slice(model, source):
    shape = model.shape(source)
    begin = [model.number(0, length - 1) for length in shape]
    sizes = [model.number(1, length - first) for length, first in zip(shape, begin, strict=True)]
    wanted = [-1 if first + size == length and model.rng.random() < 0.5 else size
              for length, first, size in zip(shape, begin, sizes, strict=True)]
    return model.add("SLICE", [source, model.integers(begin), model.integers(wanted)], model.like(source, sizes))


@step("STRIDED_SLICE")
def _strided_slice(model, source):
    shape, masks = model.shape(source), {"BeginMask": 0, "EndMask": 0, "ShrinkAxisMask": 0}
    begin, end, strides, sizes = [], [], [], []
    for axis, length in enumerate(shape):
        stride = model.pick(1, 1, 2, 3, -1, -2)
        first, last = model.number(-length, length - 1), model.number(-length - 1, length + 1)
        mask = {name: bool(model.rng.random() < 0.3) for name in masks}
        mask["ShrinkAxisMask"] &= axis > 0
        if mask["ShrinkAxisMask"]:      # of places in front of the first, the runtime's kernels make nothing
            mask["BeginMask"], stride = False, 1
        taken = range(length)[slice(None if mask["BeginMask"] else first, None if mask["EndMask"] else last, stride)]
        if not taken and not mask["ShrinkAxisMask"]:
            first, last, stride, taken = 0, length, 1, range(length)
            mask["BeginMask"] = mask["EndMask"] = False
        begin.append(first)
        end.append(last)
        strides.append(stride)
        for name in masks:
            masks[name] |= mask[name] << axis
        if not mask["ShrinkAxisMask"]:
            sizes.append(len(taken))
    operands = [model.integers(values) for values in (begin, end, strides)]
    return model.add("STRIDED_SLICE", [source, *operands], model.like(source, sizes), "StridedSliceOptions", **masks)


@step("PAD")
@step("PADV2")
def _pad(model, source):
    shape = model.shape(source)
    counts = [(0, 0) if axis == 0 and len(shape) > 2 else (model.number(0, 2), model.number(0, 2))
              for axis in range(len(shape))]
    operands = [source, model.integers(counts)]
    if model.rng.random() < 0.4:
        operands.append(model.constant((), scale=model.tensors[source]["scale"], zero=model.tensors[source]["zero"]))
    given = [length + sum(pair) for length, pair in zip(shape, counts, strict=True)]
    return model.add("PAD" if len(operands) == 2 else "PADV2", operands, model.like(source, given))


@step("RESIZE_NEAREST_NEIGHBOR", 4)
def _resize(model, source):
    batch, height, width, channels = model.shape(source)
    size = [model.pick(2 * length, 3 * length, model.number(1, 2 * length)) for length in (height, width)]
    options = model.pick({}, {}, {"AlignCorners": True}, {"HalfPixelCenters": True})
    return model.add("RESIZE_NEAREST_NEIGHBOR", [source, model.integers(size)],
                     model.like(source, (batch, *size, channels)), "ResizeNearestNeighborOptions", **options) \
        if batch == 1 and max(size) < 40 else None


@step("SPACE_TO_BATCH_ND", 4)
def _space_to_batch(model, source):
    """Without padding, for which the runtime's kernel takes a value that nobody sets."""
    batch, height, width, channels = model.shape(source)
    blocks = [model.pick(*(block for block in (1, 2, 3) if length % block == 0)) for length in (height, width)]
    given = [batch * blocks[0] * blocks[1], height // blocks[0], width // blocks[1], channels]
    return model.add("SPACE_TO_BATCH_ND", [source, model.integers(blocks), model.integers([(0, 0), (0, 0)])],
                     model.like(source, given))


@step("BATCH_TO_SPACE_ND", 4)
def _batch_to_space(model, source):
    batch, height, width, channels = model.shape(source)
    choices = [(first, second) for first in (1, 2, 3) for second in (1, 2, 3) if batch % (first * second) == 0]
    blocks = list(model.pick(*choices))
    crops = [(0, model.number(0, block - 1)) for block in blocks]
    given = [batch // (blocks[0] * blocks[1]), *(length * block - sum(pair) for length, block, pair in zip(
        (height, width), blocks, crops, strict=True)), channels]
    return model.add("BATCH_TO_SPACE_ND", [source, model.integers(blocks), model.integers(crops)],
                     model.like(source, given)) if min(given) > 0 else None


@step("SPACE_TO_DEPTH", 4)
def _space_to_depth(model, source):
    batch, height, width, channels = model.shape(source)
    return model.add("SPACE_TO_DEPTH", [source], model.like(source, (batch, height // 2, width // 2, channels * 4)),
                     "SpaceToDepthOptions", BlockSize=2) if height % 2 == width % 2 == 0 else None


@step("DEPTH_TO_SPACE", 4)
def _depth_to_space(model, source):
    batch, height, width, channels = model.shape(source)
    return model.add("DEPTH_TO_SPACE", [source], model.like(source, (batch, height * 2, width * 2, channels // 4)),
                     "DepthToSpaceOptions", BlockSize=2) if channels % 4 == 0 else None


def _shape(model, least, most):
    """Of one inference: a batch of 1 in front, now and then none."""
    rank = model.number(least, most)
    if rank == 1:
        return (model.number(1, 40),)
    return (1, *(model.number(1, 9) for _ in range(rank - 1)))


def one_operator(name, seed):
    """A model of one operator: its bytes, and the numbers of inputs and outputs."""
    function, least, most = STEPS[name]
    for attempt in range(100):
        model = Model(np.random.default_rng([seed, attempt, *name.encode()]))
        output = function(model, model.input(_shape(model, least, most)))
        if output is not None and int(np.prod(model.shape(output))) < 20000:
            return _made(model, output)
    raise ValueError(f"{name}: no model in 100 attempts")


def network(seed, length=6):
    """A random network: from an int8, uint8 or float32 input through ``length`` operators."""
    model = Model(np.random.default_rng([seed, 17]))
    shape = _shape(model, 2, 4)
    kind = model.pick("INT8", "INT8", "UINT8", "FLOAT32")
    source = model.input(shape, kind=kind, **({"zero": model.number(0, 255)} if kind == "UINT8" else {}))
    if kind != "INT8":
        scale = float(np.float32(model.real(source) * model.rng.uniform(0.5, 2)))
        source = model.add("QUANTIZE", [source], model.tensor(shape, scale=scale))
    names = sorted(STEPS)
    for _ in range(length):
        for _ in range(50):
            function, least, most = STEPS[model.pick(*names)]
            if not least <= len(model.shape(source)) <= most:
                continue
            output = function(model, source)
            if output is not None:
                source = output
                break
        if int(np.prod(model.shape(source))) > 4000 or len(model.tensors) > 80 or not 1e-6 < model.real(source) < 1e4:
            break
    if model.rng.random() < 0.3:
        source = model.add("DEQUANTIZE", [source], model.tensor(model.shape(source), kind="FLOAT32", scale=[], zero=[]))
    return _made(model, source)


def _made(model, output):
    outputs = [*getattr(model, "outputs", []), output]
    return model.bytes(outputs), model.inputs, outputs
