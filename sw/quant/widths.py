"""How wide numbers are, layer by layer."""

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from sw.graph.layer import TensorType
from sw.models.ir import PRODUCTS, Traced
from sw.quant.recipe import QuantError

__all__ = ["input_of", "widths_of"]


def widths_of(traced: Traced, bits: int, layers: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Bits of the weights of each layer that has some: of the first pattern that its name matches, else ``bits``.

    Raises
    ------
    QuantError
        If a pattern matches no layer.
    """
    names = [node.name for node in traced.nodes if node.op in PRODUCTS]
    for pattern, _ in layers:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise QuantError(f"quantize.layers: no layer with weights is named {pattern!r}; there are "
                             f"{', '.join(names)}")
    return {name: next((width for pattern, width in layers if fnmatchcase(name, pattern)), bits) for name in names}


def input_of(kind: TensorType, bits: int) -> TensorType:
    """The type of ``bits`` that spans what ``kind`` does.

    >>> byte = TensorType(shape=(1, 1, 1), scale=1 / 255, zero_point=-128)
    >>> narrow = input_of(byte, 4)
    >>> narrow.bits, round(1 / narrow.scale), narrow.zero_point
    (4, 15, -8)
    """
    if bits == kind.bits:
        return kind
    made = replace(kind, bits=bits, zero_point=0)
    scale = kind.scale * (kind.high - kind.low) / (made.high - made.low)
    zero_point = round(made.low - kind.scale * (kind.low - kind.zero_point) / scale)
    return replace(made, scale=scale, zero_point=min(max(zero_point, made.low), made.high))
