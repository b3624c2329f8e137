"""The integer graph: a quantized network as typed, checked layers, before any hardware is chosen."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sw.graph.check import problems, type_problems
from sw.graph.layer import POOLS, WEIGHTED, Constant, GraphError, Layer, State, TensorType

__all__ = ["Constant", "Graph", "GraphError", "Layer", "State", "TensorType"]

ARRAYS = ("weights", "bias", "multiplier", "shift")
FORMAT = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """Layers in an order in which they can run, from its inputs to its outputs.

    Tensors have numbers: first the *sources*, which no layer makes (inputs, then states, then constants), then the
    outputs of the layers. A layer reads tensors before its own; where it does not say which (``inputs=()``), the one
    just before. A reshape moves no byte and is no layer: what reads another shape says so (``Layer.views``).
    """

    name: str
    inputs: tuple[TensorType, ...]
    layers: tuple[Layer, ...]
    outputs: tuple[int, ...] = ()                 # tensors; (): of the last layer
    states: tuple[State, ...] = ()
    constants: tuple[Constant, ...] = ()
    #: Shapes of inputs and outputs as the network's own file has them, batch included; (): the graph's.
    input_shapes: tuple[tuple[int, ...], ...] = ()
    output_shapes: tuple[tuple[int, ...], ...] = ()

    @property
    def sources(self) -> tuple[TensorType, ...]:
        """Types of the tensors that no layer makes."""
        return (*self.inputs, *(state.type for state in self.states), *(constant.type for constant in self.constants))

    @property
    def first(self) -> int:
        """Number of the first layer's output."""
        return len(self.inputs) + len(self.states) + len(self.constants)

    def state_number(self, index: int) -> int:
        """Number of the tensor of state ``index``."""
        return len(self.inputs) + index

    def constant_of(self, tensor: int) -> Constant | None:
        """The constant that a tensor is, if it is one."""
        place = tensor - len(self.inputs) - len(self.states)
        return self.constants[place] if 0 <= place < len(self.constants) else None

    def layer_of(self, tensor: int) -> int | None:
        """The layer that makes a tensor; None for a source."""
        return tensor - self.first if tensor >= self.first else None

    def types(self) -> list[TensorType]:
        """Types of all tensors: sources, then each layer's output."""
        return [*self.sources, *(layer.output for layer in self.layers)]

    @property
    def answers(self) -> tuple[int, ...]:
        """Numbers of the output tensors."""
        return self.outputs or (self.first + len(self.layers) - 1,)

    @property
    def input(self) -> TensorType:
        """The only input. Raises GraphError where there are several."""
        if len(self.inputs) != 1:
            raise GraphError(f"{self.name}: {len(self.inputs)} inputs; this works for networks of one")
        return self.inputs[0]

    @property
    def output(self) -> TensorType:
        """The only output. Raises GraphError where there are several."""
        if len(self.answers) != 1:
            raise GraphError(f"{self.name}: {len(self.answers)} outputs; this works for networks of one")
        return self.types()[self.answers[0]]

    def inputs_of(self, index: int) -> tuple[int, ...]:
        """Numbers of the tensors that layer ``index`` reads."""
        return self.layers[index].inputs or ((self.first + index - 1,) if index else (0,))

    def taken(self, index: int) -> tuple[TensorType, ...]:
        """Types of the tensors that layer ``index`` reads, in the shapes in which it reads them."""
        types, views = self.types(), self.layers[index].views
        read = [types[number] for number in self.inputs_of(index)]
        if not views:
            return tuple(read)
        return tuple(TensorType(**{**asdict(kind), "shape": view}) for kind, view in zip(read, views, strict=True))

    @property
    def chain(self) -> bool:
        """Whether each layer reads the tensor just before it and nothing else."""
        return self.first == 1 and all(self.inputs_of(index) == (index,) for index in range(len(self.layers)))

    def macs(self, index: int) -> int:
        """Multiply-accumulates of layer ``index`` for one input, padding taps included; none but for weights."""
        return self.taps(index) if self.layers[index].op in WEIGHTED else 0

    def taps(self, index: int) -> int:
        """Values that the sums or maxima of layer ``index`` run over: its multiply-accumulates, or a pool's windows."""
        layer = self.layers[index]
        if layer.op not in (*WEIGHTED, *POOLS):
            return 0
        per_output = {"conv": layer.weights.shape[-1], "dense": self.taken(index)[0].size}.get(layer.op, 1)
        return layer.output.size * layer.kernel[0] * layer.kernel[1] * per_output

    def check(self) -> "Graph":
        """Returns itself; raises GraphError at the first layer that does not fit what it reads."""
        if not self.layers:
            raise GraphError(f"{self.name}: no layers; a network needs at least one")
        for problem in self._source_problems():
            raise GraphError(f"{self.name}: {problem}")
        for index, layer in enumerate(self.layers):
            if not (isinstance(self.name, str) and isinstance(layer.name, str)):
                raise GraphError(f"layer {index}: names are text, got {self.name!r} and {layer.name!r}; train again")
            for problem in self._problems(index):
                raise GraphError(f"layer {index} {layer.name} ({layer.op}): {problem}")
        for problem in self._end_problems():
            raise GraphError(f"{self.name}: {problem}")
        return self

    def _source_problems(self) -> Iterator[str]:
        for kind in self.inputs:
            for problem in type_problems(kind):
                yield f"input: {problem}"
        for what, values, kind in (*(("state", state.initial, state.type) for state in self.states),
                                   *(("constant", constant.values, constant.type) for constant in self.constants)):
            for problem in type_problems(kind):
                yield f"{what}: {problem}"
            if kind.dtype != "int8" or values.dtype != np.int8 or values.shape != kind.shape:
                yield f"{what}: values are {values.dtype}{values.shape} of a tensor {kind.dtype}{kind.shape}"

    def _end_problems(self) -> Iterator[str]:
        count = self.first + len(self.layers)
        used = {number for index in range(len(self.layers)) for number in self.inputs_of(index)}
        used |= {state.next for state in self.states} | set(self.answers)
        for number in range(count):
            if number not in used and self.constant_of(number) is None:
                made = self.layer_of(number)
                maker = "the input" if made is None else f"layer {made} {self.layers[made].name}"
                yield (f"no layer reads tensor {number}, of {maker}; remove it, or make it the last layer")
        for number in self.answers:
            if not 0 <= number < count or self.constant_of(number) is not None:
                yield f"output tensor {number}: choose the tensor of an input, a state or a layer, 0 to {count - 1}"
        for state in self.states:
            if not 0 <= state.next < count or self.types()[state.next].bytes != state.type.bytes:
                yield f"state {state.name}: its next value, tensor {state.next}, is not as large as it"

    def _problems(self, index: int) -> Iterator[str]:
        layer, numbers, last = self.layers[index], self.inputs_of(index), self.first + index - 1
        for number in numbers:
            if not 0 <= number <= last:
                yield (f"reads tensor {number}; it can read 0 (the input) to {last} (of the layer before), so put "
                       f"layers in the order in which they run")
                return
        if layer.views and len(layer.views) != len(numbers):
            yield f"reads {len(numbers)} tensors in {len(layer.views)} shapes; give one for each, or none"
            return
        types = self.types()
        for number, kind in zip(numbers, self.taken(index), strict=True):
            if kind.size != types[number].size:
                yield f"reads tensor {number} of shape {types[number].shape} as {kind.shape}, which has other sizes"
                return
        yield from problems(layer, self.taken(index))

    def save(self, path: Path) -> None:
        """Write ``model.npz``: arrays, and the rest as JSON under ``header``."""
        header: dict[str, Any] = {
            "format": FORMAT, "name": self.name, "inputs": [asdict(kind) for kind in self.inputs],
            "outputs": self.outputs, "input_shapes": self.input_shapes, "output_shapes": self.output_shapes,
            "states": [{"name": state.name, "type": asdict(state.type), "next": state.next} for state in self.states],
            "constants": [asdict(constant.type) for constant in self.constants], "layers": []}
        arrays: dict[str, Any] = {f"state.{index}": state.initial for index, state in enumerate(self.states)}
        arrays |= {f"constant.{index}": constant.values for index, constant in enumerate(self.constants)}
        for index, layer in enumerate(self.layers):
            header["layers"].append({name: value for name, value in vars(layer).items() if name not in ARRAYS}
                                    | {"output": asdict(layer.output)})
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
                return _from_record(header, stored).check()
        except GraphError:
            raise
        except Exception as error:  # numpy raises many kinds for a broken file
            raise GraphError(f"{path}: not a Heddle model ({type(error).__name__}: {error}); "
                             f"give a model.npz that Heddle wrote") from error


def _from_record(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Graph:
    layers = tuple(
        Layer(**{**{name: _tuples(value) for name, value in record.items()}, "output": _type(record["output"]),
                 **{name: arrays[f"{index}.{name}"] for name in ARRAYS}})
        for index, record in enumerate(header["layers"]))
    states = tuple(State(name=record["name"], type=_type(record["type"]), next=record["next"],
                         initial=arrays[f"state.{index}"]) for index, record in enumerate(header["states"]))
    constants = tuple(Constant(type=_type(record), values=arrays[f"constant.{index}"])
                      for index, record in enumerate(header["constants"]))
    return Graph(name=header["name"], inputs=tuple(map(_type, header["inputs"])), layers=layers, states=states,
                 constants=constants, **{name: _tuples(header[name])
                                         for name in ("outputs", "input_shapes", "output_shapes")})


def _type(record: Mapping[str, Any]) -> TensorType:
    return TensorType(**{name: _tuples(value) for name, value in record.items()})


def _tuples(value: Any) -> Any:
    """JSON's lists as tuples, inner ones too."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
