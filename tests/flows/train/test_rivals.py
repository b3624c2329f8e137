"""Who is compared with whom, who chooses, and what is called a win."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from flows.run.queue import Failure, Result
from flows.run.store import Store
from flows.train import rivals
from flows.train.data import DataSource
from flows.train.rivals import compare, expected_s, ways_of
from flows.train.training import Training
from hw.spec.errors import HeddleError
from hw.spec.faults import Accumulator, BitFlips, Faults
from hw.spec.feedback import Feedback, LatencyEntry
from sw.quant.config import TrainConfig
from sw.quant.recipe import Quantize, Recipe
from tests.sw.quant.records import feedback as measured

CONFIG = TrainConfig(network="mlp", width=0.5, weight_bits=2, seed=4, recipe=Recipe(passes=3))
FAULTS = Feedback(faults=Faults(activations=BitFlips(rate=0.05)))


@pytest.fixture(scope="module")
def digits():
    return DataSource.of("digits")


def test_all_ways_have_one_method_and_equal_passes(digits):
    """Twice as many where the way is to train longer; none stops after its ranges."""
    ways = ways_of(CONFIG, FAULTS, digits)
    assert list(ways) == ["plain", "longer", "settled", "feedback"]
    assert {config.recipe.quantize.method for config, _ in ways.values()} == {"aware"}
    assert [config.recipe.passes for config, _ in ways.values()] == [3, 6, 3, 3]
    assert [known for _, known in ways.values()] == [None, None, FAULTS, FAULTS]
    assert ways["settled"][0].recipe.informed == ("settle",)
    assert ways["feedback"][0].recipe.informed == ("quantize", "settle")


def test_narrow_accumulators_are_met_with_few_weights_too(digits):
    narrow = Feedback(faults=Faults(accumulator=Accumulator(bits=11, overflow="wrap")))
    ways = ways_of(CONFIG, narrow, digits)
    assert list(ways) == ["plain", "longer", "settled", "feedback", "sparse 50%", "sparse 70%", "sparse 80%"]
    recipe = ways["sparse 70%"][0].recipe
    assert recipe.steps == ("pretrain", "prune", "quantize", "settle") and recipe.informed == ("settle",)
    assert (recipe.prune.kind, recipe.prune.share, recipe.passes) == ("weights", 0.7, 3)
    own = replace(CONFIG, recipe=replace(CONFIG.recipe, steps=("pretrain", "prune", "quantize")))
    assert "sparse 50%" not in ways_of(own, narrow, digits), "the recipe says itself what is removed"


def test_passes_that_the_recipe_leaves_open_are_doubled_too(digits):
    ways = ways_of(replace(CONFIG, recipe=Recipe(quantize=Quantize(passes=2))), FAULTS, digits)
    count = len(digits.load().labels["train"])
    assert ways["longer"][0].recipe.passes * count == pytest.approx(2 * 50_000)
    assert ways["longer"][0].recipe.quantize.passes == 4


def test_a_multiplier_is_trained_with_bit_for_bit_too(digits):
    ways = ways_of(replace(CONFIG, weight_bits=8), measured(), digits)
    assert ways["exact"][0].recipe.quantize.forward == "exact" and ways["feedback"][0].recipe.quantize.forward == "stat"
    assert measured().noise.design.multiplier == "trunc"


def queue(scores, fails=()):
    """Of a trial by its name and seed, the scores with each mending."""
    def run_queue(function, trials, *, jobs, name, done):
        results = [Result(task=trial, value=Failure(reason="no memory") if trial.name in fails else (
            1.0, 0.95, scores(trial.name, trial.training.config.seed))) for trial in trials]
        for result in reversed(results):
            done(result)
        return results
    return run_queue


def found(monkeypatch, scores, digits, seeds=range(4, 14), **more):
    monkeypatch.setattr(rivals, "run_queue", queue(scores, **more))
    return compare(Store(Path(tempfile.mkdtemp())), CONFIG, digits, FAULTS, seeds=seeds)


def gains(gain, spread=0.01):
    """Settled is the best rival on valid, longer on test; feedback is better on test by a gain that varies."""
    def scores(name, seed):
        valid, test = {"plain": (0.5, 0.5), "longer": (0.6, 0.7), "settled": (0.7, 0.6), "feedback": (0.8, 0.6 + gain)}[
            name]
        test += spread * (seed % 3 - 1) * (name == "feedback")
        return {"": (valid, test), "bias": (valid - 0.1, test + 0.3)}
    return scores


@pytest.mark.parametrize("gain, verdict", [(0.1, "feedback"), (-0.1, "rival"), (0.001, "tie")])
def test_valid_chooses_and_test_is_compared(monkeypatch, digits, gain, verdict):
    """Planted: whoever chose on test would take others, with 0.3 more."""
    result = found(monkeypatch, gains(gain), digits)
    assert (result.rival, result.feedback, result.verdict) == ("settled", "feedback", verdict)
    assert result.effect.difference == pytest.approx(gain, abs=0.005)
    low, high = result.effect.interval
    assert (low > 0, high < 0) == (verdict == "feedback", verdict == "rival")
    assert [way.name for way in result.ways][:3] == ["plain", "plain, corrected", "longer"]
    assert result.seeds == tuple(range(4, 14)) and result.without_errors == pytest.approx(0.95)
    assert (result.network, result.devices) == ("mlp width 0.5, 2 bits", 5)


def test_pairs_are_of_one_seed(monkeypatch, digits):
    """A spread over seeds that both share is none of their difference."""
    def scores(name, seed):
        return {"": (0.6 + 0.1 * (name == "feedback"), 0.3 + 0.05 * (seed % 5) + 0.05 * (name == "feedback"))}
    result = found(monkeypatch, scores, digits)
    assert result.effect.interval == pytest.approx((0.05, 0.05))


def test_a_training_that_fails_is_the_end(monkeypatch, digits):
    with pytest.raises(HeddleError, match=r"^settled, mlp width 0.5, 2 bits, seed 4, with feedback: no memory$"):
        found(monkeypatch, gains(0.1), digits, fails=("settled",))


@pytest.mark.parametrize("record, seeds, said", [
    (FAULTS, [1], "compare=1: an interval takes two or more seeds; ten show an effect of its size"),
    (Feedback(latency=(LatencyEntry(network="mlp", width=1.0, weight_bits=8, cycles=1),)), [1, 2],
     "feedback: the record has no errors; give one with noise or faults")])
def test_what_cannot_be_compared_is_said(tmp_path, digits, record, seeds, said):
    with pytest.raises(HeddleError, match=f"^{said}$"):
        compare(Store(tmp_path), CONFIG, digits, record, seeds=seeds)


def test_the_ways_are_trained_and_tried_once(tmp_path, digits, monkeypatch):
    monkeypatch.setattr(rivals, "run_queue", lambda function, trials, *, jobs, name, done: [
        Result(task=trial, value=function(trial)) for trial in trials])
    record = Feedback(faults=Faults(accumulator=Accumulator(bits=11, overflow="saturate")))
    store, config = Store(tmp_path), replace(CONFIG, width=0.25, recipe=Recipe(passes=1))
    assert 0 < expected_s(store, config, digits, record, seeds=2, jobs=1) < 600
    result = compare(store, config, digits, record, seeds=(1, 2))
    assert len(result.ways) == 21 and result.devices == 1
    assert len({way.by_seed for way in result.ways}) > 6 and all(way.seconds > 0 for way in result.ways)
    monkeypatch.setattr(Training, "make", lambda *arguments: pytest.fail("trained again"))
    assert compare(store, config, digits, record, seeds=(1, 2)) == result
