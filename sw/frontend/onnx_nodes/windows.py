"""Nodes that walk over images: convolutions, pools, and resizing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sw.frontend.onnx_file import quoted
from sw.frontend.onnx_nodes.node import NONE, NodeOp, Registry, axis_of, fused
from sw.frontend.onnx_nodes.weighted import bias_of, weight_tensor
from sw.frontend.onnx_translation import Placed, Scale
from sw.golden.movement import nearest
from sw.graph.graph import GraphError

__all__ = ["SERVES"]

SERVES = Registry()


VALID = 1      # tflite.Padding


@dataclass(frozen=True, kw_only=True)
class _Window:
    """Of two dimensions; of one-dimensional images the first is 1."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    size: tuple[int, ...]          # of what it gives

    @property
    def options(self) -> dict[str, Any]:
        return {"padding": VALID, "explicit": (*self.before, *self.after), "stride_h": self.stride[0],
                "stride_w": self.stride[1]}


def image_of(op: NodeOp, value: Placed) -> tuple[int, tuple[int, ...]]:
    """The tensor of images ``(N, H, W, C)``, and their height and width."""
    rank = len(value.shape)
    if rank not in (3, 4):
        raise GraphError(f"reads a tensor of shape {value.shape}; Heddle runs it over one or two dimensions behind "
                         f"batch and channels")
    value = op.made.arranged(op.node, value, (0, *range(2, rank), 1))
    batch, channels, *sizes = value.shape
    size = (1, *sizes)[-2:]
    tensor = value.tensor
    if rank == 3:
        tensor = op.made.reshape(op.node, tensor, (batch, *size, channels), value.scale)
    return tensor, size


def placed_image(op: NodeOp, tensor: int, rank: int, scale: Scale) -> Placed:
    """As the file has it, of ``rank`` dimensions."""
    batch, height, width, channels = op.made.tensors[tensor].shape
    shape: tuple[int, ...] = (batch, channels, height, width)
    if rank == 3:
        tensor, shape = op.made.reshape(op.node, tensor, (batch, width, channels), scale), (batch, channels, width)
    return Placed(tensor=tensor, shape=shape, whole=shape, order=(0, *range(2, rank), 1), scale=scale, real=True)


def _pairs(op: NodeOp, name: str, count: int, default: int) -> tuple[int, ...]:
    values = op.attribute(name, (default,) * count)
    if len(values) != count or not all(0 <= value < 1 << 16 for value in values):
        raise GraphError(f"{name} {values[:8]}: {count} numbers from 0 to 65535 are right; get or export it again")
    return tuple(values)


def _window(op: NodeOp, sizes: tuple[int, ...], kernel: tuple[int, ...], rank: int) -> _Window:
    count = rank - 2
    stride, dilation = ((1,) * (2 - count) + _pairs(op, name, count, 1) for name in ("strides", "dilations"))
    pads = _pairs(op, "pads", 2 * count, 0)
    before, after = ((0,) * (2 - count) + pads[half * count:(half + 1) * count] for half in (0, 1))
    kernel = ((1,) * 2 + kernel)[-2:]
    if min(*stride, *dilation, *kernel) < 1:
        raise GraphError(f"kernel {kernel}, strides {stride} or dilations {dilation} hold 0; get or export it again")
    extent = [(taps - 1) * step + 1 for taps, step in zip(kernel, dilation, strict=True)]
    auto = op.attribute("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        whole = [max((-(-size // step) - 1) * step + reach - size, 0)
                 for size, step, reach in zip(sizes, stride, extent, strict=True)]
        small, large = tuple(total // 2 for total in whole), tuple(total - total // 2 for total in whole)
        before, after = (small, large) if auto == "SAME_UPPER" else (large, small)
    elif auto == "VALID":
        before = after = (0, 0)
    elif auto != "NOTSET":
        raise GraphError(f"auto_pad {quoted(auto)} is not known; get or export it again")
    counts, behind = [], []
    for size, step, reach, front, back in zip(sizes, stride, extent, before, after, strict=True):
        given = (size + front + back - reach) // step + 1
        if op.attribute("ceil_mode", 0) and (size + front + back - reach) % step and given * step < size + front:
            back, given = given * step + reach - size - front, given + 1      # one window more, which begins inside
        counts.append(given)
        behind.append(back)
    if min(counts) < 1:
        raise GraphError(f"a kernel of {kernel} taps does not fit an input of {sizes}; get or export it again")
    return _Window(kernel=kernel, stride=stride, dilation=dilation, before=before, after=tuple(behind),
                   size=tuple(counts))



@SERVES("Conv")
def _conv(op: NodeOp) -> None:
    source, weights = op.placed(0), op.weights(1)
    rank, values, groups = len(source.shape), weights.values, op.attribute("group", 1)
    tensor, size = image_of(op, source)
    channels = source.shape[1]
    if values.ndim != rank or groups < 1 or values.shape[1] * groups != channels or values.shape[0] % groups:
        raise GraphError(f"weights of {values.shape} and {groups} groups for an input of {source.shape}; get or export "
                         f"it again")
    window = _window(op, size, tuple(values.shape[2:]), rank)
    if rank == 3:
        values, weights = values[:, :, None], replace(weights, axis=weights.axis + (weights.axis > 1))
    outputs = values.shape[0]
    deep = groups == channels > 1 and values.shape[1] == 1
    kernel = weight_tensor(op, weights, (1, 2, 3, 0) if deep else (0, 2, 3, 1), values, op.node.inputs[1])
    inputs = [tensor, kernel, *bias_of(op, 2, source.scale, weights.scale, outputs)]
    options = {**window.options, "dilation_h_factor": window.dilation[0], "dilation_w_factor": window.dilation[1]}
    if deep:
        options["depth_multiplier"] = outputs // channels

    def make(scale: Scale, clamp: tuple[int, int]) -> Placed:
        given = op.made.activation((source.shape[0], *window.size, outputs), scale)
        op.emit("DEPTHWISE_CONV_2D" if deep else "CONV_2D", inputs, given, fused_activation_function=fused(clamp),
                **options)
        return placed_image(op, given, rank, scale)
    op.pending((source.shape[0], outputs, *window.size[4 - rank:]), make)


@SERVES("MaxPool")
def _max_pool(op: NodeOp) -> None:
    source = op.placed(0, real=False)
    tensor, given, window, rank = _pooled(op, source)
    op.emit("MAX_POOL_2D", [tensor], given, filter_height=window.kernel[0], filter_width=window.kernel[1],
            fused_activation_function=NONE, **window.options)
    op.define(replace(placed_image(op, given, rank, source.scale), real=source.real))


def _pooled(op: NodeOp, source: Placed) -> tuple[int, int, _Window, int]:
    """Input and output of a pool, its window, and the file's rank."""
    rank, (tensor, size) = len(source.shape), image_of(op, source)
    kernel = op.attribute("kernel_shape", ())
    if len(kernel) != rank - 2 or max(kernel, default=0) >= 1 << 16:
        raise GraphError(f"kernel_shape {kernel[:8]} for an input of {source.shape}; get or export it again")
    window = _window(op, size, tuple(kernel), rank)
    if window.dilation != (1, 1):
        raise GraphError(f"dilations {window.dilation} of a pool; Heddle takes 1")
    return tensor, op.made.activation((source.shape[0], *window.size, source.shape[1]), source.scale), window, rank


@SERVES("AveragePool")
def _average_pool(op: NodeOp) -> None:
    """At the input's scale, then brought to the output's."""
    source = op.placed(0)
    tensor, given, window, rank = _pooled(op, source)
    if op.attribute("count_include_pad", 0) and any((*window.before, *window.after)):
        if op.attribute("ceil_mode", 0):
            raise GraphError("count_include_pad with ceil_mode; Heddle takes one of them")
        batch, height, width, channels = op.made.tensors[tensor].shape
        whole = [length + front + back for length, front, back in zip(
            (height, width), window.before, window.after, strict=True)]
        around = np.array([(0, 0), *zip(window.before, window.after, strict=True), (0, 0)], np.int32)
        tensor = op.emit("PAD", [tensor, op.made.tensor(around.shape, "INT32", data=around)],
                         op.made.activation((batch, *whole, channels), source.scale))
        window = replace(window, before=(0, 0), after=(0, 0))
    op.emit("AVERAGE_POOL_2D", [tensor], given, filter_height=window.kernel[0], filter_width=window.kernel[1],
            fused_activation_function=NONE, **window.options)
    mean = placed_image(op, given, rank, source.scale)
    op.pending(mean.shape, lambda scale, clamp: op.made.rescaled(op.node, mean, scale, clamp))


@SERVES("GlobalMaxPool")
def _global_max(op: NodeOp) -> None:
    source = op.placed(0, real=False)
    tensor, size = image_of(op, source)
    given = op.made.activation((source.shape[0], 1, 1, source.shape[1]), source.scale)
    op.emit("MAX_POOL_2D", [tensor], given, filter_height=size[0], filter_width=size[1], stride_h=1, stride_w=1,
            padding=VALID, fused_activation_function=NONE)
    op.define(replace(placed_image(op, given, len(source.shape), source.scale), real=source.real))


@SERVES("Resize", "Upsample")
def _resize(op: NodeOp) -> None:
    source = op.placed(0, real=False)
    if op.attribute("mode", "nearest") != "nearest":
        raise GraphError(f"resizes by {quoted(op.attribute('mode', 'nearest'))}; Heddle takes nearest")
    tensor, size = image_of(op, source)
    wanted, scales = _enlarged(op, source.shape)
    if wanted[:2] != source.shape[:2]:
        raise GraphError(f"resizes {source.shape} to {wanted}; Heddle resizes behind batch and channels")
    rank = len(source.shape)
    given = (1, *wanted[2:])[-2:]
    places = [_nearest(op, old, new, scale) for old, new, scale in zip(
        size, given, ((1.0,) * 2 + scales[2:])[-2:], strict=True)]
    for corners, centers in ((False, True), (False, False), (True, False)):
        if all(places[axis] == [nearest(place, size[axis], given[axis], corners, centers)
                                for place in range(given[axis])] for axis in (0, 1)):
            break
    else:
        raise GraphError(f"takes places {places[0][:8]} and {places[1][:8]} of {size}, as no RESIZE_NEAREST_NEIGHBOR "
                         f"does; enlarge by whole factors")
    output = op.made.activation((source.shape[0], *given, source.shape[1]), source.scale)
    op.emit("RESIZE_NEAREST_NEIGHBOR", [tensor, op.made.integers(given)], output, align_corners=corners,
            half_pixel_centers=centers)
    op.define(replace(placed_image(op, output, rank, source.scale), real=source.real))


def _enlarged(op: NodeOp, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Output shape and factors of a Resize."""
    place = 1 if op.node.kind == "Upsample" or op.opset < 11 else 2
    scales = op.constant(place).reshape(-1).astype(np.float64).tolist() if op.has(place) else []
    axes = [axis_of(axis, len(shape)) for axis in op.attribute("axes", tuple(range(len(shape))))]
    if op.has(3) and op.opset >= 11:
        sizes = op.integers(3, "sizes")
        if len(sizes) != len(axes) or op.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise GraphError(f"resizes {shape} to {sizes[:8]}; get or export it again")
        wanted = [*shape]
        for axis, size in zip(axes, sizes, strict=True):
            wanted[axis] = size
        factors = [new / old for new, old in zip(wanted, shape, strict=True)]
    else:
        if len(scales) != len(axes) or not all(0 < scale < 1 << 16 for scale in scales):
            raise GraphError(f"resizes {shape} by {scales[:8]}; get or export it again")
        factors = [1.0] * len(shape)
        for axis, scale in zip(axes, scales, strict=True):
            factors[axis] = scale
        wanted = [int(np.floor(size * scale)) for size, scale in zip(shape, factors, strict=True)]
    if not all(1 <= size < 1 << 16 for size in wanted):
        raise GraphError(f"resizes {shape} to {tuple(wanted)}; get or export it again")
    return tuple(wanted), tuple(factors)


def _nearest(op: NodeOp, old: int, new: int, scale: float) -> list[int]:
    """Which of ``old`` places each of ``new`` takes."""
    default = "asymmetric" if op.node.kind == "Upsample" or op.opset < 11 else "half_pixel"
    way, rounding = op.attribute("coordinate_transformation_mode", default), op.attribute(
        "nearest_mode", "floor" if default == "asymmetric" else "round_prefer_floor")
    x = np.arange(new)
    ways = {"half_pixel": (x + 0.5) / scale - 0.5, "asymmetric": x / scale,
            "pytorch_half_pixel": (x + 0.5) / scale - 0.5 if new > 1 else x * 0.0,
            "align_corners": x * (old - 1) / (new - 1) if new > 1 else x * 0.0}
    roundings: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
        "round_prefer_floor": lambda at: np.ceil(at - 0.5), "round_prefer_ceil": lambda at: np.floor(at + 0.5),
        "floor": np.floor, "ceil": np.ceil}
    if way not in ways or rounding not in roundings:
        raise GraphError(f"resizes by {quoted(way)} and {quoted(rounding)}; Heddle takes {', '.join(ways)} and "
                         f"{', '.join(roundings)}")
    return [int(place) for place in np.clip(roundings[rounding](ways[way]), 0, old - 1)]
