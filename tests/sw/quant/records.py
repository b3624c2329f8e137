"""Feedback records from the definition of the multipliers, where the project has them from RTL."""

import numpy as np

from hw.spec.feedback import Feedback, LatencyEntry, NoiseProfile
from hw.spec.multipliers import MULTIPLIERS, product


def profile(name, bits):
    kind, high = MULTIPLIERS[name], 1 << bits - 1
    error = np.array([[product(kind, act, weight, weight_bits=bits) - act * weight for weight in range(-high, high)]
                      for act in range(-128, 128)], float)
    return NoiseProfile(multiplier=name, weight_bits=bits, mean=tuple(error.mean(0).tolist()),
                        variance=tuple(error.var(0).tolist()), pairs=error.size, simulator="none")


def feedback(name="trunc", bits=8, latency=()):
    return Feedback(design="test", fingerprint=0, clock_mhz=50.0, noise=profile(name, bits), latency=tuple(
        LatencyEntry(network=network, width=width, weight_bits=wide, cycles=cycles)
        for network, width, wide, cycles in latency))
