import pytest

from sw.models import NETWORKS
from sw.quant.batches import images_of
from sw.quant.remake import remade, values_of
from tests.support.networks import digits_for
from tests.sw.quant.test_run import started


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_that_is_made_again_is_the_same(network):
    digits = digits_for(network)
    run = started(digits, network=network)
    run.network.become(quantized=False)
    run.fit("pretrain", inputs=256, peak=0.01)
    again = remade(run.network, values_of(run.network))
    images = images_of(digits, "valid")
    one, other = run.answers(run.network, images), run.answers(again, images)
    assert float((one - other).abs().max()) < 1e-4 * float(one.abs().max()) and float(one.std()) > 0.01
    assert {name for name, _ in again.named_parameters()} == {name for name, _ in run.network.named_parameters()}
    assert not again.quantized
