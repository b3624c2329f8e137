"""Functions of one value: tables, computed as ONNX defines them; clips go into what is computed before them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import erf

import numpy as np

from sw.frontend.onnx_nodes.node import NodeOp, Registry, curve_of
from sw.frontend.onnx_translation import Curve, Pending
from sw.graph.graph import GraphError

__all__ = ["SERVES"]

SERVES = Registry()


def _wide(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[NodeOp, np.ndarray], np.ndarray]:
    """Computed with 64 bits, rounded once."""
    return lambda op, values: function(values.astype(np.float64)).astype(np.float32)


def _hard_sigmoid(op: NodeOp, values: np.ndarray) -> np.ndarray:
    alpha, beta = (np.float32(op.attribute(name, default)) for name, default in (("alpha", 0.2), ("beta", 0.5)))
    return np.clip(values * alpha + beta, np.float32(0), np.float32(1))


_FUNCTIONS: Mapping[str, Callable[[NodeOp, np.ndarray], np.ndarray]] = {
    "Sigmoid": _wide(lambda x: 1 / (1 + np.exp(-x))), "Tanh": _wide(np.tanh), "Exp": _wide(np.exp),
    "Log": _wide(np.log), "Softplus": _wide(lambda x: np.logaddexp(x, 0)),
    "Softsign": _wide(lambda x: x / (1 + abs(x))),
    "Erf": _wide(np.vectorize(erf, otypes=[np.float64])), "Sqrt": lambda op, x: np.sqrt(x),
    "Reciprocal": lambda op, x: np.float32(1) / x, "Abs": lambda op, x: np.abs(x), "Neg": lambda op, x: -x,
    "Floor": lambda op, x: np.floor(x), "Ceil": lambda op, x: np.ceil(x), "Round": lambda op, x: np.rint(x),
    "Sign": lambda op, x: np.sign(x), "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda op, x: x * np.clip(x / np.float32(6) + np.float32(0.5), np.float32(0), np.float32(1)),
    "Mish": _wide(lambda x: x * np.tanh(np.logaddexp(x, 0))),
    "LeakyRelu": lambda op, x: np.where(x < 0, x * np.float32(op.attribute("alpha", 0.01)), x),
    "Elu": lambda op, x: np.where(x < 0, np.float32(op.attribute("alpha", 1.0))
                                  * np.expm1(np.minimum(x, 0).astype(np.float64)).astype(np.float32), x),
    "Selu": lambda op, x: np.float32(op.attribute("gamma", 1.0507009873554805)) * np.where(
        x < 0, np.float32(op.attribute("alpha", 1.6732632423543772)) * np.expm1(np.minimum(x, 0)), x),
    "Gelu": _wide(lambda x: x * (1 + np.vectorize(erf)(x / np.sqrt(2))) / 2)}


@SERVES(*_FUNCTIONS)
def _function(op: NodeOp) -> None:
    curve = curve_of(op, 0)
    if op.node.kind == "Gelu" and op.attribute("approximate", "none") != "none":
        raise GraphError("approximates; Heddle has the exact one: export it with approximate='none'")
    if curve is None:
        op.placed(0)      # says what it is instead
        return
    with np.errstate(all="ignore"):
        values = _FUNCTIONS[op.node.kind](op, curve.values)
    op.define(Curve(source=curve.source, values=np.asarray(values, np.float32), function=_named(op, op.node.kind)))


@SERVES("Relu", "Clip")
def _clip(op: NodeOp) -> None:
    low, high = (0.0, np.inf) if op.node.kind == "Relu" else (
        float(op.constant(place).reshape(())) if op.has(place) and op.constant(place).size == 1
        else op.attribute(name, bound) for place, name, bound in ((1, "min", -np.inf), (2, "max", np.inf)))
    if not low <= high:
        raise GraphError(f"clips to {low:g} to {high:g}; get or export it again")
    value = op.value(0)
    if isinstance(value, Pending):
        op.define(replace(value, low=min(max(value.low, low), high), high=max(min(value.high, high), low)))
        return
    curve = curve_of(op, 0)
    if curve is None:
        op.placed(0)
        return
    op.define(Curve(source=curve.source, values=np.clip(curve.values, np.float32(low), np.float32(high)),
                    function=_named(op, op.node.kind)))


def _named(op: NodeOp, kind: str) -> str:
    """What a table is called that has one function alone: as TFLite calls it."""
    if isinstance(op.value(0), Curve):
        return "float32"
    return {"Sigmoid": "logistic"}.get(kind, "".join("_" * (place > 0) + letter.lower() if letter.isupper() else letter
                                                     for place, letter in enumerate(kind)))
