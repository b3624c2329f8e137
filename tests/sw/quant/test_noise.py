import numpy as np
import pytest
import torch

from hw.spec.design import DesignPoint
from sw.golden.products import EXACT, products_of
from sw.quant import QuantError, TrainConfig
from sw.quant.noise import Noise
from sw.quant.recipe import Recipe
from sw.quant.training import evaluate, train
from tests.sw.quant.records import feedback, profile


def linear(acts, weights):
    return acts @ weights


@pytest.mark.parametrize("bits", [8, 4])
def test_noise_is_distributed_as_the_multiplier_errs(bits):
    """Against the error of sums of truncated products over evenly spread activations."""
    rng = np.random.default_rng(0)
    acts = rng.integers(-127, 128, (4000, 64)).astype(np.int8)
    weights = rng.integers(-(1 << bits - 1), 1 << bits - 1, (64, 5)).astype(np.int8)
    design = DesignPoint(multiplier="trunc", weight_bits=bits)
    error = products_of(design).matmul(acts, weights) - EXACT.matmul(acts, weights)
    noise = Noise(profile("trunc", bits), torch.Generator().manual_seed(0))
    drawn = noise.draw(torch.ones(4000, 64), torch.from_numpy(weights).float(), linear).numpy()
    np.testing.assert_allclose(drawn.mean(0), error.mean(0), rtol=0.02)
    np.testing.assert_allclose(drawn.std(0), error.std(0), rtol=0.1)


def test_the_lowest_activation_has_no_noise():
    acts = np.full((1, 9), -128, np.int8)
    weights = np.arange(-4, 5).astype(np.int8)[:, None]
    assert (products_of(DesignPoint(multiplier="trunc")).matmul(acts, weights) == EXACT.matmul(acts, weights)).all()
    noise = Noise(profile("trunc", 8), torch.Generator().manual_seed(0))
    assert not noise.draw(torch.zeros(1, 9), torch.from_numpy(weights).float(), linear).any()


@pytest.mark.parametrize("name, bits, silent", [("dsp", 8, True), ("trunc", 2, True), ("trunc", 8, False)])
def test_an_exact_multiplier_is_silent(name, bits, silent):
    assert Noise(profile(name, bits), torch.Generator()).silent is silent


def test_noise_of_other_weights_is_refused(digits):
    with pytest.raises(QuantError, match=r"weight_bits=4: the feedback's noise is of 8-bit weights; train with"):
        train(TrainConfig(network="mlp", weight_bits=4), digits, feedback=feedback())


def test_training_with_noise_mends_what_truncation_costs(digits):
    config, design = TrainConfig(width=0.5, recipe=Recipe(passes=10), seed=1), DesignPoint(multiplier="trunc")
    without, informed = (evaluate(train(config, digits, feedback=record).graph, digits, design)
                         for record in (None, feedback()))
    assert informed > without + 0.03
