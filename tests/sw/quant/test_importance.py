import pytest
import torch

from sw.quant.importance import CRITERIA
from sw.quant.recipe import CRITERIA as NAMES
from tests.sw.quant.test_run import started


def test_the_recipe_knows_all():
    assert tuple(CRITERIA) == NAMES


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("network", ["mlp", "dscnn"])
def test_a_channel_that_does_nothing_matters_least(digits, network, criterion):
    run = started(digits, network=network)
    run.network.become(quantized=False)
    run.fit("pretrain", inputs=1257, peak=0.01)
    number = next(number for number, node in enumerate(run.network.traced.nodes) if node.op in ("conv", "linear"))
    layer = run.network.unit_of(number)
    with torch.no_grad():
        for value in (layer.weight, layer.bias, *([layer.gamma] if layer.normalized else [])):
            value[5] = 0
    scores = CRITERIA[criterion].scores(run, [number])[number]
    assert scores.shape == (layer.channels,) and int(scores.argmin()) == 5
    assert CRITERIA[criterion].comparable or float(scores.norm()) == pytest.approx(1)
