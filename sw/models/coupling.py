"""Which channels of a network go together: what must be removed with one of them so that every shape still fits.

Each value of each activation belongs to a *unit*. A convolution or a dense layer makes a unit of each output channel;
what only passes values on (normalizations, depthwise convolutions, functions, pools, moves) keeps their units, and
where two values meet in a sum or a product, their units are one from then on. Units that the same layers make are a
*group*: it keeps as many as one likes, and its layers have that many channels.

The input's values and the answers belong to nobody, nor does what cannot be removed one channel at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sw.models.ir import Node
from sw.models.moves import index_of

__all__ = ["Coupling", "Group", "coupling"]

FIXED = 0          # the unit of all that stays
SHARED = -1        # of a constant of one channel: it is there for whatever is left


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Units that the same layers make."""

    makers: tuple[int, ...]         # numbers of the nodes
    units: np.ndarray               # their numbers
    channels: np.ndarray            # (makers, units): of each maker, the channel that the unit is


@dataclass(frozen=True, kw_only=True, eq=False)
class Coupling:
    """All units of a network."""

    owners: tuple[np.ndarray, ...]  # for each node, the unit of each value of its output; 0: none, -1: all
    groups: tuple[Group, ...]
    fixed: tuple[int, ...]          # nodes that make channels, of which some stay whatever happens; the last one is one

    @property
    def count(self) -> int:
        """Units are numbered up to here."""
        return 1 + max((int(group.units.max()) for group in self.groups), default=0)


def makes_channels(node: Node) -> bool:
    """Whether its output channels are its own."""
    return node.op == "linear" or node.op == "conv" and node.groups == 1


def coupling(nodes: Sequence[Node]) -> Coupling:
    """Of a traced network."""
    found = _Coupler(nodes)
    for node in nodes:
        found.owners.append(np.broadcast_to(_OWNERS.get(node.op, _same)(found, node), node.shape))
    found.fix(found.owners[-1])
    found.fix_shared_tensors()
    return found.coupling()


class _Coupler:
    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes, self.owners, self.parents = nodes, list[np.ndarray](), [FIXED]

    # units

    def root(self, unit: int) -> int:
        while self.parents[unit] != unit:
            self.parents[unit] = self.parents[self.parents[unit]]
            unit = self.parents[unit]
        return unit

    def join(self, first: np.ndarray, second: np.ndarray) -> None:
        """Units at the same places are one."""
        pairs = np.unique(np.stack([first.ravel(), second.ravel()], axis=1), axis=0)
        for one, other in pairs.tolist():
            if SHARED in (one, other):
                continue
            low, high = sorted((self.root(one), self.root(other)))
            self.parents[high] = low

    def fix(self, owner: np.ndarray) -> None:
        self.join(owner, np.full_like(owner, FIXED))

    def fresh(self, count: int) -> np.ndarray:
        start = len(self.parents)
        self.parents += range(start, start + count)
        return np.arange(start, start + count)

    def read(self, node: Node, place: int = 0) -> np.ndarray:
        return self.owners[node.reads[place]]

    def channelwise(self, owner: np.ndarray) -> np.ndarray:
        """The unit of each channel: one for all its values."""
        flat = owner.reshape(len(owner), -1)
        self.join(flat, np.broadcast_to(flat[:, :1], flat.shape))
        return flat[:, 0]

    # what follows

    def fix_shared_tensors(self) -> None:
        """Layers that have a tensor in common keep their channels."""
        users: dict[str, list[int]] = {}
        for number, node in enumerate(self.nodes):
            for name in set(node.tensors.values()):
                users.setdefault(name, []).append(number)
        for numbers in users.values():
            for number in numbers if len(numbers) > 1 else ():
                self.fix(self.owners[number])
                for read in self.nodes[number].reads:
                    self.fix(self.owners[read])

    def coupling(self) -> Coupling:
        names = np.array([self.root(unit) for unit in range(len(self.parents))])
        owners = tuple(np.where(owner == SHARED, SHARED, names[owner]) for owner in self.owners)
        made: dict[int, list[tuple[int, int]]] = {}
        fixed = []
        for number, node in enumerate(self.nodes):
            if not makes_channels(node):
                continue
            units = owners[number].reshape(node.shape[0], -1)[:, 0]
            if FIXED in units:
                fixed.append(number)
            for channel, unit in enumerate(units.tolist()):
                made.setdefault(unit, []).append((number, channel))
        made.pop(FIXED, None)
        groups: dict[tuple[int, ...], list[int]] = {}
        for unit, makers in made.items():
            groups.setdefault(tuple(number for number, _ in makers), []).append(unit)
        return Coupling(owners=owners, fixed=tuple(fixed), groups=tuple(
            Group(makers=makers, units=np.array(units),
                  channels=np.array([[channel for _, channel in made[unit]] for unit in units]).T)
            for makers, units in groups.items()))


def _along(units: np.ndarray, node: Node) -> np.ndarray:
    """A unit a channel, for all values of the node."""
    return np.broadcast_to(units.reshape(-1, *[1] * (len(node.shape) - 1)), node.shape)


def _input(found: _Coupler, node: Node) -> np.ndarray:
    return np.full(node.shape, FIXED)


def _constant(found: _Coupler, node: Node) -> np.ndarray:
    return np.full(node.shape, SHARED) if node.shape[0] == 1 else _along(found.fresh(node.shape[0]), node)


def _conv(found: _Coupler, node: Node) -> np.ndarray:
    taken = found.channelwise(found.read(node))
    if node.groups == 1:
        return _along(found.fresh(node.shape[0]), node)
    if node.groups == len(taken):
        return _along(np.repeat(taken, node.shape[0] // len(taken)), node)
    found.fix(taken)
    return np.full(node.shape, FIXED)


def _linear(found: _Coupler, node: Node) -> np.ndarray:
    return _along(found.fresh(node.shape[0]), node)


def _same(found: _Coupler, node: Node) -> np.ndarray:
    return found.read(node)


def _by_channel(found: _Coupler, node: Node) -> np.ndarray:
    return _along(found.channelwise(found.read(node)), node)


def _pair(found: _Coupler, node: Node) -> np.ndarray:
    first, second = (np.broadcast_to(found.read(node, place), node.shape) for place in (0, 1))
    found.join(first, second)
    return np.where(first == SHARED, second, first)


def _concat(found: _Coupler, node: Node) -> np.ndarray:
    joined = np.concatenate([found.read(node, place) for place in range(len(node.reads))], axis=node.axis)
    if node.axis:
        found.channelwise(joined)
    return joined


def _move(found: _Coupler, node: Node) -> np.ndarray:
    return found.read(node).ravel()[index_of(node)]


def _pad(found: _Coupler, node: Node) -> np.ndarray:
    if any(node.around[0]):
        found.fix(found.read(node))
        return np.full(node.shape, FIXED)
    return _along(found.channelwise(found.read(node)), node)


_OWNERS: dict[str, Callable[[_Coupler, Node], np.ndarray]] = {
    "input": _input, "constant": _constant, "conv": _conv, "linear": _linear, "norm": _by_channel, "prelu": _by_channel,
    "avgpool": _by_channel, "maxpool": _by_channel, "add": _pair, "sub": _pair, "mul": _pair, "concat": _concat,
    "move": _move, "pad": _pad}
