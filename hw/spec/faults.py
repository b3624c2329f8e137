"""Errors of hardware other than a multiplier's: what a memory, an accumulator or an analog array does to a network."""

from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from hw.spec.errors import SpecError

__all__ = ["OVERFLOWS", "Accumulator", "AnalogArray", "BitFlips", "Faults", "faults_of"]

OVERFLOWS = ("wrap", "saturate")
LONGEST_S = 1e9        # some 30 years


@dataclass(frozen=True, kw_only=True)
class BitFlips:
    """Bits of a memory that are read wrong, each on its own: SRAM below the voltage that it is made for.

    In a 14 nm SRAM some 0.1% of the bits fail at 0.86 of the least voltage at which none does, 1% at 0.8 and 2.5% at
    0.77, and stay where they are (Stutz, Chandramoorthy, Hein and Schiele, "Bit error robustness for energy-efficient
    DNN accelerators", MLSys 2021, figure 1).

    >>> BitFlips(rate=0.01)
    BitFlips(rate=0.01)
    """

    rate: float             # share of the bits, 0 to 0.5

    def __post_init__(self) -> None:
        _number(self, "rate", 0, 0.5)


@dataclass(frozen=True, kw_only=True)
class Accumulator:
    """A sum, bias included, that is kept in few bits: of a result beyond them either the low bits stay, which is the
    same as at every addition, or the nearest that fits, once, where it leaves the array.
    """

    bits: int               # two's complement
    overflow: str           # one of OVERFLOWS

    def __post_init__(self) -> None:
        _number(self, "bits", 4, 32)
        if self.overflow not in OVERFLOWS:
            raise SpecError(f"overflow={self.overflow!r}: choose {' or '.join(OVERFLOWS)}")

    @property
    def low(self) -> int:
        return -(1 << self.bits - 1)

    @property
    def high(self) -> int:
        return (1 << self.bits - 1) - 1


@dataclass(frozen=True, kw_only=True)
class AnalogArray:
    """Weights as conductances of phase-change memory, ``seconds`` after they were written, between converters of few
    bits; :mod:`sw.golden.faults` has the formulas and where they come from.
    """

    seconds: float          # from the end of programming, 0 or more
    adc_bits: int = 8       # of the converters at the columns: steps over the range of a layer's output
    dac_bits: int = 8       # of the converters at the rows: steps over the range of an activation
    compensated: bool = True    # each layer is scaled by what its conductances have lost on the whole

    def __post_init__(self) -> None:
        _number(self, "seconds", 0, LONGEST_S)
        _number(self, "adc_bits", 2, 8)
        _number(self, "dac_bits", 2, 8)
        if not isinstance(self.compensated, bool):
            raise SpecError(f"compensated={self.compensated!r}: must be true or false")


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What errs, and how; at least one of the kinds.

    >>> Faults(weights=BitFlips(rate=0.01)).label
    '1% of the bits of weights flip'
    """

    weights: BitFlips | None = None         # in their memory, in as many bits as they have; the same in all inferences
    activations: BitFlips | None = None     # in their memory, 8 bits each; others each time that one is written
    accumulator: Accumulator | None = None
    array: AnalogArray | None = None        # in place of the memory of weights and of the digital array

    def __post_init__(self) -> None:
        if not any(getattr(self, item.name) for item in fields(self)):
            raise SpecError(f"faults: none is there; name {', '.join(item.name for item in fields(self))}")
        if self.array and (self.weights or self.accumulator):
            other = "weights" if self.weights else "accumulator"
            raise SpecError(f"array: an analog array has no digital {other}; leave one of them out")

    @property
    def random(self) -> bool:
        """Whether one device differs from another."""
        return bool(self.weights or self.activations or self.array)

    @property
    def label(self) -> str:
        """For tables."""
        found = [f"{100 * flips.rate:.3g}% of the bits of {name} flip"
                 for name, flips in (("weights", self.weights), ("activations", self.activations)) if flips]
        if self.accumulator:
            found.append(f"accumulators {self.accumulator.overflow} at {self.accumulator.bits} bits")
        if self.array:
            found.append(f"phase-change memory after {_duration(self.array.seconds)}, ADC {self.array.adc_bits} bits, "
                         f"DAC {self.array.dac_bits} bits" + ("" if self.array.compensated else ", not compensated"))
        return ", ".join(found)


_KINDS = {"weights": BitFlips, "activations": BitFlips, "accumulator": Accumulator, "array": AnalogArray}


def faults_of(record: dict[str, Any]) -> Faults:
    """From plain values, each kind under its name.

    >>> faults_of({"accumulator": {"bits": 12, "overflow": "wrap"}}).label
    'accumulators wrap at 12 bits'
    """
    found: dict[str, Any] = {}
    for name, value in record.items():
        if name not in _KINDS:
            raise SpecError(f"faults: unknown key {name!r}; there are {', '.join(_KINDS)}")
        if value is None:
            continue
        known = [item.name for item in fields(_KINDS[name])]
        if not isinstance(value, dict) or not set(value) <= set(known):
            raise SpecError(f"faults: {name}={value!r}: is a table of {', '.join(known)}")
        try:
            found[name] = _KINDS[name](**value)
        except TypeError as error:
            raise SpecError(f"faults: {name}={value!r}: {error}; it has {', '.join(known)}") from error
    return Faults(**found)


def _number(owner: Any, name: str, low: float, high: float) -> None:
    """In bounds, and in the type that the field has: 1 and 1.0 are one record."""
    value = getattr(owner, name)
    whole = {item.name: item.type for item in fields(owner)}[name] is int
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not isfinite(value):
        raise SpecError(f"{name}={value!r}: must be a {'whole ' if whole else ''}number")
    if not low <= value <= high:
        raise SpecError(f"{name}={value:g}: must be {low:g} to {high:g}")
    if not whole:
        object.__setattr__(owner, name, float(value))


def _duration(seconds: float) -> str:
    for name, length in (("year", 31_536_000), ("month", 2_592_000), ("day", 86_400), ("hour", 3600)):
        if seconds >= length:
            count = round(seconds / length)
            return f"{count} {name}" + ("s" if count > 1 else "")
    return f"{seconds:g} s"
