"""What a network is once it was traced: operators with typed fields, before any precision is lost.

A network is a list of :class:`Node`, in an order in which they can run, as its ``torch.nn.Module`` computes them: the
shapes are torch's, channels first, without the batch. ``sw.quant`` trains them with the errors of integers, and lowers
them to the integer graph, whose channels are last. Loads no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from math import inf, prod
from typing import Any

from hw.spec.errors import HeddleError

__all__ = ["FUNCTIONS", "KEEPING", "PRODUCTS", "ModelError", "Node", "Shape", "Traced", "image_of", "readers",
           "torch_shape"]

Shape = tuple[int, ...]

PRODUCTS = ("conv", "linear", "norm")               # with weights, summed by the array
KEEPING = ("avgpool", "maxpool", "move", "pad", "dropout")      # the output has the type of the input
#: Functions of one value -> numbers that they take.
FUNCTIONS = {
    "relu": 0, "relu6": 0, "clamp": 2, "leaky_relu": 1, "elu": 1, "hard_swish": 0, "hard_sigmoid": 0, "logistic": 0,
    "tanh": 0, "silu": 0, "gelu": 0, "mish": 0, "softplus": 0, "abs": 0, "affine": 2}


class ModelError(HeddleError, ValueError):
    """A network cannot be built; the message names it, and the module and the line where it is wrong."""


def torch_shape(image: tuple[int, int, int]) -> Shape:
    """Shape of one input as a module gets it, of a height, a width and channels.

    An image is ``(channels, height, width)``; a single row is a sequence, ``(channels, length)``; a single pixel is a
    row of a table, ``(features,)``.

    >>> torch_shape((28, 32, 3)), torch_shape((1, 128, 9)), torch_shape((1, 1, 6))
    ((3, 28, 32), (9, 128), (6,))
    """
    height, width, channels = image
    if (height, width) == (1, 1):
        return (channels,)
    return (channels, width) if height == 1 else (channels, height, width)


def image_of(shape: Shape) -> tuple[int, int, int]:
    """Channels, height and width of up to three dimensions: those that are not there are 1.

    >>> image_of((6,)), image_of((9, 128)), image_of((3, 28, 32))
    ((6, 1, 1), (9, 1, 128), (3, 28, 32))
    """
    channels, *space = shape
    height, width = (1,) * (2 - len(space)) + tuple(space)
    return channels, height, width


@dataclass(frozen=True, kw_only=True)
class Node:
    """One operator, with what is fused into it.

    ========= ==================================================================================================
    ``op``    what it computes; ``tensors`` by role are names of the module's parameters and buffers
    ========= ==================================================================================================
    input     what the network reads: the only one, and the first
    constant  ``tensors["value"]``, broadcast against the other operand
    conv      of images or sequences; ``weight`` ``(O, C / groups, KH, KW)``, ``bias`` if there is one; ``gamma``,
              ``beta``, ``mean``, ``variance`` where a batch normalization behind it is folded into it
    linear    of features; ``weight`` ``(O, I)``, the others as for conv
    norm      a batch normalization by itself
    table     a function of each value: one of ``FUNCTIONS``, with its ``numbers``
    prelu     ``slope``, of one value, or one for each channel
    avgpool   over the taps inside the input
    maxpool
    add, sub, of two operands, whose shapes broadcast
    mul
    concat    along ``axis``
    move      output element ``i`` is element ``offset + sum(i[k] * strides[k])`` of the flattened input: reshape,
              transpose, slice, expand
    pad       zeros around: ``around`` has a pair of counts for each axis
    dropout   in training, of values with probability ``numbers[0]``, of whole channels where ``numbers[1]`` is 1
    ========= ==================================================================================================

    Sums and products are cut to ``low`` and ``high`` where a ReLU or its like is fused into them.
    """

    op: str
    name: str                                   # qualified name of its module, unique
    where: str = field(default="", compare=False)      # module and source line, for errors
    reads: tuple[int, ...] = ()                 # numbers of nodes
    shape: Shape                                # of the output
    tensors: Mapping[str, str] = field(default_factory=dict)
    kernel: tuple[int, int] = (1, 1)            # y, x; of a sequence y is 1
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)      # top, left, bottom, right
    groups: int = 1
    epsilon: float = 0.0                        # of a normalization
    function: str = ""
    numbers: tuple[float, ...] = ()
    axis: int = 0
    offset: int = 0
    strides: tuple[int, ...] = ()
    around: tuple[tuple[int, int], ...] = ()
    low: float = -inf
    high: float = inf

    @property
    def size(self) -> int:
        """Elements of the output."""
        return prod(self.shape)

    @property
    def normalized(self) -> bool:
        return "mean" in self.tensors


def readers(nodes: Sequence[Node]) -> list[list[int]]:
    """For each node, those that read it."""
    found: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        for read in node.reads:
            found[read].append(index)
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Traced:
    """A network: what it computes, and with which numbers it starts.

    ``tensors`` are those of ``torch``, by qualified name: parameters, which are trained, and buffers and constants,
    which are not.
    """

    nodes: tuple[Node, ...]
    tensors: Mapping[str, Any]

    @property
    def output(self) -> Node:
        return self.nodes[-1]

    @property
    def weights(self) -> int:
        """Numbers that the array multiplies with."""
        names = {node.tensors["weight"] for node in self.nodes if node.op in ("conv", "linear")}
        return sum(self.tensors[name].numel() for name in names)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference, padding taps included and pooling not, as ``Graph.macs`` counts."""
        total = 0
        for node in self.nodes:
            if node.op in ("conv", "linear"):
                total += node.size * self.tensors[node.tensors["weight"]][0].numel()
            elif node.op == "norm":
                total += node.size
        return total

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that decides what it computes; names of places do not."""
        state = sha256()
        for node in self.nodes:
            state.update(repr(replace(node, where="", tensors=dict(sorted(node.tensors.items())))).encode())
        for name in sorted({name for node in self.nodes for name in node.tensors.values()}):
            array = self.tensors[name].detach().numpy()
            state.update(f"{name} {array.dtype} {array.shape} {self.tensors[name].requires_grad}".encode())
            state.update(array.tobytes())
        return state.hexdigest()
