from dataclasses import replace

import numpy as np
import pytest

from flows.run.store import Store
from flows.train.latency import latency_entry
from hw.spec.presets import PRESETS
from sw.compiler import compile_graph
from sw.quant import TrainConfig
from sw.quant.recipe import Prune, QuantError, Recipe
from sw.quant.stages.prune import prune
from sw.quant.training import draft, traced_of, train
from tests.support.ladder import ADDS, check
from tests.sw.quant.test_run import started
from tests.sw.quant.test_training import same

STEPS = ("pretrain", "prune", "quantize", "settle")
DESIGN = replace(PRESETS["ecp5-25"], multiplier="lut")
SMALL = replace(ADDS, act_bytes=16384, weight_bytes=32768)


def pruned(data, network, passes=2, width=0.5, weight_bits=8, design=DESIGN, **options):
    config = TrainConfig(network=network, width=width, weight_bits=weight_bits,
                         recipe=Recipe(steps=STEPS, passes=passes, prune=Prune(**options)))
    latency = latency_entry(config, compile_graph(draft(config, data), design)) if design else None
    return train(config, data, latency=latency), latency


def test_cycles_fall_as_the_record_says(digits):
    trained, latency = pruned(digits, "mlp", passes=20, width=1, share=0.2, rounds=2)
    cycles = compile_graph(trained.graph, DESIGN).cycles
    assert cycles <= 0.8 * latency.cycles
    assert trained.record.stages[1].did == (f"{latency.cycles} to {cycles} cycles on {DESIGN.label}, "
                                            f"{1 - cycles / latency.cycles:.1%} fewer")
    assert all(layer.weights.shape[0] % 4 == 0 for layer in trained.graph.layers[:-1])
    assert trained.record.test_accuracy > 0.85
    assert abs(trained.record.test_accuracy - trained.record.fake_accuracy) <= 0.01
    assert {look.stage for look in trained.record.curves} == {"pretrain", "prune"}


@pytest.mark.sim
def test_a_pruned_residual_network_runs_on_the_engine(digits, tmp_path):
    trained, latency = pruned(digits, "resnet8", passes=1, share=0.4, design=SMALL)
    report = check(trained.graph, digits.quantized("test", trained.graph.input)[:2], Store(tmp_path), SMALL)
    assert report.ok and report.predicted_cycles <= 0.6 * latency.cycles
    assert abs(trained.record.test_accuracy - trained.record.fake_accuracy) <= 0.02


def test_the_same_configuration_prunes_the_same(digits):
    one, other = (pruned(digits, "dscnn", passes=1, rounds=2)[0] for _ in range(2))
    assert same(one.graph, other.graph) and one.record.stages[1].did == other.record.stages[1].did
    assert not same(one.graph, pruned(digits, "dscnn", passes=1, rounds=2, importance="magnitude")[0].graph)


def test_without_a_design_products_count(digits):
    trained, _ = pruned(digits, "mlp", design=None, share=0.5)
    whole = 64 * 16 + 16 * 16 + 16 * 10
    assert trained.record.macs <= 0.5 * whole
    assert trained.record.stages[1].did.startswith(f"{whole} to {trained.record.macs} multiply-accumulates (no --desi")


def test_what_cannot_go_stays_and_is_said(digits):
    trained, latency = pruned(digits, "dscnn", passes=0.5, width=0.25, share=0.9, rounds=1, kind="channels")
    said = trained.record.stages[1].did
    assert ", asked were 90%: no more can go; stays: 1.1 (4 channels)" in said
    kept = pruned(digits, "dscnn", passes=0.5, width=0.25, kind="neurons")[0]
    assert kept.record.stages[1].did.startswith(f"{latency.cycles} to {latency.cycles} cycles")


def test_only_neurons_go_where_only_they_are_asked_for(digits):
    trained, _ = pruned(digits, "mlp", kind="neurons")
    assert trained.graph.layers[0].weights.shape[0] < 16
    assert pruned(digits, "mlp", kind="channels")[0].graph.layers[0].weights.shape[0] == 16


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_weights_that_are_removed_stay_zeros_in_integers(digits, bits):
    trained, latency = pruned(digits, "mlp", weight_bits=bits, kind="weights", share=0.6,
                              design=replace(DESIGN, weight_bits=bits))
    weights = np.concatenate([layer.weights.ravel() for layer in trained.graph.layers])
    assert (weights == 0).mean() >= 0.599
    assert compile_graph(trained.graph, replace(DESIGN, weight_bits=bits)).cycles == latency.cycles
    assert trained.record.stages[1].did == (f"{round(0.6 * weights.size)} of {weights.size} weights are 0; the engine "
                                            f"skips none, so cycles stay as they were")


def test_weights_come_back_where_nothing_holds_them(digits, monkeypatch):
    run = started(digits, passes=1, steps=STEPS, prune=Prune(kind="weights", share=0.6))
    monkeypatch.setattr(type(run.network), "hold", lambda network: None)
    prune(run)
    assert all((layer.weight == 0).float().mean() < 0.1 for layer in run.network.products)


def test_a_quantized_network_is_pruned_too(digits):
    config = TrainConfig(network="dscnn", width=0.5, recipe=Recipe(
        steps=("pretrain", "quantize", "prune"), passes=1, prune=Prune(rounds=1)))
    trained = train(config, digits)
    assert trained.record.macs < 0.7 * traced_of(config, digits).macs
    assert abs(trained.record.test_accuracy - trained.record.fake_accuracy) <= 0.03


@pytest.mark.parametrize("options, message", [
    ({"kind": "rows"}, "prune.kind='rows': choose structured, channels, neurons, weights"),
    ({"share": 1.0}, "prune.share=1: must be 0 to 0.99"),
    ({"importance": "luck"}, "prune.importance='luck': choose taylor, scale, magnitude")])
def test_a_wrong_option_is_said(options, message):
    with pytest.raises(QuantError, match=f"^{message}$"):
        Recipe(prune=Prune(**options))


def test_there_is_something_to_prune():
    with pytest.raises(QuantError, match="^steps: prune comes first, and nothing is trained; put pretrain in front$"):
        Recipe(steps=("prune", "pretrain", "quantize"))
