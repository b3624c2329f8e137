"""The SoC with its firmware against the golden model."""

import pytest

from tests.support.ladder import check, swapped_weight


@pytest.mark.soc
def test_soc_agrees_and_finds_a_swapped_weight(graph, inputs, store, program):
    report = check(graph, inputs, store, level="soc")
    assert report.ok and report.level == "soc"
    assert report.engine_cycles == (program.cycles,) * 5
    assert min(report.cycles) > program.cycles
    report = check(graph, inputs, store, level="soc", program=swapped_weight(program, 1))
    assert not report.ok and report.first_mismatch.layer == "depthwise_layer"
