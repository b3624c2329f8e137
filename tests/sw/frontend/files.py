"""Small TFLite files, written from a list of tensors and operators."""

import flatbuffers
import numpy as np
import tflite

__all__ = ["build", "operator", "subgraph", "tensor", "write"]


def tensor(shape, *, scale=0.1, zero=0, axis=0, kind="INT8", data=None, name=""):
    """``axis`` is that of the channels that have a scale each."""
    return {"shape": shape, "scale": np.atleast_1d(scale), "zero": np.atleast_1d(zero), "axis": axis, "kind": kind,
            "data": data, "name": name}


def operator(name, inputs, output, options="", *, custom="", **fields):
    """``options`` names the table of the builtin options, ``fields`` are in it; ``output`` one tensor or a list."""
    outputs = list(output) if isinstance(output, (list, tuple)) else [output]
    return {"name": name, "inputs": inputs, "output": outputs[0] if outputs else None, "outputs": outputs,
            "options": options, "fields": fields, "custom": custom}


def subgraph(tensors, operators, *, inputs=(0,), outputs=None):
    """The output is the last operator's unless ``outputs`` says."""
    outputs = (operators[-1]["output"],) if outputs is None else outputs
    return {"tensors": tensors, "operators": operators, "inputs": inputs, "outputs": outputs}


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


def _field(builder, value):
    """What a table takes for a value: an offset where it is text or a list."""
    if isinstance(value, str):
        return builder.CreateString(value)
    return _array(builder, value, np.int32) if isinstance(value, (list, tuple)) else value


def _tensor(builder, one, buffer):
    shape = _array(builder, one["shape"], np.int32)
    named = {"Name": builder.CreateString(one["name"])} if one["name"] else {}
    quantization = _table(builder, "QuantizationParameters", Scale=_array(builder, one["scale"], np.float32),
                          ZeroPoint=_array(builder, one["zero"], np.int64), QuantizedDimension=one["axis"])
    return _table(builder, "Tensor", Shape=shape, Type=getattr(tflite.TensorType, one["kind"]), Buffer=buffer,
                  Quantization=quantization, **named)


def _operator(builder, one, code):
    inputs, outputs = _array(builder, one["inputs"], np.int32), _array(builder, one["outputs"], np.int32)
    options = {}
    if one["options"]:
        fields = {name: _field(builder, value) for name, value in one["fields"].items()}
        options = {"BuiltinOptionsType": getattr(tflite.BuiltinOptions, one["options"]),
                   "BuiltinOptions": _table(builder, one["options"], **fields)}
    return _table(builder, "Operator", OpcodeIndex=code, Inputs=inputs, Outputs=outputs, **options)


def _subgraph(builder, graph, numbers, codes):
    made = [_tensor(builder, one, 0 if one["data"] is None else next(numbers)) for one in graph["tensors"]]
    runs = [_operator(builder, one, codes.index((one["name"], one["custom"]))) for one in graph["operators"]]
    return _table(
        builder, "SubGraph", Inputs=_array(builder, graph["inputs"], np.int32),
        Outputs=_array(builder, graph["outputs"], np.int32),
        Tensors=_offsets(builder, tflite.SubGraphStartTensorsVector, made),
        Operators=_offsets(builder, tflite.SubGraphStartOperatorsVector, runs))


def _code(builder, name, custom):
    number = getattr(tflite.BuiltinOperator, name)
    text = {"CustomCode": builder.CreateString(custom)} if custom else {}
    return _table(builder, "OperatorCode", DeprecatedBuiltinCode=min(number, 127), BuiltinCode=number, **text)


def build(*subgraphs):
    """The bytes of a file; buffer 0 is empty, as TFLite has it."""
    builder = flatbuffers.Builder(1024)
    constants = [one["data"] for graph in subgraphs for one in graph["tensors"] if one["data"] is not None]
    data = [None, *(builder.CreateByteVector(np.ascontiguousarray(values).tobytes()) for values in constants)]
    buffers = [_table(builder, "Buffer", **({"Data": values} if values else {})) for values in data]
    codes = sorted({(one["name"], one["custom"]) for graph in subgraphs for one in graph["operators"]})
    numbers = iter(range(1, len(buffers)))
    graphs = [_subgraph(builder, graph, numbers, codes) for graph in subgraphs]
    model = _table(
        builder, "Model", Version=3, Subgraphs=_offsets(builder, tflite.ModelStartSubgraphsVector, graphs),
        OperatorCodes=_offsets(builder, tflite.ModelStartOperatorCodesVector, [
            _code(builder, *code) for code in codes]),
        Buffers=_offsets(builder, tflite.ModelStartBuffersVector, buffers))
    builder.Finish(model, file_identifier=b"TFL3")
    return bytes(builder.Output())


def write(path, tensors, operators, *, inputs=(0,), outputs=None, more=()):
    """A file of one subgraph and ``more`` behind it."""
    path.write_bytes(build(subgraph(tensors, operators, inputs=inputs, outputs=outputs), *more))
    return path
