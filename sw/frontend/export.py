"""The integer graph to an int8 TFLite file, which TensorFlow Lite Micro computes bit for bit as Heddle does.

A file holds scales, from which runtimes compute multipliers, shifts and tables. So every file that is written is read
again, and must be the same graph: what a file cannot say is an error that names the layer, and nothing is approximated.
Weights of fewer than 8 bits are the same values in int8, of 4 bits in TFLite's int4.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from sw.frontend.export_layers import write_layer
from sw.frontend.exported import ExportedGraph, file_shape
from sw.frontend.tflite import load_tflite
from sw.graph.graph import Graph, GraphError
from sw.graph.padding import fold_pads

__all__ = ["differences", "export_tflite"]

DESCRIPTION = "exported by Heddle"
_FIELDS = ("op", "output", "stride", "dilation", "padding", "act_min", "act_max", "parameters", "function")
_ARRAYS = ("weights", "bias", "multiplier", "shift")


def export_tflite(graph: Graph) -> bytes:
    """The content of a ``.tflite`` file; :func:`~sw.frontend.tflite.load_tflite` gives the same graph of it, but that a
    padding which TFLite's convolutions do not have is a pad in front.

    Raises
    ------
    GraphError
        If the graph holds what TFLite cannot say; the line names the layer.
    """
    data = _content(graph)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(data)
        try:
            again = load_tflite(path)
        except GraphError as error:
            raise GraphError(f"{graph.name}: cannot be a TFLite file: {error}") from error
    for difference in differences(fold_pads(graph), fold_pads(again)):
        raise GraphError(f"{graph.name}: cannot be a TFLite file: {difference}")
    return data


def differences(first: Graph, second: Graph) -> Iterator[str]:
    """Where two graphs are not the same network; names and the width in which weights are kept do not count."""
    ends: tuple[tuple[str, Any, Any], ...] = (
        ("inputs", first.inputs, second.inputs),
        ("number of constants", len(first.constants), len(second.constants)),
        ("number of layers", len(first.layers), len(second.layers)), ("outputs", first.answers, second.answers))
    for name, one, other in ends:
        if one != other:
            yield f"{name} {one} would be {other}"
            return
    for index, (constant, again) in enumerate(zip(first.constants, second.constants, strict=True)):
        if constant.type != again.type or not np.array_equal(constant.values, again.values):
            yield f"constant {index} of {constant.type} would be another one"
    for index, (layer, other) in enumerate(zip(first.layers, second.layers, strict=True)):
        where = f"layer {index} {layer.name} ({layer.op})"
        if (first.inputs_of(index), first.taken(index)) != (second.inputs_of(index), second.taken(index)):
            yield f"{where} would read other tensors or shapes"
        for name in _FIELDS:
            if getattr(layer, name) != getattr(other, name):
                yield f"{where}: {name} {getattr(layer, name)} would be {getattr(other, name)}"
        for name in _ARRAYS:
            if not np.array_equal(getattr(layer, name), getattr(other, name)):
                yield f"{where}: its {name} would be others; no scales of 32 bits and no operator of TFLite give them"


def _content(graph: Graph) -> bytes:
    export = ExportedGraph(graph)
    if graph.states:
        raise GraphError(f"{graph.name}: has states, which Heddle writes to no TFLite file; keep model.npz")
    for number, kind in enumerate(graph.types()):
        if kind.bits != 8:
            raise GraphError(f"{graph.name}: cannot be a TFLite file: tensor {number} has activations of "
                             f"{kind.bits} bits; TFLite has 8: keep model.npz")
        if float(np.float32(kind.scale)) != kind.scale:
            raise GraphError(f"{graph.name}: cannot be a TFLite file: tensor {number} has a scale of {kind.scale}, "
                             f"which is no number of 32 bits; train it again with this Heddle, or keep model.npz")
    for number, kind in enumerate(graph.inputs):
        shape = graph.input_shapes[number] if graph.input_shapes else file_shape(kind.shape)
        export.tensors.append(export.tensor(kind, shape, f"input{number}"))
    for number, constant in enumerate(graph.constants):
        export.tensors.append(export.tensor(constant.type, file_shape(constant.type.shape), f"constant{number}",
                                            data=constant.values.tobytes()))
    for index, layer in enumerate(graph.layers):
        try:
            export.tensors.append(write_layer(export, index))
        except GraphError as error:
            raise GraphError(f"{graph.name}: cannot be a TFLite file: layer {index} {layer.name} ({layer.op}): "
                             f"{error}") from error
    outputs = [export.output(place, number) for place, number in enumerate(graph.answers)]
    return export.file.content(export.tensors[:len(graph.inputs)], outputs, DESCRIPTION)
