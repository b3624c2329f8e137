"""TFLite flatbuffers (int8) to the integer graph.

The file is read with every offset checked (``tflite_file``); its operators are lowered in their order, by the functions
of ``sw.frontend.operators``. Anything that Heddle does not run is an error that names the operator or the tensor and
says what to change. Nothing is approximated: the arithmetic is that of TensorFlow Lite Micro.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sw.frontend.damage import names_file
from sw.frontend.lowering import Lowering, Operation
from sw.frontend.network import Value
from sw.frontend.operators import LOWERS, cross, fold
from sw.frontend.tflite_file import FULL_INTEGER, File, Operator, Tensor
from sw.golden.movement import row_major
from sw.graph.graph import Graph, GraphError

__all__ = ["FULL_INTEGER", "load_tflite", "lowered"]

#: operators that people ask for -> what to do instead
_INSTEAD = {
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "unroll it (unroll=True in Keras), or use a convolution over time or a GRU cell of "
                                    "operators that Heddle has",
    "LSTM": "unroll it (unroll=True in Keras)", "SVDF": "use a depthwise convolution over time",
    "WHILE": "unroll the loop", "IF": "take the branch out of the network",
    "ARG_MAX": "take the index of the greatest output outside of the network",
    "ARG_MIN": "take the index of the least output outside of the network",
}


@names_file
def load_tflite(path: Path) -> Graph:
    """Raises GraphError where the file is no int8 model of operators that Heddle has, or is damaged."""
    subgraphs = File(path).subgraphs
    return lowered(path.stem, Lowering(subgraphs, subgraphs[0]), LOWERS)


def lowered(name: str, lowering: Lowering, lowers: Mapping[str, Callable[[Operation], Any]]) -> Graph:
    """The graph of all operators of ``lowering``, each by the function that ``lowers`` has for it.

    Raises GraphError where Heddle does not run one of them; the message names it.
    """
    subgraph = lowering.subgraph
    inputs, outputs = ([subgraph.tensors[index] for index in indices]
                       for indices in (subgraph.inputs, subgraph.outputs))
    if not inputs or not outputs:
        raise GraphError(f"has {len(inputs)} inputs and {len(outputs)} outputs; a network has one of each at least")
    _check_batch(inputs, outputs)
    for tensor in inputs:
        lowering.values[tensor.index] = lowering.network.input(tensor.type)
    for operator in subgraph.operators:
        _lower(lowering, operator, lowers)
    values = [lowering.value(tensor) for tensor in outputs]
    if all(value.source == "input" for value in values):
        values = [_copied(lowering, value, number) for number, value in enumerate(values)]
    return lowering.network.graph(name, values, input_shapes=[tensor.shape for tensor in inputs],
                                  output_shapes=[tensor.shape for tensor in outputs])


def _copied(lowering: Lowering, value: Value, number: int) -> Value:
    """A network that reshapes alone needs a layer all the same."""
    shape = value.type.shape
    return lowering.network.layer(f"output{number}", "gather", [(value, shape)], value.type,
                                  parameters=(0, *row_major(shape)))


def _check_batch(inputs: list[Tensor], outputs: list[Tensor]) -> None:
    """One inference at a time: a first dimension of images, or one that inputs and outputs share, is a batch."""
    for tensor in inputs:
        batch = tensor.shape[0] if tensor.size and len(tensor.shape) > 1 else 1
        shared = any(len(other.shape) > 1 and other.shape[0] == batch for other in outputs)
        if batch != 1 and (len(tensor.shape) == 4 or shared):
            raise GraphError(f"its input, {tensor}, is a batch of {batch}; Heddle runs one inference at a time; "
                             f"convert it again with a batch of 1")


def _lower(lowering: Lowering, operator: Operator, lowers: Mapping[str, Callable[[Operation], Any]]) -> None:
    op = Operation(lowering, operator)
    try:
        if fold(op) or cross(op):
            return
        if operator.name not in lowers:
            instead = _INSTEAD.get(operator.name, "use operators that docs/tflite.md lists")
            raise GraphError(f"not supported; {instead}")
        lowers[operator.name](op)
    except GraphError as error:
        raise GraphError(f"{operator}: {error}") from error
