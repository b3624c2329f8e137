from dataclasses import replace

import numpy as np
import pytest

from flows.run.store import Store
from flows.search.constraints import Constraint
from flows.search.given import Imported, give
from flows.search.space import Space
from flows.search.space_file import load_space
from flows.train.data import DataSource
from hw.spec.errors import HeddleError
from sw.frontend import export_tflite
from sw.graph.graph import Graph
from tests.support.jobs import digit_classifier


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def given(tmp_path, store):
    digit_classifier().save(tmp_path / "mlp.npz")
    return give(str(tmp_path / "mlp.npz"), store)


def test_a_file_of_another_format_is_the_same_network(tmp_path, store):
    path = tmp_path / "digits net.tflite"
    graph = digit_classifier()
    layer = replace(graph.layers[0], output=replace(graph.layers[0].output, scale=0.125))   # TFLite has 32 bits
    path.write_bytes(export_tflite(replace(graph, inputs=(replace(graph.inputs[0], scale=0.25),), layers=(layer,))))
    found = Graph.load(Imported(file=path).value(store))
    assert [each.weights.tolist() for each in found.layers if each.op == "dense"] == [layer.weights.tolist()]
    assert give(str(path), store).name == "digits-net"


def test_a_folder_gives_its_name(tmp_path, store):
    (tmp_path / "runs" / "small").mkdir(parents=True)
    digit_classifier().save(tmp_path / "runs" / "small" / "model.npz")
    for name in (tmp_path / "runs" / "small", tmp_path / "runs" / "small" / "model.npz"):
        assert give(str(name), store).name == "small"


@pytest.mark.parametrize("bits, needed", [(8, 8), (4, 4), (3, 4), (2, 2)])
def test_designs_have_the_bits_that_the_model_needs(tmp_path, store, bits, needed):
    graph = digit_classifier()
    layer = replace(graph.layers[0], weight_bits=bits, weights=graph.layers[0].weights >> 8 - bits)
    replace(graph, layers=(layer,)).save(tmp_path / "narrow.npz")
    space = give(str(tmp_path / "narrow.npz"), store).alone(Space())
    assert {(candidate.network.name, candidate.network.weight_bits) for candidate in space.candidates()} == {
        ("narrow", needed)}


def test_vectors_lie_beside_the_model(tmp_path, given, store):
    assert given.vectors is None
    np.savez(tmp_path / "mlp_vectors.npz", inputs=np.zeros((1, 8, 8, 1), np.int8))
    assert give(str(tmp_path / "mlp.npz"), store).vectors == tmp_path / "mlp_vectors.npz"


def test_nothing_is_trained(given):
    space = given.alone(Space())
    assert given.draft(space.choices).models == dict.fromkeys(space.choices, given.path) and len(space.choices) == 1
    assert given.learn(space.choices, 1).odds == ()
    trained = given.train(space.choices)
    assert (trained.records, trained.feedback, trained.comparison) == ((), None, None)
    assert trained.trainings.plain == dict.fromkeys(space.choices, given.path)


def test_conditions_on_other_networks_bind_a_model_not_and_those_on_hardware_do(given):
    space = replace(Space(), constraints=(Constraint("width <= 1"), Constraint("rows == 2"), Constraint(
        "width * rows <= 2")), data=(("size", ("8x8",)),), recipe_axes=(("passes", (3.0, 9.0)),))
    alone = given.alone(space)
    assert [each.text for each in alone.constraints] == ["rows == 2"]
    assert {candidate.chip.rows for candidate in alone.candidates()} == {2}
    assert [choice.id for choice in alone.choices] == ["mlp-w8"]


def test_products_that_err_need_data(given):
    space = Space()
    erring = given.alone(replace(space, hardware=replace(space.hardware, multipliers=("dsp", "trunc"))))
    with pytest.raises(HeddleError, match=r"^\[hardware\] multipliers: 'trunc' errs, and without data nobody knows "
                                          r"what that costs; add --data SOURCE, or leave it out of the space$"):
        given.check(erring, None)
    given.check(erring, DataSource.of("digits"))
    given.check(given.alone(space), None)


def test_data_of_another_shape_are_refused(tmp_path, given):
    np.savez(tmp_path / "wide.npz", inputs=np.arange(1620.0).reshape(20, 9, 9, 1), labels=np.arange(20) % 2)
    with pytest.raises(HeddleError, match=r"inputs are 9.9.1, but the model takes 8.8.1"):
        given.check(given.alone(Space()), DataSource.of(f"npz:{tmp_path / 'wide.npz'}"))


def test_a_model_that_no_design_runs_is_refused_with_the_compilers_line(tmp_path, store):
    graph = digit_classifier()
    layer = graph.layers[0]
    huge = replace(graph, inputs=(replace(graph.inputs[0], shape=(256, 256, 4)),),
                   layers=(replace(layer, weights=np.ones((10, 256 * 256 * 4), np.int8)),))
    huge.save(tmp_path / "huge.npz")
    given = give(str(tmp_path / "huge.npz"), store)
    with pytest.raises(HeddleError, match=r"^model 'huge': no design of the space runs it; "
                                          r"the last, \S+ w8 \S+ \S+: mlp: "
                                          r"input and output take 262144 and 10 bytes"):
        given.check(given.alone(load_space()), None)
