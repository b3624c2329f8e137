"""The same network with fewer channels."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sw.models.coupling import Coupling
from sw.models.ir import Node, Shape, Traced
from sw.models.moves import affine, index_of

__all__ = ["NotRectangular", "shrunk"]

CHANNELWISE = ("bias", "gamma", "beta", "mean", "variance")


class NotRectangular(ValueError):
    """What is left of an activation is no array, or is moved as no node moves values; the message names the node."""


def shrunk(traced: Traced, found: Coupling, alive: np.ndarray) -> Traced:
    """Without the units that are not ``alive``, a truth value for each of ``found``.

    Raises
    ------
    NotRectangular
        If a node cannot do without them.
    """
    kept = [alive[owner] | (owner < 0) for owner in found.owners]
    kept = [_spread(mask, owner) for mask, owner in zip(kept, found.owners, strict=True)]
    shapes = [_shape(node, mask) for node, mask in zip(traced.nodes, kept, strict=True)]
    tensors = dict(traced.tensors)
    nodes = []
    for node, mask, shape in zip(traced.nodes, kept, shapes, strict=True):
        taken = [kept[read] for read in node.reads]
        for role, name in node.tensors.items():
            tensors[name] = _cut(node, role, traced.tensors[name], mask, taken)
        nodes.append(_resized(node, shape, mask, taken))
    return Traced(nodes=tuple(nodes), tensors=tensors)


def _spread(mask: np.ndarray, owner: np.ndarray) -> np.ndarray:
    return mask if not (owner < 0).any() else np.ones_like(mask)


def _shape(node: Node, mask: np.ndarray) -> Shape:
    along = [mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)) for axis in range(mask.ndim)]
    if not mask.any() or mask.sum() != np.prod([np.count_nonzero(one) for one in along]):
        raise NotRectangular(f"{node.name}: what is left of its output is no array")
    return tuple(int(np.count_nonzero(one)) for one in along)


def _channels(mask: np.ndarray) -> np.ndarray:
    """Numbers of the channels that are left."""
    return np.flatnonzero(mask.reshape(len(mask), -1).any(axis=1))


def _cut(node: Node, role: str, tensor: Any, mask: np.ndarray, taken: Sequence[np.ndarray]) -> Any:
    if mask.all() and all(one.all() for one in taken):
        return tensor
    rows = _channels(mask)
    if role == "weight" and node.op in ("conv", "linear"):
        made = tensor[rows]
        if node.op == "linear":
            made = made[:, np.flatnonzero(taken[0])]
        elif node.groups == 1:
            made = made[:, _channels(taken[0])]
    elif role in CHANNELWISE or role == "slope" and tensor.numel() > 1:
        made = tensor[rows]
    elif role == "value":
        made = tensor.reshape(node.shape)[rows]
    else:
        return tensor
    return made.detach().clone().requires_grad_(tensor.requires_grad)


def _resized(node: Node, shape: Shape, mask: np.ndarray, taken: Sequence[np.ndarray]) -> Node:
    changed: Mapping[str, Any] = {}
    if node.op == "conv" and node.groups > 1:
        changed = {"groups": len(_channels(taken[0])) if node.groups == len(taken[0]) else node.groups}
    elif node.op == "move" and not taken[0].all():
        changed = _moved(node, shape, mask, taken[0])
    return replace(node, shape=shape, **changed)


def _moved(node: Node, shape: Shape, mask: np.ndarray, taken: np.ndarray) -> Mapping[str, Any]:
    """Offset and strides among the values that are left."""
    places = np.cumsum(taken.ravel()) - 1
    found = affine(places[index_of(node)[mask]].reshape(shape))
    if found is None:
        raise NotRectangular(f"{node.name}: values are moved by steps that would not be even")
    return {"offset": found[0], "strides": found[1]}
