"""Anything that checks a case and writes waves is a rung."""

import numpy as np

from flows.verify.compare import Mismatch
from flows.verify.ladder import RUNGS
from flows.verify.rungs import TRAFFIC_SEED, Case, Findings, Rung
from sw.golden import run
from tests.support.ladder import BOARD, DESIGN, check

FIRST = Mismatch(input=3, layer="dense_layer", what="value", channel=0, position=(0, 0), expected=1, got=2)


class Paper:
    """A rung without hardware that finds what it is told to, and keeps what it was asked."""

    level = "paper"

    def __init__(self):
        self.cases, self.traced = [], []

    def check(self, case: Case) -> Findings:
        self.cases.append(case)
        return Findings(mismatches=4, first=FIRST, cycles=(7,), engine_cycles=(), layers=())

    def trace(self, case, first, file):
        self.traced.append((case, first, file))


def test_a_rung_gets_the_case_and_its_findings_are_reported(graph, inputs, program, tmp_path):
    rung: Rung = Paper()
    report = check(graph, inputs, rung=rung, trace=tmp_path / "waves", thorough=False)
    assert (report.level, report.mismatches, report.first_mismatch, report.cycles) == ("paper", 4, FIRST, (7,))
    assert report.predicted_cycles == program.cycles and not report.ok
    case, = rung.cases
    assert rung.traced == [(case, FIRST, tmp_path / "waves")]
    assert case.program.image == program.image and not case.thorough
    assert all(np.array_equal(*pair) for pair in zip(case.tensors, run(graph, inputs, DESIGN), strict=True))
    assert np.array_equal(case.answers[0], case.tensors[-1])


def test_waves_are_written_only_where_they_are_asked_for(graph, inputs):
    rung = Paper()
    check(graph, inputs, rung=rung)
    assert rung.traced == [] and rung.cases[0].thorough


def test_every_level_has_a_rung_of_its_name(monkeypatch, store):
    """The rungs of hardware are made without it: what they need is from the store."""
    from flows.verify import array_simulator, engine, soc

    monkeypatch.setattr(array_simulator.ArraySimulator, "value", lambda step, store: "simulator")
    monkeypatch.setattr(soc.Firmware, "value", lambda step, store: "firmware")
    for level, make in RUNGS.items():
        rung = make(store, DESIGN, BOARD, "/dev/null")
        assert rung.level == level
    assert TRAFFIC_SEED and engine.EngineRung.stops_anywhere and not soc.SocRung.stops_anywhere
