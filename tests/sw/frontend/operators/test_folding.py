"""Operators on constants alone are computed when a file is loaded."""

import numpy as np
import pytest

from sw.frontend.operators import folding
from sw.graph.graph import GraphError
from tests.sw.frontend.operators.nets import integers, load, operator, tensor


def made(*shape, kind="INT32"):
    return tensor(shape, kind=kind, scale=[], zero=[])


def places(path, operators, tensors, size):
    """Where a slice begins whose beginning is what ``operators`` compute into the tensor before the last three."""
    last = len(tensors)
    graph = load(path, [*tensors, integers(*[2] * size), tensor((1, *[2] * size))],
                 [*operators, operator("SLICE", [0, last - 1, last], last + 1)])
    return graph.layers[0].parameters[0]


def value(path, name, *operands, given, options="", **fields):
    """Number ``name`` makes of constants, told by where a slice of a row of 200 begins."""
    tensors = [tensor((200,)), *operands, made(*given), integers(1), tensor((1,))]
    count = len(operands)
    graph = load(path, tensors, [operator(name, list(range(1, count + 1)), count + 1, options, **fields),
                                 operator("SLICE", [0, count + 1, count + 2], count + 3)])
    return graph.layers[0].parameters[0] if graph.layers[0].op == "gather" else None


@pytest.mark.parametrize("name, first, second, wanted", [
    ("ADD", 40, 2, 42), ("SUB", 40, 2, 38), ("MUL", 40, 2, 80), ("FLOOR_DIV", 41, 2, 20), ("DIV", 41, 2, 20),
    ("FLOOR_MOD", 41, 7, 6), ("MAXIMUM", 5, 9, 9), ("MINIMUM", 5, 9, 5),
])
def test_arithmetic_on_whole_numbers(tmp_path, name, first, second, wanted):
    assert value(tmp_path, name, integers(first), integers(second), given=(1,)) == wanted


def test_a_division_is_cut_towards_zero(tmp_path):
    shape = integers(-7), integers(2)
    tensors = [tensor((9,)), *shape, made(1), integers(1), tensor((1,)), integers(5), made(1)]
    graph = load(tmp_path, tensors, [operator("DIV", [1, 2], 3), operator("ADD", [3, 6], 7),
                                     operator("SLICE", [0, 7, 4], 5)])
    assert graph.layers[0].parameters[0] == 2       # 5 - 3


@pytest.mark.parametrize("name, operands, given, options, fields, wanted", [
    ("STRIDED_SLICE", [integers(3, 5, 7), integers(1), integers(2), integers(1)], (1,), "StridedSliceOptions", {}, 5),
    ("SLICE", [integers(3, 5, 7), integers(2), integers(1)], (1,), "", {}, 7),
    ("GATHER", [integers(3, 5, 7), integers(1)], (1,), "GatherOptions", {}, 5),
    ("CONCATENATION", [integers(3)], (1,), "ConcatenationOptions", {}, 3),
    ("REDUCE_PROD", [integers(3, 5), integers(0)], (1,), "ReducerOptions", {"KeepDims": True}, 15),
    ("CAST", [integers(6)], (1,), "", {}, 6),
    ("FILL", [integers(1), integers(8)], (1,), "", {}, 8),
    ("RESHAPE", [integers(9), integers(1)], (1,), "", {}, 9),
    ("TRANSPOSE", [integers(9), integers(0)], (1,), "", {}, 9),
])
def test_movement_of_whole_numbers(tmp_path, name, operands, given, options, fields, wanted):
    assert value(tmp_path, name, *operands, given=given, options=options, **fields) == wanted


def test_the_shape_arithmetic_in_front_of_a_reshape(tmp_path):
    """As converters write a flatten: the batch from SHAPE, packed with what is left."""
    tensors = [tensor((1, 2, 3, 4)), made(4), integers(0), integers(1), integers(1), made(), made(2),
               tensor((), kind="INT32", data=np.array(-1, np.int32), scale=[], zero=[]), tensor((1, 24)),
               tensor((1, 24))]
    graph = load(tmp_path, tensors, [
        operator("SHAPE", [0], 1),
        operator("STRIDED_SLICE", [1, 2, 3, 4], 5, "StridedSliceOptions", ShrinkAxisMask=1),
        operator("PACK", [5, 7], 6, "PackOptions", ValuesCount=2), operator("RESHAPE", [0, 6], 8),
        operator("RELU6", [8], 9)])
    assert [(layer.op, layer.views) for layer in graph.layers] == [("table", ((1, 1, 24),))]


def test_a_constant_of_int8_is_only_moved(tmp_path):
    constant = tensor((2, 2), data=np.array([1, 2, 3, 4], np.int8))
    tensors = [tensor((2, 2)), constant, integers(1, 0), tensor((2, 2)), tensor((2, 2))]
    with pytest.raises(GraphError, match="is a batch of 2"):
        load(tmp_path, tensors, [operator("TRANSPOSE", [1, 2], 3), operator("MAXIMUM", [0, 3], 4)])
    tensors[0] = tensors[4] = tensor((1, 2, 2))
    graph = load(tmp_path, tensors, [operator("TRANSPOSE", [1, 2], 3), operator("MAXIMUM", [0, 3], 4)])
    assert graph.constants[0].values.ravel().tolist() == [1, 3, 2, 4]


@pytest.mark.parametrize("name, operands, given, text", [
    ("FLOOR_DIV", [integers(1), integers(0)], (1,), "FLOOR_DIV: divides by 0; get or convert the file again"),
    ("ADD", [integers(1, 2), integers(1, 2, 3)], (3,), "ADD: its constants do not go together"),
    ("ADD", [integers(1), integers(2)], (2,), r"ADD: gives constants of shape \(1,\), but tensor 3 has \(2,\)"),
    ("FILL", [integers(1 << 20, 1 << 20), integers(0)], (1,), r"FILL: fills \[1048576, 1048576\]; Heddle computes"),
])
def test_constants_that_do_not_fit_are_named(tmp_path, name, operands, given, text):
    with pytest.raises(GraphError, match=text):
        value(tmp_path, name, *operands, given=given)


def test_what_is_computed_of_constants_has_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(folding, "MOST_FOLDED", 3)
    tensors = [tensor((9,)), integers(1, 2), made(2), made(2), tensor((9,))]
    with pytest.raises(GraphError, match="operator 1 ADD: its constants and those before come to more than 3 values"):
        load(tmp_path, tensors, [operator("ADD", [1, 1], 2), operator("ADD", [2, 1], 3), operator("ABS", [0], 4)])


def test_sizes_that_are_computed_at_run_time_are_named(tmp_path):
    with pytest.raises(GraphError, match="SLICE: tensor 1 is INT32; Heddle takes a constant of INT32 here"):
        load(tmp_path, [tensor((9,)), made(1), integers(1), tensor((1,))], [operator("SLICE", [0, 1, 2], 3)])
