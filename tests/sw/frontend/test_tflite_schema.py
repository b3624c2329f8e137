"""The schema's parts: what is read by them is what the generated classes of the whole schema read."""

import re

import numpy as np
import tflite

from sw.frontend.flatbuffer import read
from sw.frontend.tflite_schema import MODEL, OPTIONS
from tests.sw.frontend.models import STEPS, one_operator

#: how a vector's length and values are asked for
LENGTH, VALUES = "Length", "AsNumpy"


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


def same_options(record, options, table):
    for name, _ in table.fields.values():
        given, wanted = getattr(record, name), getattr(options, camel(name))
        if callable(getattr(options, camel(name) + LENGTH, None)):
            length = getattr(options, camel(name) + LENGTH)()
            assert ([] if given is None else given.tolist()) == [wanted(place) for place in range(length)]
        else:
            value = wanted()
            assert given == (value.decode() if isinstance(value, bytes) else value)


def test_a_files_parts_are_those_of_the_whole_schema():
    read_options = set()
    for name in STEPS:
        data, *_ = one_operator(name, 0)
        ours, theirs = read(data, MODEL), tflite.Model.GetRootAsModel(data, 0)
        graph, whole = ours.subgraphs[0], theirs.Subgraphs(0)
        assert (ours.version, len(ours.buffers)) == (3, theirs.BuffersLength())
        assert len(graph.tensors) == whole.TensorsLength()
        for number, tensor in enumerate(graph.tensors):
            other = whole.Tensors(number)
            assert (tensor.type, tensor.buffer) == (other.Type(), other.Buffer())
            assert tensor.shape.tolist() == [other.Shape(axis) for axis in range(other.ShapeLength())]
            scale = other.Quantization()
            assert tensor.quantization.scale.tolist() == [scale.Scale(place) for place in range(scale.ScaleLength())]
            assert tensor.quantization.quantized_dimension == scale.QuantizedDimension()
            data_of = ours.buffers[tensor.buffer].data
            assert data_of is None or np.array_equal(data_of, theirs.Buffers(tensor.buffer).DataAsNumpy())
        for number, operator in enumerate(graph.operators):
            other = whole.Operators(number)
            assert operator.inputs.tolist() == [other.Inputs(place) for place in range(other.InputsLength())]
            assert operator.options_type == other.BuiltinOptionsType()
            number = operator.options_type
            for kind in (kind for kind in OPTIONS if getattr(tflite.BuiltinOptions, kind) == number):
                options = getattr(tflite, kind)()
                options.Init(other.BuiltinOptions().Bytes, other.BuiltinOptions().Pos)
                same_options(operator.options, options, OPTIONS[kind])
                read_options.add(kind)
    assert len(read_options) > 15


def test_slots_and_defaults_of_all_options_are_the_schemas():
    for name, table in OPTIONS.items():
        source = vars(getattr(tflite, name))
        for slot, (field, kind) in table.fields.items():
            method = source[camel(field)]
            offsets = [constant for constant in method.__code__.co_consts if isinstance(constant, int)]
            assert 4 + 2 * slot in offsets, f"{name}.{field}"
            default = getattr(kind, "default", None)
            assert default is None or default in offsets or not default, f"{name}.{field}"
        assert re.fullmatch(r"\w+Options", name)
