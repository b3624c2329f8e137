import pytest

from flows.run.store import open_store
from flows.train.accuracy import Accuracy
from flows.train.data import DataSource
from flows.train.rtl import RtlAccuracy
from hw.spec.design import DesignPoint
from sw.quant.config import TrainConfig
from sw.quant.recipe import Quantize, Recipe
from sw.quant.training import train

DESIGN = DesignPoint(rows=2, cols=2, lanes=2, multiplier="trunc")


@pytest.mark.slow
def test_the_rtl_counts_as_golden_does(tmp_path):
    """On a multiplier that errs: on an exact one another number of inputs is right."""
    recipe = Recipe(passes=1, steps=("pretrain", "quantize"), quantize=Quantize(method="post"))
    data, path = DataSource.of("digits"), tmp_path / "model.npz"
    train(TrainConfig(network="strided", recipe=recipe), data.load()).graph.save(path)
    store = open_store()
    found = RtlAccuracy(model=path, data=data, split="test", design=DESIGN).value(store)
    wanted, exact = (Accuracy(model=path, data=data, split="test", design=design).value(store)
                     for design in (DESIGN, None))
    assert found.score == wanted and found.mismatches == 0
    assert found.score != exact, "the multiplier has to matter"
    assert found.cycles > 0 and found.inferences_per_s > 0
