"""TFLite's int8 log-softmax, bit for bit, along the last axis: ``reference_ops::LogSoftmax`` of TensorFlow Lite Micro.

A layer has two multipliers and shifts: the first brings a difference of two inputs to 26 fractional bits, with a left
shift as a softmax has it; the second, with a right shift, goes the other way and says which differences would leave 32
bits. The output has scale 1/16 and zero point 127.
"""

from collections.abc import Sequence
from math import floor

import numpy as np

from hw.spec.requant import rounding_shift
from sw.golden import costs
from sw.golden.fixed import exponential, logarithm, quantize_multiplier, scale
from sw.golden.function import Fields, Function, Task
from sw.golden.softmax import DIFF_BITS, SUM_BITS, prepare_softmax
from sw.graph.layer import GraphError, Layer, TensorType

__all__ = ["LOG_SOFTMAX", "log_softmax", "log_softmax_plain", "log_softmax_tasks", "prepare_log_softmax"]

OUTPUT_BITS = 31 - DIFF_BITS - 4       # fractional bits that an output has fewer than a difference
Types = Sequence[TensorType]
Arrays = Sequence[np.ndarray]


def prepare_log_softmax(taken: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """Multiplier and left shift of differences; multiplier and right shift of the way back. Of the input's scale.

    Raises
    ------
    GraphError
        If the scale is out of range.
    """
    multiplier, left = prepare_softmax(1.0, taken)
    if left < 1 or multiplier == 1 << 30 and left == 1:
        raise GraphError(f"scale {taken:g}: a log_softmax takes more than 2**-26; quantize its input with a larger "
                         f"scale")
    return (multiplier, left), quantize_multiplier((1 << 31 - left) / multiplier)


def _difference(multiplier: int, left: int, value: int) -> int:
    return scale(value, multiplier, -left)


def _least(left: int) -> int:
    """The least difference whose exponential counts."""
    return -floor(((1 << DIFF_BITS) - 1) * (1 << 31 - DIFF_BITS) / (1 << left))


def _limit(log_sum: int, least: int, back: tuple[int, int]) -> int:
    """A difference at or below it has the least output."""
    return max(least - 1, scale(log_sum - (1 << 31), *back))


def _row(row: Sequence[int], scales: Sequence[tuple[int, int]]) -> list[int]:
    """The plain definition, over one row."""
    (multiplier, left), back = scales
    differences = [value - max(row) for value in row]
    total = sum(rounding_shift(exponential(_difference(multiplier, left, value), DIFF_BITS), SUM_BITS)
                for value in differences if value >= _least(left))
    log_sum = logarithm(total)
    limit = _limit(log_sum, _least(left), back)
    return [min(max(rounding_shift(_difference(multiplier, left, value) - log_sum, OUTPUT_BITS) + 127, -128), 127)
            if value > limit else -128 for value in differences]


def _scales(layer: Layer) -> list[tuple[int, int]]:
    return list(zip(layer.multiplier.tolist(), layer.shift.tolist(), strict=True))


def log_softmax_plain(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    rows = data[0].reshape(-1, data[0].shape[-1]).tolist()
    return np.array([_row(row, _scales(layer)) for row in rows], np.int8).reshape(data[0].shape)


def _powers(multiplier: int, left: int) -> list[int]:
    """Of differences 0, -1, ... as long as they count: what each adds to the sum."""
    return [rounding_shift(exponential(_difference(multiplier, left, value), DIFF_BITS), SUM_BITS)
            for value in range(0, max(_least(left), -255) - 1, -1)]


def _rows(rows: np.ndarray, powers: Sequence[int], multiplier: int, left: int, least: int,
          back: tuple[int, int]) -> np.ndarray:
    """int8 of ``rows`` int8 ``(N, C)``."""
    parts = np.zeros(256, np.int64)
    parts[:len(powers)] = powers
    below = rows.max(axis=1, keepdims=True).astype(np.int64) - rows
    logs = [logarithm(total) for total in parts[below].sum(axis=1).tolist()]
    limits = np.array([_limit(log_sum, least, back) for log_sum in logs])[:, None]
    differences = np.array([_difference(multiplier, left, -value) for value in range(256)])
    value = differences[below] - np.array(logs)[:, None]
    half = np.int64(1) << OUTPUT_BITS - 1
    value = np.sign(value) * (np.abs(value) + half >> OUTPUT_BITS) + 127
    return np.where(-below > limits, np.clip(value, -128, 127), -128).astype(np.int8)


def log_softmax(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    (multiplier, left), back = _scales(layer)
    rows = data[0].reshape(-1, data[0].shape[-1])
    return _rows(rows, _powers(multiplier, left), multiplier, left, _least(left), back).reshape(data[0].shape)


def log_softmax_tasks(layer: Layer, taken: Types, sources: Sequence[int], output: int) -> list[Task]:
    (multiplier, left), (divisor, right) = _scales(layer)
    powers = _powers(multiplier, left)[:taken[0].high - taken[0].low + 1]
    channels = taken[0].shape[-1]
    return [Task(function="log_softmax", table=powers, fields={
        "source": sources[0], "output": output, "rows": taken[0].size // channels, "channels": channels,
        "entries": len(powers), "multiplier": multiplier, "left": left, "least": max(_least(left), -256),
        "divisor": divisor, "right": right})]


def _run(fields: Fields, table: np.ndarray, memory: np.ndarray) -> None:
    size = fields["rows"] * fields["channels"]
    rows = memory[fields["source"]:fields["source"] + size].reshape(-1, fields["channels"])
    result = _rows(rows, table[:fields["entries"]].tolist(), fields["multiplier"], fields["left"], fields["least"],
                   (fields["divisor"], fields["right"]))
    memory[fields["output"]:fields["output"] + size] = result.reshape(-1)


def _size(fields: Fields) -> int:
    return fields["rows"] * fields["channels"]


#: The table has what each difference adds to the sum of exponentials: of 0, -1, ...; later ones add 0.
LOG_SOFTMAX = Function(
    cycles=costs.log_softmax,
    fields=("source", "output", "rows", "channels", "entries", "multiplier", "left", "least", "divisor", "right"),
    addresses=("source", "output"), run=_run, reads=lambda fields: [(fields["source"], _size(fields))],
    writes=lambda fields: [(fields["output"], _size(fields))])
