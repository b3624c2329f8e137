"""Kinds that multiply as integers do, and differ in what they are made of."""

from hw.spec.multipliers._kind import MultiplierKind

__all__ = ["KINDS"]

KINDS = (
    MultiplierKind(name="dsp", uses_dsp=True),
    MultiplierKind(name="lut", uses_dsp=False),
    MultiplierKind(name="packed", uses_dsp=True, ways=2, weight_bits=(4, 2, 1)),
    MultiplierKind(name="mac16", uses_dsp=True, pairs=2, magnitude=127, family="ice40"),
    MultiplierKind(name="scalable", uses_dsp=False, weight_bits=(8,), splits=2),
    MultiplierKind(name="ternary", uses_dsp=False, weight_bits=(2,), magnitude=1),
)
