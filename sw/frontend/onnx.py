"""ONNX networks with QDQ nodes (int8) to the integer graph.

The file becomes TFLite's operators (``onnx_translation``, ``onnx_nodes``), and these become layers by the functions
that TFLite files go through, so that an ONNX network is the same graph and has the same arithmetic: TFLite's, which
stays on integers. Runtimes of ONNX compute in float32; ``docs/onnx.md`` says how far their answers may lie away.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sw.frontend.damage import names_file
from sw.frontend.lowering import Lowering, Operation
from sw.frontend.onnx_file import Input, Node, OnnxFile, quoted
from sw.frontend.onnx_nodes import OPERATORS, NodeOp, fold
from sw.frontend.onnx_translation import HOW, Float, Pending, Placed, Scale, Translation, unknown
from sw.frontend.operators import LOWERS
from sw.frontend.tflite import lowered
from sw.frontend.tflite_file import Subgraph
from sw.graph.graph import Graph, GraphError

__all__ = ["load_onnx"]

QUANTIZES, DEQUANTIZES = (tuple(prefix + name for prefix in ("", "com.microsoft."))
                          for name in ("QuantizeLinear", "DequantizeLinear"))
#: nodes that read images (N, C, ...), and those in front of them that do not mind the order of axes
IMAGES = ("Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Resize", "Upsample")
INDIFFERENT = (*QUANTIZES, *DEQUANTIZES, "Relu", "Clip", "Identity", "Cast", "Pad", "Sigmoid", "Tanh", "LeakyRelu",
               "Add", "Sub", "Mul", "Concat")


@names_file
def load_onnx(path: Path) -> Graph:
    """Raises GraphError where the file is no int8 network of operators that Heddle has, or is damaged."""
    file = OnnxFile(path)
    needed = list(_needed(file))
    _check_quantized(file)
    made, names = Translation(), dict[str, Any](file.constants)
    inputs = [_input(file, made, names, one) for one in file.inputs]
    for node in needed:
        op = NodeOp(node=node, names=names, made=made, opset=file.opset)
        try:
            if not fold(op):
                if node.kind not in OPERATORS:
                    raise GraphError(_foreign(node))
                OPERATORS[node.kind](op)
        except GraphError as error:
            raise GraphError(f"{node}: {error}") from error
    outputs = [_output(made, names, name) for name in file.outputs]
    subgraph = Subgraph(tensors=tuple(made.tensors), inputs=tuple(inputs), outputs=tuple(outputs),
                        operators=tuple(made.operators))
    return lowered(path.stem, Lowering([subgraph], subgraph), {**LOWERS, "TABLE": _table})


def _table(op: Operation) -> None:
    value, shape = op.read(0)
    op.define(op.layer("table", [(value, shape)], replace(op.given().type, shape=shape), weights=op.option("weights"),
                       function=op.option("function")))


def _needed(file: OnnxFile) -> Iterator[Node]:
    """The nodes that the outputs are computed from, in their order."""
    if not file.outputs:
        raise GraphError("has no outputs; export it again")
    wanted, kept = set(file.outputs), set[int]()
    for node in reversed(file.nodes):
        if wanted & set(node.outputs):
            kept.add(node.index)
            wanted |= set(node.inputs)
    return (node for node in file.nodes if node.index in kept)


def _check_quantized(file: OnnxFile) -> None:
    kinds = {node.kind for node in file.nodes}
    if foreign := sorted(kind for kind in kinds if kind.split(".")[-1].startswith(("QLinear", "QGemm", "ConvInteger",
                                                                                   "MatMulInteger"))):
        raise GraphError(f"is of the QOperator format ({foreign[0]}), whose operators have scales of their own; "
                         f"quantize the float network by {HOW}")
    if "DynamicQuantizeLinear" in kinds:
        raise GraphError(f"finds its scales while it runs (DynamicQuantizeLinear); quantize the float network by {HOW}")
    if not kinds & set(QUANTIZES):
        raise GraphError(f"is not quantized; quantize it by {HOW}")


def _foreign(node: Node) -> str:
    instead = {"BatchNormalization": "fold it into the layer before it "
                                     "(onnxruntime.quantization.shape_inference.quant_pre_process)",
               "ConvTranspose": "use Resize by nearest and Conv",
               "If": "take the branch out of the network",
               "Loop": "unroll the loop", "LSTM": "use a convolution over time",
               "GRU": "use a convolution over time"}.get(node.kind, "use operators that docs/onnx.md lists")
    return f"not supported; {instead}"


# the ends

def _input(file: OnnxFile, made: Translation, names: dict[str, Any], one: Input) -> int:
    """An input's tensor; images as ``(N, H, W, C)``."""
    where = f"its input {quoted(one.name)}"
    if one.name in names:
        raise GraphError(f"{where} is there twice; get or export it again")
    shape = tuple(1 if size is None and axis == 0 and len(one.shape) > 1 else size
                  for axis, size in enumerate(one.shape))
    if not all(size is not None and size > 0 for size in shape):
        raise GraphError(f"{where} has a shape of {one.shape}, with dimensions that are not fixed; fix them "
                         f"(onnxruntime.tools.make_dynamic_shape_fixed)")
    fixed = tuple(size or 1 for size in shape)
    if len(fixed) > 1 and fixed[0] != 1:
        raise GraphError(f"{where} is a batch of {fixed[0]}; Heddle runs one inference at a time: export it with a "
                         f"batch of 1")
    rank = len(fixed)
    order = (0, *range(2, rank), 1) if rank in (3, 4) and _before_images(file, one.name) else tuple(range(rank))
    stored = [fixed[axis] for axis in order]
    if one.kind == "float32":
        tensor = made.tensor(stored, "FLOAT32", name=one.name)
        names[one.name] = Float(tensor=tensor, shape=fixed, order=order)
        return tensor
    if one.kind not in ("int8", "uint8"):
        raise GraphError(f"{where} is {one.kind}; Heddle takes float32, int8 and uint8: quantize it by {HOW}")
    node, scale = _scale_of(file, one)
    if one.kind == "uint8":
        tensor = made.tensor(stored, "UINT8", scale=scale.scale, zero=scale.zero + 128, name=one.name)
        inner = made.operator(node, "QUANTIZE", [tensor], made.activation(stored, scale))
    else:
        tensor = inner = made.tensor(stored, scale=scale.scale, zero=scale.zero, name=one.name)
    names[one.name] = Placed(tensor=inner, shape=fixed, whole=fixed, order=order, scale=scale, real=False)
    return tensor


def _scale_of(file: OnnxFile, one: Input) -> tuple[Node, Scale]:
    """That of the node which reads an input's bytes."""
    for node in file.nodes:
        if node.kind in DEQUANTIZES and node.inputs[:1] == (one.name,):
            constants = [file.constants.get(name) for name in node.inputs[1:3]]
            scale = constants[0] if constants else None
            zero = constants[1] if len(constants) > 1 else np.zeros(1, np.uint8)
            if scale is None or zero is None or not scale.size == zero.size == 1 or scale.dtype != np.float32:
                continue
            if 0 < scale.reshape(()) < np.inf:
                unsigned = one.kind == "uint8"
                return node, Scale(scale=float(scale.reshape(())), zero=int(zero.reshape(())) - 128 * unsigned,
                                   unsigned=unsigned)
    raise GraphError(f"its input {quoted(one.name)} is {one.kind}, and no DequantizeLinear of one constant scale reads "
                     f"it; quantize the network by {HOW}")


def _before_images(file: OnnxFile, name: str) -> bool:
    """Whether the first node that minds the order of axes reads images ``(N, C, ...)``."""
    reached = {name}
    for node in file.nodes:
        if node.inputs[:1] and node.inputs[0] in reached or reached & set(node.inputs) and node.kind in INDIFFERENT:
            if node.kind in IMAGES:
                return True
            if node.kind not in INDIFFERENT:
                return False
            reached |= set(node.outputs)
    return False


def _output(made: Translation, names: Mapping[str, Any], name: str) -> int:
    """An output's tensor: float32 behind a DequantizeLinear, else the bytes; images as ``(N, H, W, C)``."""
    if name not in names:
        raise unknown(name)
    value, node = names[name], Node(index=0, kind="output", name=name, inputs=(), outputs=(), attributes={})
    if not isinstance(value, Placed):
        by = f" by {value.node}" if isinstance(value, Pending) else ""
        raise GraphError(f"its output {quoted(name)} is computed in float32{by}; end the network before that, or "
                         f"quantize what it gives as well, by {HOW}")
    rank = len(value.shape)
    if not (value.plain and value.moved and value.order == (0, *range(2, rank), 1)):
        value = made.natural(node, value)
    shape: Sequence[int] = made.stored(value)
    if value.real:
        return made.operator(node, "DEQUANTIZE", [value.tensor], made.tensor(shape, "FLOAT32", name=name))
    if value.scale.unsigned:
        return made.operator(node, "QUANTIZE", [value.tensor], made.tensor(
            shape, "UINT8", scale=value.scale.scale, zero=value.scale.zero + 128, name=name))
    return value.tensor
