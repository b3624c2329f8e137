"""Lowers one layer to a command and the words of parameters and weights that it reads."""

from dataclasses import dataclass

import numpy as np

from hw.spec.commands import OPCODES
from hw.spec.design import PARAM_BITS, DesignPoint
from hw.spec.errors import SpecError
from hw.spec.multipliers import MULTIPLIERS
from hw.spec.requant import MAX_SHIFT
from sw.golden.ops import requantize
from sw.graph.graph import Layer, TensorType

__all__ = ["Lowered", "lower_layer", "pooling_scale"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Lowered:
    """A command without its weight address, and the words it reads, in order.

    ``words`` is ``(N, cols, lanes * weight_bits)`` of single bits, least significant first.
    """

    command: dict[str, int]
    words: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class _Channels:
    """Per output channel, as the drain wants them: the zero point is folded into the bias."""

    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray


def lower_layer(layer: Layer, taken: TensorType, in_base: int, out_base: int, design: DesignPoint) -> Lowered:
    """Raises SpecError where a layer exceeds the design; the message does not name the layer."""
    if layer.op == "avgpool":
        return _lower_pool(layer, taken, in_base, out_base, design)
    if layer.weight_bits > design.weight_bits:
        raise SpecError(f"{layer.weight_bits}-bit weights, weight_bits={design.weight_bits}; "
                        f"raise weight_bits or train with {design.weight_bits}-bit weights")
    weights = layer.weights[:, None, None, :] if layer.op == "dense" else layer.weights
    if layer.op == "depthwise":
        channels = _fold(layer, weights.reshape(-1, weights.shape[-1]).T, taken.zero_point, design)
        return _depthwise(layer, taken, weights, channels, in_base, out_base, design,
                          in_zero=taken.zero_point, out_zero=layer.output.zero_point)
    shape = (1, 1, taken.size) if layer.op == "dense" else taken.shape
    channels = _fold(layer, weights.reshape(weights.shape[0], -1), taken.zero_point, design)
    return _convolution(layer, shape, taken.zero_point, weights, channels, in_base, out_base, design)


def _fold(layer: Layer, weights: np.ndarray, zero_point: int, design: DesignPoint) -> _Channels:
    """Fold the input's zero point into the bias, and prove that nothing overflows. ``weights``: (OC, taps)."""
    wide = weights.astype(np.int64)
    _check_accumulator(wide, design)
    bias = layer.bias.astype(np.int64) - zero_point * wide.sum(axis=1)
    extreme = np.abs(bias) + 128 * np.abs(wide).sum(axis=1) + (1 << design.acc_bits - 1)
    if extreme.max() >= 1 << 31:
        raise SpecError(f"channel {int(extreme.argmax())}: bias and sum may exceed 32 bits; train with a smaller bias")
    return _Channels(bias=bias, multiplier=layer.multiplier, shift=layer.shift)


def _check_accumulator(weights: np.ndarray, design: DesignPoint) -> None:
    """Prove that no sum exceeds the accumulator, whatever the activations are. ``weights``: (OC, taps)."""
    dropped = MULTIPLIERS[design.multiplier].dropped_columns(design.weight_bits)
    most_dropped = sum(((weights & ((1 << dropped - bit) - 1)) << bit) for bit in range(dropped))
    worst = int((128 * np.abs(weights) + most_dropped).sum(axis=1).max())
    if worst >= 1 << design.acc_bits - 1:
        raise SpecError(f"sums reach {worst}, acc_bits={design.acc_bits} holds {(1 << design.acc_bits - 1) - 1}; "
                        f"raise acc_bits to {worst.bit_length() + 1}")


def pooling_scale(count: int, weight_bits: int) -> tuple[int, int, int]:
    """Weight, multiplier and shift that average ``count`` int8 values exactly as TFLite does.

    The weight is the largest power of two, of which no multiplier kind drops a bit. The result is compared with
    the division for every possible sum.

    Raises
    ------
    SpecError
        If no such pair exists.
    """
    weight = 1 << weight_bits - 2
    divisor = count * weight
    sums = np.arange(-128 * count, 127 * count + 1, dtype=np.int64)
    want = np.sign(sums) * ((np.abs(sums) + count // 2) // count)
    below = (divisor - 1).bit_length() - 1
    # a multiplier of almost one leaves all the rounding to the shift; it serves powers of two
    for multiplier, shift in ((-(-(1 << 31 + below) // divisor), below), ((1 << 31) - 1, divisor.bit_length() - 1)):
        if 0 <= shift <= MAX_SHIFT and multiplier < 1 << 31:
            got = requantize(sums * weight, bias=np.zeros(1), multiplier=np.array(multiplier), shift=np.array(shift),
                             zero=0, low=-128, high=127)
            if np.array_equal(got, want):
                return weight, multiplier, shift
    raise SpecError(f"a pooling window of {count} values cannot be averaged exactly with {weight_bits}-bit weights; "
                    f"choose a window of a power of two or raise weight_bits")


def _lower_pool(layer: Layer, taken: TensorType, in_base: int, out_base: int, design: DesignPoint) -> Lowered:
    channels = taken.shape[2]
    weight, multiplier, shift = pooling_scale(layer.kernel[0] * layer.kernel[1], design.weight_bits)
    weights = np.full((*layer.kernel, channels), weight, np.int8)
    _check_accumulator(weights.reshape(-1, channels).T.astype(np.int64), design)
    return _depthwise(layer, taken, weights, _Channels(
        bias=np.zeros(channels, np.int64), multiplier=np.full(channels, multiplier), shift=np.full(channels, shift)),
        in_base, out_base, design, in_zero=0, out_zero=0)


def _convolution(layer, shape, zero_point, weights, channels, in_base, out_base, design) -> Lowered:
    """Kernel rows are contiguous in memory, so a row of taps is one run of ``KW * IC`` bytes."""
    outputs, kernel_rows, run = weights.shape[0], weights.shape[1], weights.shape[2] * weights.shape[3]
    segments = -(-run // design.fetch_bytes)
    steps = -(-run // design.lanes)
    out_height, out_width, _ = layer.output.shape
    groups, tail_rows = _split(out_height * out_width, design.rows)
    blocks, tail_cols = _split(outputs, design.cols)
    command = {
        **_common(layer, shape, in_base, out_base),
        "depthwise": 0, "kernel_rows": kernel_rows, "segments": segments, "segment_bytes": design.fetch_bytes,
        "tail_steps": steps - (segments - 1) * design.rows, "block_bytes": 0,
        "in_zero": zero_point, "out_zero": layer.output.zero_point,
        "groups": groups, "tail_rows": tail_rows, "blocks": blocks, "tail_cols": tail_cols,
        "out_row_bytes": outputs, "out_group_bytes": design.rows * outputs, "out_block_bytes": design.cols,
    }
    padded = np.zeros((blocks * design.cols, kernel_rows, steps * design.lanes), np.int8)
    padded[:outputs, :, :run] = weights.reshape(outputs, kernel_rows, run)
    words = padded.reshape(blocks, design.cols, kernel_rows * steps, design.lanes).transpose(0, 2, 1, 3)
    params = _param_words(channels, np.arange(blocks * design.cols).reshape(blocks, 1, design.cols), design)
    return Lowered(command=command, words=_join(params, _weight_bits(words, design)))


def _depthwise(layer, taken, weights, channels, in_base, out_base, design, *, in_zero, out_zero) -> Lowered:
    """One channel per element: element (r, c) of a block works on channel ``r * depthwise_cols + c``."""
    kernel_rows, kernel_cols, count = weights.shape
    rows, cols = design.depthwise_rows, design.depthwise_cols
    out_height, out_width, _ = layer.output.shape
    blocks, in_last = _split(count, design.depthwise_channels)
    tail_rows, tail_cols = _split(in_last, cols)
    command = {
        **_common(layer, taken.shape, in_base, out_base),
        "depthwise": 1, "kernel_rows": kernel_rows, "segments": kernel_cols, "segment_bytes": count,
        "tail_steps": 1, "block_bytes": design.depthwise_channels, "in_zero": in_zero, "out_zero": out_zero,
        "groups": out_height * out_width, "tail_rows": tail_rows, "blocks": blocks, "tail_cols": tail_cols,
        "out_row_bytes": cols, "out_group_bytes": count, "out_block_bytes": design.depthwise_channels,
    }
    padded = np.zeros((kernel_rows * kernel_cols, blocks * design.depthwise_channels), np.int8)
    padded[:, :count] = weights.reshape(-1, count)
    words = np.zeros((blocks, kernel_rows * kernel_cols, design.cols, design.lanes), np.int8)
    # element (r, c) takes lane r of column c's slice
    words[:, :, :cols, :rows] = padded.reshape(-1, blocks, rows, cols).transpose(1, 0, 3, 2)
    wanted = np.full((blocks, rows, design.cols), blocks * design.depthwise_channels)
    wanted[:, :, :cols] = np.arange(blocks * design.depthwise_channels).reshape(blocks, rows, cols)
    return Lowered(command=command, words=_join(_param_words(channels, wanted, design), _weight_bits(words, design)))


def _common(layer: Layer, shape: tuple[int, int, int], in_base: int, out_base: int) -> dict[str, int]:
    height, width, channels = shape
    (stride_y, stride_x), (top, left, _, _) = layer.stride, layer.padding
    row_bytes = width * channels
    return {
        "opcode": OPCODES["LAYER"], "in_base": in_base, "out_base": out_base,
        "act_min": layer.act_min, "act_max": layer.act_max, "in_height": height, "in_row_bytes": row_bytes,
        "step_x_bytes": stride_x * channels, "step_y_bytes": stride_y * row_bytes, "stride_y": stride_y,
        "first_x_bytes": -left * channels, "first_y": -top, "first_offset": -top * row_bytes - left * channels,
        "out_width": layer.output.shape[1],
    }


def _split(total: int, part: int) -> tuple[int, int]:
    """Number of parts, and the size of the last one."""
    parts = -(-total // part)
    return parts, total - (parts - 1) * part


def _bits(values: np.ndarray, bits: int) -> np.ndarray:
    """Two's complement bits along a new last axis, least significant first."""
    return (values[..., None].astype(np.int64) >> np.arange(bits) & 1).astype(np.uint8)


def _weight_bits(words: np.ndarray, design: DesignPoint) -> np.ndarray:
    """(..., cols, lanes) to (..., cols, lanes * weight_bits)."""
    return _bits(words, design.weight_bits).reshape(*words.shape[:-1], design.lanes * design.weight_bits)


def _param_words(channels: _Channels, wanted: np.ndarray, design: DesignPoint) -> np.ndarray:
    """Parameters of the channels ``wanted`` (blocks, sets, cols), zero beyond the last one: (blocks, words, ...)."""
    part = design.lanes * design.weight_bits
    count = len(channels.bias)
    records = np.zeros((max(int(wanted.max()) + 1, count), design.param_words * part), np.uint8)
    records[:count, :PARAM_BITS] = np.concatenate(
        [_bits(channels.bias, 32), _bits(channels.multiplier, 32), _bits(channels.shift, 8)], axis=-1)
    chosen = records[wanted].reshape(*wanted.shape, design.param_words, part)
    return chosen.transpose(0, 1, 3, 2, 4).reshape(wanted.shape[0], -1, design.cols, part)


def _join(params: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Each block's parameters, then its weights, one word after the other."""
    joined = np.concatenate([params, weights], axis=1)
    return joined.reshape(-1, *joined.shape[2:])
