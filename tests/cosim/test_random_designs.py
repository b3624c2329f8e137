"""Designs drawn from all that a ``DesignPoint`` may be: each one's RTL runs random networks exactly."""

import numpy as np
import pytest

from cosim.engine import build_engine
from hw.spec.design import ACT_BITS, DATAFLOWS, ENGINES, STREAM_BYTES, WEIGHT_BITS, DesignPoint
from hw.spec.errors import SpecError
from hw.spec.multipliers import MULTIPLIERS
from tests.support.engines import check_exact, check_outputs, random_programs

MOST_MACS = 128      # per cycle; larger ones take minutes to compile
SMALL_MEMORY = {"memory": "spram", "act_bytes": 131072, "cpu": "serv"}


def random_design(rng):
    """Any that the spec allows."""
    def one_of(*choices):
        return choices[rng.integers(len(choices))]

    while True:
        memory = SMALL_MEMORY if rng.random() < 0.25 else {"act_bytes": 16384}
        cycles = one_of(1, 1, 2, 4)
        fields = {
            "engine": one_of(*ENGINES) if "memory" in memory else "wide",
            "rows": one_of(1, 2, 4, 8, 16) if "memory" not in memory else 1, "cols": one_of(1, 2, 4, 8, 16),
            "lanes": one_of(1, 2, 4, 8, 16), "weight_bits": one_of(*WEIGHT_BITS), "act_bits": one_of(*ACT_BITS),
            "multiplier": one_of(*MULTIPLIERS), "requantizers": one_of(1, 2, 4, 8),
            "requantizer_cycles": cycles, "requantizer_dsps": one_of(4, 2, 0), "depthwise_taps": one_of(1, 2, 4),
            "dataflow": one_of(*DATAFLOWS), "stream_bytes": one_of(*STREAM_BYTES),
            "weight_bytes": one_of(8192, 12288, 32768), "table_unit": one_of(False, True), **memory}
        try:
            design = DesignPoint(**fields)
        except SpecError:
            continue
        if design.macs_per_cycle <= MOST_MACS:
            return design


@pytest.mark.sim
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(16))
def test_a_random_design(seed, tmp_path):
    design = random_design(np.random.default_rng(seed))
    simulator = build_engine(design, tmp_path)
    for number, (program, inputs) in enumerate(random_programs(design, 30, seed), 1):
        check_exact(simulator, program, inputs)
        check_outputs(simulator, program, inputs, traffic=number)
