from dataclasses import replace

import pytest

from cosim.lanes import ONE, Lanes
from flows.run.store import Store
from flows.verify.engine_simulator import MANY, EngineSimulator, jobs_for, simulator_for
from hw.spec.presets import PRESETS
from tests.support.ladder import DESIGN

EIGHT = Lanes(count=8, target="x86-64-v3")


@pytest.fixture
def built(monkeypatch):
    """What was built, without building it."""
    found = []

    def build(design, folder, *, trace, lanes):
        (folder / "simulator").write_text("built")
        found.append((design, trace, lanes))
    monkeypatch.setattr("flows.verify.engine_simulator.build_engine", build)
    return found


def test_a_simulator_is_built_once_for_the_same_hardware(built, store):
    first = EngineSimulator(design=DESIGN).value(store)
    for same in (DESIGN, replace(DESIGN, board="ulx3s-85"), replace(DESIGN, cpu="picorv32")):
        assert EngineSimulator(design=same).value(store) == first
    assert (first / "simulator").read_text() == "built"
    assert built == [(DESIGN, False, ONE)]


def test_other_hardware_and_waves_have_simulators_of_their_own(built, tmp_path):
    store = Store(tmp_path)
    found = {EngineSimulator(design=design, trace=trace).value(store)
             for design in (DESIGN, replace(DESIGN, requantizers=2)) for trace in (False, True)}
    assert len(found) == len(built) == 4


def test_many_inputs_have_a_simulator_that_takes_several(built, tmp_path, monkeypatch):
    """Of this machine's processor, which counts; where the engine's control is apart from its data."""
    store = Store(tmp_path)
    monkeypatch.setattr("flows.verify.engine_simulator.lanes_here", lambda: EIGHT)
    few, many = (simulator_for(DESIGN, count).value(store) for count in (MANY - 1, MANY))
    assert few != many and built == [(DESIGN, False, ONE), (DESIGN, False, EIGHT)]
    assert simulator_for(PRESETS["up5k"], MANY).lanes == ONE
    monkeypatch.setattr("flows.verify.engine_simulator.lanes_here", lambda: Lanes(count=8))
    assert simulator_for(DESIGN, MANY).value(store) not in (few, many)


def test_many_inputs_are_shared_by_the_processors(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 3, 5})
    assert (jobs_for(MANY - 1), jobs_for(MANY)) == (1, 3)
