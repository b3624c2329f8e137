"""Convolutions, dense layers and pools."""

import numpy as np

from tests.sw.frontend.model import ACTIVATIONS, SAME, VALID, step


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
