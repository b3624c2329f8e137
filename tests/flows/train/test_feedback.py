import pytest

from flows.train.feedback import latency_table, paired_effect
from hw.spec.design import DesignPoint
from sw.quant.config import TrainConfig
from tests.sw.golden.nets import small_net


def test_the_interval_is_students():
    found = paired_effect([(0.90, 0.91), (0.91, 0.93), (0.90, 0.90), (0.92, 0.93), (0.90, 0.92)])
    # mean 0.012, standard deviation 0.0083666, 2.776 * s / sqrt(5)
    assert found.difference == pytest.approx(0.012)
    assert found.interval == pytest.approx((0.012 - 0.010387, 0.012 + 0.010387), abs=1e-5)
    assert found.conclusion == "It helps: the whole interval is above 0."


@pytest.mark.parametrize("gain, says", [(-0.02, "It hurts"), (0.0, "No effect is shown")])
def test_it_is_honest(gain, says):
    assert says in paired_effect([(0.9, 0.9 + gain + wobble) for wobble in (-0.001, 0, 0.001)]).conclusion


def test_many_pairs_use_the_normal_quantile():
    assert paired_effect([(0.0, value % 2 * 0.1) for value in range(60)]).difference == pytest.approx(0.05)


def test_latency_table_has_every_network(tmp_path):
    models = {}
    for bits in (8, 4):
        models[TrainConfig(network="small", weight_bits=bits)] = tmp_path / f"{bits}.npz"
        small_net(1, bits).save(tmp_path / f"{bits}.npz")
    entries = latency_table(models, DesignPoint())
    assert [(entry.network, entry.weight_bits) for entry in entries] == [("small", 4), ("small", 8)]
    assert all(entry.cycles > 0 for entry in entries)
