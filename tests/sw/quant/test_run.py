from dataclasses import replace

import pytest
import torch

from sw.quant import TrainConfig
from sw.quant.network import QuantNetwork
from sw.quant.recipe import QuantError, Recipe
from sw.quant.run import LOOKS, Run, changes_of
from sw.quant.training import traced_of


def started(data, progress=None, network="mlp", **recipe):
    config = TrainConfig(network=network, width=0.5, recipe=Recipe(**recipe))
    generator = torch.Generator().manual_seed(0)
    return Run(QuantNetwork(traced_of(config, data), data.input_type, 8, generator), config, data, generator,
               progress=progress)


def test_a_fit_sees_as_many_inputs_as_asked_and_looks_after_each_pass(digits):
    seen = []
    run = started(digits, lambda look, ahead: seen.append((look, ahead)))
    run.fit("pretrain", inputs=3 * 1257, peak=0.01)
    assert run.steps == 30 and [round(look.done, 2) for look in run.curves] == [1, 2, 3]
    assert [look for look, _ in seen] == run.curves and [round(ahead, 2) for _, ahead in seen] == [2, 1, 0]
    assert run.step_s > 0 and run.curves[-1].loss < run.curves[0].loss
    run.fit("quantize", inputs=100, peak=0.01)
    assert run.steps == 31 and run.curves[-1].stage == "quantize"


def test_looks_take_a_tenth_of_the_time_at_most(digits):
    """A look is a forward pass, a third of a step, and a pass lies between two of them."""
    many = replace(digits, inputs={**digits.inputs, "valid": digits.inputs["train"]},
                   labels={**digits.labels, "valid": digits.labels["train"]})
    run = started(many)
    run.fit("pretrain", inputs=8 * 1257, peak=0.01)
    assert len(run.curves) == 3
    run = started(digits)
    run.fit("pretrain", inputs=120 * 1257, peak=0.001)
    assert LOOKS <= len(run.curves) <= LOOKS + 1


def test_patience_ends_a_fit_with_the_best_weights(digits):
    run = started(digits, patience=2, learning_rate=0.02, schedule="constant")
    run.fit("pretrain", inputs=200 * 1257, peak=0.02)
    reached = [look.accuracy for look in run.curves]
    assert len(reached) < 40 and max(reached[-2:]) <= max(reached[:-2])
    assert run.accuracy("valid") == max(reached)


def test_settling_averages_statistics_and_forgets_those_before(digits):
    run = started(digits, network="dscnn")
    for unit in run.network.products:
        unit.range.low, unit.range.high = -1e9, 1e9
        if unit.normalized:
            unit.mean.fill_(1e9)
    before = {name: value.clone() for name, value in run.network.named_parameters()}
    run.settle(4)
    assert all(torch.equal(before[name], value) for name, value in run.network.named_parameters())
    assert all(unit.range.high < 1e6 and unit.range.low > -1e6 for unit in run.network.products)
    assert all(unit.mean.abs().max() < 1e6 for unit in run.network.products if unit.normalized)


def test_floating_point_and_integers_agree_nearly(digits):
    run = started(digits, network="dscnn")
    run.network.become(quantized=False)
    run.fit("pretrain", inputs=10 * 1257, peak=0.02)
    run.settle(32)
    real = run.answers(run.network, run.images[:256])
    run.network.become(quantized=True)
    run.settle(32)
    rounded = run.answers(run.network, run.images[:256])
    scale = real.abs().max()
    assert 0 < (real - rounded).abs().mean() < 0.03 * scale
    run.network.become(quantized=False)
    again = run.answers(run.network, run.images[:256])
    assert (real - again).abs().mean() < 0.02 * scale


def test_what_does_not_suit_the_data_is_said(digits):
    assert changes_of(Recipe(), digits) == digits.augmentations
    assert changes_of(Recipe(augment="none"), digits) == ()
    with pytest.raises(QuantError, match="augment=time-mask: most=9: of 8 steps, 0 to 7 can be hidden"):
        changes_of(Recipe(augment="time-mask:9"), digits)


def test_in_the_last_share_statistics_stand_still_and_weights_go_on(digits):
    run, seen = started(digits, network="dscnn"), []
    watched = run.network.products[0]
    step = run.taken

    def taken(part):
        seen.append((watched.mean.clone(), watched.range.high, watched.weight.detach().clone()))
        return step(part)
    run.taken = taken
    run.fit("quantize", inputs=2 * 1257, peak=0.01, still=0.25)
    last = seen[-4:]
    assert all(torch.equal(mean, last[0][0]) and high == last[0][1] for mean, high, _ in last)
    assert not torch.equal(last[0][2], last[-1][2]) and not torch.equal(seen[0][0], seen[5][0])
    assert run.stood_still and torch.equal(watched.mean, last[0][0])
    run.network(run.images[:64])
    assert not torch.equal(watched.mean, last[0][0]), "behind the fit they move again"
    patient = started(digits, network="dscnn", patience=3)
    patient.fit("quantize", inputs=2 * 1257, peak=0.01, still=0.25)
    assert not patient.stood_still, "the best weights may be of before"
