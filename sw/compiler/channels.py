"""Channel parameters and weights as the words of the weight scratchpad; proofs that no sum overflows."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from hw.spec.design import PARAM_BITS, DesignPoint
from hw.spec.digits import digits, piece_bits, split_for
from hw.spec.errors import SpecError
from hw.spec.requant import ADD_LEFT_SHIFT, MAX_SHIFT, TOTAL_BITS
from sw.golden.fixed import scaled
from sw.golden.products import products_of
from sw.golden.sums import requantize
from sw.graph.graph import Layer

__all__ = ["Channels", "add_words", "check_accumulator", "exceeds_digits", "exceeds_total", "fold", "holds_sums",
           "join", "param_words", "pooling_channels", "pooling_scale", "split_of", "split_words", "weight_words"]

OUTPUT_BITS = 10     # beyond which an output is clamped whatever its zero point is


@dataclass(frozen=True, kw_only=True, eq=False)
class Channels:
    """Per output channel, as the drain wants them: the zero point is folded into the bias."""

    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray


def fold(layer: Layer, weights: np.ndarray, zero_point: int, design: DesignPoint) -> Channels:
    """Fold the input's zero point into the bias, and prove that nothing overflows. ``weights``: (OC, taps)."""
    check_accumulator(weights.astype(np.int64), design, split_of(layer, design))
    channels, exceeding = _folded(layer, weights, zero_point, design)
    if exceeding is not None:
        raise SpecError(f"channel {exceeding}: bias and sum may exceed {TOTAL_BITS} bits; train with a smaller bias")
    return channels


def exceeds_total(layer: Layer, zero_point: int, design: DesignPoint) -> bool:
    """Whether bias and sum of a layer with weights may exceed a requantizer, whose bits no design has more of.

    Where the sum alone exceeds the accumulator, a design of more ``acc_bits`` is right: that is for ``fold`` to say.
    """
    return holds_sums(layer, design) and _folded(layer, _by_outputs(layer), zero_point, design)[1] is not None


def holds_sums(layer: Layer, design: DesignPoint) -> bool:
    """Whether no sum of a layer with weights exceeds the accumulator, nor one of digits its part of it."""
    return _needed_bits(_by_outputs(layer).astype(np.int64), design, split_of(layer, design)) <= design.acc_bits


def exceeds_digits(layer: Layer, design: DesignPoint) -> bool:
    """Whether every sum of a layer with weights fits the accumulator, but one of digits not its part of it."""
    if not design.splits or holds_sums(layer, design):
        return False
    reach = int(_reach(_by_outputs(layer).astype(np.int64), design).max())
    return reach < 1 << design.acc_bits - 1


def _by_outputs(layer: Layer) -> np.ndarray:
    """Weights ``(OC, taps)``."""
    outputs = len(layer.bias)
    return layer.weights.reshape(-1, outputs).T if layer.op == "depthwise" else layer.weights.reshape(outputs, -1)


def _folded(layer: Layer, weights: np.ndarray, zero_point: int, design: DesignPoint) -> tuple[Channels, int | None]:
    """With the zero point in the bias, and the channel whose bias and sum exceed a requantizer most, if any do."""
    wide = weights.astype(np.int64)
    bias, reach = layer.bias.astype(np.int64) - zero_point * wide.sum(axis=1), _reach(wide, design)
    channels = _narrowed(Channels(bias=bias, multiplier=layer.multiplier, shift=layer.shift), reach)
    extreme = np.abs(channels.bias) + reach
    return channels, int(extreme.argmax()) if extreme.max() >= 1 << TOTAL_BITS - 1 else None


def _narrowed(channels: Channels, reach: np.ndarray) -> Channels:
    """The same outputs from smaller biases, where whatever the sum (at most ``reach``) the output is the same.

    TFLite leaves enormous biases in channels whose weights are all zero.
    """
    def outputs(total: np.ndarray) -> np.ndarray:
        limit = 1 << OUTPUT_BITS
        return np.clip(scaled(total, channels.multiplier, channels.shift), -limit, limit)

    low, high = outputs(channels.bias - reach), outputs(channels.bias + reach)
    constant = (low == high) & (np.abs(channels.bias) + reach >= 1 << TOTAL_BITS - 1) & (reach < 1 << 15)
    # (value << 16) times a half, shifted by 15; the sum changes less than a half of that
    return Channels(bias=np.where(constant, low << 16, channels.bias),
                    multiplier=np.where(constant, 1 << 30, channels.multiplier),
                    shift=np.where(constant, 15, channels.shift))


def split_of(layer: Layer, design: DesignPoint) -> int:
    """How often the design's weights are halved for those of a layer; an element has one channel of a depthwise one."""
    return 0 if layer.op == "depthwise" else split_for(layer.weight_bits, design.splits)


def check_accumulator(weights: np.ndarray, design: DesignPoint, split: int = 0) -> None:
    """Prove that no sum exceeds the accumulator, whatever the activations are. ``weights``: (OC, taps)."""
    need = _needed_bits(weights, design, split)
    if need > design.acc_bits:
        worst = int(_reach(weights, design).max())
        raise SpecError(f"sums reach {worst}, acc_bits={design.acc_bits} holds {(1 << design.acc_bits - 1) - 1}"
                        f"{', with as much for each digit' if design.splits else ''}; raise acc_bits to {need}")


def _needed_bits(weights: np.ndarray, design: DesignPoint, split: int) -> int:
    """Least ``acc_bits`` that hold every sum, or with ``splits`` the sums of each digit. ``weights``: (OC, taps)."""
    if not design.splits:
        return int(_reach(weights, design).max()).bit_length() + 1
    worst = max(int(_reach(part, design).max()) for part in digits(weights, piece_bits(split), design.digits))
    return worst.bit_length() + 1 + design.acc_bits - design.digit_bits


def _reach(weights: np.ndarray, design: DesignPoint) -> np.ndarray:
    """Most that the magnitude of each sum can be. ``weights``: (OC, taps)."""
    return products_of(design).largest(weights, design.act_bits).sum(axis=1)


@cache
def pooling_scale(count: int, weight_bits: int) -> tuple[int, int, int]:
    """Weight, multiplier and shift that average ``count`` int8 values exactly as TFLite does.

    The weight is the largest power of two, of which no multiplier kind drops a bit. The result is compared with
    the division for every possible sum.

    Raises
    ------
    SpecError
        If no such pair exists.
    """
    weight = 1 << max(0, weight_bits - 2)
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


def pooling_channels(count: int, taps: int, channels: int, design: DesignPoint) -> tuple[np.ndarray, Channels]:
    """Weights ``(taps, channels)`` and parameters that divide by ``count``."""
    weight, multiplier, shift = pooling_scale(count, design.weight_bits)
    weights = np.full((taps, channels), weight, np.int8)
    check_accumulator(weights.T.astype(np.int64), design)
    return weights, Channels(bias=np.zeros(channels, np.int64), multiplier=np.full(channels, multiplier),
                             shift=np.full(channels, shift))


def _bits(values: np.ndarray, bits: int) -> np.ndarray:
    """Two's complement bits along a new last axis, least significant first."""
    return (values[..., None].astype(np.int64) >> np.arange(bits) & 1).astype(np.uint8)


def weight_words(words: np.ndarray, design: DesignPoint) -> np.ndarray:
    """Values (..., cols, lanes) to bits (..., cols, lanes * weight_bits). A weight of 1 bit is set for -1."""
    values = (words < 0) if design.weight_bits == 1 else words
    return _bits(values, design.weight_bits).reshape(*words.shape[:-1], design.lanes * design.weight_bits)


def split_words(words: np.ndarray, design: DesignPoint, split: int) -> np.ndarray:
    """The same of weights that are split: values (..., pieces, cols, lanes)."""
    pieces = np.moveaxis(_bits(words, piece_bits(split)), -4, -2)       # (..., cols, lanes, pieces, bits)
    return pieces.reshape(*pieces.shape[:-3], design.lanes * design.weight_bits)


def param_words(channels: Channels, wanted: np.ndarray, design: DesignPoint) -> np.ndarray:
    """Parameters of the channels ``wanted`` (blocks, sets, cols), zero beyond the last one: (blocks, words, ...)."""
    part = design.lanes * design.weight_bits
    count = len(channels.bias)
    width = design.weight_word_bits if design.record_per_word else design.param_words * part
    records = np.zeros((max(int(wanted.max()) + 1, count), width), np.uint8)
    records[:count, :PARAM_BITS] = np.concatenate(
        [_bits(channels.bias, 32), _bits(channels.multiplier, 32), _bits(channels.shift, 8)], axis=-1)
    chosen = records[wanted]
    if not design.record_per_word:
        chosen = chosen.reshape(*wanted.shape, design.param_words, part).transpose(0, 1, 3, 2, 4)
    return chosen.reshape(wanted.shape[0], -1, design.cols, part)


def add_words(layer: Layer, zeros: tuple[int, int], swapped: bool, design: DesignPoint) -> np.ndarray:
    """Parameters of a residual add (other operand, own operand, sum): (1, words, cols, ...).

    ``zeros`` are the zero points of the add's inputs; ``swapped`` says that its first input is the other operand.
    """
    if design.cols < 3:
        raise SpecError(f"residual add: needs cols of 4 or more, cols={design.cols}; raise cols")
    other = 0 if swapped else 1
    order = [other, 1 - other, 2]
    biases = [-zeros[other] << ADD_LEFT_SHIFT, -zeros[1 - other] << ADD_LEFT_SHIFT, 0]
    channels = Channels(bias=np.array(biases, np.int64), multiplier=layer.multiplier[order], shift=layer.shift[order])
    return param_words(channels, np.arange(design.cols).reshape(1, 1, design.cols), design)


def join(*parts: np.ndarray) -> np.ndarray:
    """Each block's words, one part after the other: (blocks, words, cols, bits)."""
    blocks = max(len(part) for part in parts)
    return np.concatenate([np.broadcast_to(part, (blocks, *part.shape[1:])) for part in parts], axis=1)
