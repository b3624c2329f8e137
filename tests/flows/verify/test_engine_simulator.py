from dataclasses import replace

import pytest

from flows.run.store import Store
from flows.verify.engine_simulator import EngineSimulator
from tests.support.ladder import DESIGN


@pytest.fixture
def built(monkeypatch):
    """What was built, without building it."""
    found = []

    def build(design, folder, *, trace):
        (folder / "simulator").write_text("built")
        found.append((design, trace))
    monkeypatch.setattr("flows.verify.engine_simulator.build_engine", build)
    return found


def test_a_simulator_is_built_once_for_the_same_hardware(built, store):
    first = EngineSimulator(design=DESIGN).value(store)
    for same in (DESIGN, replace(DESIGN, board="ulx3s-85"), replace(DESIGN, cpu="picorv32")):
        assert EngineSimulator(design=same).value(store) == first
    assert (first / "simulator").read_text() == "built"
    assert built == [(DESIGN, False)]


def test_other_hardware_and_waves_have_simulators_of_their_own(built, tmp_path):
    store = Store(tmp_path)
    found = {EngineSimulator(design=design, trace=trace).value(store)
             for design in (DESIGN, replace(DESIGN, requantizers=2)) for trace in (False, True)}
    assert len(found) == len(built) == 4
