"""The integer graph: a quantized network as typed, checked layers, before any hardware is chosen."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sw.graph.check import problems, type_problems
from sw.graph.layer import POOLS, WEIGHTED, GraphError, Layer, TensorType

__all__ = ["Graph", "GraphError", "Layer", "TensorType"]

ARRAYS = ("weights", "bias", "multiplier", "shift")
FORMAT = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """Layers in an order in which they can run, from one input to one output.

    Tensor 0 is the graph's input, tensor ``n + 1`` the output of layer ``n``; the last one is the graph's output.
    A layer reads tensors before its own; where it does not say which (``inputs=()``), the one just before.
    """

    name: str
    input: TensorType
    layers: tuple[Layer, ...]

    def types(self) -> list[TensorType]:
        """Input type, then each layer's output type."""
        return [self.input, *(layer.output for layer in self.layers)]

    @property
    def output(self) -> TensorType:
        return self.types()[-1]

    def inputs_of(self, index: int) -> tuple[int, ...]:
        """Numbers of the tensors that layer ``index`` reads."""
        return self.layers[index].inputs or (index,)

    def taken(self, index: int) -> tuple[TensorType, ...]:
        """Types of the tensors that layer ``index`` reads."""
        types = self.types()
        return tuple(types[number] for number in self.inputs_of(index))

    @property
    def chain(self) -> bool:
        """Whether each layer reads the tensor just before it and nothing else."""
        return all(self.inputs_of(index) == (index,) for index in range(len(self.layers)))

    def macs(self, index: int) -> int:
        """Multiply-accumulates of layer ``index`` for one input, padding taps included; none but for weights."""
        return self.taps(index) if self.layers[index].op in WEIGHTED else 0

    def taps(self, index: int) -> int:
        """Values that the sums or maxima of layer ``index`` run over: its multiply-accumulates, or a pool's windows."""
        layer = self.layers[index]
        if layer.op not in (*WEIGHTED, *POOLS):
            return 0
        taken = self.taken(index)[0]
        per_output = {"conv": taken.shape[2], "dense": taken.size}.get(layer.op, 1)
        return layer.output.size * layer.kernel[0] * layer.kernel[1] * per_output

    def check(self) -> "Graph":
        """Returns itself; raises GraphError at the first layer that does not fit what it reads."""
        if not self.layers:
            raise GraphError(f"{self.name}: no layers; a network needs at least one")
        for problem in type_problems(self.input):
            raise GraphError(f"{self.name}: input: {problem}")
        for index, layer in enumerate(self.layers):
            if not (isinstance(self.name, str) and isinstance(layer.name, str)):
                raise GraphError(f"layer {index}: names are text, got {self.name!r} and {layer.name!r}; train again")
            for problem in self._problems(index):
                raise GraphError(f"layer {index} {layer.name} ({layer.op}): {problem}")
        used = {number for index in range(len(self.layers)) for number in self.inputs_of(index)}
        for number in range(len(self.layers)):
            if number not in used:
                maker = f"layer {number - 1} {self.layers[number - 1].name}" if number else "the input"
                raise GraphError(f"{self.name}: no layer reads tensor {number}, of {maker}; remove it, or make it the "
                                 f"last layer")
        return self

    def _problems(self, index: int) -> Iterator[str]:
        layer, numbers = self.layers[index], self.inputs_of(index)
        for number in numbers:
            if not 0 <= number <= index:
                yield (f"reads tensor {number}; it can read 0 (the input) to {index} (of the layer before), so put "
                       f"layers in the order in which they run")
                return
        yield from problems(layer, self.taken(index))

    def save(self, path: Path) -> None:
        """Write ``model.npz``: arrays, and the rest as JSON under ``header``."""
        header: dict[str, Any] = {"format": FORMAT, "name": self.name, "input": _type_record(self.input), "layers": []}
        arrays: dict[str, Any] = {}
        for index, layer in enumerate(self.layers):
            header["layers"].append({
                "name": layer.name, "op": layer.op, "output": _type_record(layer.output), "inputs": layer.inputs,
                "weight_bits": layer.weight_bits, "stride": layer.stride, "padding": layer.padding,
                "act_min": layer.act_min, "act_max": layer.act_max})
            arrays |= {f"{index}.{name}": getattr(layer, name) for name in ARRAYS}
        with path.open("wb") as file:
            np.savez_compressed(file, header=np.array(json.dumps(header, sort_keys=True)), **arrays)

    @staticmethod
    def load(path: Path) -> "Graph":
        """Raises GraphError where the file is not a model that :meth:`save` wrote."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                header = json.loads(str(stored["header"]))
                if header["format"] != FORMAT:
                    raise GraphError(f"{path}: model format {header['format']}, this Heddle reads {FORMAT}; "
                                     f"train again")
                layers = tuple(
                    Layer(**{**record, "output": _type(record["output"]), "stride": tuple(record["stride"]),
                             "padding": tuple(record["padding"]), "inputs": tuple(record["inputs"])},
                          **{name: stored[f"{index}.{name}"] for name in ARRAYS})
                    for index, record in enumerate(header["layers"]))
                return Graph(name=header["name"], input=_type(header["input"]), layers=layers).check()
        except GraphError:
            raise
        except Exception as error:  # numpy raises many kinds for a broken file
            raise GraphError(f"{path}: not a Heddle model ({type(error).__name__}: {error}); "
                             f"give a model.npz that Heddle wrote") from error


def _type_record(kind: TensorType) -> dict[str, Any]:
    return {"shape": kind.shape, "scale": kind.scale, "zero_point": kind.zero_point, "bits": kind.bits}


def _type(record: dict[str, Any]) -> TensorType:
    return replace(TensorType(**record), shape=tuple(record["shape"]))
