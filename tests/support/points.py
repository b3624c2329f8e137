"""Points of a design space whose objectives are given."""

from dataclasses import replace

from flows.search.point import Check, MeasuredLayer, Measurement, Metrics, Point
from flows.search.space import Candidate

__all__ = ["CANDIDATE", "metrics", "point"]

CANDIDATE = Candidate(network="small", width=1.0, weight_bits=8, rows=2, cols=4, lanes=4, multiplier="dsp",
                      requantizers=1, board="ulx3s-25")


def metrics(accuracy, latency_s, lut, **more):
    return Metrics(**{"accuracy": accuracy, "latency_s": latency_s, "lut": lut, "cycles": 10, "clock_mhz": 50.0,
                      "fmax_mhz": 60.0, "timing_met": True, "ff": 1, "dsp": 1, "bram": 1, "energy_j": 1e-6, **more})


def point(name, accuracy, latency_s, lut, *, measured=False, **more):
    """A point of the network ``name``; ``measured`` with what was estimated."""
    candidate = replace(CANDIDATE, network=name)
    found = Point(candidate=candidate, design=candidate.design(), estimated=metrics(accuracy, latency_s, lut), **more)
    if not measured:
        return found
    check = Check(level="soc", inputs=32, mismatches=0, engine_cycles=1000, predicted_cycles=1000, cycles=1234)
    layer = MeasuredLayer(name="fc", op="dense", macs=9000, cycles=990, predicted_cycles=990, roof=600,
                          bound="multipliers")
    return replace(found, measurement=Measurement(metrics=found.estimate, checks=(check,), layers=(layer,), seed=3))
