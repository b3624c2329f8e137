from dataclasses import replace

from flows.verify.array_simulator import ArraySimulator
from tests.support.ladder import DESIGN


def test_the_array_is_built_once_for_the_same_hardware(store, monkeypatch):
    built = []

    def build(design, folder):
        (folder / "simulator").write_text(design.label)
        built.append(design)
    monkeypatch.setattr("flows.verify.array_simulator.build_array", build)
    first = ArraySimulator(design=DESIGN).value(store)
    assert ArraySimulator(design=replace(DESIGN, board="ulx3s-85")).value(store) == first
    other = replace(DESIGN, lanes=4)
    assert (ArraySimulator(design=other).value(store) / "simulator").read_text() == other.label
    assert built == [DESIGN, other]
