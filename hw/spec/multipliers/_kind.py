"""What a multiplier kind is: a product of two integers, and what it can be built for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from hw.spec.digits import splits_for
from hw.spec.errors import SpecError

__all__ = ["MultiplierKind", "check_kind", "exact_product", "product", "product_table", "weight_code", "weight_value"]

ACTS = range(-128, 128)     # all that an int8 holds; narrower activations are among them


def exact_product(act: int, weight: int, weight_bits: int) -> int:
    return act * weight


@dataclass(frozen=True, kw_only=True)
class MultiplierKind:
    """How products are formed.

    ``times`` is called with an activation, a weight and the width of weights in bits, all plain integers; the width of
    activations does not matter to it. Three things the engine builds on, and a test holds every kind to them: zero
    times anything is zero; a product fits the bits of both operands together; and products with the weight of pools,
    2 to the power of ``weight_bits - 2``, are exact.
    """

    name: str
    uses_dsp: bool                    # maps to the device's multiplier blocks
    times: Callable[[int, int, int], int] = exact_product
    ways: int = 1                     # neighbouring columns of the array whose products share one multiplier
    pairs: int = 1                    # lanes whose products share one multiplier; divides the lanes
    weight_bits: tuple[int, ...] = (8, 4, 2, 1)   # widths of weights that a design may have with it, bits
    act_bits: tuple[int, ...] = (8, 4)            # widths of activations that it takes, bits
    magnitude: int | None = None      # largest magnitude of a weight; None: all that the width holds
    family: str | None = None         # device family whose cells it is made of; None: any
    elsewhere: str = ""               # what keeps it from paying on another family, for people
    digits: int = 1                   # of a weight of 8 bits (``hw.spec.digits``), whose products are summed up apart

    @property
    def splits(self) -> int:
        """How often a layer may halve weights of 8 bits, for more output channels."""
        return splits_for(self.digits)

    @property
    def product_bits(self) -> tuple[int, ...]:
        """Widths of the weights that it multiplies by: those of designs, and halves of these."""
        return tuple(dict.fromkeys(bits >> split for bits in self.weight_bits for split in range(self.splits + 1)))

    def design_bits(self, weight_bits: int) -> int:
        """``weight_bits`` of a design for weights of a width."""
        return max(self.weight_bits) if self.splits else weight_bits

    def exact(self, weight_bits: int) -> bool:
        """Whether it multiplies as integers do."""
        return self.times is exact_product or _never_errs(self, weight_bits)

    def weights(self, weight_bits: int) -> tuple[int, ...]:
        """Every weight that it multiplies by, in order; a weight of one bit is -1 or 1.

        >>> MultiplierKind(name="some", uses_dsp=False, magnitude=1).weights(2)
        (-1, 0, 1)
        """
        return tuple(value for value in _values(weight_bits) if self.magnitude is None or abs(value) <= self.magnitude)


def weight_value(code: int, weight_bits: int) -> int:
    """The weight that ``weight_bits`` bits stand for: two's complement, or for one bit -1 where it is set, else 1.

    >>> weight_value(3, 2), weight_value(1, 1), weight_value(0, 1)
    (-1, -1, 1)
    """
    if weight_bits == 1:
        return -1 if code else 1
    return code - ((code >> weight_bits - 1) << weight_bits)


def weight_code(value: int, weight_bits: int) -> int:
    """The bits of a weight: the inverse of :func:`weight_value`."""
    return int(value < 0) if weight_bits == 1 else value & (1 << weight_bits) - 1


def _values(weight_bits: int) -> list[int]:
    return sorted(weight_value(code, weight_bits) for code in range(1 << weight_bits))


@cache
def _never_errs(kind: MultiplierKind, weight_bits: int) -> bool:
    return all(kind.times(act, weight, weight_bits) == act * weight
               for act in ACTS for weight in kind.weights(weight_bits))


def product(kind: MultiplierKind, act: int, weight: int, *, weight_bits: int = 8) -> int:
    """Golden product of two signed integers.

    >>> product(MultiplierKind(name="some", uses_dsp=True), -7, 3)
    -21
    """
    return kind.times(act, weight, weight_bits)


@cache
def product_table(kind: MultiplierKind, weight_bits: int) -> tuple[tuple[int, ...], ...]:
    """All products: of the activations -128 to 127, a row each, with every weight of the width in order.

    >>> product_table(MultiplierKind(name="some", uses_dsp=True), 2)[128 + 5]
    (-10, -5, 0, 5)
    """
    return tuple(tuple(kind.times(act, weight, weight_bits) for weight in _values(weight_bits)) for act in ACTS)


def check_kind(kind: MultiplierKind, *, weight_bits: int, act_bits: int, lanes: int, cols: int) -> None:
    """Raises SpecError if an array of this shape cannot be built with ``kind``; of its ``family`` boards know."""
    name = f"multiplier={kind.name!r}"
    for field, value, takes in (("weight_bits", weight_bits, kind.weight_bits), ("act_bits", act_bits, kind.act_bits)):
        if value not in takes:
            raise SpecError(f"{name}: takes {field} {' or '.join(map(str, takes))}, not {value}; "
                            f"change {field} or choose another multiplier")
    for field, value, shared in (("cols", cols, kind.ways), ("lanes", lanes, kind.pairs)):
        if value % shared:
            raise SpecError(f"{name}: {shared} neighbouring {field} share a multiplier, and {field}={value}; "
                            f"choose a multiple of {shared} or another multiplier")
