"""What convolutions and dense layers share: weights, bias, and the scales of both as multipliers."""

from typing import Any

import numpy as np

from sw.frontend.lowering import Operation
from sw.frontend.operators.scales import DIFFERENCE_LEFT, clamp, multipliers
from sw.graph.graph import GraphError
from sw.graph.layer import TensorType

__all__ = ["MOST_TOTAL", "parameters", "weights_of"]

MOST_TOTAL = (1 << 31) - 1     # of a sum, with what the requantizer shifts it left by
MOST_CHANNELS = 1 << 16        # of an output


def weights_of(op: Operation, place: int, rank: int) -> np.ndarray:
    """int8 weights in the file's shape. Raises GraphError where they are no constants of that kind."""
    tensor = op.tensor(place)
    op.shape(place, rank)
    if tensor.kind not in ("INT8", "INT4"):
        raise GraphError(f"{tensor} is {tensor.kind}; of TFLite files Heddle reads INT8 and INT4 weights: convert the "
                         f"network again")
    values = op.known(place)
    if values is None:
        raise GraphError(f"{tensor} holds weights that are computed at run time; Heddle takes constant ones")
    return values


def _bias(op: Operation, place: int, channels: int) -> np.ndarray:
    if not op.has(place):
        return np.zeros(channels, np.int32)
    tensor, values = op.tensor(place), op.known(place)
    if tensor.kind != "INT32" or values is None:
        raise GraphError(f"{tensor} is {tensor.kind}{'' if values is not None else ' and not constant'}; a bias is "
                         f"constant INT32: convert the network again")
    if values.size != channels:
        raise GraphError(f"{tensor} has {values.size} values for {channels} output channels; get the file again")
    return values.reshape(-1).astype(np.int32)


def _scales(op: Operation, place: int, channels: int) -> np.ndarray:
    """The weights' scales, one or one a channel."""
    tensor = op.tensor(place)
    scale, zero = tensor.quantization()
    if np.any(zero != 0):
        raise GraphError(f"{tensor}: weights with a zero point are not supported; quantize them symmetrically")
    if scale.size not in (1, channels):
        raise GraphError(f"{tensor} has {scale.size} scales for {channels} output channels; the file is damaged")
    if scale.size > 1 and tensor.shape[tensor.axis:tensor.axis + 1] != (channels,):
        raise GraphError(f"{tensor} has its scales along axis {tensor.axis}, which are not its {channels} output "
                         f"channels; convert the network again")
    return scale


def parameters(op: Operation, *, source: TensorType, output: TensorType, weights: int, bias: int, axis: int,
               channels: int, activation: int) -> dict[str, Any]:
    """Bias, multipliers, shifts and clamp, of weights in operand ``weights`` with their channels along ``axis``."""
    if channels > MOST_CHANNELS:
        raise GraphError(f"{op.tensor(weights)} gives {channels} channels; Heddle takes {MOST_CHANNELS} at most: use a "
                         f"smaller network")
    scale, values = _scales(op, weights, channels), op.known(weights)
    factors = (source.scale * scale.astype(np.float64) / output.scale).tolist()
    scaling = multipliers(*factors * (channels // len(factors)), most_left=DIFFERENCE_LEFT)
    offset = _bias(op, bias, channels)
    if np.any(scaling["shift"] < 0) and values is not None:
        _check_totals(np.moveaxis(values, axis, 0).reshape(channels, -1), offset, scaling["shift"])
    return {"bias": offset, **scaling, "weight_bits": 4 if op.tensor(weights).kind == "INT4" else 8,
            **clamp(activation, output)}


def _check_totals(weights: np.ndarray, bias: np.ndarray, shift: np.ndarray) -> None:
    """A factor of 1 and more shifts the sum left, within 32 bits."""
    most = np.abs(weights.astype(np.int64)).sum(axis=1) * 255 + np.abs(bias.astype(np.int64))
    channel = int(np.argmax(most << np.maximum(-shift, 0)))
    if most[channel] << max(-int(shift[channel]), 0) > MOST_TOTAL:
        raise GraphError(f"channel {channel} sums to {most[channel]} at most, and its output scale asks to shift that "
                         f"left by {-shift[channel]} bits, beyond 32; choose a larger output scale")
