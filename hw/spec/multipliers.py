"""Multiplier kinds: the exact integer answer of each, and what it can be built for.

``hw.gateware.multipliers`` builds the same names; a kind that is registered in both passes one conformance suite.
"""

from dataclasses import dataclass

from hw.spec.errors import SpecError

__all__ = ["MULTIPLIERS", "MultiplierKind", "check_kind", "product", "weight_code", "weight_value"]


@dataclass(frozen=True, kw_only=True)
class MultiplierKind:
    """How products are formed.

    A truncated kind leaves out the least significant columns of the partial-product matrix: every bit product
    ``act[i] * weight[j]`` with ``i + j < dropped_columns(weight_bits)`` (both operands in two's complement, the
    activation sign-extended as far as need be, so its width does not matter).
    The result is never above the exact product, and zero times anything is zero.
    """

    name: str
    uses_dsp: bool                    # maps to the device's multiplier blocks
    kept_below: int | None = None     # columns kept below column ``weight_bits``; None keeps all
    ways: int = 1                     # neighbouring columns of the array whose products share one multiplier
    pairs: int = 1                    # lanes whose products share one multiplier; divides the lanes
    weight_bits: tuple[int, ...] = (8, 4, 2, 1)   # widths of weights that it takes, bits
    act_bits: tuple[int, ...] = (8, 4)            # widths of activations that it takes, bits
    magnitude: int | None = None      # largest magnitude of a weight; None: all that the width holds
    family: str | None = None         # device family whose cells it is made of; None: any

    def dropped_columns(self, weight_bits: int) -> int:
        return 0 if self.kept_below is None else max(0, weight_bits - self.kept_below)

    def exact(self, weight_bits: int) -> bool:
        return self.dropped_columns(weight_bits) == 0

    def weights(self, weight_bits: int) -> tuple[int, ...]:
        """Every weight that it multiplies by, in order; a weight of one bit is -1 or 1.

        >>> MULTIPLIERS["ternary"].weights(2), MULTIPLIERS["lut"].weights(2), MULTIPLIERS["lut"].weights(1)
        ((-1, 0, 1), (-2, -1, 0, 1), (-1, 1))
        """
        every = sorted(weight_value(code, weight_bits) for code in range(1 << weight_bits))
        return tuple(value for value in every if self.magnitude is None or abs(value) <= self.magnitude)


MULTIPLIERS: dict[str, MultiplierKind] = {kind.name: kind for kind in (
    MultiplierKind(name="dsp", uses_dsp=True),
    MultiplierKind(name="lut", uses_dsp=False),
    MultiplierKind(name="trunc", uses_dsp=False, kept_below=2),
    MultiplierKind(name="packed", uses_dsp=True, ways=2, weight_bits=(4, 2, 1)),
    MultiplierKind(name="mac16", uses_dsp=True, pairs=2, magnitude=127, family="ice40"),
    MultiplierKind(name="ternary", uses_dsp=False, weight_bits=(2,), magnitude=1),
)}


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


def product(kind: MultiplierKind, act: int, weight: int, *, weight_bits: int = 8) -> int:
    """Golden product of two signed integers.

    >>> product(MULTIPLIERS["dsp"], -7, 3), product(MULTIPLIERS["trunc"], 7, 3)
    (-21, 0)
    """
    dropped = kind.dropped_columns(weight_bits)
    return act * weight - sum(((act >> i & 1) << i) * (weight & ((1 << (dropped - i)) - 1)) for i in range(dropped))


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
