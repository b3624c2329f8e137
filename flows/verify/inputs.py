"""Inputs for a network, and what it must answer: from an .npz file, or seeded random."""

from pathlib import Path

import numpy as np

from hw.spec.errors import SpecError
from sw.graph.graph import Graph, TensorType

__all__ = ["choose_inputs", "read_vectors", "vectors_beside"]

SEED = 0                        # of random inputs


def vectors_beside(model: Path) -> Path:
    """Where the vectors of a model lie, if it has any."""
    return model.with_name(f"{model.stem}_vectors.npz")


def choose_inputs(graph: Graph, vectors: Path | None, count: int) -> tuple[np.ndarray, np.ndarray | None]:
    """At most ``count`` inputs of ``vectors`` and the outputs there, if any; without a file ``count`` random inputs.

    Raises
    ------
    SpecError
        If the file cannot be read or does not fit the graph.
    """
    if vectors:
        inputs, outputs = read_vectors(vectors, graph)
        return inputs[:count], None if outputs is None else outputs[:count]
    shape = (count, *graph.input.shape)
    return np.random.default_rng(SEED).integers(graph.input.low, graph.input.high + 1, shape).astype(np.int8), None


def read_vectors(path: Path, graph: Graph) -> tuple[np.ndarray, np.ndarray | None]:
    """``inputs`` and, if there, ``outputs`` of an .npz file, shaped for ``graph``.

    Each is int8 ``(N, height, width, channels)``; ones at either end of a shape may be missing, and values may lie
    flat, ``(N, height * width * channels)``.

    Raises
    ------
    SpecError
        If the file cannot be read or does not fit the graph.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in ("inputs", "outputs") if name in stored.files}
    except Exception as error:  # numpy raises many kinds for a broken file
        # nor what numpy says of pickles: to load them unsafely
        why = getattr(error, "strerror", None) or "damaged, or no .npz archive of plain arrays"
        raise SpecError(f"{path}: no vectors ({why}); give an .npz file with an int8 array 'inputs'") from error
    if "inputs" not in arrays:
        raise SpecError(f"{path}: has no array 'inputs'; give an .npz file with an int8 array 'inputs'")
    inputs, outputs = arrays["inputs"], arrays.get("outputs")
    for name, array, kind in (("inputs", inputs, graph.input), ("outputs", outputs, graph.output)):
        if array is not None and (array.dtype != np.int8 or not array.ndim or not len(array)
                                  or len(array) != len(inputs) or not _same_order(array.shape[1:], kind)):
            raise SpecError(f"{path}: {name!r} is {array.dtype}{array.shape}; {graph.name} has int8 (N, "
                            f"{', '.join(map(str, kind.shape))}) there, or flat (N, {kind.size})")
    return inputs.reshape(-1, *graph.input.shape), None if outputs is None else outputs.reshape(
        -1, *graph.output.shape)


def _same_order(shape: tuple[int, ...], kind: TensorType) -> bool:
    """Whether values of that shape follow each other as in a tensor of ``kind``."""
    return shape == (kind.size,) or _without_ones(shape) == _without_ones(kind.shape)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without those at either end."""
    others = [place for place, size in enumerate(shape) if size != 1]
    return shape[others[0]:others[-1] + 1] if others else ()
