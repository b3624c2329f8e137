import json

import numpy as np
import pytest

from flows.run.store import Store
from flows.train.noise import RECORD, MultiplierNoise
from hw.spec.errors import HeddleError
from hw.spec.multipliers import MULTIPLIERS, product


@pytest.mark.sim
def test_noise_is_measured_on_the_rtl_and_kept(tmp_path):
    store, step = Store(tmp_path), MultiplierNoise(multiplier="trunc", weight_bits=4)
    profile = step.value(store)
    errors = np.array([[product(MULTIPLIERS["trunc"], act, weight, weight_bits=4) - act * weight
                        for weight in range(-8, 8)] for act in range(-128, 128)])
    assert np.allclose(profile.mean, errors.mean(0)) and np.allclose(profile.variance, errors.var(0))
    assert profile.pairs == 256 * 16
    assert step.value(store) == profile
    assert (store.made, store.reused) == (1, 1)


def test_each_multiplier_and_width_has_noise_of_its_own():
    steps = [MultiplierNoise(multiplier=kind, weight_bits=bits) for kind in ("trunc", "lut") for bits in (8, 4)]
    assert len({step.digest for step in steps}) == 4


def test_a_record_that_lacks_weights_is_refused(tmp_path):
    record = {"multiplier": "trunc", "weight_bits": 4, "mean": [0.0] * 15, "variance": [0.0] * 16, "pairs": 1,
              "simulator": "s"}
    (tmp_path / RECORD).write_text(json.dumps(record))
    with pytest.raises(HeddleError, match="mean: 15 entries; 4-bit weights need 16"):
        MultiplierNoise(multiplier="trunc", weight_bits=4).load(tmp_path)
