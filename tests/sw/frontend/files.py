"""Small TFLite files, written from a list of tensors and operators."""

import flatbuffers
import numpy as np
import tflite

__all__ = ["operator", "tensor", "write"]


def tensor(shape, *, scale=0.1, zero=0, kind="INT8", data=None):
    return {"shape": shape, "scale": np.atleast_1d(scale), "zero": np.atleast_1d(zero), "kind": kind, "data": data}


def operator(name, inputs, output, options="", **fields):
    """``options`` names the table of the builtin options, ``fields`` are in it."""
    return {"name": name, "inputs": inputs, "output": output, "options": options, "fields": fields}


def _table(builder, name, **fields):
    getattr(tflite, f"{name}Start")(builder)
    for field, value in fields.items():
        getattr(tflite, f"{name}Add{field}")(builder, value)
    return getattr(tflite, f"{name}End")(builder)


def _offsets(builder, start, offsets):
    start(builder, len(offsets))
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _array(builder, values, kind):
    return builder.CreateNumpyVector(np.asarray(values, kind))


def _tensor(builder, one, buffer):
    shape = _array(builder, one["shape"], np.int32)
    quantization = _table(builder, "QuantizationParameters", Scale=_array(builder, one["scale"], np.float32),
                          ZeroPoint=_array(builder, one["zero"], np.int64))
    return _table(builder, "Tensor", Shape=shape, Type=getattr(tflite.TensorType, one["kind"]), Buffer=buffer,
                  Quantization=quantization)


def _operator(builder, one, code):
    inputs, outputs = _array(builder, one["inputs"], np.int32), _array(builder, [one["output"]], np.int32)
    options = {}
    if one["options"]:
        options = {"BuiltinOptionsType": getattr(tflite.BuiltinOptions, one["options"]),
                   "BuiltinOptions": _table(builder, one["options"], **one["fields"])}
    return _table(builder, "Operator", OpcodeIndex=code, Inputs=inputs, Outputs=outputs, **options)


def write(path, tensors, operators, *, inputs=(0,), outputs=None):
    """Buffer 0 is empty, as TFLite has it; the output is the last operator's unless ``outputs`` says."""
    builder = flatbuffers.Builder(1024)
    constants = [one["data"] for one in tensors if one["data"] is not None]
    data = [None, *(builder.CreateByteVector(np.ascontiguousarray(values).tobytes()) for values in constants)]
    buffers = [_table(builder, "Buffer", **({"Data": values} if values else {})) for values in data]
    numbers = iter(range(1, len(buffers)))
    made = [_tensor(builder, one, 0 if one["data"] is None else next(numbers)) for one in tensors]
    names = sorted({one["name"] for one in operators})
    runs = [_operator(builder, one, names.index(one["name"])) for one in operators]
    outputs = (operators[-1]["output"],) if outputs is None else outputs
    graph = _table(
        builder, "SubGraph", Inputs=_array(builder, inputs, np.int32), Outputs=_array(builder, outputs, np.int32),
        Tensors=_offsets(builder, tflite.SubGraphStartTensorsVector, made),
        Operators=_offsets(builder, tflite.SubGraphStartOperatorsVector, runs))
    codes = [_table(builder, "OperatorCode", DeprecatedBuiltinCode=code, BuiltinCode=code)
             for code in (getattr(tflite.BuiltinOperator, name) for name in names)]
    model = _table(
        builder, "Model", Version=3, Subgraphs=_offsets(builder, tflite.ModelStartSubgraphsVector, [graph]),
        OperatorCodes=_offsets(builder, tflite.ModelStartOperatorCodesVector, codes),
        Buffers=_offsets(builder, tflite.ModelStartBuffersVector, buffers))
    builder.Finish(model, file_identifier=b"TFL3")
    path.write_bytes(builder.Output())
    return path
