"""Operators that compute nothing: shapes, slices, joins, pads, enlargements."""

import numpy as np

from tests.sw.frontend.model import step


@step("RESHAPE")
def _reshape(model, source):
    size, rank = int(np.prod(model.shape(source))), model.number(1, 4)
    shape = []
    for _ in range(rank - 1):
        shape.append(model.pick(1, *(part for part in range(1, size + 1) if size % part == 0)))
        size //= shape[-1]
    shape.append(size)
    return model.add("RESHAPE", [source, model.integers(shape)], model.like(source, shape), "ReshapeOptions",
                     NewShape=shape)


@step("EXPAND_DIMS", 1, 3)
def _expand(model, source):
    axis, shape = model.number(0, len(model.shape(source))), list(model.shape(source))
    return model.add("EXPAND_DIMS", [source, model.integers([axis])],
                     model.like(source, [*shape[:axis], 1, *shape[axis:]]))


@step("SQUEEZE")
def _squeeze(model, source):
    shape = model.shape(source)
    axes = [axis for axis, length in enumerate(shape) if length == 1][:len(shape) - 1]
    given = [length for axis, length in enumerate(shape) if axis not in axes]
    return model.add("SQUEEZE", [source], model.like(source, given), "SqueezeOptions", SqueezeDims=axes) \
        if axes else None


@step("TRANSPOSE")
def _transpose(model, source):
    shape, order = model.shape(source), model.rng.permutation(len(model.shape(source))).tolist()
    return model.add("TRANSPOSE", [source, model.integers(order)],
                     model.like(source, [shape[axis] for axis in order]))


@step("CONCATENATION")
def _concatenation(model, source):
    shape, parts = list(model.shape(source)), model.number(2, 4)
    axis, operands = model.number(0, len(shape) - 1), [source]
    for _ in range(parts - 1):
        sizes = [*shape[:axis], model.number(1, 3), *shape[axis + 1:]]
        make = model.pick(model.constant, model.second)
        operands.append(make(sizes, scale=model.tensors[source]["scale"], zero=model.tensors[source]["zero"]))
    whole = sum(model.shape(operand)[axis] for operand in operands)
    return model.add("CONCATENATION", operands, model.like(source, [*shape[:axis], whole, *shape[axis + 1:]]),
                     "ConcatenationOptions", Axis=axis - model.pick(0, len(shape)))


@step("PACK", 1, 3)
def _pack(model, source):
    shape, axis = list(model.shape(source)), model.number(0, len(model.shape(source)))
    operands = [source, model.constant(shape), source][:model.number(1, 3)]
    return model.add("PACK", operands, model.like(source, [*shape[:axis], len(operands), *shape[axis:]]),
                     "PackOptions", ValuesCount=len(operands), Axis=axis)


def _finish(model, parts):
    """Several outputs of one operator: each but the last is an output of the model."""
    model.outputs = [*getattr(model, "outputs", []), *parts[:-1]]
    return parts[-1]


@step("SPLIT", 2)
def _split(model, source):
    shape = list(model.shape(source))
    choices = [(axis, count) for axis, length in enumerate(shape) for count in (2, 3) if length % count == 0]
    if not choices:
        return None
    axis, count = model.pick(*choices)
    sizes = [*shape[:axis], shape[axis] // count, *shape[axis + 1:]]
    parts = [model.like(source, sizes) for _ in range(count)]
    return _finish(model, model.add("SPLIT", [model.integers(axis), source], parts, "SplitOptions", NumSplits=count))


@step("SPLIT_V", 2)
def _split_v(model, source):
    shape = list(model.shape(source))
    axis = model.number(0, len(shape) - 1)
    if shape[axis] < 2:
        return None
    first = model.number(1, shape[axis] - 1)
    sizes = [first, shape[axis] - first]
    parts = [model.like(source, [*shape[:axis], size, *shape[axis + 1:]]) for size in sizes]
    return _finish(model, model.add("SPLIT_V", [source, model.integers(sizes), model.integers(axis)], parts,
                                    "SplitVOptions", NumSplits=2))


@step("UNPACK", 2)
def _unpack(model, source):
    shape = list(model.shape(source))
    axis = model.number(0, len(shape) - 1)
    if shape[axis] > 5:
        return None
    parts = [model.like(source, [*shape[:axis], *shape[axis + 1:]]) for _ in range(shape[axis])]
    return _finish(model, model.add("UNPACK", [source], parts, "UnpackOptions", Num=shape[axis], Axis=axis))


@step("SLICE")
def _slice(model, source):
    shape = model.shape(source)
    begin = [model.number(0, length - 1) for length in shape]
    sizes = [model.number(1, length - first) for length, first in zip(shape, begin, strict=True)]
    wanted = [-1 if first + size == length and model.rng.random() < 0.5 else size
              for length, first, size in zip(shape, begin, sizes, strict=True)]
    return model.add("SLICE", [source, model.integers(begin), model.integers(wanted)], model.like(source, sizes))


@step("STRIDED_SLICE")
def _strided_slice(model, source):
    shape, masks = model.shape(source), {"BeginMask": 0, "EndMask": 0, "ShrinkAxisMask": 0}
    begin, end, strides, sizes = [], [], [], []
    for axis, length in enumerate(shape):
        stride = model.pick(1, 1, 2, 3, -1, -2)
        first, last = model.number(-length, length - 1), model.number(-length - 1, length + 1)
        mask = {name: bool(model.rng.random() < 0.3) for name in masks}
        mask["ShrinkAxisMask"] &= axis > 0
        if mask["ShrinkAxisMask"]:      # of places in front of the first, the runtime's kernels make nothing
            mask["BeginMask"], stride = False, 1
        taken = range(length)[slice(None if mask["BeginMask"] else first, None if mask["EndMask"] else last, stride)]
        if not taken and not mask["ShrinkAxisMask"]:
            first, last, stride, taken = 0, length, 1, range(length)
            mask["BeginMask"] = mask["EndMask"] = False
        begin.append(first)
        end.append(last)
        strides.append(stride)
        for name in masks:
            masks[name] |= mask[name] << axis
        if not mask["ShrinkAxisMask"]:
            sizes.append(len(taken))
    operands = [model.integers(values) for values in (begin, end, strides)]
    return model.add("STRIDED_SLICE", [source, *operands], model.like(source, sizes), "StridedSliceOptions", **masks)


@step("PAD")
@step("PADV2")
def _pad(model, source):
    shape = model.shape(source)
    counts = [(0, 0) if axis == 0 and len(shape) > 2 else (model.number(0, 2), model.number(0, 2))
              for axis in range(len(shape))]
    operands = [source, model.integers(counts)]
    if model.rng.random() < 0.4:
        operands.append(model.constant((), scale=model.tensors[source]["scale"], zero=model.tensors[source]["zero"]))
    given = [length + sum(pair) for length, pair in zip(shape, counts, strict=True)]
    return model.add("PAD" if len(operands) == 2 else "PADV2", operands, model.like(source, given))


@step("RESIZE_NEAREST_NEIGHBOR", 4)
def _resize(model, source):
    batch, height, width, channels = model.shape(source)
    size = [model.pick(2 * length, 3 * length, model.number(1, 2 * length)) for length in (height, width)]
    options = model.pick({}, {}, {"AlignCorners": True}, {"HalfPixelCenters": True})
    return model.add("RESIZE_NEAREST_NEIGHBOR", [source, model.integers(size)],
                     model.like(source, (batch, *size, channels)), "ResizeNearestNeighborOptions", **options) \
        if batch == 1 and max(size) < 40 else None


@step("SPACE_TO_BATCH_ND", 4)
def _space_to_batch(model, source):
    """Without padding, for which the runtime's kernel takes a value that nobody sets."""
    batch, height, width, channels = model.shape(source)
    blocks = [model.pick(*(block for block in (1, 2, 3) if length % block == 0)) for length in (height, width)]
    given = [batch * blocks[0] * blocks[1], height // blocks[0], width // blocks[1], channels]
    return model.add("SPACE_TO_BATCH_ND", [source, model.integers(blocks), model.integers([(0, 0), (0, 0)])],
                     model.like(source, given))


@step("BATCH_TO_SPACE_ND", 4)
def _batch_to_space(model, source):
    batch, height, width, channels = model.shape(source)
    choices = [(first, second) for first in (1, 2, 3) for second in (1, 2, 3) if batch % (first * second) == 0]
    blocks = list(model.pick(*choices))
    crops = [(0, model.number(0, block - 1)) for block in blocks]
    given = [batch // (blocks[0] * blocks[1]), *(length * block - sum(pair) for length, block, pair in zip(
        (height, width), blocks, crops, strict=True)), channels]
    return model.add("BATCH_TO_SPACE_ND", [source, model.integers(blocks), model.integers(crops)],
                     model.like(source, given)) if min(given) > 0 else None


@step("SPACE_TO_DEPTH", 4)
def _space_to_depth(model, source):
    batch, height, width, channels = model.shape(source)
    return model.add("SPACE_TO_DEPTH", [source], model.like(source, (batch, height // 2, width // 2, channels * 4)),
                     "SpaceToDepthOptions", BlockSize=2) if height % 2 == width % 2 == 0 else None


@step("DEPTH_TO_SPACE", 4)
def _depth_to_space(model, source):
    batch, height, width, channels = model.shape(source)
    return model.add("DEPTH_TO_SPACE", [source], model.like(source, (batch, height * 2, width * 2, channels // 4)),
                     "DepthToSpaceOptions", BlockSize=2) if channels % 4 == 0 else None
