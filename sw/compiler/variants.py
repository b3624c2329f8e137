"""Lowers one operator to a command and the words of parameters and weights that it reads.

Often several commands compute the same: :func:`variants` gives all that the design can run, and the compiler takes the
fastest.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from typing import Any

import numpy as np

from hw.spec.commands import OPCODES
from hw.spec.design import LOCAL_WORDS, DesignPoint
from hw.spec.errors import SpecError
from hw.spec.multipliers import MULTIPLIERS
from sw.compiler.channels import fold, join, param_words, pooling_channels, split_of, split_words, weight_words
from sw.compiler.limits import exceeded_field, limit_text
from sw.compiler.operator import Geometry, Operator
from sw.graph.graph import Layer

__all__ = ["Variant", "keeps_columns", "keeps_weights", "operator_of", "through", "variants"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Variant:
    """A command without its weight address, and the table and the words it reads, in order."""

    command: Mapping[str, int]
    pack: Callable[[], np.ndarray]
    table: np.ndarray | None = None     # int8 (256,), in front of the words, where the command has one

    @cached_property
    def words(self) -> np.ndarray:
        """``(blocks, words, cols, lanes * weight_bits)`` of single bits, least significant first."""
        return self.pack()

    @cached_property
    def content(self) -> bytes:
        """Equal where table and words are."""
        table = b"" if self.table is None else self.table.tobytes()
        return sha256(repr(self.words.shape).encode() + table + np.packbits(self.words).tobytes()).digest()


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Array rows and columns that a command uses."""

    rows: int
    cols: int


def operator_of(layer: Layer | None, taken_shape: tuple[int, int, int], zero_point: int,
                design: DesignPoint) -> Operator:
    """The array's work for a layer of the graph; without one, the identity.

    Raises SpecError where the layer exceeds the design; the message does not name the layer.
    """
    channels = taken_shape[2]
    low = -1 << design.act_bits - 1
    if layer is None or layer.op == "maxpool":
        kernel = (1, 1) if layer is None else layer.kernel
        weights, scale = pooling_channels(1, kernel[0] * kernel[1], channels, design)
        return Operator(depthwise=True, weights=weights.reshape(*kernel, channels), channels=scale, in_zero=low,
                        out_zero=0, act_min=low if layer is None else layer.act_min,
                        act_max=~low if layer is None else layer.act_max, maximum=layer is not None)
    if layer.op == "avgpool":
        taps = layer.kernel[0] * layer.kernel[1]
        weights, scale = pooling_channels(taps, taps, channels, design)
        return Operator(depthwise=True, weights=weights.reshape(*layer.kernel, channels), channels=scale, in_zero=0,
                        out_zero=0, act_min=layer.act_min, act_max=layer.act_max)
    if layer.weight_bits > design.weight_bits:
        raise SpecError(f"{layer.weight_bits}-bit weights, weight_bits={design.weight_bits}; "
                        f"raise weight_bits or train with {design.weight_bits}-bit weights")
    if design.weight_bits == 1 and layer.weight_bits != 1:
        raise SpecError("binary design: every weight must be -1 or +1; train with 1-bit weights")
    largest = MULTIPLIERS[design.multiplier].magnitude
    if largest is not None and abs(layer.weights.astype(int)).max() > largest:
        raise SpecError(f"weights of a magnitude above {largest}, multiplier={design.multiplier!r}; "
                        f"choose another multiplier or train for this one")
    weights = _dense_weights(layer, taken_shape) if layer.op == "dense" else _spread(layer, design)
    depthwise = layer.op == "depthwise"
    per_channel = weights.reshape(-1, weights.shape[-1]).T if depthwise else weights.reshape(weights.shape[0], -1)
    scale = fold(layer, per_channel, zero_point, design)
    if depthwise and weights.shape[-1] != channels:
        if design.weight_bits == 1:
            raise SpecError(f"{weights.shape[-1] // channels} outputs per channel run as a convolution most of whose "
                            f"weights are 0, and weight_bits=1 has no 0; use one output per channel, or raise it")
        depthwise, weights = False, _as_convolution(weights, channels)
    if not depthwise and weights.shape[-1] != channels:
        if design.weight_bits == 1:
            raise SpecError(f"{channels // weights.shape[-1]} groups run as one convolution most of whose weights are "
                            f"0, and weight_bits=1 has no 0; use one group, or raise it")
        weights = _ungrouped(weights, channels)
    return Operator(depthwise=depthwise, weights=weights, channels=scale, in_zero=zero_point,
                    out_zero=layer.output.zero_point, act_min=layer.act_min, act_max=layer.act_max,
                    split=0 if depthwise else split_of(layer, design))


def _dense_weights(layer: Layer, taken_shape: tuple[int, int, int]) -> np.ndarray:
    """As a convolution's (OC, KH, 1, IC) whose kernel is the whole input (KH, 1, IC)."""
    height, _, channels = taken_shape
    return layer.weights.reshape(len(layer.weights), height, 1, channels)


def _spread(layer: Layer, design: DesignPoint) -> np.ndarray:
    """The weights with those of 0 between them that a dilation skips."""
    step_y, step_x = layer.dilation
    if (step_y, step_x) == (1, 1):
        return layer.weights
    if design.weight_bits == 1:
        raise SpecError(f"dilation {step_y}x{step_x} runs as a kernel with weights of 0 between, and weight_bits=1 has "
                        f"no 0; use dilation 1, or raise it")
    axis = 0 if layer.op == "depthwise" else 1
    shape = list(layer.weights.shape)
    shape[axis:axis + 2] = layer.extent
    spread = np.zeros(shape, np.int8)
    spread[(slice(None),) * axis + (slice(None, None, step_y), slice(None, None, step_x))] = layer.weights
    return spread


def _ungrouped(weights: np.ndarray, channels: int) -> np.ndarray:
    """Weights (OC, KH, KW, IC) of a convolution in groups as one over all channels, zero but for the own group."""
    outputs, height, width, inputs = weights.shape
    groups = channels // inputs
    whole = np.zeros((outputs, height, width, channels), np.int8)
    for group, part in enumerate(np.split(np.arange(outputs), groups)):
        whole[part, :, :, group * inputs:(group + 1) * inputs] = weights[part]
    return whole


def _as_convolution(weights: np.ndarray, channels: int) -> np.ndarray:
    """Depthwise weights (KH, KW, C * M) as a convolution's (C * M, KH, KW, C), zero but for the own channel."""
    outputs = weights.shape[-1]
    whole = np.zeros((outputs, *weights.shape[:2], channels), np.int8)
    for output in range(outputs):
        whole[output, :, :, output // (outputs // channels)] = weights[:, :, output]
    return whole


def variants(operator: Operator, geometry: Geometry, design: DesignPoint, *, most_cols: int) -> list[Variant]:
    """Every way to run ``operator`` on at most so many columns; at least one.

    Raises
    ------
    SpecError
        If there is none; the message says which limit the simplest one exceeds.
    """
    ways = [_tap_by_tap, _by_columns] if operator.depthwise else [_row_by_row, _broadcast]
    if not operator.depthwise and geometry.apart and operator.weights.shape[2] > 1:
        ways = [_pixel_by_pixel]
    tiles = (_depthwise_tiles(operator, design) if operator.depthwise
             else _tiles(operator, geometry, design, most_cols))
    found = [variant for way in ways for tile in tiles for variant in way(operator, geometry, design, tile)]
    if not found:
        raise SpecError(f"{geometry.shape[2]} channels of {geometry.taken_pitch} do not fit a fetch of "
                        f"{design.fetch_bytes}; use fewer channels or raise lanes")
    exceeded = [exceeded_field(variant.command) for variant in found]
    fitting = [variant for variant, name in zip(found, exceeded, strict=True) if name is None]
    if not fitting:
        raise SpecError(limit_text(exceeded[0] or "", operator, geometry, design))
    return fitting


def keeps_weights(design: Any) -> Any:
    """Whether elements of a design, or of each of :class:`sw.compiler.designs.Designs`, keep a block's weights."""
    return design.dataflow == "weight"


def keeps_columns(design: Any, kernel_cols: int) -> Any:
    """Whether they keep so many columns of a depthwise layer's window."""
    return (design.depthwise_taps >= kernel_cols) & design.has_local_memory


def _parts(most: int, *even: int) -> list[int]:
    """Sizes that are worth trying, the largest one first: halves, and what splits ``even`` in as many parts, evenly."""
    halves = [most >> bit for bit in range(most.bit_length())]
    return sorted({*halves, *(-(-total // -(-total // half)) for total in even for half in halves)}, reverse=True)


def _tiles(operator: Operator, geometry: Geometry, design: DesignPoint, most_cols: int) -> list[Tile]:
    """The whole array first. On a single-port memory only that: its writes are timed for it."""
    height, width, outputs = geometry.out_shape
    if design.memory == "spram":
        return [Tile(rows=design.rows, cols=design.cols)]
    most = [min(most_cols, design.cols << split) for split in range(operator.split + 1)]
    columns = sorted({cols for one in most for cols in _parts(one, outputs)}, reverse=True)
    return [Tile(rows=rows, cols=cols) for rows in _parts(design.rows, width, height * width) for cols in columns]


def _depthwise_tiles(operator: Operator, design: DesignPoint) -> list[Tile]:
    count = operator.weights.shape[-1]
    most, cols = design.depthwise_rows, _parts(design.depthwise_cols, count)
    if design.memory == "spram":
        return [Tile(rows=most, cols=design.depthwise_cols)]
    return [Tile(rows=rows, cols=one) for one in cols for rows in _parts(most, -(-count // one))]


def _common(operator: Operator, geometry: Geometry, tile: Tile) -> dict[str, int]:
    stride_y, stride_x = geometry.stride
    row_bytes = geometry.taken_row
    return {
        "opcode": OPCODES["LAYER"], "out_base": geometry.out_address,
        "act_min": operator.act_min, "act_max": operator.act_max, "in_zero": operator.in_zero,
        "out_zero": operator.out_zero, "in_height": geometry.shape[0], "in_row_bytes": row_bytes,
        "step_x_bytes": stride_x * geometry.taken_pitch, "step_y_bytes": stride_y * row_bytes, "stride_y": stride_y,
        "first_x_bytes": geometry.first_x, "first_y": -geometry.top, "in_start": geometry.first_tap % (1 << 24),
        "out_width": geometry.out_shape[1], "kernel_rows": operator.weights.shape[0 if operator.depthwise else 1],
        "first_segments": 1, "tile_rows": tile.rows, "tile_cols": tile.cols,
    }


def _split(total: int, part: int) -> tuple[int, int]:
    """Number of parts, and the size of the last one."""
    parts = -(-total // part)
    return parts, total - (parts - 1) * part


def _row_by_row(operator: Operator, geometry: Geometry, design: DesignPoint, tile: Tile) -> Iterator[Variant]:
    """Every array row fetches its own words. Kernel rows are contiguous in memory: one run of ``KW * IC``."""
    outputs, kernel_rows, kernel_cols, inputs = operator.weights.shape
    run = kernel_cols * inputs
    out_height, out_width, _ = geometry.out_shape
    steps = -(-run // design.lanes)
    segments, tail = _split(steps, design.fetch_steps)
    rows = tile.rows
    linear = geometry.row_pitch == out_width * geometry.pixel_pitch
    if not linear and rows > 1:
        raise SpecError("rows of the output that do not follow each other need rows=1")
    groups, tail_rows = _split(out_height * out_width if linear else out_width, rows)
    bands = 1 if linear else out_height
    command = {
        **_common(operator, geometry, tile), "segments": segments, "segment_bytes": design.fetch_bytes,
        "segment_steps": design.fetch_steps, "tail_steps": tail,
        "groups": groups, "bands": bands, "tail_rows": tail_rows, "out_row_bytes": geometry.pixel_pitch,
        "out_group_bytes": rows * geometry.pixel_pitch,
        "out_band_bytes": geometry.row_pitch - (groups - 1) * rows * geometry.pixel_pitch if bands > 1 else 0,
    }
    yield from _convolution(operator, command, design, tile)


def _pixel_by_pixel(operator: Operator, geometry: Geometry, design: DesignPoint, tile: Tile) -> Iterator[Variant]:
    """A segment for each tap of a kernel row, where other channels lie between those of two pixels."""
    outputs, kernel_rows, kernel_cols, inputs = operator.weights.shape
    steps = -(-inputs // design.lanes)
    if steps > design.fetch_steps or design.weight_bits == 1 and inputs % design.lanes:
        return      # a weight of 1 bit is not 0
    weights = np.zeros((outputs, kernel_rows, kernel_cols, steps * design.lanes), np.int8)
    weights[..., :inputs] = operator.weights
    changed = {"segments": kernel_cols, "segment_bytes": geometry.taken_pitch, "segment_steps": steps,
               "tail_steps": steps}
    padded = replace(operator, weights=weights)
    for variant in _row_by_row(padded, geometry, design, tile):
        yield replace(variant, command={**variant.command, **changed})


def through(operator: Operator, geometry: Geometry) -> Operator:
    """The same convolution with weights of 0 for the channels that lie between those of two pixels."""
    outputs, kernel_rows, kernel_cols, inputs = operator.weights.shape
    pitch = geometry.taken_pitch
    weights = np.zeros((outputs, kernel_rows, kernel_cols, pitch), np.int8)
    weights[..., :inputs] = operator.weights
    run = (kernel_cols - 1) * pitch + inputs
    return replace(operator, weights=weights.reshape(outputs, kernel_rows, 1, -1)[..., :run])


def _broadcast(operator: Operator, geometry: Geometry, design: DesignPoint, tile: Tile) -> Iterator[Variant]:
    """One word serves neighbouring pixels of a row, where they lie close together."""
    _, _, kernel_cols, inputs = operator.weights.shape
    distance = geometry.stride[1] * geometry.taken_pitch
    out_height, out_width, _ = geometry.out_shape
    rows = tile.rows
    if rows == 1 or distance > design.lanes or (rows - 1) * distance + design.lanes > design.fetch_bytes:
        return
    groups, tail_rows = _split(out_width, rows)
    pitch = geometry.pixel_pitch
    command = {
        **_common(operator, geometry, tile), "broadcast": 1, "distance": distance, "step_x_bytes": rows * distance,
        "segments": -(-kernel_cols * inputs // design.lanes),
        "segment_bytes": design.lanes, "segment_steps": 1, "tail_steps": 1, "out_width": groups,
        "groups": groups, "bands": out_height, "tail_rows": tail_rows, "out_row_bytes": pitch,
        "out_group_bytes": rows * pitch, "out_band_bytes": geometry.row_pitch - (groups - 1) * rows * pitch,
    }
    yield from _convolution(operator, command, design, tile)


def _convolution(operator: Operator, command: dict[str, int], design: DesignPoint, tile: Tile) -> Iterator[Variant]:
    """With weights from the scratchpad, and from the elements where they fit there."""
    outputs, kernel_rows, kernel_cols, inputs = operator.weights.shape
    run = kernel_cols * inputs
    steps = -(-run // design.lanes)
    blocks, tail_cols = _split(outputs, tile.cols)
    command |= {"blocks": blocks, "tail_cols": tail_cols, "out_block_bytes": tile.cols, "block_bytes": 0,
                "tail_lanes": run - (steps - 1) * design.lanes - 1, "split": operator.split}
    variant = Variant(command=command, pack=partial(_convolution_words, operator, design, blocks, tile.cols))
    yield variant
    if keeps_weights(design) and kernel_rows * steps <= LOCAL_WORDS:
        yield replace(variant, command={**command, "local": 1, "local_words": kernel_rows * steps})


def _convolution_words(operator: Operator, design: DesignPoint, blocks: int, cols: int) -> np.ndarray:
    """Parameters and weights of each block; in the first ``cols`` columns."""
    outputs, kernel_rows, kernel_cols, inputs = operator.weights.shape
    run = kernel_cols * inputs
    steps = -(-run // design.lanes)
    padded = np.zeros((blocks * cols, kernel_rows, steps * design.lanes), np.int8)
    padded[:outputs, :, :run] = operator.weights.reshape(outputs, kernel_rows, run)
    most = design.cols << operator.split
    words = np.zeros((blocks, kernel_rows * steps, most, design.lanes), np.int8)
    words[:, :, :cols] = padded.reshape(blocks, cols, kernel_rows * steps, design.lanes).transpose(0, 2, 1, 3)
    wanted = np.full((blocks, most), blocks * cols)
    wanted[:, :cols] = np.arange(blocks * cols).reshape(blocks, cols)
    sets = -(-cols // design.cols)
    wanted = wanted.reshape(blocks, -1, design.cols)[:, :sets]
    pieces = words.reshape(blocks, kernel_rows * steps, -1, design.cols, design.lanes)
    return join(param_words(operator.channels, wanted, design),
                split_words(pieces, design, operator.split) if design.splits else weight_words(words, design))


def _depthwise(operator: Operator, geometry: Geometry, tile: Tile, design: DesignPoint) -> dict[str, int]:
    """Fields that all depthwise ways share: element (r, c) has channel r * tile.cols + c."""
    count = operator.weights.shape[-1]
    rows, cols = tile.rows, tile.cols
    blocks, in_last = _split(count, rows * cols)
    tail_rows, tail_cols = _split(in_last, cols)
    return {
        **_common(operator, geometry, tile), "depthwise": 1, "maximum": int(operator.maximum),
        "segment_bytes": geometry.taken_pitch,
        "segment_steps": 1, "tail_steps": 1, "tail_lanes": design.lanes - 1,
        "block_bytes": rows * cols, "tail_rows": tail_rows, "distance": cols,
        "blocks": blocks, "tail_cols": tail_cols, "out_row_bytes": cols, "out_group_bytes": geometry.pixel_pitch,
        "out_block_bytes": rows * cols,
    }


def _depthwise_params(operator: Operator, design: DesignPoint, tile: Tile) -> np.ndarray:
    channels = tile.rows * tile.cols
    blocks = -(-operator.weights.shape[-1] // channels)
    wanted = np.full((blocks, tile.rows, design.cols), blocks * channels)
    wanted[:, :, :tile.cols] = np.arange(blocks * channels).reshape(blocks, tile.rows, tile.cols)
    return param_words(operator.channels, wanted, design)


def _per_element(operator: Operator, tile: Tile) -> np.ndarray:
    """Weights (blocks, KH, KW, rows, cols) of a depthwise operator, zero beyond the last channel."""
    kernel_rows, kernel_cols, count = operator.weights.shape
    channels = tile.rows * tile.cols
    blocks = -(-count // channels)
    padded = np.zeros((kernel_rows, kernel_cols, blocks * channels), np.int8)
    padded[:, :, :count] = operator.weights
    return padded.reshape(kernel_rows, kernel_cols, blocks, tile.rows, tile.cols).transpose(2, 0, 1, 3, 4)


def _tap_by_tap(operator: Operator, geometry: Geometry, design: DesignPoint, tile: Tile) -> Iterator[Variant]:
    """One multiply-accumulate per element and cycle, for every kernel."""
    command = _depthwise(operator, geometry, tile, design)
    kernel_cols = operator.weights.shape[1]
    out_height, out_width, _ = geometry.out_shape
    linear = geometry.row_pitch == out_width * geometry.pixel_pitch
    bands = 1 if linear else out_height
    groups = out_height * out_width // bands
    command |= {"segments": kernel_cols, "groups": groups, "bands": bands,
                "out_band_bytes": geometry.row_pitch - (groups - 1) * geometry.pixel_pitch if bands > 1 else 0}
    uniform = (operator.weights == operator.weights[:1, :1]).all()      # a pool
    command |= {"uniform": int(uniform)}
    yield Variant(command=command, pack=partial(_tap_words, operator, design, tile, bool(uniform)))


def _tap_words(operator: Operator, design: DesignPoint, tile: Tile, uniform: bool) -> np.ndarray:
    weights = _per_element(operator, tile)
    blocks, kernel_rows, kernel_cols = weights.shape[:3]
    words = np.zeros((blocks, kernel_rows * kernel_cols, design.cols, design.lanes), np.int8)
    taps = weights.reshape(blocks, kernel_rows * kernel_cols, tile.rows, tile.cols)
    if design.selects_channels:     # element (r, c) takes lane r of column c's slice
        words[:, :, :tile.cols, :tile.rows] = taps.transpose(0, 1, 3, 2)
    else:                           # activation lane c goes to all columns
        for col in range(tile.cols):
            words[:, :, col, col] = taps[:, :, 0, col]
    if uniform:
        words = words[:, :1]
    return join(_depthwise_params(operator, design, tile), weight_words(words, design))


def _by_columns(operator: Operator, geometry: Geometry, design: DesignPoint, tile: Tile) -> Iterator[Variant]:
    """A kernel row per element and cycle: elements keep their weights, and the columns they have seen."""
    kernel_rows, kernel_cols, count = operator.weights.shape
    stride = geometry.stride[1]
    if stride > kernel_cols or kernel_rows > LOCAL_WORDS or operator.maximum or not keeps_columns(design, kernel_cols):
        return
    if MULTIPLIERS[design.multiplier].ways > 1:
        return      # elements of different channels that share a multiplier share its lanes
    if design.weight_bits == 1 and kernel_cols < design.depthwise_taps:
        return      # columns before the kernel's would count: no weight is 0
    command = _depthwise(operator, geometry, tile, design)
    out_height, out_width, _ = geometry.out_shape
    command |= {
        "window": 1, "local": 1, "local_words": tile.rows * kernel_rows, "first_segments": kernel_cols,
        "segments": stride, "groups": out_width, "bands": out_height, "out_width": 1,
        "out_band_bytes": geometry.row_pitch - (out_width - 1) * geometry.pixel_pitch,
    }
    yield Variant(command=command, pack=partial(_column_words, operator, design, tile))


def _column_words(operator: Operator, design: DesignPoint, tile: Tile) -> np.ndarray:
    weights = _per_element(operator, tile)
    blocks, kernel_rows, kernel_cols = weights.shape[:3]
    words = np.zeros((blocks, tile.rows, kernel_rows, design.cols, design.lanes), np.int8)
    # lane n multiplies the column that came n columns ago
    words[:, :, :, :tile.cols, :kernel_cols] = weights[:, :, ::-1].transpose(0, 3, 1, 4, 2)
    kept = words.reshape(blocks, tile.rows * kernel_rows, design.cols, design.lanes)
    return join(_depthwise_params(operator, design, tile), weight_words(kept, design))
