"""Inputs for a network, and what it must answer, in its own types: from an .npz file, or seeded random."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hw.spec.errors import SpecError
from sw.graph.graph import Graph, TensorType
from sw.graph.layer import canonical

__all__ = ["choose_inputs", "input_types", "output_types", "read_vectors", "vectors_beside"]

SEED = 0                        # of random inputs
Arrays = list[np.ndarray]


def vectors_beside(model: Path) -> Path:
    """Where the vectors of a model lie, if it has any."""
    return model.with_name(f"{model.stem}_vectors.npz")


def choose_inputs(graph: Graph, vectors: Path | None, count: int) -> tuple[Arrays, Arrays | None]:
    """At most ``count`` inferences' inputs of ``vectors`` and the outputs there, if any; without a file random inputs.

    Raises
    ------
    SpecError
        If the file cannot be read or does not fit the graph.
    """
    if vectors:
        inputs, outputs = read_vectors(vectors, graph)
        return [each[:count] for each in inputs], None if outputs is None else [each[:count] for each in outputs]
    rng = np.random.default_rng(SEED)
    return [_random(rng, kind, count, _read_as(graph, number)) for number, kind in enumerate(graph.inputs)], None


def _read_as(graph: Graph, number: int) -> TensorType:
    """The type that the network makes of an input first."""
    return next((layer.output for index, layer in enumerate(graph.layers)
                 if layer.op == "quantize" and graph.inputs_of(index) == (number,)), graph.inputs[number])


def _random(rng: np.random.Generator, kind: TensorType, count: int, read: TensorType) -> np.ndarray:
    """All values alike; of real numbers those that have an int8."""
    values = rng.integers(read.low, read.high + 1, (count, *kind.shape))
    if kind.dtype == "float32":
        noise = rng.uniform(-0.5, 0.5, values.shape)
        return ((values + noise - read.zero_point) * read.scale).astype(np.float32)
    return values.astype(kind.dtype)


def input_types(graph: Graph) -> Mapping[str, TensorType]:
    """What an .npz file calls the inputs: ``inputs``, or ``input_0``, ``input_1`` and so on of several."""
    return _named("input", graph.inputs)


def output_types(graph: Graph) -> Mapping[str, TensorType]:
    """Likewise the outputs: ``outputs``, or ``output_0`` and so on."""
    types = graph.types()
    return _named("output", [types[number] for number in graph.answers])


def _named(word: str, kinds: Sequence[TensorType]) -> Mapping[str, TensorType]:
    return {f"{word}s": kinds[0]} if len(kinds) == 1 else {f"{word}_{index}": kind for index, kind in enumerate(kinds)}


def read_vectors(path: Path, graph: Graph) -> tuple[Arrays, Arrays | None]:
    """``inputs`` and, if there, ``outputs`` of an .npz file, shaped for ``graph``, in the network's own types.

    A network of several has ``input_0``, ``input_1`` and so on, likewise ``output_0``. Each is ``(N, *shape)``, in the
    shape of the graph or of the network's own file; ones may be missing at either end, and values may lie flat,
    ``(N, size)``.

    Raises
    ------
    SpecError
        If the file cannot be read or does not fit the graph.
    """
    wanted, answers = input_types(graph), output_types(graph)
    example = f"give an .npz file with {_listed(wanted)}"
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in (*wanted, *answers) if name in stored.files}
    except Exception as error:  # numpy raises many kinds for a broken file
        # nor what numpy says of pickles: to load them unsafely
        why = getattr(error, "strerror", None) or "damaged, or no .npz archive of plain arrays"
        raise SpecError(f"{path}: no vectors ({why}); {example}") from error
    if missing := [name for name in wanted if name not in arrays]:
        raise SpecError(f"{path}: has no array {missing[0]!r}; {example}")
    shapes = dict(zip((*wanted, *answers), (*graph.input_shapes, *graph.output_shapes), strict=False))
    count = len(arrays[next(iter(wanted))]) if arrays[next(iter(wanted))].ndim else 0
    for name, kind in {**wanted, **answers}.items():
        array = arrays.get(name)
        if array is not None and (array.dtype != kind.dtype or not array.ndim or not len(array) or len(array) != count
                                  or not _same_order(array.shape[1:], kind, shapes.get(name, kind.shape))):
            raise SpecError(f"{path}: {name!r} is {array.dtype}{array.shape}; {graph.name} has {kind.dtype} (N, "
                            f"{', '.join(map(str, kind.shape))}) there, or flat (N, {kind.size})")
    shaped = {name: arrays[name].reshape(-1, *kind.shape) for name, kind in {**wanted, **answers}.items()
              if name in arrays}
    whole = all(name in shaped for name in answers)
    return [shaped[name] for name in wanted], [shaped[name] for name in answers] if whole else None


def _listed(kinds: Mapping[str, TensorType]) -> str:
    return " and ".join(f"{'an' if kind.dtype == 'int8' else 'a'} {kind.dtype} array {name!r}"
                        for name, kind in kinds.items())


def _same_order(shape: tuple[int, ...], kind: TensorType, own: tuple[int, ...]) -> bool:
    """Whether values of that shape follow each other as in a tensor of ``kind``, whose file says ``own`` of it."""
    return shape == (kind.size,) or _without_ones(shape) in (_without_ones(kind.shape), _without_ones(own))


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without those at either end."""
    kept = canonical(shape)
    others = [place for place, size in enumerate(kept) if size != 1]
    return kept[others[0]:others[-1] + 1] if others else ()
