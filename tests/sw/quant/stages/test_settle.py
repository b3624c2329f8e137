import torch

from sw.quant.stages.settle import settle
from tests.sw.quant.test_run import started


def test_statistics_move_and_weights_stay(digits):
    run = started(digits, network="dscnn")
    weights = [layer.weight.clone() for layer in run.network.products]
    means = [layer.mean.clone() for layer in run.network.products if layer.normalized]
    settle(run)
    assert run.did == "over 32 batches" and run.steps == 0
    assert all(torch.equal(one, layer.weight) for one, layer in zip(weights, run.network.products, strict=True))
    assert not all(torch.equal(one, layer.mean) for one, layer in zip(
        means, (layer for layer in run.network.products if layer.normalized), strict=True))


def test_after_steps_on_still_statistics_there_is_nothing_to_settle(digits):
    run = started(digits, network="dscnn")
    run.fit("quantize", inputs=1257, peak=0.01, still=0.5)
    means = [layer.mean.clone() for layer in run.network.products if layer.normalized]
    settle(run)
    assert run.did.startswith("nothing: the last steps")
    assert all(torch.equal(one, layer.mean) for one, layer in zip(
        means, (layer for layer in run.network.products if layer.normalized), strict=True))
