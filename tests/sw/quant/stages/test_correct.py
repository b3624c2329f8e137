import numpy as np
import pytest

from hw.spec.design import DesignPoint
from sw.golden import corrected
from sw.quant import QuantError, TrainConfig
from sw.quant.recipe import Correct, Quantize, Recipe
from sw.quant.stages.correct import correct
from sw.quant.training import evaluate, train
from tests.sw.quant.records import feedback
from tests.sw.quant.test_run import started

BROKEN = DesignPoint(multiplier="broken")


def config(*steps, **options):
    return TrainConfig(width=0.5, seed=1, recipe=Recipe(passes=6, steps=("pretrain", "quantize", *steps),
                                                       quantize=Quantize(method="post", forward="none"), **options))


def test_biases_make_up_for_the_multiplier_and_the_record_counts_with_it(digits):
    plain = train(config(), digits, feedback=feedback("broken"))
    found = train(config("correct", correct=Correct(inputs=100)), digits, feedback=feedback("broken"))
    inputs = digits.quantized("train", plain.graph.input)
    wanted = corrected(plain.graph, inputs[np.arange(100) * len(inputs) // 100], BROKEN)
    for one, other in zip(found.graph.layers, wanted.layers, strict=True):
        assert np.array_equal(one.bias, other.bias) and np.array_equal(one.weights, other.weights)
    assert found.record.stages[-1].did == "biases for multiplier broken with 100 training inputs"
    assert found.record.test_accuracy == evaluate(found.graph, digits, BROKEN)
    assert evaluate(plain.graph, digits, BROKEN) + 0.2 < found.record.test_accuracy > plain.record.test_accuracy - 0.1


def test_without_a_multiplier_there_is_nothing_to_correct(digits):
    with pytest.raises(QuantError, match="^steps: correct needs a feedback record, which names the multiplier"):
        correct(started(digits))


def test_as_many_inputs_as_there_are(digits):
    run = started(digits)
    run.feedback, run.config = feedback("trunc"), config("correct", correct=Correct(inputs=10**6))
    correct(run)
    assert run.did.endswith(f"with {len(run.labels)} training inputs") and run.design.multiplier == "trunc"
