import json
from dataclasses import asdict

import pytest

from sw.quant import QuantError, TrainConfig


@pytest.mark.parametrize("fields, error", [
    ({"weight_bits": 3}, r"weight_bits=3: choose 8, 4 or 2"),
    ({"choose": "size"}, r"choose='size': write width, bits, both, or nothing"),
    ({"epochs": 0}, r"epochs=0: must be above 0"),
    ({"learning_rate": -0.1}, r"learning_rate=-0.1: must be above 0"),
    ({"shift": -1}, r"shift=-1: must not be negative"),
])
def test_mistakes_are_named(fields, error):
    with pytest.raises(QuantError, match=error):
        TrainConfig(**fields)


def test_the_fields_make_a_key():
    config = TrainConfig(network="mlp", width=0.5, weight_bits=4, seed=3)
    assert TrainConfig(**json.loads(json.dumps(asdict(config)))) == config
