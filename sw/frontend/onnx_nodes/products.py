"""Products of rows with constant weights."""

from dataclasses import replace
from math import prod

import numpy as np

from sw.frontend.onnx_nodes.node import NodeOp, Registry, fused
from sw.frontend.onnx_nodes.weighted import bias_of, weight_tensor
from sw.frontend.onnx_translation import HOW, Placed, Scale, Weights
from sw.graph.graph import GraphError

__all__ = ["SERVES"]

SERVES = Registry()


DEFAULT = 0      # tflite.FullyConnectedOptionsWeightsFormat


@SERVES("Gemm")
def _gemm(op: NodeOp) -> None:
    weights = op.weights(1)
    if op.attribute("alpha", 1.0) != 1 or op.attribute("beta", 1.0) != 1 or op.attribute("transA", 0):
        raise GraphError("has alpha, beta or transA; Heddle takes A * B + C: fold them into the weights")
    if not op.attribute("transB", 0):
        weights = _turned(weights)
    _product(op, weights, 2)


@SERVES("MatMul")
def _matmul(op: NodeOp) -> None:
    if not isinstance(op.value(1), (np.ndarray, Weights)):
        raise GraphError(f"multiplies two activations; Heddle takes a constant of int8 as the second: quantize it by "
                         f"{HOW}")
    _product(op, _turned(op.weights(1)), None)


def _turned(weights: Weights) -> Weights:
    if weights.values.ndim != 2:
        raise GraphError(f"weights of {weights.values.shape}; Heddle takes two dimensions")
    return replace(weights, values=weights.values.T, axis=1 - weights.axis)


def _product(op: NodeOp, weights: Weights, bias: int | None) -> None:
    """Rows of the input times ``weights``, ``(outputs, inputs)``."""
    source, values = op.placed(0), weights.values
    if values.ndim != 2 or len(source.shape) < 2 or source.shape[-1] != values.shape[1] or (
            bias is not None and len(source.shape) != 2):
        raise GraphError(f"weights for {values.shape[-1]} inputs, but the input is {source.shape}; get or export it "
                         f"again")
    outputs = values.shape[0]
    if source.moved and prod(source.shape[:-1]) == 1:      # the order of the inputs is that of the weights as well
        values = values[:, np.arange(values.shape[1]).reshape(source.whole).transpose(source.order).reshape(-1)]
        tensor = source.tensor
    else:
        tensor = op.made.natural(op.node, source).tensor
    matrix = weight_tensor(op, weights, (0, 1), values, op.node.inputs[1])
    inputs = [tensor, matrix, *(() if bias is None else bias_of(op, bias, source.scale, weights.scale, outputs))]
    shape = (*source.shape[:-1], outputs)

    def make(scale: Scale, clamp: tuple[int, int]) -> Placed:
        given = op.emit("FULLY_CONNECTED", inputs, op.made.activation(shape, scale),
                        fused_activation_function=fused(clamp), weights_format=DEFAULT)
        return Placed(tensor=given, shape=shape, whole=shape, order=tuple(range(len(shape))), scale=scale, real=True)
    op.pending(shape, make)
