"""The parts of TFLite's schema that Heddle reads: tables, their fields by slots, defaults as in ``schema.fbs``."""

from collections.abc import Iterator

import tflite

from sw.frontend.flatbuffer import Field, Scalar, Table, Tables, Text, Union, Vector

__all__ = ["MODEL", "OPTIONS"]

INT, BYTE, UBYTE, UINT, ULONG, BOOL = (Scalar(kind=kind) for kind in ("i4", "i1", "u1", "u4", "u8", "?"))
FLOAT, ONE, INTS = Scalar(kind="f4"), Scalar(kind="i4", default=1), Vector(kind="i4")
ACTIVATION = ("fused_activation_function", BYTE)
STRIDE = (("stride_w", INT), ("stride_h", INT))
DILATION = (("dilation_w_factor", ONE), ("dilation_h_factor", ONE))
CENTERS = (("align_corners", BOOL), ("half_pixel_centers", BOOL))


def _slots(fields: tuple[tuple[str, Field] | None, ...]) -> Iterator[tuple[int, tuple[str, Field]]]:
    """Slots of fields in the schema's order; None stands for one that is not read."""
    for slot, field in enumerate(fields):
        if field is not None:
            yield slot, field


def _table(name: str, *fields: tuple[str, Field] | None) -> Table:
    return Table(name=name, fields=dict(_slots(fields)))


#: The tables of options, by their names in the schema.
OPTIONS = {table.name: table for table in (
    _table("Conv2DOptions", ("padding", BYTE), *STRIDE, ACTIVATION, *DILATION),
    _table("DepthwiseConv2DOptions", ("padding", BYTE), *STRIDE, ("depth_multiplier", INT), ACTIVATION, *DILATION),
    _table("Pool2DOptions", ("padding", BYTE), *STRIDE, ("filter_width", INT), ("filter_height", INT), ACTIVATION),
    _table("TransposeConvOptions", ("padding", BYTE), *STRIDE, ACTIVATION),
    _table("FullyConnectedOptions", ACTIVATION, ("weights_format", BYTE)),
    _table("AddOptions", ACTIVATION),
    _table("SubOptions", ACTIVATION),
    _table("MulOptions", ACTIVATION),
    _table("DivOptions", ACTIVATION),
    _table("ConcatenationOptions", ("axis", INT), ACTIVATION),
    _table("SoftmaxOptions", ("beta", FLOAT)),
    _table("LeakyReluOptions", ("alpha", FLOAT)),
    _table("ReducerOptions", ("keep_dims", BOOL)),
    _table("ReshapeOptions", ("new_shape", INTS)),
    _table("SqueezeOptions", ("squeeze_dims", INTS)),
    _table("StridedSliceOptions", ("begin_mask", INT), ("end_mask", INT), ("ellipsis_mask", INT),
           ("new_axis_mask", INT), ("shrink_axis_mask", INT), ("offset", BOOL)),
    _table("SplitOptions", ("num_splits", INT)),
    _table("SplitVOptions", ("num_splits", INT)),
    _table("PackOptions", ("values_count", INT), ("axis", INT)),
    _table("UnpackOptions", ("num", INT), ("axis", INT)),
    _table("GatherOptions", ("axis", INT), ("batch_dims", INT)),
    _table("ResizeNearestNeighborOptions", *CENTERS),
    _table("DepthToSpaceOptions", ("block_size", INT)),
    _table("SpaceToDepthOptions", ("block_size", INT)),
    _table("CallOnceOptions", ("init_subgraph_index", INT)),
    _table("VarHandleOptions", ("container", Text()), ("shared_name", Text())),
)}

QUANTIZATION = _table("QuantizationParameters", None, None, ("scale", Vector(kind="f4")),
                      ("zero_point", Vector(kind="i8")), None, ("details", Union(of={})), ("quantized_dimension", INT))
TENSOR = _table("Tensor", ("shape", INTS), ("type", BYTE), ("buffer", UINT), ("name", Text()),
                ("quantization", QUANTIZATION), ("is_variable", BOOL), ("sparsity", _table("SparsityParameters")),
                None, None, None, ("external_buffer", UINT))
OPERATOR = _table(
    "Operator", ("opcode_index", UINT), ("inputs", INTS), ("outputs", INTS), None,
    ("options", Union(of={getattr(tflite.BuiltinOptions, name): table for name, table in OPTIONS.items()})))
SUBGRAPH = _table("SubGraph", ("tensors", Tables(of=TENSOR)), ("inputs", INTS), ("outputs", INTS),
                  ("operators", Tables(of=OPERATOR)))
CODE = _table("OperatorCode", ("deprecated_builtin_code", BYTE), ("custom_code", Text()), None, ("builtin_code", INT))
BUFFER = _table("Buffer", ("data", Vector(kind="u1")), ("offset", ULONG), ("size", ULONG))
#: The root of a file.
MODEL = _table("Model", ("version", UINT), ("codes", Tables(of=CODE)), ("subgraphs", Tables(of=SUBGRAPH)), None,
               ("buffers", Tables(of=BUFFER)))
