"""Nodes along axes: softmax and means."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from sw.frontend.onnx_nodes.node import NodeOp, Registry, axis_of
from sw.frontend.onnx_translation import Placed, Scale
from sw.graph.graph import GraphError

__all__ = ["SERVES"]

SERVES = Registry()


SOFTMAX, LOG_SOFTMAX = Scale(scale=1 / 256, zero=-128), Scale(scale=16 / 256, zero=127)


@SERVES("Softmax", "LogSoftmax")
def _softmax(op: NodeOp) -> None:
    """At TFLite's fixed scale, then brought to the output's."""
    source = op.placed(0)
    rank = len(source.shape)
    axis = axis_of(op.attribute("axis", -1 if op.opset >= 13 else 1), rank)
    if op.opset < 13 and prod(source.shape[axis + 1:]) != 1:
        raise GraphError(f"of opset {op.opset} runs over all axes from {axis} on; export it with opset 13 or later")
    if not source.plain:
        source = op.made.natural(op.node, source)
    if source.order[-1] != axis:
        source = op.made.arranged(op.node, source, (*(one for one in source.order if one != axis), axis))
    kind = SOFTMAX if op.node.kind == "Softmax" else LOG_SOFTMAX
    given = op.made.placed(op.node, "SOFTMAX" if kind is SOFTMAX else "LOG_SOFTMAX", [source.tensor],
                           replace(source, scale=kind), beta=1.0)
    op.pending(source.shape, lambda scale, clamp: op.made.rescaled(op.node, given, scale, clamp))


@SERVES("GlobalAveragePool")
def _global_average(op: NodeOp) -> None:
    source = op.placed(0)
    _mean_over(op, source, range(2, len(source.shape)), keep=True)


@SERVES("ReduceMean")
def _reduce_mean(op: NodeOp) -> None:
    source = op.placed(0)
    rank = len(source.shape)
    axes = [axis_of(axis, rank) for axis in op.integers(1, "axes", range(rank))]
    _mean_over(op, source, axes, keep=bool(op.attribute("keepdims", 1)))


def _mean_over(op: NodeOp, source: Placed, axes: Sequence[int], *, keep: bool) -> None:
    if not source.plain:
        source = op.made.natural(op.node, source)
    whole = tuple(1 if axis in axes else size for axis, size in enumerate(source.shape))
    shape = whole if keep else tuple(size for axis, size in enumerate(source.shape) if axis not in axes)
    places = op.made.integers([source.order.index(axis) for axis in sorted(set(axes))])

    def make(scale: Scale, clamp: tuple[int, int]) -> Placed:
        mean = op.made.placed(op.node, "MEAN", [source.tensor, places],
                              replace(source, shape=whole, whole=whole, scale=scale), keep_dims=True)
        return op.made.reshaped(op.node, op.made.rescaled(op.node, mean, scale, clamp), shape)
    op.pending(shape, make)
