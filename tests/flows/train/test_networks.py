from flows.train.data import DataSource
from flows.train.networks import named, network_key
from sw.quant.config import TrainConfig


def test_a_place_is_no_part_of_a_name():
    assert named(TrainConfig(network="a/nets.py:tiny")) == named(TrainConfig(network="b/c/nets.py:tiny"))
    assert named(TrainConfig(network="mlp")).network == "mlp"


def test_of_a_network_that_comes_with_heddle_the_sources_say_it_all():
    """So torch is not loaded to look into the store."""
    assert network_key(TrainConfig(network="dscnn"), DataSource(name="nowhere", content="x")) == ""


def test_a_users_network_counts_with_its_weights(tmp_path):
    path, source = tmp_path / "own.py", DataSource.of("digits")
    keys = []
    for value in (1.0, 2.0, 1.0):
        path.write_text("from torch import nn\ndef net(shape, classes):\n    fc = nn.Linear(64, classes)\n"
                        f"    nn.init.constant_(fc.weight, {value})\n    nn.init.zeros_(fc.bias)\n"
                        "    return nn.Sequential(nn.Flatten(), fc)\n", encoding="utf-8")
        keys.append(network_key(TrainConfig(network=f"{path}:net"), source))
    assert keys[0] == keys[2] != keys[1]
