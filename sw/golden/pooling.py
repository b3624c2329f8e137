"""Means and pools on the CPU: TensorFlow Lite Micro's MEAN, and AVERAGE_POOL_2D and MAX_POOL_2D of every shape.

A pool's window has only the taps inside the input: an average divides by their number, rounding halves away from zero.
MEAN scales the sum of differences to the input's zero point, by a multiplier with the division in it.
"""

from collections.abc import Sequence

import numpy as np

from sw.golden import costs
from sw.golden.fixed import quantize_multiplier, scale, scaled
from sw.golden.function import Fields, Function, Task
from sw.graph.layer import GraphError, Layer, TensorType

__all__ = ["MEAN", "POOL", "mean", "mean_plain", "mean_tasks", "pool", "pool_plain", "pool_tasks", "prepare_mean"]

KINDS = ("avgpool", "maxpool")
Types = Sequence[TensorType]
Arrays = Sequence[np.ndarray]


def prepare_mean(taken: float, given: float, count: int) -> tuple[int, int]:
    """Multiplier and right shift of a mean of ``count`` values, from the scales of input and output.

    >>> prepare_mean(0.5, 0.5, 9)
    (954437176, 2)

    Raises
    ------
    GraphError
        If the scales' ratio is out of range.
    """
    multiplier, shift = quantize_multiplier(taken / given)
    left = min(count.bit_length() - 1, 32, 31 - shift)
    if shift < -22:
        raise GraphError(f"scale {taken:g} to {given:g}: a factor of 2**22 at most; choose another output scale")
    return (multiplier << left) // count, shift + left


def mean(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    kind, = taken
    total = data[0].astype(np.int64).sum(axis=2) - kind.zero_point * kind.shape[1]
    value = scaled(total, int(layer.multiplier[0]), int(layer.shift[0])) + layer.output.zero_point
    return np.clip(value, layer.act_min, layer.act_max).astype(np.int8).reshape(-1, *layer.output.shape)


def mean_plain(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    outer, count, channels = taken[0].shape
    found = []
    for place, channel in np.ndindex(outer, channels):
        total = sum(int(data[0][place, index, channel]) for index in range(count)) - count * taken[0].zero_point
        value = scale(total, int(layer.multiplier[0]), int(layer.shift[0])) + layer.output.zero_point
        found.append(min(max(value, layer.act_min), layer.act_max))
    return np.array(found, np.int8).reshape(layer.output.shape)


def mean_tasks(layer: Layer, taken: Types, sources: Sequence[int], output: int) -> list[Task]:
    outer, count, channels = taken[0].shape
    return [Task(function="mean", fields={
        "source": sources[0], "output": output, "outer": outer, "count": count, "channels": channels,
        "zero_total": count * taken[0].zero_point, "multiplier": int(layer.multiplier[0]), "shift": int(layer.shift[0]),
        "zero": layer.output.zero_point, "low": layer.act_min, "high": layer.act_max})]


def _mean_run(fields: Fields, table: np.ndarray, memory: np.ndarray) -> None:
    shape = fields["outer"], fields["count"], fields["channels"]
    values = memory[fields["source"]:fields["source"] + int(np.prod(shape))].reshape(shape)
    value = scaled(values.astype(np.int64).sum(axis=1) - fields["zero_total"], fields["multiplier"], fields["shift"])
    result = np.clip(value + fields["zero"], fields["low"], fields["high"]).reshape(-1)
    memory[fields["output"]:fields["output"] + result.size] = result


MEAN = Function(
    cycles=costs.mean,
    fields=("source", "output", "outer", "count", "channels", "zero_total", "multiplier", "shift", "zero", "low",
            "high"),
    addresses=("source", "output"), run=_mean_run,
    reads=lambda fields: [(fields["source"], fields["outer"] * fields["count"] * fields["channels"])],
    writes=lambda fields: [(fields["output"], fields["outer"] * fields["channels"])])


def _pooled(kind: str, values: np.ndarray, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, ...],
            size: Sequence[int], clamp: tuple[int, int]) -> np.ndarray:
    """int8 ``(N, *size, C)`` of int8 ``(N, height, width, C)``; ``padding`` is top and left, then anything."""
    _, height, width, _ = values.shape
    (top, left, *_), (rows, columns) = padding, size
    needed = [(steps - 1) * step + taps for steps, step, taps in zip(size, stride, kernel, strict=True)]
    around = ((0, 0), (top, max(0, needed[0] - top - height)), (left, max(0, needed[1] - left - width)), (0, 0))
    wide = np.pad(values, around, constant_values=-128 if kind == "maxpool" else 0)
    inside = np.pad(np.ones((1, height, width, 1), np.int64), around)

    def taps(array: np.ndarray) -> list[np.ndarray]:
        return [array[:, ky:ky + (rows - 1) * stride[0] + 1:stride[0], kx:kx + (columns - 1) * stride[1] + 1:stride[1]]
                for ky, kx in np.ndindex(*kernel)]

    if kind == "maxpool":
        return np.clip(np.maximum.reduce(taps(wide)), *clamp).astype(np.int8)
    total = sum(part.astype(np.int64) for part in taps(wide))
    count = sum(taps(inside))
    return np.clip(np.sign(total) * ((np.abs(total) + count // 2) // count), *clamp).astype(np.int8)


def pool(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    return _pooled(layer.op, data[0], layer.kernel, layer.stride, layer.padding, layer.output.shape[:2],
                   (layer.act_min, layer.act_max))


def pool_plain(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    height, width, _ = taken[0].shape
    result = np.zeros(layer.output.shape, np.int8)
    for y, x, channel in np.ndindex(*layer.output.shape):
        first_y, first_x = y * layer.stride[0] - layer.padding[0], x * layer.stride[1] - layer.padding[1]
        window = [int(data[0][row, column, channel])
                  for row in range(max(0, first_y), min(height, first_y + layer.kernel[0]))
                  for column in range(max(0, first_x), min(width, first_x + layer.kernel[1]))]
        value = max(window)
        if layer.op == "avgpool":
            total, count = sum(window), len(window)
            value = (abs(total) + count // 2) // count * (1 if total > 0 else -1)
        result[y, x, channel] = min(max(value, layer.act_min), layer.act_max)
    return result


def pool_tasks(layer: Layer, taken: Types, sources: Sequence[int], output: int) -> list[Task]:
    height, width, channels = taken[0].shape
    return [Task(function="pool", fields={
        "kind": KINDS.index(layer.op), "source": sources[0], "output": output, "height": height, "width": width,
        "channels": channels, "rows": layer.output.shape[0], "columns": layer.output.shape[1],
        "kernel_y": layer.kernel[0], "kernel_x": layer.kernel[1], "stride_y": layer.stride[0],
        "stride_x": layer.stride[1], "top": layer.padding[0], "left": layer.padding[1], "low": layer.act_min,
        "high": layer.act_max})]


def _pool_run(fields: Fields, table: np.ndarray, memory: np.ndarray) -> None:
    shape = fields["height"], fields["width"], fields["channels"]
    values = memory[fields["source"]:fields["source"] + int(np.prod(shape))].reshape(1, *shape)
    result = _pooled(KINDS[fields["kind"]], values, (fields["kernel_y"], fields["kernel_x"]),
                     (fields["stride_y"], fields["stride_x"]), (fields["top"], fields["left"]),
                     (fields["rows"], fields["columns"]), (fields["low"], fields["high"])).reshape(-1)
    memory[fields["output"]:fields["output"] + result.size] = result


POOL = Function(
    cycles=costs.pool,
    fields=("kind", "source", "output", "height", "width", "channels", "rows", "columns", "kernel_y", "kernel_x",
            "stride_y", "stride_x", "top", "left", "low", "high"),
    addresses=("source", "output"), run=_pool_run,
    reads=lambda fields: [(fields["source"], fields["height"] * fields["width"] * fields["channels"])],
    writes=lambda fields: [(fields["output"], fields["rows"] * fields["columns"] * fields["channels"])])
