"""A graph on its way to a TFLite file: its tensors there, and what reads and gives them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sw.frontend.tflite_writer import Writer
from sw.graph.graph import Graph
from sw.graph.layer import Layer, TensorType, canonical

__all__ = ["ExportedGraph", "file_shape"]


class ExportedGraph:
    """A graph on its way to a file."""

    def __init__(self, graph: Graph):
        self.graph, self.file = graph, Writer()
        self.tensors: list[int] = []                       # of the file, by the graph's numbers
        self.shapes: dict[int, tuple[int, ...]] = {}       # of the file's tensors
        self.kinds: dict[int, TensorType] = {}

    def output(self, place: int, number: int) -> int:
        """The file's tensor that answers, in the shape that the network's own file had."""
        tensor = self.tensors[number]
        if not self.graph.output_shapes or self.graph.output_shapes[place] == self.shapes[tensor]:
            return tensor
        return self.reshaped(tensor, self.graph.output_shapes[place])

    def tensor(self, kind: TensorType, shape: Sequence[int], name: str, *, data: bytes | None = None) -> int:
        scales: dict[str, Any] = {} if kind.dtype == "float32" else {"scale": kind.scale, "zero": kind.zero_point}
        number = self.file.tensor(shape, kind.dtype.upper(), name=name, data=data, **scales)
        self.shapes[number], self.kinds[number] = tuple(shape), kind
        return number

    def integers(self, values: Sequence[int], name: str) -> int:
        array = np.array(values, np.int32)
        return self.file.tensor(array.shape, "INT32", name=name, data=array.tobytes())

    def reshaped(self, tensor: int, shape: Sequence[int], kind: TensorType | None = None) -> int:
        given = self.tensor(kind or self.kinds[tensor], shape, f"reshaped{len(self.file.tensors)}")
        self.file.operator("RESHAPE", [tensor, self.integers(shape, "shape")], given)
        return given

    def read(self, index: int, place: int = 0, shape: Sequence[int] | None = None) -> int:
        """The file's tensor that layer ``index`` reads, in ``shape``, or in any that the graph takes for the same."""
        tensor, view = self.tensors[self.graph.inputs_of(index)[place]], self.graph.taken(index)[place].shape
        if shape is None:
            if canonical(self.shapes[tensor]) == view:
                return tensor
            shape = file_shape(view)
        return tensor if self.shapes[tensor] == tuple(shape) else self.reshaped(tensor, shape)

    def padded(self, source: int, layer: Layer) -> int:
        """An image with the layer's padding around it."""
        kind, (_, height, width, channels) = self.kinds[source], self.shapes[source]
        top, left, bottom, right = layer.padding
        shape = (1, height + top + bottom, width + left + right, channels)
        around = np.array([(0, 0), (top, bottom), (left, right), (0, 0)], np.int32)
        given = self.tensor(kind, shape, f"{layer.name}/padded")
        sides = self.file.tensor(around.shape, "INT32", name=f"{layer.name}/paddings", data=around.tobytes())
        self.file.operator("PAD", [source, sides], given, "PadOptions")
        return given

    def image(self, index: int) -> int:
        """What it reads, with a batch, height, width and channels."""
        return self.read(index, 0, (1, *self.graph.taken(index)[0].image))

    def given(self, layer: Layer, name: str, inputs: Sequence[int], options: str = "", *,
              shape: Sequence[int] | None = None, **fields: Any) -> int:
        tensor = self.tensor(layer.output, file_shape(layer.output.shape) if shape is None else shape, layer.name)
        self.file.operator(name, inputs, tensor, options, **fields)
        return tensor


def file_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """With a batch, where the graph leaves one out."""
    return (1, *shape) if len(shape) == 3 else tuple(shape)
