"""A network's own ears: the operator that makes int8 features of an int16 waveform, on the CPU.

A feature has :data:`sw.graph.audio.STEPS` steps in a unit, so an output of a scale is
``round(value * multiplier / 2**24) + zero_point``, halves upwards. At scale 666 / 256 / 25.6 and zero point -128 that
is what TensorFlow Lite Micro's ``micro_speech`` gives its network.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sw.golden import costs
from sw.golden.features import FeatureTables, features, features_by, tables_of
from sw.golden.function import Fields, Function, Task, as_words
from sw.graph.audio import STEPS, FeatureSpec
from sw.graph.graph import Graph
from sw.graph.layer import GraphError, Layer, TensorType

__all__ = ["FEATURES", "hearing", "prepare_features", "spec_of", "waveform_features", "waveform_features_plain",
           "waveform_features_tasks"]

FRACTION = 24              # fractional bits of the multiplier
NOTHING = np.zeros(0, np.int32)
LEAST_SCALE = 1 / 1024     # of an output: the multiplier has 31 bits
GAINS, LOGARITHMS = 125, 130      # entries of these tables
Types = Sequence[TensorType]
Arrays = Sequence[np.ndarray]


def prepare_features(scale: float) -> int:
    """The multiplier of outputs of a scale.

    >>> prepare_features(666 / 256 / 25.6)
    6448900

    Raises
    ------
    GraphError
        If the scale is too small.
    """
    if not scale >= LEAST_SCALE:
        raise GraphError(f"scale {scale:g}: features take a scale of 1/1024 or more, since they have {STEPS:g} "
                         f"steps in a unit")
    return round((1 << FRACTION) / (STEPS * scale))


def spec_of(layer: Layer) -> FeatureSpec:
    """What a layer computes."""
    return FeatureSpec(**dict(zip(FeatureSpec.__dataclass_fields__, layer.parameters, strict=True)))


def hearing(graph: Graph, spec: FeatureSpec, samples: int) -> Graph:
    """The same network with a front end: it takes waveforms of so many samples, int16 ``(1, 1, samples)``.

    Raises
    ------
    GraphError
        If the network does not take the features of such waveforms as its one input.
    """
    taken, frames = graph.inputs[0], spec.frames(samples)
    if len(graph.inputs) != 1 or taken.dtype != "int8" or taken.size != frames * spec.channels:
        takes = " and ".join(f"{kind.dtype} {kind.shape}" for kind in graph.inputs)
        raise GraphError(f"{graph.name}: takes {takes}, but {samples} samples have {frames} windows of {spec.channels} "
                         f"channels; give the data with which it was trained")
    ears = Layer(name="ears", op="features", output=taken, weights=np.zeros(0, np.int8), bias=NOTHING, shift=NOTHING,
                 multiplier=np.array([prepare_features(taken.scale)], np.int32), inputs=(0,),
                 parameters=tuple(vars(spec).values()))
    waveform = TensorType(shape=(1, 1, samples), scale=1.0, zero_point=0, dtype="int16")

    def moved(number: int) -> int:
        """Layers have one more before them, and the features are what the input was."""
        return graph.first if number == 0 else number + (number >= graph.first)
    layers = [replace(layer, inputs=tuple(map(moved, graph.inputs_of(index)))) for index, layer in enumerate(
        graph.layers)]
    return replace(graph, inputs=(waveform,), layers=(ears, *layers), outputs=tuple(map(moved, graph.answers)),
                   states=tuple(replace(state, next=moved(state.next)) for state in graph.states),
                   input_shapes=()).check()


def _quantized(values: np.ndarray, multiplier: int, zero: int) -> np.ndarray:
    scaled = values.astype(np.int64) * multiplier + (1 << FRACTION - 1) >> FRACTION
    return np.clip(scaled + zero, -128, 127).astype(np.int8)


def waveform_features(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    found = features(spec_of(layer), data[0].reshape(len(data[0]), -1))
    return _quantized(found, int(layer.multiplier[0]), layer.output.zero_point).reshape(-1, *layer.output.shape)


def waveform_features_plain(layer: Layer, taken: Types, data: Arrays) -> np.ndarray:
    """The definition is the front end's (``sw.golden.features``)."""
    return waveform_features(layer, taken, [data[0][None]])[0]


def waveform_features_tasks(layer: Layer, taken: Types, sources: Sequence[int], output: int) -> list[Task]:
    spec = spec_of(layer)
    return [Task(function="features", table=_words(tables_of(spec)), fields={
        "source": sources[0], "output": output, "frames": spec.frames(taken[0].size), "hop": spec.hop,
        "window": spec.window, "half": spec.transform // 2, "channels": spec.channels,
        "multiplier": int(layer.multiplier[0]), "zero": layer.output.zero_point})]


def _words(tables: FeatureTables) -> list[int]:
    """All of them as halves of words, in the order of their fields."""
    return as_words(b"".join(np.ascontiguousarray(part).astype("<i2").tobytes() for part in vars(tables).values()))


def _tables(fields: Fields, table: np.ndarray) -> FeatureTables:
    """The inverse of :func:`_words`."""
    halves, half = table.view("<i2"), fields["half"]
    before = fields["window"] + 3 * half + fields["channels"] + 2
    lines = int(halves[before - 1]) - int(halves[before - fields["channels"] - 2])
    sizes = (fields["window"], 2 * half, half, fields["channels"] + 2, lines, GAINS, LOGARITHMS)
    window, twiddles, splitting, edges, weights, gains, logarithms, _ = np.split(halves, np.cumsum(sizes))
    return FeatureTables(window=window, twiddles=twiddles.reshape(-1, 2), splitting=splitting.reshape(-1, 2),
                         edges=edges, weights=weights, gains=gains, logarithms=logarithms.view("<u2"))


def _samples(fields: Fields) -> int:
    return (fields["frames"] - 1) * fields["hop"] + fields["window"]


def _run(fields: Fields, table: np.ndarray, memory: np.ndarray) -> None:
    source, size = fields["source"], fields["frames"] * fields["channels"]
    waveform = memory[source:source + 2 * _samples(fields)].copy().view("<i2")
    found = features_by(_tables(fields, table), fields["hop"], waveform[None])
    memory[fields["output"]:fields["output"] + size] = _quantized(
        found, fields["multiplier"], fields["zero"]).reshape(-1)


#: The table has those of ``sw.golden.features``, in halves of words.
FEATURES = Function(
    cycles=costs.features,
    fields=("source", "output", "frames", "hop", "window", "half", "channels", "multiplier", "zero"),
    addresses=("source", "output"), run=_run, reads=lambda fields: [(fields["source"], 2 * _samples(fields))],
    writes=lambda fields: [(fields["output"], fields["frames"] * fields["channels"])])
