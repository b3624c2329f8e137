from dataclasses import replace

import numpy as np
import pytest

from boards import BOARDS
from flows.verify.compare import VerifyReport
from flows.verify.inputs import choose_inputs
from flows.verify.verification import IMAGE, VECTORS, Vectors, Verification
from sw.compiler import compile_graph
from sw.golden import run
from sw.graph.graph import Graph, TensorType
from tests.support.ladder import BOARD, DESIGN
from tests.support.layers import random_add


@pytest.fixture
def model(graph, tmp_path):
    graph.save(tmp_path / "model.npz")
    return tmp_path / "model.npz"


@pytest.fixture
def asked(monkeypatch):
    """Levels and numbers of inputs that were verified, without hardware."""
    found = []

    def verify(graph, design, *, level, inputs, board, store, outputs=None):
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


def test_answers_that_are_wrong_are_passed_on_and_count(asked, model, inputs, store, monkeypatch):
    seen = []
    monkeypatch.setattr("flows.verify.verification.verify",
                        lambda *arguments, outputs, **more: seen.append(outputs) or VerifyReport(
                            model="m", design="d", board="b", level="engine", inputs=1, mismatches=0,
                            first_mismatch=None, cycles=(1,), engine_cycles=(1,), predicted_cycles=1, layers=()))
    step = {"model": model, "design": DESIGN, "board": BOARD, "level": "engine", "inputs": [inputs]}
    for outputs in ([np.zeros(3, np.int8)], [np.ones(3, np.int8)]):
        Verification(**step, outputs=outputs).value(store)
    assert [each[0][0] for each in seen] == [0, 1]


def test_vectors_of_several_inputs_have_the_names_that_verify_reads(tmp_path, store):
    kind = TensorType(shape=(3, 4, 4), scale=0.05, zero_point=3)
    graph = Graph(name="two", inputs=(kind, kind),
                  layers=(random_add(np.random.default_rng(1), (0, 1), (kind, kind)),)).check()
    graph.save(tmp_path / "two.npz")
    inputs, _ = choose_inputs(graph, None, 3)
    files = Vectors(model=tmp_path / "two.npz", design=replace(DESIGN, cols=4), inputs=inputs).value(store)
    again, outputs = choose_inputs(graph, files[VECTORS], 3)
    assert all(map(np.array_equal, again, inputs)) and len(again) == 2 and outputs is not None
