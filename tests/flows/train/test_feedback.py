import pytest

from flows.search.space import Hardware, Space, Training
from flows.train.feedback import compare, inexact, latency_table, reference_design, trainings
from tests.sw.golden.nets import small_net


def test_the_interval_is_students():
    pairs = [(0.90, 0.91), (0.91, 0.93), (0.90, 0.90), (0.92, 0.93), (0.90, 0.92)]
    found = compare(pairs)
    # mean 0.012, standard deviation 0.0083666, 2.776 * s / sqrt(5)
    assert found["difference"] == pytest.approx(0.012)
    assert found["interval"] == pytest.approx([0.012 - 0.010387, 0.012 + 0.010387], abs=1e-5)
    assert found["conclusion"] == "It helps: the whole interval is above 0."


@pytest.mark.parametrize("gain, says", [(-0.02, "It hurts"), (0.0, "No effect is shown")])
def test_it_is_honest(gain, says):
    assert says in compare([(0.9, 0.9 + gain + wobble) for wobble in (-0.001, 0, 0.001)])["conclusion"]


def test_many_pairs_use_the_normal_quantile():
    assert compare([(0.0, value % 2 * 0.1) for value in range(60)])["difference"] == pytest.approx(0.05)


def test_only_a_truncated_multiplier_errs():
    assert inexact(Space(), 8) == "trunc"
    assert inexact(Space(), 2) is None
    assert inexact(Space(hardware=Hardware(multipliers=("dsp", "lut"))), 8) is None


def test_reference_design_is_the_fastest():
    design = reference_design(Space(), "trunc", 8)
    assert design.macs_per_cycle == 32
    assert design.requantizers == 4


def test_latency_table_has_every_network(tmp_path):
    models = {}
    for bits in (8, 4):
        models["small", 1.0, bits] = tmp_path / f"{bits}.npz"
        small_net(1, bits).save(models["small", 1.0, bits])
    entries = latency_table(models, reference_design(Space(), "trunc", 8))
    assert [(entry.network, entry.weight_bits) for entry in entries] == [("small", 4), ("small", 8)]
    assert all(entry.cycles > 0 for entry in entries)


def test_every_network_of_the_space_is_trained():
    assert len(list(trainings(Space()))) == 18
    assert all(one["augment"] for one in trainings(Space()))
    assert not any(one["augment"] for one in trainings(Space(training=Training(augment=False))))
