"""Kinds that multiply as integers do, and differ in what they are made of."""

from hw.spec.multipliers._kind import MultiplierKind

__all__ = ["KINDS"]

KINDS = (
    MultiplierKind(name="dsp", uses_dsp=True),
    MultiplierKind(name="lut", uses_dsp=False),
    MultiplierKind(name="packed", uses_dsp=True, ways=2, weight_bits=(4, 2, 1)),
    MultiplierKind(name="mac16", uses_dsp=True, pairs=2, magnitude=127, family="ice40"),
    MultiplierKind(name="scalable", uses_dsp=False, weight_bits=(8,), digits=4),
    MultiplierKind(name="scalable-dsp", uses_dsp=True, weight_bits=(8,), digits=2, family="ecp5",
                   elsewhere="a block of an ice40 multiplies two weights of 8 bits, and no more of 4"),
    MultiplierKind(name="ternary", uses_dsp=False, weight_bits=(2,), magnitude=1),
)
