"""Operators that compute nothing: strides of what they take, and no layer where nothing moves."""

import numpy as np
import pytest

from sw.graph.graph import GraphError
from tests.sw.frontend.operators.nets import integers, layers, load, lowered, operator, tensor

IMAGE = tensor((1, 2, 3, 4), scale=0.1, zero=3)


def moved(path, name, operands, given, options="", **fields):
    return lowered(path, name, [IMAGE, *operands, tensor(given, scale=0.1, zero=3)], options, **fields)


@pytest.mark.parametrize("name, operands, given, parameters", [
    ("TRANSPOSE", [integers(0, 2, 1, 3)], (1, 3, 2, 4), (0, 4, 12, 1)),
    ("TRANSPOSE", [integers(3, 0, 2, 1)], (4, 1, 3, 2), (0, 1, 0, 4, 12)),
    ("SLICE", [integers(0, 1, 0, 2), integers(1, 1, -1, 2)], (1, 1, 3, 2), (14, 0, 4, 1)),
    ("TILE", [integers(1, 2, 1, 2)], (1, 4, 3, 8), (0, 0, 12, 0, 4, 0, 1)),
    ("REVERSE_V2", [integers(1, 2)], (1, 2, 3, 4), (20, -12, -4, 1)),
    ("GATHER", [integers(2, 0)], (1, 2, 2, 4), (8, 12, -8, 1)),
])
def test_a_movement_is_a_gather(tmp_path, name, operands, given, parameters):
    options = {"GATHER": ("GatherOptions", {"Axis": 2})}.get(name, ("", {}))
    graph = moved(tmp_path, name, operands, given, options[0], **options[1])
    assert (layers(graph), graph.layers[0].parameters) == (["gather"], parameters)


@pytest.mark.parametrize("begin, end, strides, masks, given, parameters", [
    ((0, 0, 1, 0), (1, 2, 3, 4), (1, 1, 1, 2), {}, (1, 2, 2, 2), (4, 12, 4, 2)),
    ((0, 0, -1, 0), (1, 2, -4, 4), (1, 1, -2, 1), {}, (1, 2, 2, 4), (8, 12, -8, 1)),
    ((0, 1, 0, 0), (9, 9, 9, 9), (1, 1, 1, 1), {"BeginMask": 4, "EndMask": 12, "ShrinkAxisMask": 2}, (1, 3, 4),
     (12, 0, 4, 1)),
    ((0, -1), (0, 0), (1, 1), {"EllipsisMask": 1, "ShrinkAxisMask": 2}, (1, 2, 3), (3, 0, 12, 4)),
    ((0, 1, 0), (0, 2, 0), (1, 1, 1), {"NewAxisMask": 4, "BeginMask": 1, "EndMask": 1}, (1, 1, 1, 3, 4), (12, 0, 4, 1)),
    ((0, 1), (1, 1), (1, 1), {"Offset": True}, (1, 1, 3, 4), (12, 0, 4, 1)),
])
def test_strided_slices(tmp_path, begin, end, strides, masks, given, parameters):
    graph = moved(tmp_path, "STRIDED_SLICE", [integers(*begin), integers(*end), integers(*strides)], given,
                  "StridedSliceOptions", **masks)
    assert graph.layers[0].parameters == parameters


def several(path, name, before, behind, count, shape, options, **fields):
    """An operator of several outputs, all of them outputs of the network."""
    tensors = [IMAGE, *before, *behind, *[tensor(shape, scale=0.1, zero=3)] * count]
    first, inputs = 1 + len(before) + len(behind), [*range(1, 1 + len(before)), 0,
                                                    *range(1 + len(before), 1 + len(before) + len(behind))]
    given = list(range(first, first + count))
    return load(path, tensors, [operator(name, inputs, given, options, **fields)], outputs=given)


def test_several_outputs_are_a_gather_each(tmp_path):
    axis = tensor((), kind="INT32", data=np.array(3, np.int32), scale=[], zero=[])
    graph = several(tmp_path, "SPLIT", [axis], [], 2, (1, 2, 3, 2), "SplitOptions", NumSplits=2)
    assert [layer.parameters for layer in graph.layers] == [(0, 12, 4, 1), (2, 12, 4, 1)]
    graph = several(tmp_path, "SPLIT_V", [], [integers(2, 2), axis], 2, (1, 2, 3, 2), "SplitVOptions", NumSplits=2)
    assert [layer.parameters[0] for layer in graph.layers] == [0, 2]
    graph = several(tmp_path, "UNPACK", [], [], 3, (1, 2, 4), "UnpackOptions", Num=3, Axis=2)
    assert [layer.parameters for layer in graph.layers] == [(0, 0, 12, 1), (4, 0, 12, 1), (8, 0, 12, 1)]
    assert len(graph.answers) == 3


def test_what_moves_nothing_is_no_layer(tmp_path):
    """In front of an activation, as a network has one layer at least."""
    tensors = [IMAGE, integers(0, 1, 2, 3), tensor((1, 2, 3, 4), scale=0.1, zero=3), integers(0, 0, 0, 0),
               integers(1, 2, 3, 4), tensor((1, 2, 3, 4), scale=0.1, zero=3), tensor((1, 2, 3, 4), scale=0.1, zero=3)]
    graph = load(tmp_path, tensors, [operator("TRANSPOSE", [0, 1], 2), operator("SLICE", [2, 3, 4], 5),
                                     operator("RELU6", [5], 6)])
    assert layers(graph) == ["table"]


def test_places_that_are_not_evenly_apart_are_joined(tmp_path):
    graph = moved(tmp_path, "GATHER", [integers(0, 2, 1, 3)], (1, 2, 3, 4), "GatherOptions", Axis=3)
    assert layers(graph) == ["gather"] * 4 + ["concat"]


def test_concatenation_and_pack_count_axes_from_the_end(tmp_path):
    constant = tensor((1, 2, 3, 1), data=np.zeros(6, np.int8), scale=0.1, zero=3)
    graph = moved(tmp_path, "CONCATENATION", [constant], (1, 2, 3, 5), "ConcatenationOptions", Axis=3)
    assert (layers(graph), graph.layers[0].parameters, graph.layers[0].views) == (["concat"], (-1,), ())
    other = tensor((1, 2, 3, 4), data=np.zeros(24, np.int8), scale=0.7)
    graph = moved(tmp_path, "PACK", [other], (1, 2, 2, 3, 4), "PackOptions", ValuesCount=2, Axis=1)
    assert [(layer.op, layer.parameters) for layer in graph.layers] == [("table", ()), ("concat", (-4,))]
    assert graph.layers[1].views == ()


def test_pads(tmp_path):
    counts = integers((0, 0), (1, 2), (0, 1), (0, 0))
    layer, = moved(tmp_path, "PAD", [counts], (1, 5, 4, 4)).layers
    assert (layer.op, layer.parameters) == ("pad", (1, 2, 0, 0, 1, 0, 0, 0, 0, 3))
    value = tensor((), data=np.array(-9, np.int8), scale=0.1, zero=3)
    layer, = moved(tmp_path, "PADV2", [counts, value], (1, 5, 4, 4)).layers
    assert layer.parameters[-1] == -9
    layer, = moved(tmp_path, "PAD", [integers((0, 1), (0, 0), (0, 0), (0, 0))], (2, 2, 3, 4)).layers
    assert (layer.views, layer.output.shape) == (((1, 2, 3, 4),), (2, 2, 3, 4))


def test_blocks_to_a_batch_and_back(tmp_path):
    blocks, none = integers(2, 1), integers((1, 1), (0, 0))
    graph = moved(tmp_path, "SPACE_TO_BATCH_ND", [blocks, none], (2, 2, 3, 4))
    assert [(layer.op, layer.parameters) for layer in graph.layers] == [
        ("pad", (1, 1, 0, 0, 0, 0, 0, 0, 0, 0)), ("gather", (0, 12, 0, 0, 24, 4, 1))]
    tensors = [tensor((1, 16)), integers(2, 2, 2, 2), tensor((2, 2, 2, 2)), integers(2, 1), integers((1, 0), (0, 0)),
               tensor((1, 3, 2, 2))]
    graph = load(tmp_path, tensors, [operator("RESHAPE", [0, 1], 2), operator("BATCH_TO_SPACE_ND", [2, 3, 4], 5)])
    assert layers(graph) == ["gather", "gather"]


def test_resizes(tmp_path):
    layer, = moved(tmp_path, "RESIZE_NEAREST_NEIGHBOR", [integers(4, 3)], (1, 4, 3, 4), "ResizeNearestNeighborOptions",
                   HalfPixelCenters=True).layers
    assert (layer.op, layer.parameters, layer.output.shape) == ("resize", (0, 1), (4, 3, 4))


@pytest.mark.parametrize("name, operands, given, options, fields, text", [
    ("TRANSPOSE", [integers(0, 1, 2, 2)], (1, 2, 3, 4), "", {}, r"permutation \[0, 1, 2, 2\] of 4 axes"),
    ("TRANSPOSE", [integers(0, 1, 3, 2)], (1, 2, 3, 4), "", {}, r"tensor 2 has a shape of \(1, 2, 3, 4\), but what is"),
    ("SLICE", [integers(0, 0, 0, 0), integers(1, 2, 4, 4)], (1, 2, 4, 4), "", {}, "which has no such part"),
    ("STRIDED_SLICE", [integers(0), integers(1), integers(0)], (1, 2, 3, 4), "", {}, "a stride of 0"),
    ("STRIDED_SLICE", [integers(1), integers(1), integers(1)], (1, 2, 3, 4), "", {}, "takes nothing of an axis of 1"),
    ("STRIDED_SLICE", [integers(3), integers(1), integers(1)], (2, 3, 4), "StridedSliceOptions", {"ShrinkAxisMask": 1},
     "takes place 3 of 1"),
    ("STRIDED_SLICE", [integers(*[0] * 5)] * 2 + [integers(*[1] * 5)], (1,), "", {}, "5 entries and 0 ellipses for 4"),
    ("GATHER", [integers(7)], (1, 2, 3, 1), "GatherOptions", {"Axis": 3}, r"places \[7\] of 4"),
    ("CONCATENATION", [tensor((1, 2, 3, 4), data=np.zeros(24, np.int8), scale=0.7)], (1, 2, 3, 8),
     "ConcatenationOptions", {"Axis": 3}, "joins tensor 1 of scale 0.7, zero point 0 to scale 0.1, zero point 3; T"),
    ("CONCATENATION", [IMAGE], (1, 2, 3, 9), "ConcatenationOptions", {"Axis": 3}, "which they do not give"),
    ("CONCATENATION", [IMAGE], (1, 2, 3, 8), "ConcatenationOptions", {"Axis": 4}, "axis 4 of 4"),
    ("TILE", [integers(1, 0, 1, 1)], (1, 4, 3, 4), "", {}, r"repeats \(1, 2, 3, 4\) \[1, 0, 1, 1\] times; a number"),
    ("PAD", [integers((0, 0), (1, 2), (0, -1), (0, 0))], (1, 5, 2, 4), "", {}, "two counts of 0 and more for each"),
    ("RESIZE_NEAREST_NEIGHBOR", [integers(4, 3)], (1, 4, 3, 4), "ResizeNearestNeighborOptions",
     {"AlignCorners": True, "HalfPixelCenters": True}, "has both align_corners and half_pixel_centers"),
    ("SPACE_TO_BATCH_ND", [integers(2, 2), integers((0, 0), (0, 0))], (4, 1, 1, 4), "", {}, "is no multiple of the"),
    ("DEPTH_TO_SPACE", [], (1, 6, 9, 1), "DepthToSpaceOptions", {"BlockSize": 3}, "blocks of 3 of 4 channels"),
])
def test_what_does_not_fit_is_named(tmp_path, name, operands, given, options, fields, text):
    with pytest.raises(GraphError, match=text):
        moved(tmp_path, name, operands, given, options, **fields)
