import numpy as np
import pytest

from flows.commands.verify import verify_model
from flows.run.store import Store
from hw.spec.presets import to_toml
from sw.golden import run
from tests.support.ladder import DESIGN, every_operator
from tests.support.layers import random_inputs


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
