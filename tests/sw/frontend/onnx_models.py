"""ONNX networks with QDQ nodes, made at random: one node each, or several behind each other."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

__all__ = ["STEPS", "Model", "network", "one_node"]

STEPS = {}
OPSET = 18


class Model:
    """Nodes, constants and ends; a name stands for float32 behind a DequantizeLinear."""

    def __init__(self, rng, opset=OPSET):
        self.rng, self.opset = rng, opset
        self.nodes, self.constants, self.inputs, self.outputs, self.shapes = [], [], [], [], {}
        self.scales = {}
        self.count = 0

    def name(self, what):
        self.count += 1
        return f"{what}{self.count}"

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def number(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def constant(self, values, what="c"):
        name = self.name(what)
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def input(self, shape, kind=TensorProto.FLOAT, name=None):
        name = name or self.name("x")
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        self.shapes[name] = tuple(shape)
        return name

    def node(self, kind, inputs, shape=None, outputs=1, **attributes):
        names = [self.name("t") for _ in range(outputs)]
        if inputs and inputs[0] in self.scales:      # what only moves bytes keeps their scale
            self.scales |= dict.fromkeys(names, self.scales[inputs[0]])
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        if shape is not None:
            self.shapes[names[0]] = tuple(shape)
        return names[0] if outputs == 1 else names

    def quantize(self, source, scale=None, zero=None, kind=np.int8):
        """QuantizeLinear and DequantizeLinear behind ``source``."""
        scale = np.float32(scale if scale is not None else 10 ** self.rng.uniform(-2, -1))
        if zero is None:
            zero = self.number(-100, 100) + 128 * (kind == np.uint8)
        operands = [self.constant(scale), self.constant(kind(zero))]
        whole = self.node("QuantizeLinear", [source, *operands])
        name = self.node("DequantizeLinear", [whole, *operands], self.shapes[source])
        self.scales[name] = (scale, zero)
        return name

    def weights(self, values, *, axis=None, kind=np.int8, largest=0.02):
        """int8 constants behind a DequantizeLinear, with a scale a channel along ``axis``; their scales too."""
        count = () if axis is None else values.shape[axis]
        scale = np.float32(self.rng.uniform(largest / 4, largest, count))
        zero = np.full(count, 128 if kind == np.uint8 else 0)
        name = self.node("DequantizeLinear", [
            self.constant((values.astype(int) + (128 if kind == np.uint8 else 0)).astype(kind)), self.constant(scale),
            self.constant(np.asarray(zero).astype(kind))], values.shape, **({} if axis is None else {"axis": axis}))
        return name, scale

    def bias(self, count, source, scale):
        product = np.float32(self.scales[source][0]) * scale      # of what a QuantizeLinear gave, or of its bytes moved
        return self.node("DequantizeLinear", [
            self.constant(self.rng.integers(-3000, 3000, count).astype(np.int32)), self.constant(product),
            self.constant(np.zeros(np.shape(product), np.int32))], axis=0)

    def integers(self, *shape):
        return self.rng.integers(-127, 128, shape).astype(np.int8)

    def bytes(self, *outputs):
        outputs = [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs]
        graph = helper.make_graph(self.nodes, "net", self.inputs, outputs, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)],
                                 ir_version=8).SerializeToString()


def step(*ranks, exact=False):
    """Register a function that adds a node behind a source of one of ``ranks`` dimensions: its output, behind a
    QuantizeLinear or not, or None where it does not fit."""
    def register(function):
        name = function.__name__.lstrip("_")
        STEPS[name] = (function, ranks, exact)
        return function
    return register


def _sized(length, taps, stride, dilation, pads):
    whole = length + sum(pads) - (taps - 1) * dilation - 1
    return whole // stride + 1


def _walk(model, shape, *, most=3, dilated=True, half=False):
    """Kernel and attributes of a window over ``shape``, and the sizes that it gives; None where it does not fit."""
    spatial = shape[2:]
    kernel = [model.number(1, most) for _ in spatial]
    strides = [model.number(1, 2) for _ in spatial]
    dilations = [model.number(1, 2) if dilated else 1 for _ in spatial]
    reach = [(taps - 1) // (2 if half else 1) for taps in kernel]
    pads = [[model.number(0, most) for most in reach] for _ in range(2)]
    sizes = [_sized(*values) for values in zip(spatial, kernel, strides, dilations, zip(*pads, strict=True),
                                               strict=True)]
    if min(sizes) < 1:
        return None
    attributes = {"strides": strides, "pads": pads[0] + pads[1]}
    return kernel, {**attributes, **({"dilations": dilations} if dilated else {})}, sizes


@step(3, 4)
def _conv(model, source):
    shape = model.shapes[source]
    walk = _walk(model, shape)
    if walk is None:
        return None
    kernel, attributes, sizes = walk
    groups = model.pick(*(count for count in (1, 2, shape[1]) if shape[1] % count == 0))
    outputs = groups * model.number(1, 3)
    weights, scale = model.weights(model.integers(outputs, shape[1] // groups, *kernel),
                                   axis=model.pick(0, None), kind=model.pick(np.int8, np.uint8))
    inputs = [source, weights, *([model.bias(outputs, source, scale)] if model.pick(0, 1) else [])]
    value = model.node("Conv", inputs, (shape[0], outputs, *sizes), group=groups, **attributes)
    return model.quantize(_clipped(model, value))


def _clipped(model, value):
    way = model.pick("", "Relu", "Clip")
    if way == "Relu":
        return model.node("Relu", [value], model.shapes[value])
    if way == "Clip":
        return model.node("Clip", [value, model.constant(np.float32(0)), model.constant(np.float32(6))],
                          model.shapes[value])
    return value


@step(2)
def _gemm(model, source):
    rows, inputs = model.shapes[source]
    turned, outputs = model.number(0, 1), model.number(1, 6)
    values = model.integers(*((outputs, inputs) if turned else (inputs, outputs)))
    weights, scale = model.weights(values, axis=model.pick(None, 1 - turned))
    operands = [source, weights, *([model.bias(outputs, source, scale)] if model.pick(0, 1) else [])]
    return model.quantize(_clipped(model, model.node("Gemm", operands, (rows, outputs), transB=turned)))


@step(2, 3)
def _matmul(model, source):
    shape = model.shapes[source]
    outputs = model.number(1, 6)
    weights, _ = model.weights(model.integers(shape[-1], outputs), axis=model.pick(None, 1))
    return model.quantize(model.node("MatMul", [source, weights], (*shape[:-1], outputs)))


@step(1, 2, 3, 4)
def _pair(model, source):
    """Of a constant that broadcasts, of another activation, of itself."""
    shape = model.shapes[source]
    kind = model.pick("Add", "Sub", "Mul")
    way = model.pick("constant", "other", "same")
    if way == "constant":
        sizes = tuple(model.pick(1, size) for size in shape[model.number(0, len(shape) - 1):])
        other, _ = model.weights(model.integers(*sizes), largest=0.05)
    elif way == "other":
        other = model.quantize(model.node("Neg", [source], shape))
    else:
        other = source
    operands = [source, other] if model.pick(0, 1) else [other, source]
    return model.quantize(_clipped(model, model.node(kind, operands, shape)), 0.2)


@step(1, 2, 3, 4, exact=True)
def _choice(model, source):
    shape = model.shapes[source]
    other, _ = model.weights(model.integers(*shape[-1:]), largest=0.05)
    return model.quantize(model.node(model.pick("Max", "Min"), [source, other], shape))


@step(1, 2, 3, 4, exact=True)
def _function(model, source):
    kind = model.pick("Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid", "HardSwish", "Elu", "Relu", "Abs", "Erf",
                      "Softplus")
    return model.quantize(model.node(kind, [source], model.shapes[source]), 0.02)


@step(1, 2, 3, 4, exact=True)
def _silu(model, source):
    shape = model.shapes[source]
    curve = model.node("Sigmoid", [source], shape)
    return model.quantize(model.node("Mul", [source, curve], shape), 0.03)


@step(1, 2, 3, 4, exact=True)
def _rescaled(model, source):
    return model.quantize(source)


@step(2, 3, 4)
def _softmax(model, source):
    shape = model.shapes[source]
    value = model.node("Softmax", [source], shape, axis=model.number(1, len(shape) - 1))
    return model.quantize(value, *model.pick((1 / 256, -128), (1 / 255, -128)))


@step(2, 3, 4)
def _logsoftmax(model, source):
    shape = model.shapes[source]
    value = model.node("LogSoftmax", [source], shape, axis=model.number(1, len(shape) - 1))
    return model.quantize(value, *model.pick((16 / 256, 127), (0.1, 100)))


@step(2, 3, 4)
def _prelu(model, source):
    shape = model.shapes[source]
    slopes, _ = model.weights(model.integers(shape[-1]), largest=0.02)
    return model.quantize(model.node("PRelu", [source, slopes], shape), 0.1)


@step(3, 4, exact=True)
def _maxpool(model, source):
    shape = model.shapes[source]
    walk = _walk(model, shape, dilated=False)
    if walk is None:
        return None
    kernel, attributes, sizes = walk
    return model.node("MaxPool", [source], (*shape[:2], *sizes), kernel_shape=kernel, **attributes)


@step(3, 4)
def _averagepool(model, source):
    shape = model.shapes[source]
    walk = _walk(model, shape, dilated=False)
    if walk is None:
        return None
    kernel, attributes, sizes = walk
    value = model.node("AveragePool", [source], (*shape[:2], *sizes), kernel_shape=kernel,
                       count_include_pad=model.number(0, 1), **attributes)
    scale, zero = model.pick(model.scales.get(source, (None, None)), (None, None))
    return model.quantize(value, scale, zero, np.uint8 if zero is not None and zero > 127 else np.int8)


@step(3, 4)
def _globalaverage(model, source):
    shape = model.shapes[source]
    value = model.node("GlobalAveragePool", [source], (*shape[:2], *[1] * (len(shape) - 2)))
    return model.quantize(value)


@step(2, 3, 4)
def _mean(model, source):
    shape = model.shapes[source]
    axes = sorted({model.number(1, len(shape) - 1) for _ in range(2)})
    keep = model.number(0, 1)
    sizes = [1 if axis in axes else size for axis, size in enumerate(shape) if keep or axis not in axes]
    return model.quantize(model.node("ReduceMean", [source, model.constant(np.array(axes))], sizes, keepdims=keep))


@step(2, 3, 4, exact=True)
def _transpose(model, source):
    shape = model.shapes[source]
    axes = [0, *(1 + model.rng.permutation(len(shape) - 1)).tolist()]
    return model.node("Transpose", [source], [shape[axis] for axis in axes], perm=axes)


@step(2, 3, 4, exact=True)
def _flatten(model, source):
    shape = model.shapes[source]
    return model.node("Flatten", [source], (shape[0], int(np.prod(shape[1:]))))


@step(1, 2, 3, 4, exact=True)
def _reshape(model, source):
    shape = list(model.shapes[source])
    size = int(np.prod(shape[1:]))
    part = model.pick(*(count for count in range(1, size + 1) if size % count == 0))
    wanted = model.pick([0, -1], [1, part, -1], [1, part, 1, -1], [1, -1, part, 1])
    given = [shape[0] if count == 0 else size // part if count == -1 and len(wanted) > 2 else size if count == -1 else
             count for count in wanted]
    return model.node("Reshape", [source, model.constant(np.array(wanted))], given)


@step(1, 2, 3, exact=True)
def _unsqueeze(model, source):
    shape = list(model.shapes[source])
    axis = model.number(1, len(shape))
    return model.node("Unsqueeze", [source, model.constant(np.array([axis]))], [*shape[:axis], 1, *shape[axis:]])


@step(2, 3, 4, exact=True)
def _slice(model, source):
    shape = list(model.shapes[source])
    axis = model.number(1, len(shape) - 1)
    places = range(shape[axis])[model.pick(slice(None, None, -1), slice(0, None, 2), slice(-2, None), slice(0, 1))]
    end = places[-1] + places.step
    operands = [model.constant(np.array([value])) for value in (
        places[0], end if end >= 0 else -(1 << 31), axis, places.step)]
    shape[axis] = len(places)
    return model.node("Slice", [source, *operands], shape)


@step(2, 3, 4, exact=True)
def _split(model, source):
    shape = list(model.shapes[source])
    axis = model.number(1, len(shape) - 1)
    if shape[axis] < 2:
        return None
    first = model.number(1, shape[axis] - 1)
    names = model.node("Split", [source, model.constant(np.array([first, shape[axis] - first]))], outputs=2, axis=axis)
    for name, size in zip(names, (first, shape[axis] - first), strict=True):
        model.shapes[name] = (*shape[:axis], size, *shape[axis + 1:])
    return model.node("Concat", names[::-1], shape, axis=axis)


@step(2, 3, 4, exact=True)
def _gather(model, source):
    shape = list(model.shapes[source])
    axis = model.number(1, len(shape) - 1)
    places = model.rng.integers(-shape[axis], shape[axis], model.pick((), (3,)))
    return model.node("Gather", [source, model.constant(places)], [*shape[:axis], *places.shape, *shape[axis + 1:]],
                      axis=axis)


@step(3, 4, exact=True)
def _pad(model, source):
    shape = list(model.shapes[source])
    before, after = ([0, *(model.number(0, 2) for _ in shape[1:])] for _ in range(2))
    return model.node("Pad", [source, model.constant(np.array(before + after))],
                      [size + sum(pair) for size, *pair in zip(shape, before, after, strict=True)])


@step(2, 3, 4, exact=True)
def _concat(model, source):
    shape = list(model.shapes[source])
    axis = model.number(1, len(shape) - 1)
    other = model.quantize(model.node("Neg", [source], shape))
    joined = [*shape[:axis], 2 * shape[axis], *shape[axis + 1:]]
    return model.quantize(model.node("Concat", [source, other], joined, axis=axis))


@step(3, 4, exact=True)
def _resize(model, source):
    shape = list(model.shapes[source])
    factors = [1, 1, *(model.number(1, 3) for _ in shape[2:])]
    way = model.pick({}, {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"})
    return model.node("Resize", [source, "", model.constant(np.float32(factors))],
                      [size * factor for size, factor in zip(shape, factors, strict=True)], mode="nearest", **way)


def _begun(model, rank):
    shape = [1, *(model.number(1, 7) for _ in range(rank - 1))]
    return model.quantize(model.input(shape), kind=model.pick(np.int8, np.int8, np.uint8))


def one_node(name, seed):
    """A network of one step, from float32 to float32."""
    model = Model(np.random.default_rng([seed, sorted(STEPS).index(name)]))
    function, ranks, _ = STEPS[name]
    for _ in range(100):
        model.__init__(model.rng)
        output = function(model, _begun(model, model.pick(*ranks)))
        if output is not None and np.prod(model.shapes[output]) < 5000:
            return model.bytes((output, TensorProto.FLOAT))
    raise ValueError(f"{name}: no model in 100 attempts")


def network(seed, length=6):
    """A random network of ``length`` steps."""
    model = Model(np.random.default_rng([seed, 99]))
    source = _begun(model, model.number(2, 4))
    for _ in range(length):
        for _ in range(50):
            function, ranks, _ = STEPS[model.pick(*sorted(STEPS))]
            kept = len(model.nodes)
            output = function(model, source) if len(model.shapes[source]) in ranks else None
            if output is not None and np.prod(model.shapes[output]) < 3000:
                source = output
                break
            del model.nodes[kept:]
    model.scales.setdefault(source, None)
    return model.bytes((model.quantize(source), TensorProto.FLOAT))
