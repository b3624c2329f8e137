import pytest

from flows.run.store import Store
from flows.train.data import DataSource
from flows.train.latency import Latency
from hw.spec.design import DesignPoint
from hw.spec.presets import PRESETS
from sw.quant.config import TrainConfig
from sw.quant.recipe import Recipe

SMALL = TrainConfig(network="mlp", width=0.25)


@pytest.fixture(scope="module")
def source():
    return DataSource.of("digits")


def test_a_table_is_made_once_whatever_the_recipe(source, tmp_path):
    store = Store(tmp_path)
    entry = Latency(config=SMALL, data=source, design=PRESETS["ecp5-25"]).value(store)
    again = TrainConfig(network="mlp", width=0.25, recipe=Recipe(passes=3))
    assert Latency(config=again, data=source, design=PRESETS["ecp5-25"]).value(store) == entry
    assert (store.made, store.reused) == (1, 1)
    assert (entry.network, entry.design, entry.step) == ("mlp", PRESETS["ecp5-25"].label, 4)
    assert entry.cycles > sum(layer.cycles[0] for layer in entry.layers) > 0.7 * entry.cycles


def test_a_very_wide_network_has_a_coarser_table(source, tmp_path):
    entry = Latency(config=TrainConfig(network="dense", width=12), data=source, design=DesignPoint(cols=4)).value(
        Store(tmp_path))
    assert entry.step == 8 and entry.layers[0].channels[:2] == ((64, 192), (64, 184))


def test_a_network_that_does_not_fit_has_the_cycles_of_larger_memories(source, tmp_path):
    entry = Latency(config=SMALL, data=source, design=DesignPoint(act_bytes=1024, weight_bytes=1024)).value(
        Store(tmp_path))
    assert all(layer.exact for layer in entry.layers)
