import json

import numpy as np
import pytest

from flows.verify.compare import LayerReport, Mismatch, VerifyReport, differences

VALUE = Mismatch(input=2, layer="fc", what="value", channel=1, position=(0, 3), expected=-4, got=7)
CYCLES = Mismatch(input=0, layer="conv", what="compute cycles", expected=10, got=11)


def test_the_first_difference_and_how_many():
    wanted = np.zeros((3, 2, 4, 2), np.int8)
    got = wanted.copy()
    got[1, 1, 2, 0] = 5
    got[2, 0, 0, 1] = got[1, 1, 3, 1] = -1
    count, first = differences("conv", wanted, got, "accumulator")
    assert count == 3
    assert first == Mismatch(input=1, layer="conv", what="accumulator", channel=0, position=(1, 2), expected=0, got=5)
    assert differences("conv", wanted, wanted, "value") == (0, None)


def test_a_difference_of_the_largest_numbers_is_one():
    wanted = np.full((1, 1, 1, 1), -(1 << 31), np.int32)
    assert differences("fc", wanted, wanted + np.int32(1), "value")[1].got == -(1 << 31) + 1


@pytest.mark.parametrize("mismatch, says", [
    (VALUE, "input 2, layer fc, channel 1, position (0, 3): value 7, expected -4"),
    (CYCLES, "input 0, layer conv: compute cycles 11, expected 10"),
])
def test_a_mismatch_in_words(mismatch, says):
    assert str(mismatch) == says


@pytest.mark.parametrize("first", [None, VALUE, CYCLES])
def test_a_report_is_right_without_a_mismatch_and_its_document_is_json(first):
    layer = LayerReport(name="fc", op="dense", macs=4, cycles=None, predicted_cycles=9, counters=None,
                        predicted_counters={"compute": 9})
    report = VerifyReport(model="m", design="d", board="b", level="engine", inputs=1, mismatches=0,
                          first_mismatch=first, cycles=(9,), engine_cycles=(9,), predicted_cycles=9, layers=(layer,))
    assert report.ok == (first is None)
    document = json.loads(json.dumps(report.document()))
    assert document["layers"] == [{"name": "fc", "op": "dense", "macs": 4, "cycles": None, "predicted_cycles": 9,
                                   "counters": None, "predicted_counters": {"compute": 9}}]
    assert (document["first_mismatch"] is None) == report.ok
