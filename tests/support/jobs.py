"""A main job whose drafts, trainings and measurements are given: the search between them is real."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from flows.estimate.runners import assign
from flows.search import job
from flows.search.job import Request
from flows.search.measure import Best
from flows.search.point import Check, Failed, MeasuredLayer, Measurement
from flows.search.trainings import Drafts, Trained
from flows.search.worth import Trainings
from sw.compiler import compile_graph
from sw.graph.graph import Graph, Layer, TensorType

__all__ = ["digit_classifier", "model_request", "small_request"]

SPACE = """
[networks.mlp]
width = 1.0
[precision]
weight_bits = 8
[hardware]
geometries = [[1, 2, 4], [2, 4, 4]]
multipliers = ["dsp", "lut", "trunc"]
depthwise_taps = [1, 4]
requantizers = [1]
[search]
trials = 9
[measure]
points = 1
seeds = 1
"""


def digit_classifier() -> Graph:
    """Digits by a random dense layer: poor, but a network."""
    rng = np.random.default_rng(0)
    layer = Layer(name="fc", op="dense", output=TensorType(shape=(1, 1, 10), scale=0.1, zero_point=0),
                  weights=rng.integers(-128, 128, (10, 64)).astype(np.int8), bias=np.zeros(10, np.int32),
                  multiplier=np.full(10, 1 << 30, np.int32), shift=np.full(10, 9, np.int32))
    return Graph(name="mlp", inputs=(TensorType(shape=(8, 8, 1), scale=1 / 255, zero_point=-128),), layers=(layer,))


def measure(space: Any, store: Any, evaluator: Any, points: Any, **options: Any) -> Best:
    """Everything that is feasible, the first as if it had been measured."""
    first, *others = [point for point in points if point.feasible]
    bits = store.root.parent / "bits"
    bits.write_bytes(b"bits")
    program = compile_graph(evaluator.graph(first.candidate), first.built)
    layers = tuple(MeasuredLayer(name=plan.name, op=plan.op, macs=plan.macs, cycles=plan.cycles, roof=1,
                                 bound="weights", predicted_cycles=plan.cycles) for plan in program.layers)
    check = Check(level="soc", inputs=32, mismatches=0, engine_cycles=1, predicted_cycles=1, cycles=2)
    measured = replace(first, measurement=Measurement(metrics=replace(first.estimate, lut=9999), checks=(check,),
                                                      layers=layers, assignment=assign(program), seed=2,
                                                      bitstream="heddle.bit"))
    return Best(points=(measured, *others), files={first.id: {"heddle.bit": bits}},
                failures=(Failed(id="x", doing="routing, seed 1", reason="hung"),))


def model_request(folder: Path, monkeypatch: Any, **more: Any) -> Request:
    """For designs of a model in a file; nothing is measured, and training is a failure."""
    def refused(*arguments: Any, **options: Any) -> None:
        raise AssertionError("trained")

    monkeypatch.setenv("HEDDLE_CACHE", str(folder / "store"))
    monkeypatch.setattr(job, "Trainer", refused)
    (folder / "nets").mkdir()
    digit_classifier().save(folder / "nets" / "mlp.npz")
    (folder / "space.toml").write_text(SPACE.replace(', "trunc"', "").replace("points = 1", "points = 0"),
                                       encoding="utf-8")
    return Request(**{"model": str(folder / "nets" / "mlp.npz"), "space_file": folder / "space.toml",
                      "out": folder / "out", **more})


def small_request(folder: Path, monkeypatch: Any, **trained: Any) -> Request:
    """For 12 designs of one network; ``trained`` changes what came of its training."""
    monkeypatch.setenv("HEDDLE_CACHE", str(folder / "store"))
    path = folder / "mlp.npz"
    digit_classifier().save(path)

    class Trainer:
        def __init__(self, **given: Any) -> None:
            self.given = given

        def train(self, choices: Any) -> Trained:
            return Trained(**{"trainings": Trainings(plain=dict.fromkeys(choices, path)), **trained})

        def draft(self, choices: Any) -> Drafts:
            return Drafts(models=dict.fromkeys(choices, path), failures=())

    monkeypatch.setattr(job, "Trainer", Trainer)
    monkeypatch.setattr(job, "measure_best", measure)
    (folder / "space.toml").write_text(SPACE, encoding="utf-8")
    return Request(space_file=folder / "space.toml", out=folder / "out")
