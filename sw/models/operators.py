"""What functions of torch become: one function here for each, with torch's own arguments.

Whatever moves values without computing is one operator: torch itself moves their numbers, and what comes out says where
each value came from.
"""

from collections.abc import Callable, Sequence
from math import inf, prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sw.models.ir import image_of
from sw.models.moves import affine, row_major
from sw.models.trace import BATCH, Recorder, Refused

__all__ = ["OPERATORS"]

OPERATORS: dict[str, Callable[..., int | list[int]]] = {}


def operator(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers what functions of these names become."""
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        OPERATORS.update(dict.fromkeys(names, function))
        return function
    return register


def _pair(value: Any, rank: int) -> tuple[int, int]:
    """Of y and x; of a sequence y is 1."""
    values = (value,) * rank if isinstance(value, int) else tuple(value)
    values = values * rank if len(values) == 1 else values
    return (1, values[0]) if rank == 1 else (values[0], values[1])


def _pads(value: Any, rank: int) -> tuple[int, int, int, int]:
    y, x = (0, _pair(value, 1)[1]) if rank == 1 else _pair(value, 2)
    return y, x, y, x


def _same(kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int, int, int]:
    totals = [step * (taps - 1) for taps, step in zip(kernel, dilation, strict=True)]
    return totals[0] // 2, totals[1] // 2, totals[0] - totals[0] // 2, totals[1] - totals[1] // 2


def _image(trace: Recorder, taken: int, rank: int) -> None:
    if len(trace.shape(taken)) != rank + 1:
        raise Refused(f"reads {trace.shape(taken)} for each input; it takes channels and {rank} more axes")


# weights


def _convolution(rank: int) -> Callable[..., int]:
    def convolution(trace: Recorder, input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1,
                    padding: Any = 0, dilation: Any = 1, groups: int = 1) -> int:
        taken = trace.activation(input)
        _image(trace, taken, rank)
        kernel = _pair(tuple(weight.shape[2:]), rank)
        steps, apart = _pair(stride, rank), _pair(dilation, rank)
        if isinstance(padding, str):
            around = _same(kernel, apart) if padding == "same" else (0, 0, 0, 0)
        else:
            around = _pads(padding, rank)
        _, height, width = image_of(trace.shape(taken))
        size = [(length + before + behind - (taps - 1) * step - 1) // stride + 1
                for length, before, behind, taps, step, stride in zip(
                    (height, width), around[:2], around[2:], kernel, apart, steps, strict=True)]
        return trace.node("conv", [taken], (weight.shape[0], *size[2 - rank:]), kernel=kernel, stride=steps,
                          dilation=apart, padding=around, groups=groups, tensors=_weights(trace, weight, bias))
    return convolution


OPERATORS |= {"conv1d": _convolution(1), "conv2d": _convolution(2)}


def _weights(trace: Recorder, weight: Tensor, bias: Tensor | None) -> dict[str, str]:
    return {"weight": trace.parameter(weight), **({} if bias is None else {"bias": trace.parameter(bias)})}


@operator("linear")
def _linear(trace: Recorder, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> int:
    """Over the last axis; where there are others, a convolution of one tap over them."""
    taken = trace.activation(input)
    tensors, (*others, features) = _weights(trace, weight, bias), trace.shape(taken)
    if not others:
        return trace.node("linear", [taken], (weight.shape[0],), tensors=tensors)
    count = prod(others)
    turned = trace.node("move", [taken], (features, count), strides=(1, features))
    made = trace.node("conv", [turned], (weight.shape[0], count), tensors=tensors)
    return trace.node("move", [made], (*others, weight.shape[0]), strides=(*row_major(others), count))


@operator("batch_norm")
def _batch_norm(trace: Recorder, input: Tensor, running_mean: Tensor | None, running_var: Tensor | None,
                weight: Tensor | None = None, bias: Tensor | None = None, training: bool = False,
                momentum: float = 0.1, eps: float = 1e-5) -> int:
    taken = trace.activation(input)
    if running_mean is None or running_var is None:
        raise Refused("has no running statistics, which an integer network needs; leave track_running_stats True")
    if len(trace.shape(taken)) > 3:
        raise Refused(f"of {len(trace.shape(taken))} axes; write BatchNorm1d or BatchNorm2d")
    tensors = {"mean": trace.parameter(running_mean), "variance": trace.parameter(running_var)}
    for role, value in (("gamma", weight), ("beta", bias)):
        if value is not None:
            tensors[role] = trace.parameter(value)
    return trace.node("norm", [taken], trace.shape(taken), tensors=tensors, epsilon=float(eps))


# functions of one value


def _unary(name: str, *defaults: float) -> Callable[..., int]:
    def unary(trace: Recorder, input: Tensor, *numbers: float, inplace: bool = False, **more: float) -> int:
        values = [*numbers, *more.values()]
        return _table(trace, input, name, *[float(value) for value in (values or defaults)])
    return unary


def _table(trace: Recorder, input: Tensor, function: str, *numbers: float) -> int:
    taken = trace.activation(input)
    return trace.node("table", [taken], trace.shape(taken), function=function, numbers=tuple(map(float, numbers)))


OPERATORS |= {
    "relu": _unary("relu"), "relu_": _unary("relu"), "relu6": _unary("relu6"), "hardswish": _unary("hard_swish"),
    "hardsigmoid": _unary("hard_sigmoid"), "sigmoid": _unary("logistic"), "sigmoid_": _unary("logistic"),
    "tanh": _unary("tanh"), "tanh_": _unary("tanh"), "silu": _unary("silu"), "mish": _unary("mish"),
    "abs": _unary("abs"), "__abs__": _unary("abs"), "leaky_relu": _unary("leaky_relu", 0.01),
    "leaky_relu_": _unary("leaky_relu", 0.01), "elu": _unary("elu", 1.0), "elu_": _unary("elu", 1.0)}


@operator("gelu")
def _gelu(trace: Recorder, input: Tensor, approximate: str = "none") -> int:
    if approximate != "none":
        raise Refused(f"approximate={approximate!r}: a table needs no approximation; leave it out")
    return _table(trace, input, "gelu")


@operator("softplus")
def _softplus(trace: Recorder, input: Tensor, beta: float = 1, threshold: float = 20) -> int:
    if beta != 1:
        raise Refused(f"beta={beta}: write 1")
    return _table(trace, input, "softplus")


@operator("clamp", "clamp_", "clip", "hardtanh", "hardtanh_", "clamp_min", "clamp_max")
def _clamp(trace: Recorder, input: Tensor, *bounds: Any, min: Any = None, max: Any = None, min_val: Any = None,
           max_val: Any = None, inplace: bool = False) -> int:
    tanh = "hardtanh" in trace.function
    given = list(bounds) + [None] * 2
    if trace.function == "clamp_max":
        given = [None, given[0]]
    low = _first(given[0], min, min_val, -1.0 if tanh else -inf)
    high = _first(given[1], max, max_val, 1.0 if tanh else inf)
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        raise Refused("its bounds are tensors; give numbers")
    if (low, high) == (0, inf):
        return _table(trace, input, "relu")
    return _table(trace, input, "relu6") if (low, high) == (0, 6) else _table(trace, input, "clamp", low, high)


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)


@operator("prelu")
def _prelu(trace: Recorder, input: Tensor, weight: Tensor) -> int:
    taken = trace.activation(input)
    return trace.node("prelu", [taken], trace.shape(taken), tensors={"slope": trace.parameter(weight)})


@operator("dropout", "dropout_", "alpha_dropout")
def _dropout(trace: Recorder, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> int:
    return _dropped(trace, input, p, 0)


@operator("dropout1d", "dropout2d", "feature_dropout")
def _dropout_channels(trace: Recorder, input: Tensor, p: float = 0.5, training: bool = True,
                      inplace: bool = False) -> int:
    return _dropped(trace, input, p, 1)


def _dropped(trace: Recorder, input: Tensor, share: float, whole: int) -> int:
    taken = trace.activation(input)
    return trace.node("dropout", [taken], trace.shape(taken), numbers=(float(share), float(whole)))


# two operands


def _binary(op: str, swapped: bool = False) -> Callable[..., int]:
    def binary(trace: Recorder, input: Any, other: Any, *, alpha: Any = 1) -> int:
        if alpha != 1:
            raise Refused(f"alpha={alpha}: multiply before, and leave it out")
        first, second = (other, input) if swapped else (input, other)
        for value, scale in ((second, first), (first, second)):
            if (number := _number(value)) is not None:
                return _with_number(trace, op, scale, number, first=value is first)
        known = [number for value in (first, second) if (number := trace.number(value)) is not None]
        rank = max(len(trace.shape(number)) for number in known)
        numbers = [_operand(trace, value, rank) for value in (first, second)]
        shapes = [trace.shape(number) for number in numbers]
        if len(shapes[0]) != len(shapes[1]):
            raise Refused(f"of {shapes[0]} and {shapes[1]} for each input; both need the same number of axes, so "
                          f"unsqueeze the smaller one")
        return trace.node(op, numbers, tuple(np.broadcast_shapes(*shapes)))
    return binary


def _number(value: Any) -> float | None:
    if isinstance(value, Tensor):
        return float(value) if value.dim() == 0 and not isinstance(value, torch.nn.Parameter) else None
    return float(value)


def _operand(trace: Recorder, value: Tensor, rank: int) -> int:
    """A node, or a constant one of ``rank`` axes without the batch."""
    number = trace.number(value)
    if number is not None:
        return number
    shape, name = tuple(value.shape), trace.parameter(value)
    if len(shape) == rank + 1:
        if shape[0] != 1:
            raise Refused(f"a constant of shape {shape}: its first axis is the batch, and is 1")
        shape = shape[1:]
    return trace.node("constant", [], (1,) * (rank - len(shape)) + shape, tensors={"value": name})


def _with_number(trace: Recorder, op: str, value: Tensor, number: float, *, first: bool) -> int:
    factor, offset = {"add": (1.0, number), "mul": (number, 0.0),
                      "sub": (-1.0, number) if first else (1.0, -number)}[op]
    return _table(trace, value, "affine", factor, offset)


@operator("div", "__truediv__", "div_", "true_divide")
def _div(trace: Recorder, input: Tensor, other: Any, *, rounding_mode: Any = None) -> int:
    divisor = _number(other)
    if divisor is None or rounding_mode is not None or divisor == 0:
        raise Refused("divides by what is no number; multiply by a constant, or by what a sigmoid gives")
    return _table(trace, input, "affine", 1 / divisor, 0.0)


@operator("neg", "__neg__", "negative")
def _neg(trace: Recorder, input: Tensor) -> int:
    return _table(trace, input, "affine", -1.0, 0.0)


for _name in ("add", "sub", "mul"):
    OPERATORS |= dict.fromkeys((_name, f"{_name}_", f"__{_name}__", f"__r{_name}__", f"__i{_name}__"), _binary(_name))
OPERATORS |= {"__rsub__": _binary("sub", swapped=True), "rsub": _binary("sub", swapped=True),
              "multiply": _binary("mul"), "subtract": _binary("sub")}


@operator("cat", "concat", "concatenate")
def _cat(trace: Recorder, tensors: Sequence[Tensor], dim: int = 0) -> int:
    numbers = [trace.activation(value) for value in tensors]
    shapes = [trace.shape(number) for number in numbers]
    axis = dim % (len(shapes[0]) + 1) - 1
    if axis < 0:
        raise Refused("joins along the batch; choose another axis")
    if len(numbers) == 1:
        return numbers[0]
    shape = list(shapes[0])
    shape[axis] = sum(one[axis] for one in shapes)
    return trace.node("concat", numbers, tuple(shape), axis=axis)


# windows


def _pool(op: str, rank: int) -> Callable[..., int]:
    def average(trace: Recorder, input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
                ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: Any = None) -> int:
        if divisor_override is not None:
            raise Refused(f"divisor_override={divisor_override}: leave it out")
        taken = trace.activation(input)
        if any(_pads(padding, rank)) and count_include_pad:     # zeros of the padding count as values
            taken, padding = _padded(trace, taken, _pads(padding, rank)), 0
        return window(trace, taken, kernel_size, stride, padding, ceil_mode, 1)

    def maximum(trace: Recorder, input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
                dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False) -> int:
        if return_indices:
            raise Refused("return_indices=True: no operator gives them; leave it out")
        return window(trace, trace.activation(input), kernel_size, stride, padding, ceil_mode, dilation)

    def window(trace: Recorder, taken: int, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
               dilation: Any) -> int:
        _image(trace, taken, rank)
        kernel, around = _pair(kernel_size, rank), _pads(padding, rank)
        steps = kernel if stride is None or stride == [] else _pair(stride, rank)
        if _pair(dilation, rank) != (1, 1):
            raise Refused(f"dilation={dilation}: the windows of a pool have no gaps; write 1")
        channels, *space = image_of(trace.shape(taken))
        room = [length + before + behind - taps for length, before, behind, taps in zip(
            space, around[:2], around[2:], kernel, strict=True)]
        if ceil_mode and any(left % step for left, step in zip(room, steps, strict=True)):
            raise Refused("ceil_mode=True: the last window hangs over the edge; pad before, or leave it out")
        size = [left // step + 1 for left, step in zip(room, steps, strict=True)]
        return trace.node(op, [taken], (channels, *size[2 - rank:]), kernel=kernel, stride=steps, padding=around)
    return average if op == "avgpool" else maximum


def _padded(trace: Recorder, taken: int, pads: tuple[int, int, int, int]) -> int:
    shape, (top, left, bottom, right) = trace.shape(taken), pads
    around = [(0, 0)] * (len(shape) - 1) + [(left, right)]
    if len(shape) == 3:
        around[1] = (top, bottom)
    return trace.node("pad", [taken], tuple(size + sum(pair) for size, pair in zip(shape, around, strict=True)),
                      around=tuple(around))


for _rank in (1, 2):
    OPERATORS |= {f"avg_pool{_rank}d": _pool("avgpool", _rank), f"max_pool{_rank}d": _pool("maxpool", _rank)}


def _adaptive(op: str, rank: int) -> Callable[..., int]:
    def adaptive(trace: Recorder, input: Tensor, output_size: Any, return_indices: bool = False) -> int:
        taken = trace.activation(input)
        _image(trace, taken, rank)
        channels, *space = image_of(trace.shape(taken))
        wanted = [output_size] * rank if isinstance(output_size, int) else list(output_size)
        wanted = ([1] if rank == 1 else []) + [size or had for size, had in zip(wanted, space[2 - rank:], strict=True)]
        if any(had % size for had, size in zip(space, wanted, strict=True)):
            raise Refused(f"of {space[2 - rank:]} to {wanted[2 - rank:]}: windows of one size do not fit; choose a "
                          f"divisor")
        kernel = (space[0] // wanted[0], space[1] // wanted[1])
        return trace.node(op, [taken], (channels, *wanted[2 - rank:]), kernel=kernel, stride=kernel)
    return adaptive


for _rank in (1, 2):
    OPERATORS |= {f"adaptive_avg_pool{_rank}d": _adaptive("avgpool", _rank),
                  f"adaptive_max_pool{_rank}d": _adaptive("maxpool", _rank)}


def _reduction(op: str) -> Callable[..., int]:
    def reduction(trace: Recorder, input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> int:
        taken = trace.activation(input)
        shape = trace.shape(taken)
        axes = {} if dim is None else {axis % (len(shape) + 1) - 1 for axis in ([dim] if isinstance(dim, int) else dim)}
        if not axes or min(axes) < 1 or len(shape) > 3:
            raise Refused(f"over dim={dim} of {(BATCH, *shape)}: only height and width can be taken together, not the "
                          f"batch and not the channels")
        kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
        kernel = image_of(tuple(size if axis in axes else 1 for axis, size in enumerate(shape)))[1:]
        made = trace.node(op, [taken], kept, kernel=kernel, stride=kernel)
        if keepdim:
            return made
        rest = tuple(size for axis, size in enumerate(shape) if axis not in axes)
        return trace.node("move", [made], rest, strides=row_major(rest))
    return reduction


OPERATORS |= {"mean": _reduction("avgpool"), "amax": _reduction("maxpool")}


@operator("pad")
def _pad(trace: Recorder, input: Tensor, pad: Sequence[int], mode: str = "constant", value: Any = None) -> int:
    taken = trace.activation(input)
    if mode != "constant" or (value or 0) != 0:
        raise Refused(f"mode={mode!r}, value={value}: only zeros can stand around; write mode='constant', value=0")
    shape = trace.shape(taken)
    pairs = [(pad[place], pad[place + 1]) for place in range(0, len(pad), 2)][::-1]
    around = [(0, 0)] * (len(shape) + 1 - len(pairs)) + pairs
    if around[0] != (0, 0) or min(min(pair) for pair in around) < 0:
        raise Refused(f"pad={tuple(pad)}: counts are 0 or more, and none of the batch; cut with x[:, :, a:b]")
    return trace.node("pad", [taken], tuple(size + sum(pair) for size, pair in zip(shape, around[1:], strict=True)),
                      around=tuple(around[1:]))


# movement


def _moved(function: Callable[..., Any]) -> Callable[..., int | list[int]]:
    """Of a function that only moves values: torch moves their numbers."""
    def moved(trace: Recorder, input: Any, *args: Any, **kwargs: Any) -> int | list[int]:
        taken = trace.activation(input)
        numbers = torch.arange(BATCH * trace.nodes[taken].size).reshape(BATCH, *trace.shape(taken))
        given = function(numbers, *args, **kwargs)
        if isinstance(given, Tensor):
            return _move(trace, taken, given)
        return [_move(trace, taken, part) for part in given]
    return moved


def _move(trace: Recorder, taken: int, moved: Tensor) -> int:
    count = trace.nodes[taken].size
    if moved.dim() < 2 or moved.shape[0] != BATCH or not torch.equal(moved[0] + count, moved[1]):
        raise Refused(f"gives {tuple(moved.shape)} of a batch of {BATCH}; the first axis is the batch, and stays as it "
                      f"is, with one axis or more behind it")
    where = moved[0].numpy()
    if (found := affine(where)) is None:
        raise Refused("moves values in no regular way; choose a slice, a transposition or a reshape")
    return trace.node("move", [taken], where.shape, offset=found[0], strides=found[1])


_MOVES = ("reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "swapaxes",
          "swapdims", "movedim", "moveaxis", "narrow", "select", "chunk", "split", "unbind", "expand", "flip",
          "__getitem__", "expand_as", "view_as", "reshape_as", "tile", "repeat", "repeat_interleave",
          "channel_shuffle", "pixel_unshuffle", "pixel_shuffle", "tensor_split", "ravel")
for _name in _MOVES:
    _function = getattr(Tensor, _name, None) or getattr(functional, _name, None) or getattr(torch, _name)
    OPERATORS[_name] = _moved(_function)
