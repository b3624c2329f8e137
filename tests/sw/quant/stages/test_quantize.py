from dataclasses import replace

import pytest

from sw.quant.exact import Exact
from sw.quant.network import QuantNetwork
from sw.quant.recipe import Quantize
from sw.quant.stages.pretrain import pretrain
from sw.quant.stages.quantize import quantize
from sw.quant.training import traced_of
from tests.sw.quant.records import feedback
from tests.sw.quant.test_run import started


@pytest.mark.parametrize("options, begins, steps", [
    (Quantize(method="post"), "ranges alone", 0), (Quantize(tolerance=0.2), "post: ranges alone reach 0.", 0),
    (Quantize(method="aware"), "aware", 20), (Quantize(method="aware", passes=1), "aware", 10)])
def test_the_way_is_chosen_and_said(digits, options, begins, steps):
    run = started(digits, passes=4, quantize=options)
    pretrain(run)
    run.steps = 0
    quantize(run)
    assert run.network.quantized and run.did.startswith(begins) and run.steps == steps


def test_auto_trains_where_ranges_alone_do_not_hold(digits):
    run = started(digits, passes=4, quantize=Quantize(tolerance=0.0))
    run.config = replace(run.config, weight_bits=2)
    run.network = QuantNetwork(traced_of(run.config, digits), digits.input_type, 2, run.generator)
    pretrain(run)
    quantize(run)
    assert run.did.startswith("aware: ranges alone reach ") and run.curves[-1].stage == "quantize"


def test_with_feedback_it_is_aware(digits):
    run = started(digits, passes=2)
    run.feedback = feedback()
    pretrain(run)
    quantize(run)
    assert run.did == "aware: with feedback of the hardware"
    assert all(layer.noise is not None for layer in run.network.products)


@pytest.mark.parametrize("forward, gradient", [("exact", "straight"), ("exact", "slope")])
def test_products_bit_for_bit_where_the_recipe_says_so(digits, forward, gradient):
    run = started(digits, passes=2, quantize=Quantize(forward=forward, gradient=gradient))
    run.feedback = feedback()
    pretrain(run)
    quantize(run)
    assert all(isinstance(layer.noise, Exact) and layer.noise.gradient == gradient for layer in run.network.products)


def test_errors_that_training_shall_not_see(digits):
    run = started(digits, passes=4, quantize=Quantize(tolerance=0.2, forward="none"))
    run.feedback = feedback()
    pretrain(run)
    quantize(run)
    assert run.did.startswith("post: ") and all(layer.noise is None for layer in run.network.products)


def test_steps_are_learned_in_aware_training(digits):
    run = started(digits, passes=4, quantize=Quantize(method="aware", step_size="learned"))
    pretrain(run)
    quantize(run)
    factors = [layer.factor for layer in run.network.products]
    assert all(factor.abs().sum() > 0 for factor in factors)
