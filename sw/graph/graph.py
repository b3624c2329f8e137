"""The integer graph: a quantized network as typed, checked layers, before any hardware is chosen."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hw.spec.errors import HeddleError
from hw.spec.requant import MAX_SHIFT

__all__ = ["Graph", "GraphError", "Layer", "TensorType"]

OPS = ("conv", "depthwise", "dense", "avgpool")
ARRAYS = ("weights", "bias", "multiplier", "shift")
FORMAT = 1


class GraphError(HeddleError, ValueError):
    """A graph is inconsistent; the message names the layer."""


@dataclass(frozen=True, kw_only=True)
class TensorType:
    """Type of an activation: NHWC without N, asymmetric: ``real = scale * (q - zero_point)``."""

    shape: tuple[int, int, int]   # height, width, channels
    scale: float
    zero_point: int
    bits: int = 8

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One operator with its fused requantization and clamp; it reads the tensor before it.

    ``weights`` are int8 within ``weight_bits``: conv ``(OC, KH, KW, IC)``, depthwise ``(KH, KW, C)``,
    dense ``(OC, K)`` over the flattened input, avgpool ``(KH, KW, 0)`` (only its shape counts).
    ``bias`` int32, ``multiplier`` int32 (0 to 2**31 - 1) and ``shift`` int32 (right shift, 0 to 31) have one entry
    per output channel; avgpool has none of them (TFLite's rounding, input and output types are equal).
    The bias does not contain the input's zero point.
    """

    name: str
    op: str
    output: TensorType
    weights: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    weight_bits: int = 8
    stride: tuple[int, int] = (1, 1)              # y, x
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)   # top, left, bottom, right
    act_min: int = -128
    act_max: int = 127

    @property
    def kernel(self) -> tuple[int, int]:
        if self.op == "dense":
            return 1, 1
        return tuple(self.weights.shape[1:3] if self.op == "conv" else self.weights.shape[:2])


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """A chain of layers from one input to one output."""

    name: str
    input: TensorType
    layers: tuple[Layer, ...]

    def types(self) -> list[TensorType]:
        """Input type, then each layer's output type."""
        return [self.input, *(layer.output for layer in self.layers)]

    @property
    def output(self) -> TensorType:
        return self.types()[-1]

    def macs(self, index: int) -> int:
        """Multiply-accumulates of layer ``index`` for one input, padding taps included."""
        layer, taken = self.layers[index], self.types()[index]
        height, width, channels = layer.output.shape
        per_output = layer.kernel[0] * layer.kernel[1] * (
            1 if layer.op in ("depthwise", "avgpool") else taken.size if layer.op == "dense" else taken.shape[2])
        return height * width * channels * per_output

    def check(self) -> "Graph":
        """Returns itself; raises GraphError at the first layer that does not fit its input."""
        if not self.layers:
            raise GraphError(f"{self.name}: no layers; a network needs at least one")
        for index, layer in enumerate(self.layers):
            if not (isinstance(self.name, str) and isinstance(layer.name, str)):
                raise GraphError(f"layer {index}: names are text, got {self.name!r} and {layer.name!r}; train again")
            for problem in _problems(layer, self.types()[index]):
                raise GraphError(f"layer {index} {layer.name} ({layer.op}): {problem}")
        return self

    def save(self, path: Path) -> None:
        """Write ``model.npz``: arrays, and the rest as JSON under ``header``."""
        header: dict[str, Any] = {"format": FORMAT, "name": self.name, "input": _type_record(self.input), "layers": []}
        arrays: dict[str, Any] = {}
        for index, layer in enumerate(self.layers):
            header["layers"].append({
                "name": layer.name, "op": layer.op, "output": _type_record(layer.output),
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
                             "padding": tuple(record["padding"])},
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


def _problems(layer: Layer, taken: TensorType):
    """Yield what is wrong with ``layer`` when it reads ``taken``."""
    if layer.op not in OPS:
        yield f"unknown operator; Heddle runs {', '.join(OPS)}"
        return
    height, width, channels = taken.shape
    rank = {"conv": 4, "depthwise": 3, "dense": 2, "avgpool": 3}[layer.op]
    if layer.weights.ndim != rank or layer.weights.dtype != np.int8:
        yield f"weights are {layer.weights.dtype} of rank {layer.weights.ndim}; expected int8 of rank {rank}"
        return
    outputs = {"conv": layer.weights.shape[0], "dense": layer.weights.shape[0]}.get(layer.op, channels)
    takes = {"conv": layer.weights.shape[-1], "depthwise": layer.weights.shape[-1]}.get(layer.op, channels)
    if layer.op == "dense" and layer.weights.shape[1] != taken.size:
        yield f"weights take {layer.weights.shape[1]} inputs, but the tensor before has {taken.size}"
    if takes != channels:
        yield f"weights take {takes} channels, but the tensor before has {channels}"
    top, left, bottom, right = layer.padding
    (kernel_y, kernel_x), (stride_y, stride_x) = layer.kernel, layer.stride
    if min(layer.padding) < 0 or min(layer.stride) < 1:
        yield f"padding {layer.padding} or stride {layer.stride} is negative or zero"
        return
    shape = (1, 1, outputs) if layer.op == "dense" else (
        (height + top + bottom - kernel_y) // stride_y + 1, (width + left + right - kernel_x) // stride_x + 1, outputs)
    if layer.output.shape != shape or min(shape) < 1:
        yield f"output shape is {layer.output.shape}, but input {taken.shape} and kernel give {shape}"
    if layer.op == "avgpool":
        if (layer.output.scale, layer.output.zero_point) != (taken.scale, taken.zero_point):
            yield "average pooling keeps its input's scale and zero point"
        if any(layer.padding):
            yield "average pooling with padding is not supported"
        return
    limit = (1 << layer.weight_bits - 1) - 1
    if layer.weights.size and not (-limit - 1 <= layer.weights.min() and layer.weights.max() <= limit):
        yield f"weights exceed {layer.weight_bits} bits"
    for name in ("bias", "multiplier", "shift"):
        value = getattr(layer, name)
        if value.shape != (outputs,) or value.dtype != np.int32:
            yield f"{name} is {value.dtype}{value.shape}; expected int32({outputs},)"
            return
    if layer.multiplier.min() < 0:
        yield "a multiplier is negative"
    if layer.shift.min() < 0 or layer.shift.max() > MAX_SHIFT:
        yield f"shift {layer.shift.min()} to {layer.shift.max()}: the requantizer shifts right by 0 to {MAX_SHIFT}"
    if not -128 <= layer.act_min <= layer.act_max <= 127:
        yield f"clamp {layer.act_min} to {layer.act_max} is not inside -128 to 127"
