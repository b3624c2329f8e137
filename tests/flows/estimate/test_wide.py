from dataclasses import replace

import pytest

from flows.estimate.calibrate import count_engine
from flows.estimate.resources import load_model
from flows.estimate.wide import engine_bram, engine_dsp, features, memory_cells
from flows.run.store import Store
from hw.spec.design import DesignPoint


def test_a_memory_takes_the_best_of_the_shapes():
    assert [memory_cells(36, 512), memory_cells(36, 1024), memory_cells(1, 16384)] == [(1, 0), (2, 0), (1, 0)]


def test_requantizers_of_fewer_multipliers_take_them():
    assert [engine_dsp(DesignPoint(multiplier="lut", requantizers=2, requantizer_dsps=dsps)) for dsps in (4, 2, 0)] \
        == [8, 4, 0]


def test_every_requantizer_has_a_table_in_a_block_ram():
    small = DesignPoint(requantizers=4)
    assert engine_bram(replace(small, table_unit=True)) == engine_bram(small) + 4


@pytest.mark.synth
@pytest.mark.parametrize("design", [
    DesignPoint(rows=1, cols=2, lanes=4, multiplier="dsp", act_bytes=4096, weight_bytes=4096),
    DesignPoint(rows=2, cols=2, lanes=2, multiplier="trunc", weight_bits=4, act_bytes=1024, weight_bytes=2048),
], ids=lambda design: design.label)
def test_estimate_is_close_to_synthesis(design, tmp_path):
    used = count_engine(Store(tmp_path), design)
    assert (used["dsp"], used["bram"]) == (engine_dsp(design), engine_bram(design))
    model, terms = load_model(), features(design)
    for kind in ("lut", "ff"):
        guess = sum(model[kind]["weights"][name] * size for name, size in terms[kind].items())
        assert guess == pytest.approx(used[kind], rel=0.15)
