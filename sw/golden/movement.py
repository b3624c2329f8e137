"""What moves bytes and computes nothing: gather, concat, pad and resize, on three functions of the CPU and a fourth.

``copy`` moves an array of up to four dimensions, each with its own distance at either side, of runs of bytes;
``fill`` writes one value; ``constant`` writes what comes with the call; ``resize`` moves pixels by a list of places.
"""

from collections.abc import Iterator, Sequence
from math import floor, prod

import numpy as np

from sw.golden import costs
from sw.golden.fixed import half_away
from sw.golden.function import Fields, Function, Place, Task, as_words
from sw.graph.layer import Layer, TensorType

__all__ = ["CONSTANT", "COPY", "FILL", "RESIZE", "concat", "concat_plain", "concat_tasks", "constant", "copies",
           "enlargement", "gather", "gather_plain", "gather_tasks", "gathered", "in_four", "merged", "nearest", "pad",
           "pad_plain", "pad_tasks", "resize", "resize_plain", "resize_tasks", "row_major", "span"]

DIMENSIONS = 4      # of a copy, around its runs
Types = Sequence[TensorType]
Arrays = Sequence[np.ndarray]


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """How far apart neighbours along each axis lie.

    >>> row_major((2, 3, 4))
    (12, 4, 1)
    """
    return tuple(prod(shape[axis + 1:]) for axis in range(len(shape)))


def span(address: int, counts: Sequence[int], strides: Sequence[int], run: int = 1) -> Place:
    """The place from the first to the last byte of an array.

    >>> span(100, (2, 3), (10, -4), 2)
    (92, 20)
    """
    reach = [(count - 1) * stride for count, stride in zip(counts, strides, strict=True)]
    first = sum(min(0, part) for part in reach)
    return address + first, sum(max(0, part) for part in reach) - first + run


def merged(shape: Sequence[int], *strides: Sequence[int]) -> tuple[list[int], list[list[int]]]:
    """The same elements in the same order in the fewest dimensions: what is one, or lies on as before, is joined.

    >>> merged((2, 1, 3, 4), (12, 12, 4, 1), (24, 7, 8, 2))
    ([24], [[1], [2]])
    """
    counts: list[int] = []
    kept: list[list[int]] = [[] for _ in strides]
    for axis, count in enumerate(shape):
        if count == 1:
            continue
        steps = [one[axis] for one in strides]
        if counts and all(one[-1] == step * count for one, step in zip(kept, steps, strict=True)):
            counts[-1] *= count
            for one, step in zip(kept, steps, strict=True):
                one[-1] = step
        else:
            counts.append(count)
            for one, step in zip(kept, steps, strict=True):
                one.append(step)
    return counts, kept


def in_four(counts: Sequence[int], strides: Sequence[Sequence[int]]) -> Iterator[
        tuple[tuple[int, ...], list[tuple[int, ...]], tuple[int, ...]]]:
    """An array as some of four dimensions each, one for each place along its first axes.

    Yields counts, strides of each side, and how far each side begins further on.
    """
    if len(counts) <= DIMENSIONS:
        missing = DIMENSIONS - len(counts)
        yield (*(1,) * missing, *counts), [(*(0,) * missing, *one) for one in strides], (0,) * len(strides)
        return
    for index in range(counts[0]):
        for found, steps, further in in_four(counts[1:], [one[1:] for one in strides]):
            yield found, steps, tuple(offset + index * one[0] for offset, one in zip(further, strides, strict=True))


def copies(shape: Sequence[int], strides: Sequence[int], other: Sequence[int], *, source: int,
           output: int) -> list[Task]:
    """Moves an array from ``source``, with ``strides`` there, to ``output``, with the strides ``other``."""
    counts, (taken, given) = merged(shape, strides, other)
    run = 1
    if counts and taken[-1] == given[-1] == 1:
        run = counts.pop()
        del taken[-1], given[-1]
    return [Task(function="copy", fields={
        "source": source + further[0], "output": output + further[1], "run": run,
        **{f"n{axis}": count for axis, count in enumerate(found)},
        **{f"s{axis}": step for axis, step in enumerate(steps[0])},
        **{f"d{axis}": step for axis, step in enumerate(steps[1])}}) for found, steps, further in in_four(
            counts, [taken, given])]


def _array(fields: Fields, letter: str) -> tuple[int, ...]:
    return tuple(fields[f"{letter}{axis}"] for axis in range(DIMENSIONS))


def _places(address: int, counts: Sequence[int], strides: Sequence[int], run: int) -> np.ndarray:
    places = np.full((), address, np.int64)
    for count, stride in zip((*counts, run), (*strides, 1), strict=True):
        places = places[..., None] + stride * np.arange(count)
    return places


def _copy_run(fields: Fields, table: np.ndarray, memory: np.ndarray) -> None:
    counts, run = _array(fields, "n"), fields["run"]
    memory[_places(fields["output"], counts, _array(fields, "d"), run)] = memory[
        _places(fields["source"], counts, _array(fields, "s"), run)]


def _fill_run(fields: Fields, table: np.ndarray, memory: np.ndarray) -> None:
    memory[fields["output"]:fields["output"] + fields["bytes"]] = fields["value"]


def _constant_run(fields: Fields, table: np.ndarray, memory: np.ndarray) -> None:
    memory[fields["output"]:fields["output"] + fields["bytes"]] = table.view(np.int8)[:fields["bytes"]]


def _resize_run(fields: Fields, table: np.ndarray, memory: np.ndarray) -> None:
    rows, columns, size = fields["rows"], fields["columns"], fields["bytes"]
    places = table[:rows, None, None] + table[rows:rows + columns, None].astype(np.int64) + np.arange(size)
    memory[fields["output"]:fields["output"] + places.size] = memory[fields["source"] + places.ravel()]


COPY = Function(
    cycles=costs.copy,
    fields=("source", "output", "run", "n0", "n1", "n2", "n3", "s0", "s1", "s2", "s3", "d0", "d1", "d2", "d3"),
    addresses=("source", "output"), run=_copy_run,
    reads=lambda fields: [span(fields["source"], _array(fields, "n"), _array(fields, "s"), fields["run"])],
    writes=lambda fields: [span(fields["output"], _array(fields, "n"), _array(fields, "d"), fields["run"])])
FILL = Function(
    cycles=costs.fill,
    fields=("output", "bytes", "value"), addresses=("output",), run=_fill_run, reads=lambda fields: [],
    writes=lambda fields: [(fields["output"], fields["bytes"])])
#: The table has the bytes.
CONSTANT = Function(
    cycles=costs.constant,
    fields=("output", "bytes"), addresses=("output",), run=_constant_run, reads=lambda fields: [],
    writes=lambda fields: [(fields["output"], fields["bytes"])])
#: The table has the place of each row in the source, then that of each column in a row.
RESIZE = Function(
    cycles=costs.resize,
    fields=("source", "output", "rows", "columns", "bytes", "taken"), addresses=("source", "output"),
    run=_resize_run, reads=lambda fields: [(fields["source"], fields["taken"])],
    writes=lambda fields: [(fields["output"], fields["rows"] * fields["columns"] * fields["bytes"])])


def gathered(layer: Layer) -> np.ndarray:
    """Where in its input each output of a gather lies, in elements; of the output's shape."""
    offset, *strides = layer.parameters
    return _places(offset, layer.output.shape, strides, 1)[..., 0]


def gather(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    return data[0].reshape(len(data[0]), -1)[:, gathered(layer)]


def gather_plain(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    offset, *strides = layer.parameters
    flat = data[0].ravel()
    return np.array([flat[offset + sum(index * stride for index, stride in zip(place, strides, strict=True))]
                     for place in np.ndindex(*layer.output.shape)], np.int8).reshape(layer.output.shape)


def gather_tasks(layer: Layer, taken: Types, sources: Sequence[int], output: int) -> list[Task]:
    offset, *strides = layer.parameters
    shape = layer.output.shape
    return copies(shape, strides, row_major(shape), source=sources[0] + offset, output=output)


def _whole(kind: TensorType, rank: int) -> tuple[int, ...]:
    return (*(1,) * (rank - len(kind.shape)), *kind.shape)


def concat(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    rank = len(layer.output.shape)
    return np.concatenate([values.reshape(len(values), *_whole(kind, rank))
                           for kind, values in zip(taken, data, strict=True)], axis=layer.parameters[0])


def concat_plain(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    axis, rank = layer.parameters[0], len(layer.output.shape)
    result, first = np.zeros(layer.output.shape, np.int8), 0
    for kind, values in zip(taken, data, strict=True):
        shape = _whole(kind, rank)
        for place in np.ndindex(*shape):
            moved = list(place)
            moved[axis] += first
            result[tuple(moved)] = values.reshape(shape)[place]
        first += shape[axis]
    return result


def concat_tasks(layer: Layer, taken: Types, sources: Sequence[int], output: int) -> list[Task]:
    axis, shape = layer.parameters[0], layer.output.shape
    strides, tasks, first = row_major(shape), [], 0
    for kind, source in zip(taken, sources, strict=True):
        whole = _whole(kind, len(shape))
        tasks += copies(whole, row_major(whole), strides, source=source, output=output + first * strides[axis])
        first += whole[axis]
    return tasks


def _paddings(layer: Layer) -> tuple[np.ndarray, int]:
    """Before, after and between for each axis; and the value."""
    *counts, value = layer.parameters
    return np.array(counts).reshape(-1, 3), value


def pad(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    counts, value = _paddings(layer)
    result = np.full((len(data[0]), *layer.output.shape), value, np.int8)
    inside = tuple(slice(before, before + (size - 1) * (between + 1) + 1, between + 1)
                   for size, (before, _, between) in zip(taken[0].shape, counts.tolist(), strict=True))
    result[(slice(None), *inside)] = data[0]
    return result


def pad_plain(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    counts, value = _paddings(layer)
    result = np.full(layer.output.shape, value, np.int8)
    for place in np.ndindex(*taken[0].shape):
        moved = tuple(before + index * (between + 1)
                      for index, (before, _, between) in zip(place, counts.tolist(), strict=True))
        result[moved] = data[0][place]
    return result


def pad_tasks(layer: Layer, taken: Types, sources: Sequence[int], output: int) -> list[Task]:
    counts, value = _paddings(layer)
    strides = np.array(row_major(layer.output.shape))
    first = output + int((counts[:, 0] * strides).sum())
    inside = copies(taken[0].shape, row_major(taken[0].shape), (strides * (counts[:, 2] + 1)).tolist(),
                    source=sources[0], output=first)
    if taken[0].size == layer.output.size:
        return inside
    return [Task(function="fill", fields={"output": output, "bytes": layer.output.size, "value": value}), *inside]


def nearest(place: int, taken: int, given: int, align_corners: bool, half_pixel_centers: bool) -> int:
    """Where an output's row or column comes from: TFLite's ``GetNearestNeighbor``, in numbers of 32 bits.

    >>> [nearest(place, 3, 6, False, False) for place in range(6)], [nearest(n, 3, 5, True, False) for n in range(5)]
    ([0, 0, 1, 1, 2, 2], [0, 1, 1, 2, 2])
    """
    if align_corners and given > 1:
        scale = np.float32(taken - 1) / np.float32(given - 1)
    else:
        scale = np.float32(taken) / np.float32(given)
    found = float((np.float32(place) + np.float32(0.5 if half_pixel_centers else 0)) * scale)
    return max(min(half_away(found) if align_corners else floor(found), taken - 1), 0)


def _nearest(layer: Layer, kind: TensorType) -> list[list[int]]:
    """Rows and columns of the input, for each of the output."""
    align, half = map(bool, layer.parameters)
    return [[nearest(place, kind.shape[axis], layer.output.shape[axis], align, half)
             for place in range(layer.output.shape[axis])] for axis in (0, 1)]


def enlargement(layer: Layer, kind: TensorType) -> tuple[int, int] | None:
    """How often a resize repeats each row and each column; None where that is not the same for all."""
    factors = [layer.output.shape[axis] // kind.shape[axis] for axis in (0, 1)]
    repeated = [[place for place in range(size) for _ in range(factor)]
                for size, factor in zip(kind.shape, factors, strict=False)]
    return (factors[0], factors[1]) if _nearest(layer, kind) == repeated else None


def resize(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    rows, columns = _nearest(layer, taken[0])
    return data[0][:, rows][:, :, columns]


def resize_plain(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    rows, columns = _nearest(layer, taken[0])
    result = np.zeros(layer.output.shape, np.int8)
    for y, x in np.ndindex(*layer.output.shape[:2]):
        result[y, x] = data[0][rows[y], columns[x]]
    return result


def resize_tasks(layer: Layer, taken: Types, sources: Sequence[int], output: int) -> list[Task]:
    rows, columns = _nearest(layer, taken[0])
    _, width, channels = taken[0].shape
    return [Task(function="resize", table=[*(row * width * channels for row in rows),
                                           *(column * channels for column in columns)],
                 fields={"source": sources[0], "output": output, "rows": len(rows), "columns": len(columns),
                         "bytes": channels, "taken": taken[0].size})]


def constant(values: np.ndarray, output: int) -> Task:
    """Writes the bytes of ``values`` to ``output``."""
    content = np.ascontiguousarray(values).tobytes()
    return Task(function="constant", fields={"output": output, "bytes": len(content)}, table=as_words(content))
