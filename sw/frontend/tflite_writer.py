"""TFLite files written from a list of tensors and operators; knows the format and nothing of what it says."""

from collections.abc import Callable, Sequence
from typing import Any

import flatbuffers
import numpy as np
import tflite

__all__ = ["Writer"]

VERSION = 3                  # of the schema
IDENTIFIER = b"TFL3"
ALIGNMENT = 16               # of the values in a buffer, which runtimes read where they lie
#: The version of an operator that takes int8: what runtimes of its time and later have. Of all others it is 2.
_VERSIONS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "RESHAPE": 1, "PRELU": 1, "BROADCAST_TO": 2}


class Writer:
    """Tensors and operators of one subgraph; each is known by its number."""

    def __init__(self) -> None:
        self.builder = flatbuffers.Builder(1 << 16)
        self.tensors: list[int] = []
        self.operators: list[int] = []
        self.codes: list[str] = []
        self.buffers: list[bytes] = [b""]        # the first is empty, and that of what is not constant

    def tensor(self, shape: Sequence[int], kind: str, *, name: str = "", scale: Any = (), zero: Any = (),
               axis: int = 0, data: bytes | None = None) -> int:
        """A tensor of ``kind``, as "INT8"; constant where it has ``data``; ``axis`` is that of several scales."""
        quantization = {}
        if np.size(scale):
            quantization["Quantization"] = self._table(
                "QuantizationParameters", Scale=self._array(scale, np.float32), ZeroPoint=self._array(zero, np.int64),
                QuantizedDimension=axis)
        buffer = 0
        if data is not None:
            buffer = len(self.buffers)
            self.buffers.append(data)
        self.tensors.append(self._table(
            "Tensor", Shape=self._array(shape, np.int32), Type=getattr(tflite.TensorType, kind), Buffer=buffer,
            Name=self.builder.CreateString(name), **quantization))
        return len(self.tensors) - 1

    def operator(self, name: str, inputs: Sequence[int], output: int, options: str = "", **fields: Any) -> None:
        """The next operator to run; ``options`` is the table of its options in the schema, ``fields`` are in it."""
        if name not in self.codes:
            self.codes.append(name)
        more = {}
        if options:
            more = {"BuiltinOptionsType": getattr(tflite.BuiltinOptions, options),
                    "BuiltinOptions": self._table(options, **fields)}
        self.operators.append(self._table(
            "Operator", OpcodeIndex=self.codes.index(name), Inputs=self._array(inputs, np.int32),
            Outputs=self._array([output], np.int32), **more))

    def content(self, inputs: Sequence[int], outputs: Sequence[int], description: str) -> bytes:
        """The file; nothing can be added behind it."""
        graph = self._table(
            "SubGraph", Tensors=self._offsets(tflite.SubGraphStartTensorsVector, self.tensors),
            Inputs=self._array(inputs, np.int32), Outputs=self._array(outputs, np.int32),
            Operators=self._offsets(tflite.SubGraphStartOperatorsVector, self.operators))
        codes = [self._code(name) for name in self.codes]
        buffers = [self._table("Buffer", **({"Data": self._bytes(data)} if data else {})) for data in self.buffers]
        self.builder.Finish(self._table(
            "Model", Version=VERSION, Description=self.builder.CreateString(description),
            OperatorCodes=self._offsets(tflite.ModelStartOperatorCodesVector, codes),
            Subgraphs=self._offsets(tflite.ModelStartSubgraphsVector, [graph]),
            Buffers=self._offsets(tflite.ModelStartBuffersVector, buffers)), file_identifier=IDENTIFIER)
        return bytes(self.builder.Output())

    def _code(self, name: str) -> int:
        number = getattr(tflite.BuiltinOperator, name)
        return self._table("OperatorCode", BuiltinCode=number, Version=_VERSIONS.get(name, 2),
                           DeprecatedBuiltinCode=min(number, 127))     # older readers have a byte for it

    def _table(self, name: str, **fields: Any) -> int:
        getattr(tflite, f"{name}Start")(self.builder)
        for field, value in fields.items():
            getattr(tflite, f"{name}Add{field}")(self.builder, value)
        return int(getattr(tflite, f"{name}End")(self.builder))

    def _array(self, values: Any, kind: type[np.generic]) -> int:
        return int(self.builder.CreateNumpyVector(np.atleast_1d(np.asarray(values, kind))))

    def _offsets(self, start: Callable[..., Any], offsets: Sequence[int]) -> int:
        start(self.builder, len(offsets))
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return int(self.builder.EndVector())

    def _bytes(self, data: bytes) -> int:
        self.builder.StartVector(1, len(data), ALIGNMENT)
        self.builder.head -= len(data)
        self.builder.Bytes[self.builder.head:self.builder.head + len(data)] = data
        return int(self.builder.EndVector())
