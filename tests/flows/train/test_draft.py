from dataclasses import replace

import pytest

from flows.run.store import Store
from flows.train.data import DataSource
from flows.train.draft import Draft
from flows.train.latency import Latency
from hw.spec.design import DesignPoint
from hw.spec.presets import load_design
from sw.models import ModelError
from sw.quant.config import TrainConfig
from sw.quant.recipe import Quantize, Recipe

SMALL, TINY = TrainConfig(network="mlp", width=0.25), DesignPoint(act_bytes=1024, weight_bytes=1024)


@pytest.fixture(scope="module")
def source():
    return DataSource.of("digits")


def test_what_runs_has_no_line_and_is_asked_once(source, tmp_path):
    store = Store(tmp_path)
    step = Draft(config=SMALL, data=source, designs=(load_design("ecp5-25"),), fit=False)
    assert [step.value(store), step.value(store)] == ["", ""]
    assert (store.made, store.reused) == (1, 1)


def test_what_no_design_runs_has_the_compilers_line(source, tmp_path):
    wide = TrainConfig(network="mlp", width=16)
    line = Draft(config=wide, data=source, designs=(TINY,), fit=False).value(Store(tmp_path))
    assert line.startswith(f"{TINY.label}: ") and "weight_bytes" in line
    for more in ({"designs": (TINY,)}, {"designs": (TINY, load_design("ecp5-85")), "fit": False}):
        assert Draft(config=wide, data=source, **more).value(Store(tmp_path)) == "", "with larger memories it runs"


def test_weights_that_a_design_does_not_take_are_said(source, tmp_path):
    design = DesignPoint(weight_bits=4)
    line = Draft(config=SMALL, data=source, designs=(design,)).value(Store(tmp_path))
    assert "8-bit weights, weight_bits=4; raise weight_bits or train with 4-bit weights" in line


def test_without_a_design_it_is_built_alone(source, tmp_path):
    assert Draft(config=SMALL, data=source).value(Store(tmp_path)) == ""
    path = tmp_path / "own.py"
    path.write_text("from torch import nn\ndef net(shape, classes):\n    return nn.LayerNorm(8)\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"own\.py:net', \(LayerNorm\)"):
        Draft(config=TrainConfig(network=f"{path}:net"), data=source).value(Store(tmp_path))


def test_how_long_it_would_be_trained_does_not_count(source):
    assert Draft(config=SMALL, data=source).digest == Draft(
        config=TrainConfig(network="mlp", width=0.25, recipe=Recipe(passes=3, batch=7)), data=source).digest
    assert Draft(config=SMALL, data=source).digest != Draft(config=SMALL, data=source, designs=(TINY,)).digest


@pytest.mark.parametrize("kind, more", [(Draft, {}), (Latency, {"design": load_design("ecp5-25")})])
def test_the_widths_of_its_numbers_count(source, kind, more):
    """A network of which one layer is wider is another one for a design, and so are narrower activations."""
    others = [replace(SMALL, recipe=Recipe(quantize=Quantize(**widths)))
              for widths in ({"layers": (("3", 4),)}, {"act_bits": 4})]
    assert len({kind(config=config, data=source, **more).digest for config in (SMALL, *others)}) == 3
