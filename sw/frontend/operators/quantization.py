"""QUANTIZE and DEQUANTIZE: between scales, and from and to what is outside of a network."""

from dataclasses import replace

import numpy as np

from sw.frontend.lowering import Floats, Operation, Registry
from sw.frontend.operators.islands import BYTES, converted
from sw.golden.requantize import prepare_requantize
from sw.golden.tables import rescale_table
from sw.graph.graph import GraphError

__all__ = ["LOWERS"]

LOWERS = Registry()


@LOWERS("QUANTIZE")
def _quantize(op: Operation) -> None:
    taken, given = op.tensor(0).type, op.given().type
    value = op.lowering.value(op.tensor(0))
    read, output = [(value, taken.shape)], replace(given, shape=taken.shape)
    if "float32" not in (taken.dtype, given.dtype):
        scaling = prepare_requantize(taken.scale, given.scale)
        if taken.dtype == given.dtype == "int8":
            op.define(op.layer("requantize", read, output, multiplier=np.array(scaling[:1], np.int32),
                               shift=np.array(scaling[1:], np.int32)))
        else:
            op.define(op.layer("table", read, output, weights=rescale_table(taken, given), function="requantize"))
        return
    if given.dtype != "int8" or taken.dtype != "float32":
        raise GraphError(f"from {op.tensor(0).kind} to {op.given().kind}; TensorFlow Lite Micro quantizes FLOAT32 to "
                         f"INT8, and INT8 and UINT8 to each other: convert the network again")
    op.define(op.layer("quantize", read, output))


@LOWERS("DEQUANTIZE")
def _dequantize(op: Operation) -> None:
    taken, given = op.tensor(0).type, op.given().type
    if given.dtype != "float32" or taken.dtype == "float32":
        raise GraphError(f"from {op.tensor(0).kind} to {op.given().kind}; it takes INT8 or UINT8 to FLOAT32: convert "
                         f"the network again")
    value = op.lowering.value(op.tensor(0))
    if taken.dtype == "uint8":
        kind = replace(taken, dtype="int8", zero_point=taken.zero_point - 128, shape=value.type.shape)
        value = op.layer("table", [(value, value.type.shape)], kind, suffix="_signed", function="signed",
                         weights=np.concatenate([np.arange(0, 128), np.arange(-128, 0)]).astype(np.int8))
    op.define(op.layer("dequantize", [(value, taken.shape)], replace(given, shape=taken.shape)))
    op.lowering.floats[op.given().index] = Floats(
        source=value, values=converted("dequantize", value.type, given, BYTES))
