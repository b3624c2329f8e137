from dataclasses import replace

import numpy as np
import pytest
import soundfile

from flows.commands.verify import verify_model
from flows.run.store import Store
from hw.spec.errors import SpecError
from hw.spec.presets import to_toml
from sw.data import load_dataset
from sw.golden import corrected, run
from sw.graph.graph import Graph, TensorType
from tests.support.ladder import DESIGN, every_operator
from tests.support.layers import made_kernel, random_inputs, random_layer


@pytest.mark.sim
def test_from_a_folder_with_vectors(tmp_path):
    graph, store = every_operator(), Store(tmp_path / "store")
    inputs = random_inputs(np.random.default_rng(3), graph, 5)
    graph.save(tmp_path / "model.npz")
    (tmp_path / "design.toml").write_text(to_toml(DESIGN))
    wanted = run(graph, inputs, DESIGN)[-1].reshape(5, -1)
    wrong = wanted.copy()
    wrong[3, 2] ^= 1
    arguments = {"model": str(tmp_path), "design": str(tmp_path / "design.toml"), "store": store}
    assert verify_model(**arguments, inputs=7)["inputs"] == 7
    np.savez(tmp_path / "model_vectors.npz", inputs=inputs, outputs=wanted)
    good = verify_model(**arguments)
    assert (good["inputs"], good["mismatches"], good["first_mismatch"]) == (5, 0, None)
    np.savez(tmp_path / "wrong.npz", inputs=inputs.reshape(5, -1), outputs=wrong)
    bad = verify_model(**arguments, inputs_from=tmp_path / "wrong.npz")
    assert (bad["inputs"], bad["mismatches"]) == (5, 1)
    assert bad["first_mismatch"] == {"input": 3, "layer": "dense_layer", "what": "value", "channel": 2,
                                     "position": (0, 0), "expected": int(wrong[3, 2]), "got": int(wanted[3, 2])}
    assert verify_model(**arguments, inputs_from=tmp_path / "wrong.npz", inputs=3)["mismatches"] == 0


@pytest.fixture
def listener(tmp_path):
    """A network of the features of recordings, and the recordings."""
    rng, folder = np.random.default_rng(0), tmp_path / "words"
    for word in ("no", "yes"):
        (folder / word).mkdir(parents=True)
        for take in range(6):
            soundfile.write(folder / word / f"{take}.wav", rng.normal(0, 0.1, 1600), 8000)
    data = f"wav:{folder},seconds=0.2,features=10,window=40,hop=40"
    kind = load_dataset(data).input_type
    layer = random_layer(rng, "dense", kind, outputs=2)
    Graph(name="listener", inputs=(kind,), layers=(layer,)).check().save(tmp_path / "model.npz")
    return str(tmp_path), data


@pytest.mark.sim
@pytest.mark.parametrize("begin", [pytest.param("input", marks=pytest.mark.slow), "waveform"])
def test_inputs_of_a_data_set_and_what_they_are_made_of(listener, begin):
    model, data = listener
    found = verify_model(model, "ecp5-25", data=data, begin=begin, inputs=2)
    assert (found["inputs"], found["mismatches"], found["first_mismatch"]) == (2, 0, None)
    assert [kernel["op"] for kernel in found["kernels"]] == (["features"] if begin == "waveform" else [])


@pytest.mark.parametrize("data, text", [
    (None, "^--from waveform: recordings of which data[?] add --data wav:DIR,features=40$"),
    ("digits", "^--from waveform: 'digits' has no front end; add features=40, or as many as it was trained with$")])
def test_a_waveform_that_nobody_has_is_one_line(listener, data, text):
    with pytest.raises(SpecError, match=text):
        verify_model(listener[0], "ecp5-25", data=data, begin="waveform")


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_data_come_in_the_networks_own_type(tmp_path, dtype):
    kind = TensorType(shape=(8, 8, 1), scale=1.0 if dtype == "float32" else 1 / 255, zero_point=0, dtype=dtype)
    inside = TensorType(shape=(8, 8, 1), scale=1 / 255, zero_point=-128)
    first = made_kernel(*(("quantize", inside) if dtype == "float32" else ("table", inside)), act_min=-128, act_max=127,
                        **({} if dtype == "float32" else {"weights": np.arange(256, dtype=np.uint8).view(np.int8)}))
    last = random_layer(np.random.default_rng(0), "dense", inside, outputs=2)
    Graph(name="net", inputs=(kind,), layers=(first, last)).check().save(tmp_path / "model.npz")
    found = verify_model(str(tmp_path), "ecp5-25", data="digits", inputs=3)
    assert (found["inputs"], found["mismatches"], found["first_mismatch"]) == (3, 0, None)


def test_inputs_come_from_one_place(listener, tmp_path):
    with pytest.raises(SpecError, match="^--data and --inputs-from: both say where the inputs come from; leave one"):
        verify_model(listener[0], "ecp5-25", data=listener[1], inputs_from=tmp_path / "some.npz")


@pytest.mark.sim
def test_a_corrected_network_has_the_same_bits_in_rtl(tmp_path):
    """Answers of golden with corrected biases, as vectors: right with the option, not without it."""
    graph, design = every_operator(), replace(DESIGN, multiplier="broken")
    graph.save(tmp_path / "model.npz")
    (tmp_path / "design.toml").write_text(to_toml(design))
    inputs = random_inputs(np.random.default_rng(3), graph, 6)
    np.savez(tmp_path / "given.npz", inputs=inputs)
    found = corrected(graph, inputs, design)
    np.savez(tmp_path / "model_vectors.npz", inputs=inputs, outputs=run(found, inputs, design)[-1].reshape(6, -1))
    arguments = {"model": str(tmp_path), "design": str(tmp_path / "design.toml"), "store": Store(tmp_path / "store")}
    assert verify_model(**arguments, correct=str(tmp_path / "given.npz"))["mismatches"] == 0
    assert verify_model(**arguments)["mismatches"] > 0


@pytest.mark.sim
def test_outputs_of_exact_products_are_no_fault_of_a_multiplier_that_errs(tmp_path, monkeypatch):
    """They are another arithmetic's; others than those and the design's own are a fault still."""
    graph, design = every_operator(), replace(DESIGN, multiplier="broken")
    graph.save(tmp_path / "model.npz")
    (tmp_path / "design.toml").write_text(to_toml(design))
    inputs = random_inputs(np.random.default_rng(3), graph, 4)
    exact, own = (run(graph, inputs, each)[-1].reshape(4, -1) for each in (None, design))
    assert not np.array_equal(exact, own)
    arguments = {"model": str(tmp_path), "design": str(tmp_path / "design.toml"), "store": Store(tmp_path / "store")}
    wrong, notes = own.copy(), []
    wrong[1, 0] ^= 1
    monkeypatch.setattr("flows.commands.verify.note", notes.append)
    for outputs, mismatches, says in ((exact, 0, "are those of exact products"), (own, 0, ""), (wrong, 1, "")):
        np.savez(tmp_path / "model_vectors.npz", inputs=inputs, outputs=outputs)
        assert verify_model(**arguments)["mismatches"] == mismatches
        assert [says in note for note in notes] == [True] * bool(says)
        notes.clear()
