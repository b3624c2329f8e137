"""Multiplier kinds: the exact integer answer of each. ``hw.gateware.multipliers`` builds the same names."""

from dataclasses import dataclass

__all__ = ["MULTIPLIERS", "MultiplierKind", "product"]


@dataclass(frozen=True, kw_only=True)
class MultiplierKind:
    """How one product is formed.

    A truncated kind leaves out the least significant columns of the partial-product matrix: every bit product
    ``act[i] * weight[j]`` with ``i + j < dropped_columns(weight_bits)`` (both operands in two's complement).
    The result is never above the exact product, and zero times anything is zero.
    """

    name: str
    uses_dsp: bool            # maps to the device's multiplier blocks
    kept_below: int | None    # columns kept below column ``weight_bits``; None keeps all
    ways: int = 1             # neighbouring columns of the array whose products share one multiplier

    def dropped_columns(self, weight_bits: int) -> int:
        return 0 if self.kept_below is None else max(0, weight_bits - self.kept_below)

    def exact(self, weight_bits: int) -> bool:
        return self.dropped_columns(weight_bits) == 0


MULTIPLIERS: dict[str, MultiplierKind] = {kind.name: kind for kind in (
    MultiplierKind(name="dsp", uses_dsp=True, kept_below=None),
    MultiplierKind(name="lut", uses_dsp=False, kept_below=None),
    MultiplierKind(name="trunc", uses_dsp=False, kept_below=2),
)}


def product(kind: MultiplierKind, act: int, weight: int, *, weight_bits: int = 8) -> int:
    """Golden product of two signed integers.

    >>> product(MULTIPLIERS["dsp"], -7, 3), product(MULTIPLIERS["trunc"], 7, 3)
    (-21, 0)
    """
    dropped = kind.dropped_columns(weight_bits)
    return act * weight - sum(((act >> i & 1) << i) * (weight & ((1 << (dropped - i)) - 1)) for i in range(dropped))
