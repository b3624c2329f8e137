"""Operators with a window: convolutions, depthwise and transposed ones, pools."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sw.frontend.lowering import Operation, Registry
from sw.frontend.network import Value
from sw.frontend.operators.scales import clamp
from sw.frontend.operators.weighted import parameters, weights_of
from sw.graph.graph import GraphError
from sw.graph.layer import TensorType

__all__ = ["LOWERS"]

LOWERS = Registry()
SAME, VALID = 0, 1            # tflite.Padding
MOST_STEP = 1 << 16           # stride, dilation, taps
POOL_SCALES = 1e-6            # how far the scales of a pool's input and output may lie apart
MOST_IMAGES = 256             # of a batch inside a network, one layer each


@dataclass(frozen=True, kw_only=True)
class _Window:
    """How a kernel walks over images ``(batch, height, width)``; pairs are y, x."""

    images: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)
    after: tuple[int, int] = (0, 0)

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width of what it gives."""
        return tuple((length + before + after - (taps - 1) * step - 1) // stride + 1
                     for length, before, after, taps, step, stride in zip(
                         self.images[1:], self.before, self.after, self.kernel, self.dilation, self.stride,
                         strict=True))

    @property
    def turned(self) -> "_Window":
        """The same with y for x, and the batch for height, of images that are one pixel wide."""
        batch, height, _ = self.images
        return replace(self, images=(1, batch, height), **{
            name: getattr(self, name)[::-1] for name in ("kernel", "stride", "dilation", "before", "after")})

    def along(self, axis: int) -> bool:
        """Whether along that axis (0: y, 1: x) an output sees only the pixel at its own place."""
        return (self.kernel[axis], self.stride[axis], self.before[axis], self.after[axis]) == (1, 1, 0, 0)

    @property
    def fields(self) -> dict[str, Any]:
        return {"stride": self.stride, "dilation": self.dilation, "padding": (*self.before, *self.after)}


def _window(op: Operation, kernel: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> _Window:
    """The window over operand 0; SAME pads the smaller half in front. Padding that a network of another format has is
    ``explicit``: top, left, bottom, right."""
    batch, height, width, _ = op.shape(0, 4)
    stride = (op.option("stride_h"), op.option("stride_w"))
    for name, pair in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        if not all(1 <= value <= MOST_STEP for value in pair):
            raise GraphError(f"{name} {pair}: height and width are 1 to {MOST_STEP}; get or convert the file again")
    window = _Window(images=(batch, height, width), kernel=kernel, stride=stride, dilation=dilation)
    if op.option("padding") == VALID:
        top, left, bottom, right = op.option("explicit", (0, 0, 0, 0))
        return replace(window, before=(top, left), after=(bottom, right))
    if op.option("padding") != SAME:
        raise GraphError(f"padding {op.option('padding')} is neither SAME nor VALID; get or convert the file again")
    whole = [max((-(-length // step) - 1) * step + (taps - 1) * spread + 1 - length, 0) for length, step, taps, spread
             in zip((height, width), stride, kernel, dilation, strict=True)]
    before = (whole[0] // 2, whole[1] // 2)
    return replace(window, before=before, after=(whole[0] - before[0], whole[1] - before[1]))


def _check_size(op: Operation, window: _Window, channels: int) -> None:
    """The file's output is as large as the window gives it."""
    shape, wanted = op.given().shape, (window.images[0], *window.size, channels)
    if min(window.size) < 1:
        raise GraphError(f"a kernel of {window.kernel} taps, {window.dilation} apart, does not fit the input "
                         f"{op.tensor(0).shape} without padding; use a smaller kernel or padding SAME")
    if shape != wanted:
        raise GraphError(f"{op.given()} has a shape of {shape}, but input and kernel give {wanted}; get or convert the "
                         f"file again")


def _walk(op: Operation, kind: str, window: _Window, output: TensorType, fields: Mapping[str, Any]) -> None:
    """Add the layers that walk over operand 0 by ``window``; one for every image where they cannot be one image."""
    (batch, height, width), channels = window.images, op.tensor(0).shape[-1]
    outputs = output.shape[-1]
    if batch > 1 and window.along(0):                     # images of rows that know nothing of each other: one image
        window = replace(window, images=(1, batch * height, width))
    elif batch > 1 and width == 1 and window.along(1):    # the same, of columns
        window, fields = window.turned, {**fields, "weights": fields["weights"].swapaxes(
            *((0, 1) if kind != "conv" else (1, 2)))}
    elif batch > 1:
        _each(op, kind, window, output, fields)
        return
    source, _ = op.read(0)
    op.define(op.layer(kind, [(source, (*window.images[1:], channels))],
                       replace(output, shape=(*window.size, outputs)), **fields, **window.fields))


def _each(op: Operation, kind: str, window: _Window, output: TensorType, fields: Mapping[str, Any]) -> None:
    batch, height, width = window.images
    if batch > MOST_IMAGES:
        raise GraphError(f"{op.tensor(0)} is a batch of {batch} inside the network; Heddle takes {MOST_IMAGES} at most")
    source, whole = op.read(0)
    shape, size = (height, width, whole[-1]), height * width * whole[-1]
    found: list[Value] = []
    for image in range(batch):
        part = op.layer("gather", [(source, whole)], replace(source.type, shape=shape), suffix=f"_from{image}",
                        parameters=(image * size, width * whole[-1], whole[-1], 1))
        found.append(op.layer(kind, [(part, shape)], replace(output, shape=(*window.size, output.shape[-1])),
                              suffix=f"_image{image}", **fields, **window.fields))
    flat = found[0].type.size
    op.define(op.layer("concat", [(value, (1, 1, flat)) for value in found],
                       replace(output, shape=(1, 1, batch * flat)), parameters=(-1,)))


@LOWERS("CONV_2D")
def _conv(op: Operation) -> None:
    weights, source, output = weights_of(op, 1, 4), op.tensor(0), op.given()
    outputs, height, width, _ = weights.shape
    window = _window(op, (height, width), (op.option("dilation_h_factor"), op.option("dilation_w_factor")))
    _check_size(op, window, outputs)
    _walk(op, "conv", window, output.type, {"weights": weights, **parameters(
        op, source=source.type, output=output.type, weights=1, bias=2, axis=0, channels=outputs,
        activation=op.option("fused_activation_function"))})


@LOWERS("DEPTHWISE_CONV_2D")
def _depthwise(op: Operation) -> None:
    weights, source, output = weights_of(op, 1, 4), op.tensor(0), op.given()
    one, height, width, outputs = weights.shape
    several, channels = op.option("depth_multiplier"), op.shape(0, 4)[-1]
    if one != 1 or outputs != several * channels:
        raise GraphError(f"{op.tensor(1)} has a shape of {weights.shape} for {channels} channels and depth_multiplier="
                         f"{several}; get or convert the file again")
    window = _window(op, (height, width), (op.option("dilation_h_factor"), op.option("dilation_w_factor")))
    _check_size(op, window, outputs)
    _walk(op, "depthwise", window, output.type, {"weights": weights[0], **parameters(
        op, source=source.type, output=output.type, weights=1, bias=2, axis=3, channels=outputs,
        activation=op.option("fused_activation_function"))})


@LOWERS("TRANSPOSE_CONV")
def _transposed(op: Operation) -> None:
    """Zeros (that is, the zero point) between the inputs, then a convolution with the weights turned round."""
    weights, (batch, height, width, channels) = weights_of(op, 1, 4), op.shape(2, 4)
    outputs, *kernel, inputs = weights.shape
    given, stride = op.given(), (op.option("stride_h"), op.option("stride_w"))
    if not given.size or len(given.shape) != 4 or given.shape[0] != batch or given.shape[3] != outputs:
        raise GraphError(f"{given} has a shape of {given.shape} for a batch of {batch} and {outputs} channels; get or "
                         f"convert the file again")
    if batch != 1 or inputs != channels or not all(1 <= step <= MOST_STEP for step in stride):
        raise GraphError(f"a batch of {batch}, {channels} channels for weights of {inputs}, stride {stride}: Heddle "
                         f"takes a batch of 1, equal channels and strides of 1 to {MOST_STEP}; convert it again")
    before, after, between = [], [], []      # in a row and in a column of inputs with zeros between them
    for length, taps, step, wanted in zip((height, width), kernel, stride, given.shape[1:3], strict=True):
        cut = 0 if op.option("padding") == VALID else max((-(-wanted // step) - 1) * step + taps - wanted, 0) // 2
        before.append(taps - 1 - cut)
        after.append(wanted + taps - 1 - before[-1] - ((length - 1) * step + 1))
        between.append(step - 1)
    if min(*before, *after) < 0:
        raise GraphError(f"gives {given.shape[1:3]} of {(height, width)}, less than its kernel reaches; convert the "
                         f"network again with padding VALID or SAME")
    source, shape = op.reads(op.tensor(2), (height, width, channels))
    # what the kernel does not reach goes into the pad, the rest into the convolution's own padding
    far = [max(0, count - (taps - 1)) for count, taps in zip(after, kernel, strict=True)]
    kind = source.type
    if any(between) or any(far):
        widths = [0, far[0], between[0], 0, far[1], between[1], 0, 0, 0]
        shape = tuple(length + (length - 1) * gap + more for length, gap, more in zip(
            (height, width), between, far, strict=True)) + (channels,)
        source = op.layer("pad", [(source, (height, width, channels))], replace(kind, shape=shape), suffix="_spread",
                          parameters=(*widths, kind.zero_point))
    fields = parameters(op, source=op.tensor(2).type, output=given.type, weights=1, bias=3, axis=0, channels=outputs,
                        activation=op.option("fused_activation_function"))
    op.define(op.layer("conv", [(source, shape)], replace(given.type, shape=(*given.shape[1:3], outputs)),
                       weights=np.ascontiguousarray(weights[:, ::-1, ::-1]), **fields,
                       padding=(*before, *(count - more for count, more in zip(after, far, strict=True)))))


@LOWERS("AVERAGE_POOL_2D", "MAX_POOL_2D")
def _pool(op: Operation) -> None:
    window = _window(op, (op.option("filter_height"), op.option("filter_width")))
    taken, given = op.tensor(0).type, op.given().type
    _check_size(op, window, taken.shape[-1])
    if abs(np.float32(taken.scale) - np.float32(given.scale)) > POOL_SCALES or taken.zero_point != given.zero_point:
        raise GraphError(f"pools scale {taken.scale:g}, zero point {taken.zero_point} to scale {given.scale:g}, zero "
                         f"point {given.zero_point}; a pool keeps them: convert the network again")
    _walk(op, "avgpool" if op.operator.name == "AVERAGE_POOL_2D" else "maxpool", window,
          replace(taken, shape=given.shape), {"weights": np.zeros((*window.kernel, 0), np.int8),
                                              **clamp(op.option("fused_activation_function"), given)})
