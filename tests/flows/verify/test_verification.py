from dataclasses import replace

import numpy as np
import pytest

from boards import BOARDS
from flows.verify.compare import VerifyReport
from flows.verify.verification import IMAGE, VECTORS, Vectors, Verification
from sw.compiler import compile_graph
from sw.golden import run
from tests.support.ladder import BOARD, DESIGN


@pytest.fixture
def model(graph, tmp_path):
    graph.save(tmp_path / "model.npz")
    return tmp_path / "model.npz"


@pytest.fixture
def asked(monkeypatch):
    """Levels and numbers of inputs that were verified, without hardware."""
    found = []

    def verify(graph, design, *, level, inputs, board, store):
        found.append((level, len(inputs), design.cpu, board.name))
        return VerifyReport(model=graph.name, design=design.label, board=board.name, level=level, inputs=len(inputs),
                            mismatches=0, first_mismatch=None, cycles=(9, 8), engine_cycles=(9, 8), predicted_cycles=9,
                            layers=())
    monkeypatch.setattr("flows.verify.verification.verify", verify)
    return found


def test_each_verification_is_made_once(asked, model, inputs, store):
    first = {"model": model, "design": DESIGN, "board": BOARD, "level": "engine", "inputs": inputs}
    for change in ({}, {"level": "soc"}, {"inputs": inputs[:2]}, {"design": replace(DESIGN, cpu="picorv32")},
                   {"board": BOARDS["ulx3s-85"]}):
        reports = [Verification(**first | change).value(store) for _ in range(2)]
        assert reports[0] == reports[1] and reports[0].cycles == (9, 8)
    assert asked == [("engine", 5, "vexriscv", "ulx3s-25"), ("soc", 5, "vexriscv", "ulx3s-25"),
                     ("engine", 2, "vexriscv", "ulx3s-25"), ("engine", 5, "picorv32", "ulx3s-25"),
                     ("engine", 5, "vexriscv", "ulx3s-85")]


def test_another_model_is_verified_anew(asked, model, graph, inputs, store):
    step = {"design": DESIGN, "board": BOARD, "level": "array", "inputs": inputs}
    Verification(model=model, **step).value(store)
    replace(graph, name="other").save(model)
    Verification(model=model, **step).value(store)
    assert len(asked) == 2


def test_vectors_are_the_image_and_what_is_right(model, graph, inputs, store):
    files = Vectors(model=model, design=DESIGN, inputs=inputs).value(store)
    assert list(files) == [IMAGE, VECTORS]
    assert files[IMAGE].read_bytes() == compile_graph(graph, DESIGN).image
    with np.load(files[VECTORS]) as stored:
        assert np.array_equal(stored["inputs"], inputs)
        assert np.array_equal(stored["outputs"], run(graph, inputs, DESIGN)[-1])
