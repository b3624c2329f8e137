"""Operators that compute nothing: what they give are values of their operands, or a constant around them."""

from collections.abc import Sequence
from dataclasses import replace

from sw.frontend.lowering import IDENTITY, Operation, Registry, shape_of
from sw.frontend.network import Read, Value
from sw.frontend.operators.scales import NONE
from sw.frontend.tflite_file import Tensor
from sw.golden.movement import row_major
from sw.graph.graph import GraphError
from sw.graph.layer import TensorType, canonical

__all__ = ["LOWERS"]

LOWERS = Registry()
MOST_PARTS = 256       # gathers that one operator may become


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise GraphError(f"axis {axis} of {rank}; get or convert the file again")
    return axis % rank


def _gather(op: Operation, source: Read, offset: int, sizes: Sequence[int], strides: Sequence[int], *,
            suffix: str = "") -> Value:
    """A tensor of ``sizes`` whose elements lie in ``source`` from ``offset`` on, ``strides`` apart along each axis."""
    value, shape = source
    moved = canonical(sizes)
    steps = ([0] * len(moved) + [step if size > 1 else 0 for size, step in zip(sizes, strides, strict=True)])
    steps = steps[len(steps) - len(moved):]
    whole = [step if size > 1 else 0 for size, step in zip(moved, row_major(moved), strict=True)]
    if value.type.size == _count(sizes) and offset == 0 and steps == whole:
        return value          # nothing moves
    return op.layer("gather", [(value, shape)], replace(value.type, shape=moved), suffix=suffix,
                    parameters=(offset, *steps))


def _count(sizes: Sequence[int]) -> int:
    return TensorType(shape=tuple(sizes), scale=1.0, zero_point=0).size


def _define(op: Operation, value: Value, sizes: Sequence[int], place: int = 0) -> None:
    """Output ``place`` is ``value``, if the file gives it the shape ``sizes``."""
    given = op.given(place)
    if shape_of(given) != tuple(sizes):
        raise GraphError(f"{given} has a shape of {given.shape}, but what is taken has {tuple(sizes)}; convert the "
                         f"network again with a fixed input shape and a batch of 1")
    op.define(value, place)


@LOWERS("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
def _reshape(op: Operation) -> None:
    op.alias()


@LOWERS("TRANSPOSE")
def _transpose(op: Operation) -> None:
    shape, order = op.shape(0), op.integers(1)
    if sorted(order) != list(range(len(shape))):
        raise GraphError(f"permutation {order} of {len(shape)} axes; get or convert the file again")
    strides = row_major(shape)
    sizes = [shape[axis] for axis in order]
    _define(op, _gather(op, op.read(0), 0, sizes, [strides[axis] for axis in order]), sizes)


@LOWERS("SLICE")
def _slice(op: Operation) -> None:
    shape, begin, wanted = op.shape(0), op.integers(1), op.integers(2)
    if not len(begin) == len(wanted) == len(shape):
        raise GraphError(f"begins at {begin} with sizes {wanted} in {shape}; get or convert the file again")
    sizes = [length - first if size == -1 else size
             for length, first, size in zip(shape, begin, wanted, strict=True)]
    if any(first < 0 or size < 1 or first + size > length
           for length, first, size in zip(shape, begin, sizes, strict=True)):
        raise GraphError(f"takes {sizes} from {begin} of {shape}, which has no such part; get or convert the file "
                         f"again")
    _define(op, _part(op, op.read(0), shape, begin, sizes), sizes)


def _part(op: Operation, source: Read, shape: Sequence[int], begin: Sequence[int], sizes: Sequence[int], *,
          suffix: str = "") -> Value:
    strides = row_major(shape)
    offset = sum(first * step for first, step in zip(begin, strides, strict=True))
    return _gather(op, source, offset, sizes, strides, suffix=suffix)


@LOWERS("STRIDED_SLICE")
def _strided_slice(op: Operation) -> None:
    shape = op.shape(0)
    offset, sizes, strides = slice_of(op, shape)
    _define(op, _gather(op, op.read(0), offset, sizes, strides), sizes)


def slice_of(op: Operation, shape: Sequence[int]) -> tuple[int, list[int], list[int]]:
    """Where a STRIDED_SLICE of a tensor of ``shape`` begins in it, and its output's sizes and strides."""
    begin, end, step = (op.integers(place) for place in (1, 2, 3))
    if not len(begin) == len(end) == len(step):
        raise GraphError(f"{len(begin)} beginnings, {len(end)} ends and {len(step)} strides; get the file again")
    masks = {name: op.option(f"{name}_mask", 0) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}

    def masked(name: str, entry: int) -> bool:
        return bool(masks[name] >> entry & 1)

    # an ellipsis stands for the axes that no other entry is of; one is behind everything where there is none
    entries, ellipsis = list(range(len(begin))), [entry for entry in range(len(begin)) if masked("ellipsis", entry)]
    new = [entry for entry in entries if masked("new_axis", entry) and entry not in ellipsis]
    more = len(shape) - (len(entries) - len(new) - len(ellipsis[:1]))
    if len(ellipsis) > 1 or more < 0:
        raise GraphError(f"{len(entries)} entries and {len(ellipsis)} ellipses for {len(shape)} axes; get or convert "
                         f"the file again")
    plan: list[int | None] = []
    for entry in entries:
        plan += [None] * more if entry in ellipsis else [entry]
    if not ellipsis:
        plan += [None] * more
    offset, sizes, steps = 0, list[int](), list[int]()
    distances, axis = row_major(shape), 0
    for planned in plan:
        if planned is not None and planned in new:
            sizes.append(1)
            steps.append(0)
            continue
        length, distance = shape[axis], distances[axis]
        axis += 1
        if planned is None:
            sizes.append(length)
            steps.append(distance)
            continue
        if step[planned] == 0:
            raise GraphError("a stride of 0; get or convert the file again")
        first = None if masked("begin", planned) else begin[planned]
        if masked("shrink_axis", planned):
            place = first if first is not None else 0
            if not -length <= place < length:
                raise GraphError(f"takes place {place} of {length}; get or convert the file again")
            offset += place % length * distance
            continue
        last = None if masked("end", planned) else end[planned]
        if last is not None and op.option("offset", False):
            last += begin[planned]
        taken = range(*slice(first, last, step[planned]).indices(length))
        if not taken:
            raise GraphError(f"takes nothing of an axis of {length}; get or convert the file again")
        offset += taken[0] * distance
        sizes.append(len(taken))
        steps.append(step[planned] * distance)
    return offset, sizes, steps


@LOWERS("SPLIT")
def _split(op: Operation) -> None:
    _parts(op, 1, op.integers(0))


@LOWERS("SPLIT_V")
def _split_v(op: Operation) -> None:
    _parts(op, 0, op.integers(2))


def _parts(op: Operation, place: int, axes: Sequence[int]) -> None:
    """The outputs lie behind each other along the axis of the operand at ``place``."""
    shape, count = op.shape(place), len(op.operator.outputs)
    if len(axes) != 1 or count > MOST_PARTS:
        raise GraphError(f"{len(axes)} axes and {count} outputs; Heddle takes one axis and {MOST_PARTS} outputs at "
                         f"most")
    axis, first = _axis(axes[0], len(shape)), 0
    for part in range(count):
        sizes = list(shape)
        sizes[axis] = shape_of(op.given(part), len(shape))[axis]
        if first + sizes[axis] > shape[axis]:
            break
        begin = [0] * len(shape)
        begin[axis] = first
        _define(op, _part(op, op.read(place), shape, begin, sizes, suffix=f"_{part}"), sizes, part)
        first += sizes[axis]
    if first != shape[axis]:
        raise GraphError(f"its outputs have other than the {shape[axis]} of its input along axis {axis}; get or "
                         f"convert the file again")


@LOWERS("UNPACK")
def _unpack(op: Operation) -> None:
    shape = op.shape(0)
    axis, count = _axis(op.option("axis"), len(shape)), len(op.operator.outputs)
    if count != shape[axis] or count > MOST_PARTS:
        raise GraphError(f"{count} outputs of an axis of {shape[axis]}; Heddle takes one for each, {MOST_PARTS} at "
                         f"most: get or convert the file again")
    strides = row_major(shape)
    sizes, steps = ([*values[:axis], *values[axis + 1:]] for values in (shape, strides))
    for part in range(count):
        _define(op, _gather(op, op.read(0), part * strides[axis], sizes, steps, suffix=f"_{part}"), sizes, part)


@LOWERS("GATHER")
def _gather_places(op: Operation) -> None:
    """Slices at constant places along an axis: one movement where they are evenly apart, else one for each."""
    shape, places = op.shape(0), op.integers(1)
    axis, kept = _axis(op.option("axis"), len(shape)), op.shape(1)
    if op.option("batch_dims") or not places or len(places) > MOST_PARTS or len(kept) > 1:
        raise GraphError(f"{len(places)} places of {len(kept)} dimensions, batch_dims={op.option('batch_dims')}; "
                         f"Heddle takes 1 to {MOST_PARTS} along one axis, without batch_dims")
    if not all(0 <= place < shape[axis] for place in places):
        raise GraphError(f"places {places} of {shape[axis]}; get or convert the file again")
    strides, source = list(row_major(shape)), op.read(0)
    sizes = [*shape[:axis], len(places), *shape[axis + 1:]]
    given = [*shape[:axis], *kept, *shape[axis + 1:]]
    apart = places[1] - places[0] if len(places) > 1 else 1
    if all(later - place == apart for place, later in zip(places, places[1:], strict=False)):
        strides[axis] *= apart
        _define(op, _gather(op, source, places[0] * row_major(shape)[axis], sizes, strides), given)
        return
    one = [*shape[:axis], 1, *shape[axis + 1:]]
    parts = [_gather(op, source, place * strides[axis], one, strides, suffix=f"_{number}")
             for number, place in enumerate(places)]
    _define(op, _join(op, parts, [one] * len(parts), sizes, axis), given)


@LOWERS("REVERSE_V2")
def _reverse(op: Operation) -> None:
    shape, strides, offset = op.shape(0), list(row_major(op.shape(0))), 0
    for axis in {_axis(axis, len(shape)) for axis in op.integers(1)}:
        offset += (shape[axis] - 1) * strides[axis]
        strides[axis] *= -1
    _define(op, _gather(op, op.read(0), offset, shape, strides), shape)


@LOWERS("BROADCAST_TO")
def _broadcast(op: Operation) -> None:
    shape, sizes = op.shape(0), shape_of(op.given())
    whole = (1,) * (len(sizes) - len(shape)) + shape
    if len(whole) != len(sizes) or any(length not in (1, size) for length, size in zip(whole, sizes, strict=True)):
        raise GraphError(f"{shape} does not broadcast to {sizes}; get or convert the file again")
    steps = [step if length == size else 0 for length, size, step in zip(whole, sizes, row_major(whole), strict=True)]
    _define(op, _gather(op, op.read(0), 0, sizes, steps), sizes)


@LOWERS("TILE")
def _tile(op: Operation) -> None:
    shape, times = op.shape(0), op.integers(1)
    if len(times) != len(shape) or min(times, default=0) < 1:
        raise GraphError(f"repeats {shape} {times} times; a number above 0 for each axis is right: get or convert the "
                         f"file again")
    sizes = [size for pair in zip(times, shape, strict=True) for size in pair]
    steps = [step for distance in row_major(shape) for step in (0, distance)]
    _define(op, _gather(op, op.read(0), 0, sizes, steps),
            [count * length for count, length in zip(times, shape, strict=True)])


@LOWERS("CONCATENATION")
def _concatenation(op: Operation) -> None:
    if op.option("fused_activation_function", NONE) != NONE:
        raise GraphError("joins with an activation; convert the network again")
    given, shapes = op.given(), [op.shape(place) for place in range(op.count)]
    kind, axis = given.type, _axis(op.option("axis"), len(shape_of(given)))
    for place in range(op.count):
        taken = op.tensor(place).type
        if (taken.scale, taken.zero_point) != (kind.scale, kind.zero_point):
            raise GraphError(f"joins {op.tensor(place)} of scale {taken.scale:g}, zero point {taken.zero_point} to "
                             f"scale {kind.scale:g}, zero point {kind.zero_point}; TensorFlow Lite Micro joins equal "
                             f"ones alone: convert the network again with {op.operator.name} quantized")
    _check_joined(shapes, given, axis)
    op.define(_join(op, [op.read(place)[0] for place in range(op.count)], shapes, given.shape, axis))


def _check_joined(shapes: Sequence[Sequence[int]], given: Tensor, axis: int) -> None:
    sizes = given.shape
    fits = shapes and all(len(shape) == len(sizes) and all(
        shape[place] == sizes[place] for place in range(len(sizes)) if place != axis) for shape in shapes)
    if not fits or sum(shape[axis] for shape in shapes) != sizes[axis]:
        raise GraphError(f"joins {', '.join(map(str, shapes))} along axis {axis} to {sizes}, which they do not give; "
                         f"get or convert the file again")


def _join(op: Operation, values: Sequence[Value], shapes: Sequence[Sequence[int]], sizes: Sequence[int],
          axis: int) -> Value:
    if len(values) == 1:
        return values[0]
    reads = [(value, canonical(shape)) for value, shape in zip(values, shapes, strict=True)]
    return op.layer("concat", reads, replace(values[0].type, shape=canonical(sizes)), parameters=(axis - len(sizes),))


@LOWERS("PACK")
def _pack(op: Operation) -> None:
    """Operands side by side along a new axis; the kernel takes their bytes, whatever the scales are."""
    given = op.given()
    sizes = shape_of(given)
    axis = _axis(op.option("axis"), len(sizes))
    one = [*sizes[:axis], 1, *sizes[axis + 1:]]
    if op.count != sizes[axis] or any(op.shape(place) != (*sizes[:axis], *sizes[axis + 1:])
                                      for place in range(op.count)):
        raise GraphError(f"packs {op.count} operands to {sizes} along axis {axis}, which they do not give; get or "
                         f"convert the file again")
    values = [_as_output(op, place) for place in range(op.count)]
    op.define(_join(op, values, [one] * len(values), sizes, axis))


def _as_output(op: Operation, place: int) -> Value:
    """Operand ``place`` with the output's scale, its bytes as they are."""
    (value, _), kind = op.read(place), op.given().type
    if (value.type.scale, value.type.zero_point) == (kind.scale, kind.zero_point):
        return value
    return op.layer("table", [(value, value.type.shape)], replace(kind, shape=value.type.shape), suffix=f"_as{place}",
                    weights=IDENTITY, function="reinterpret")


@LOWERS("PAD", "PADV2")
def _pad(op: Operation) -> None:
    value = op.given().type.zero_point
    if op.has(2):
        constant = op.known(2)
        if constant is None or constant.size != 1 or op.tensor(2).type.dtype != "int8":
            raise GraphError(f"pads with {op.tensor(2)}; Heddle takes one constant INT8 value")
        value = int(constant.reshape(-1)[0])
    shape, flat = op.shape(0), op.integers(1)
    if len(flat) != 2 * len(shape) or min(flat, default=0) < 0:
        raise GraphError(f"pads {shape} by {flat}; two counts of 0 and more for each axis are right: get or convert "
                         f"the file again")
    counts = list(zip(flat[::2], flat[1::2], strict=True))
    sizes = [length + sum(pair) for length, pair in zip(shape, counts, strict=True)]
    _define(op, _surround(op, op.read(0)[0], shape, counts, value), sizes)


def _surround(op: Operation, source: Value, shape: Sequence[int], counts: Sequence[tuple[int, int]], value: int, *,
              suffix: str = "") -> Value:
    """``source``, of ``shape``, with ``value`` before and behind along each axis."""
    sizes = [length + sum(pair) for length, pair in zip(shape, counts, strict=True)]
    if not any(map(any, counts)):
        return source
    whole = canonical(sizes)
    missing = len(whole) - len(shape)
    view = ((1,) * missing + tuple(shape))[max(0, -missing):]
    pairs = ([(0, 0)] * missing + list(counts))[max(0, -missing):]
    return op.layer("pad", [(source, view)], replace(source.type, shape=whole), suffix=suffix,
                    parameters=(*(count for before, after in pairs for count in (before, after, 0)), value))


@LOWERS("SPACE_TO_BATCH_ND")
def _space_to_batch(op: Operation) -> None:
    """Padded, then every block's places as images of their own. The kernel pads with a value that it never
    sets; a new runtime's is 0."""
    shape, blocks, pairs = op.shape(0), op.integers(1), op.integers(2)
    count = len(blocks)
    if len(pairs) != 2 * count or len(shape) < 1 + count or min(blocks, default=0) < 1 or min(pairs, default=0) < 0:
        raise GraphError(f"blocks {blocks} and padding {pairs} of {shape}; get or convert the file again")
    counts = [(0, 0), *((pairs[2 * axis], pairs[2 * axis + 1]) for axis in range(count)),
              *((0, 0),) * (len(shape) - 1 - count)]
    whole = [length + sum(pair) for length, pair in zip(shape, counts, strict=True)]
    if any(length % block for length, block in zip(whole[1:], blocks, strict=False)):
        raise GraphError(f"{whole} is no multiple of the blocks {blocks}; get or convert the file again")
    source = _surround(op, op.read(0)[0], shape, counts, 0, suffix="_pad")
    strides, small = row_major(whole), [length // block for length, block in zip(whole[1:], blocks, strict=False)]
    sizes = [*blocks, whole[0], *small, *whole[1 + count:]]
    steps = [*strides[1:1 + count], strides[0],
             *(step * block for step, block in zip(strides[1:], blocks, strict=False)), *strides[1 + count:]]
    batch = _count([*blocks, whole[0]])
    _define(op, _gather(op, (source, canonical(whole)), 0, sizes, steps), [batch, *small, *whole[1 + count:]])


@LOWERS("BATCH_TO_SPACE_ND")
def _batch_to_space(op: Operation) -> None:
    """Images back to the places of their blocks, then without what was padded."""
    shape, blocks, pairs = op.shape(0), op.integers(1), op.integers(2)
    count = len(blocks)
    if (len(pairs) != 2 * count or len(shape) < 1 + count or min(blocks, default=0) < 1 or min(pairs, default=0) < 0
            or shape[0] % _count(blocks)):
        raise GraphError(f"blocks {blocks} and crops {pairs} of {shape}; get or convert the file again")
    batch, strides = shape[0] // _count(blocks), row_major(shape)
    image = strides[0] * batch
    sizes, steps = [batch], [strides[0]]
    for axis, (length, block) in enumerate(zip(shape[1:], blocks, strict=False)):
        sizes += [length, block]
        steps += [strides[1 + axis], image * _count(blocks[axis + 1:])]
    sizes += shape[1 + count:]
    steps += strides[1 + count:]
    whole = [batch, *(length * block for length, block in zip(shape[1:], blocks, strict=False)), *shape[1 + count:]]
    merged = _gather(op, op.read(0), 0, sizes, steps, suffix="_merge")
    begin = [0, *pairs[::2], *[0] * (len(shape) - 1 - count)]
    kept = [length - first - last for length, first, last in zip(
        whole, begin, [0, *pairs[1::2], *[0] * (len(shape) - 1 - count)], strict=True)]
    if min(kept) < 1:
        raise GraphError(f"crops {pairs} leave nothing of {whole}; get or convert the file again")
    _define(op, _part(op, (merged, canonical(whole)), whole, begin, kept), kept)


@LOWERS("SPACE_TO_DEPTH")
def _space_to_depth(op: Operation) -> None:
    batch, height, width, channels = op.shape(0, 4)
    block = op.option("block_size")
    if block < 1 or height % block or width % block:
        raise GraphError(f"blocks of {block} of {height} x {width}; get or convert the file again")
    image, row, pixel, _ = row_major(op.shape(0))
    value = _gather(op, op.read(0), 0, [batch, height // block, width // block, block, block, channels],
                    [image, row * block, pixel * block, row, pixel, 1])
    _define(op, value, [batch, height // block, width // block, block * block * channels])


@LOWERS("DEPTH_TO_SPACE")
def _depth_to_space(op: Operation) -> None:
    batch, height, width, channels = op.shape(0, 4)
    block = op.option("block_size")
    if block < 1 or channels % (block * block):
        raise GraphError(f"blocks of {block} of {channels} channels; get or convert the file again")
    image, row, pixel, _ = row_major(op.shape(0))
    depth = channels // (block * block)
    value = _gather(op, op.read(0), 0, [batch, height, block, width, block, depth],
                    [image, row, block * depth, pixel, depth, 1])
    _define(op, value, [batch, height * block, width * block, depth])


@LOWERS("RESIZE_NEAREST_NEIGHBOR")
def _resize(op: Operation) -> None:
    batch, height, width, channels = op.shape(0, 4)
    wanted = op.integers(1)
    if batch != 1 or len(wanted) != 2 or min(wanted) < 1:
        raise GraphError(f"resizes {op.shape(0)} to {wanted}; Heddle takes one image and two lengths above 0")
    corners, centers = op.option("align_corners", False), op.option("half_pixel_centers", False)
    if corners and centers:
        raise GraphError("has both align_corners and half_pixel_centers; convert the network again with one of them")
    source, _ = op.read(0)
    value = source if [height, width] == wanted else op.layer(
        "resize", [(source, (height, width, channels))], replace(source.type, shape=(*wanted, channels)),
        parameters=(int(corners), int(centers)))
    _define(op, value, [1, *wanted, channels])
