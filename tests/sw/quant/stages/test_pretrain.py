from sw.quant.stages.pretrain import pretrain
from tests.sw.quant.test_run import started


def test_it_trains_in_floating_point(digits):
    run = started(digits, passes=2)
    pretrain(run)
    assert not run.network.quantized and run.steps == 20 and run.did == "trained in floating point"
    assert {look.stage for look in run.curves} == {"pretrain"}
