import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, replace

import numpy as np
import pytest

from sw.quant import QuantError, TrainConfig
from sw.quant.recipe import recipe_of


@pytest.mark.parametrize("fields, error", [
    ({"network": ""}, r"network='': must be text; write the name of a network, such as dscnn"),
    ({"network": 3}, r"network=3: must be text"),
    ({"weight_bits": 3}, r"weight_bits=3: choose 8, 4, 2 or 1"),
    ({"weight_bits": 16}, r"weight_bits=16: choose 8, 4, 2 or 1"),
    ({"weight_bits": "8"}, r"weight_bits='8': choose 8, 4, 2 or 1"),
    ({"settings": {"a b": 1}}, r"settings: \('a b', 1\) is no name and value; write depth=3, for example"),
    ({"settings": {"a": None}}, r"settings: a=None: must be a number, text, True or False"),
    ({"settings": {"width": 2}}, r"settings: width is a field of its own, shape and classes are the data's; leave"),
    ({"settings": (("a", 1), ("a", 2))}, r"settings: a name is there twice; keep one"),
    ({"recipe": {}}, r"recipe=\{\}: must be a Recipe"),
    ({"seed": "1"}, r"seed='1': must be a whole number"),
    ({"seed": -1}, r"seed=-1: must be 0 to"),
    ({"seed": 1 << 63}, r"seed=9223372036854775808: must be 0 to 9223372036854775807"),
    ({"width": 0}, r"width=0: must be above 0 and at most 16"),
    ({"width": 16.5}, r"width=16\.5: must be above 0 and at most 16"),
    ({"width": float("nan")}, r"width=nan: must be a finite number"),
    ({"width": "1"}, r"width='1': must be a finite number"),
])
def test_mistakes_are_named(fields, error):
    with pytest.raises(QuantError, match=error) as caught:
        TrainConfig(**fields)
    assert "\n" not in str(caught.value)


def test_the_fields_make_a_key():
    config = TrainConfig(network="mlp", width=0.5, weight_bits=4, seed=3, settings={"depth": 2, "act": "relu"})
    plain = json.loads(json.dumps(asdict(config)))
    assert TrainConfig(**{**plain, "recipe": recipe_of(plain["recipe"])}) == config
    assert len({config, replace(config), replace(config, seed=4)}) == 2
    with pytest.raises(FrozenInstanceError):
        config.seed = 4


def test_equal_configurations_have_equal_records():
    one, other = (TrainConfig(width=width, settings=settings) for width, settings in (
        (1, {"a": 1, "b": 2}), (np.float64(1.0), [["b", 2], ("a", 1)])))
    assert one == other
    assert json.dumps(asdict(one)) == json.dumps(asdict(other))


@pytest.mark.parametrize("fields, label", [
    ({}, "dscnn width 1, 8 bits, seed 0"),
    ({"network": "nets/own.py:tiny", "width": 0.5, "weight_bits": 2, "seed": 7, "settings": {"depth": 3}},
     "own-tiny width 0.5, depth 3, 2 bits, seed 7"),
])
def test_the_label_tells_trainings_apart(fields, label):
    assert TrainConfig(**fields).label == label


@pytest.mark.parametrize("module, loaded", [
    ("sw.quant.config", []), ("sw.quant", []), ("sw.quant.training", ["torch"])])
def test_planning_a_training_does_not_load_torch(module, loaded):
    code = f"import sys, {module}; print(*sorted({{'torch'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == loaded
