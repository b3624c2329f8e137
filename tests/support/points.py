"""Points of a design space whose objectives are given."""

from dataclasses import replace

from flows.estimate.runners import CPU, ENGINE, Assignment, Duty, Source
from flows.search.candidate import Candidate, Chip, NetworkChoice
from flows.search.point import Check, MeasuredLayer, Measurement, Metrics, Point
from flows.train.intervals import wilson

__all__ = ["ASSIGNMENT", "CANDIDATE", "metrics", "point", "without_data"]

CANDIDATE = Candidate(network=NetworkChoice(name="small", settings=(("width", 1.0),)), board="ulx3s-25",
                      chip=Chip(rows=2, cols=4, lanes=4, multiplier="dsp", requantizers=1))
#: A dense layer of the engine and a softmax of the CPU.
ASSIGNMENT = Assignment(
    sources=(Source(kind="input", name="input", shape=(1, 1, 9), dtype="int8"),), outputs=(2,), states=(),
    engine_cycles=1000, estimated_cpu_cycles=345,
    duties=(Duty(name="fc", op="dense", function="", layer=0, reads=(0,), shape=(1, 1, 4), dtype="int8", macs=9000,
              weight_bytes=36, runner=ENGINE, why="the engine has dense", engine_cycles=990,
              estimated_cpu_cycles=None),
          Duty(name="<end>", op="softmax", function="", layer=1, reads=(1,), shape=(1, 1, 4), dtype="int8", macs=0,
              weight_bytes=0, runner=CPU, why="the engine has no softmax", engine_cycles=None,
              estimated_cpu_cycles=345)))


def metrics(accuracy, latency_s, lut, **more):
    """``accuracy`` is that of both splits, the test split has 100 inputs."""
    return Metrics(**{"accuracy": accuracy, "valid_accuracy": accuracy,
                      "test_interval": wilson(round(100 * min(accuracy, 1)), 100), "latency_s": latency_s,
                      "lut": lut, "cycles": 10, "cpu_cycles": 0, "clock_mhz": 50.0, "fmax_mhz": 60.0,
                      "timing_met": True, "ff": 1, "dsp": 1, "bram": 1, "spram": 0, "energy_j": 1e-6, **more})


def point(name, accuracy, latency_s, lut, *, measured=False, **more):
    """A point of the network ``name``; ``measured`` with what was estimated."""
    candidate = replace(CANDIDATE, network=replace(CANDIDATE.network, name=name))
    design = replace(candidate.chip.design(8), board=candidate.board)
    found = Point(candidate=candidate, design=design, estimated=metrics(accuracy, latency_s, lut), **more)
    if not measured:
        return found
    check = Check(level="soc", inputs=32, mismatches=0, engine_cycles=1000, predicted_cycles=1000, cycles=1234)
    layer = MeasuredLayer(name="fc", op="dense", macs=9000, cycles=990, predicted_cycles=990, roof=600,
                          bound="multipliers")
    return replace(found, measurement=Measurement(metrics=found.estimate, checks=(check,), layers=(layer,),
                                                   assignment=ASSIGNMENT, seed=3, bitstream="heddle.bit"))


def without_data(item):
    """The point of a model of whose accuracy nothing is known."""
    def blind(known):
        return replace(known, accuracy=None, valid_accuracy=None, test_interval=None)
    measurement = item.measurement and replace(item.measurement, metrics=blind(item.measurement.metrics))
    return replace(item, estimated=blind(item.estimate), measurement=measurement)
