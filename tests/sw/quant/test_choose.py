import pytest

from sw.quant import QuantError, TrainConfig
from sw.quant.choose import candidates
from sw.quant.training import train
from tests.sw.quant.records import feedback

LATENCY = [("mlp", 0.5, 8, 200), ("mlp", 2.0, 8, 900), ("mlp", 0.5, 4, 150), ("mlp", 2.0, 4, 800), ("dscnn", 1.0, 8, 5)]


def config(**fields):
    return TrainConfig(network="mlp", epochs=8, seed=1, **fields)


@pytest.mark.parametrize("latency_weight, width", [(0.0, 2.0), (20.0, 0.5)])
def test_the_latency_term_picks_the_width(digits, latency_weight, width):
    record = feedback("dsp", 8, LATENCY)
    trained = train(config(choose="width", latency_weight=latency_weight), digits, feedback=record)
    pick = trained.record.pick
    assert (pick.width, trained.record.config.width, pick.weight_bits) == (width, width, 8)
    assert trained.graph.layers[0].output.shape[2] == 32 * width
    assert [entry.width for entry in trained.record.pick.candidates] == [0.5, 2.0]
    assert sum(trained.record.pick.probabilities) == pytest.approx(1)


def test_the_pick_is_trained_like_any_other(digits):
    record = feedback("dsp", 8, LATENCY)
    picked = train(config(choose="width", latency_weight=20.0), digits, feedback=record)
    direct = train(config(width=0.5), digits)
    assert picked.record.curves == direct.record.curves


def test_both_are_picked_and_the_choice_repeats(digits):
    record = feedback("trunc", 8, LATENCY)
    one, other = (train(config(choose="both", latency_weight=20.0), digits, feedback=record) for _ in range(2))
    assert (one.record.pick.width, one.record.pick.weight_bits) == (0.5, 4)
    assert one.graph.layers[0].weight_bits == 4
    assert one.record.pick == other.record.pick


def test_candidates_keep_what_is_not_chosen():
    record = feedback("dsp", 8, LATENCY)
    assert [entry.cycles for entry in candidates(config(choose="bits", width=2.0), record)] == [900, 800]
    assert len(candidates(config(choose="both"), record)) == 4
    with pytest.raises(QuantError, match=r"'width': the feedback has no cycles of 'mlp' with weight_bits=2; make a"):
        candidates(config(choose="width", weight_bits=2), record)
    with pytest.raises(QuantError, match=r"'bits': the feedback has no cycles of 'mlp' with width=3; make a"):
        candidates(config(choose="bits", width=3.0), record)
