from dataclasses import replace

import pytest

from flows.run.store import Store
from flows.train.data import DataSource
from flows.train.draft import Draft
from flows.train.latency import Latency
from flows.train.untrained import Untrained
from hw.spec.design import DesignPoint
from hw.spec.presets import load_design
from sw.models import ModelError
from sw.quant.config import TrainConfig
from sw.quant.recipe import Quantize, Recipe

SMALL, TINY = TrainConfig(network="mlp", width=0.25), DesignPoint(act_bytes=1024, weight_bytes=1024)


def drafted(config, source, *designs, **more):
    return Draft(network=Untrained(config=config, data=source), designs=designs, **more)


@pytest.fixture(scope="module")
def source():
    return DataSource.of("digits")


def test_what_runs_has_no_line_and_is_asked_once(source, tmp_path):
    store = Store(tmp_path)
    step = drafted(SMALL, source, load_design("ecp5-25"), fit=False)
    assert [step.value(store), step.value(store)] == ["", ""]
    assert (store.made, store.reused) == (2, 1)     # the network, and the answer
    drafted(SMALL, source, load_design("ecp5-45"), fit=False).value(store)
    assert (store.made, store.reused) == (3, 2)     # of the same network


def test_what_no_design_runs_has_the_compilers_line(source, tmp_path):
    wide = TrainConfig(network="mlp", width=16)
    line = drafted(wide, source, TINY, fit=False).value(Store(tmp_path))
    assert line.startswith(f"{TINY.label}: ") and "weight_bytes" in line
    for designs, more in (((TINY,), {}), ((TINY, load_design("ecp5-85")), {"fit": False})):
        assert drafted(wide, source, *designs, **more).value(Store(tmp_path)) == "", "with larger memories it runs"


def test_weights_that_a_design_does_not_take_are_said(source, tmp_path):
    design = DesignPoint(weight_bits=4)
    line = drafted(SMALL, source, design).value(Store(tmp_path))
    assert "8-bit weights, weight_bits=4; raise weight_bits or train with 4-bit weights" in line


def test_without_a_design_it_is_built_alone(source, tmp_path):
    assert drafted(SMALL, source).value(Store(tmp_path)) == ""
    path = tmp_path / "own.py"
    path.write_text("from torch import nn\ndef net(shape, classes):\n    return nn.LayerNorm(8)\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"own\.py:net', \(LayerNorm\)"):
        drafted(TrainConfig(network=f"{path}:net"), source).value(Store(tmp_path))


def test_how_long_it_would_be_trained_does_not_count(source):
    assert drafted(SMALL, source).digest == drafted(
        TrainConfig(network="mlp", width=0.25, recipe=Recipe(passes=3, batch=7)), source).digest
    assert drafted(SMALL, source).digest != drafted(SMALL, source, TINY).digest


@pytest.mark.parametrize("kind, more", [(Untrained, {}), (Latency, {"design": load_design("ecp5-25")})])
def test_the_widths_of_its_numbers_count(source, kind, more):
    """A network of which one layer is wider is another one for a design, and so are narrower activations."""
    others = [replace(SMALL, recipe=Recipe(quantize=Quantize(**widths)))
              for widths in ({"layers": (("3", 4),)}, {"act_bits": 4})]
    assert len({kind(config=config, data=source, **more).digest for config in (SMALL, *others)}) == 3
