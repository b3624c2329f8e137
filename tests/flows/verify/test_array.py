"""The bare array's sums against the golden model's."""

import pytest

from hw.spec.errors import HeddleError
from tests.support.ladder import check, swapped_weight


@pytest.mark.sim
def test_array_agrees_and_finds_a_swapped_weight(graph, inputs, store, program):
    report = check(graph, inputs[2:4], store, level="array")
    assert report.ok and report.document()["layers"][0]["cycles"] is None
    assert report.cycles == report.engine_cycles == () and report.predicted_cycles == program.cycles
    report = check(graph, inputs[2:4], store, level="array", program=swapped_weight(program, 0))
    assert (report.first_mismatch.layer, report.first_mismatch.channel) == ("conv_layer", 1)
    assert report.first_mismatch.what == "accumulator"


def test_array_writes_no_waves(graph, inputs, tmp_path):
    with pytest.raises(HeddleError, match="level 'array': writes no waves; trace the level engine"):
        check(graph, inputs, level="array", trace=tmp_path / "x")
