from flows.train.feedback import latency_table
from hw.spec.design import DesignPoint
from sw.quant.config import TrainConfig
from tests.sw.golden.nets import small_net


def test_latency_table_has_every_network(tmp_path):
    models = {}
    for bits in (8, 4):
        models[TrainConfig(network="small", weight_bits=bits)] = tmp_path / f"{bits}.npz"
        small_net(1, bits).save(tmp_path / f"{bits}.npz")
    entries = latency_table(models, DesignPoint())
    assert [(entry.network, entry.weight_bits) for entry in entries] == [("small", 4), ("small", 8)]
    assert all(0 < sum(layer.cycles[0] for layer in entry.layers) < entry.cycles for entry in entries)
