"""Every multiplier kind, as RTL, over every pair of operands."""

import numpy as np
import pytest

from cosim.multiplier import multiplier_table, noise_profile, simulate_multiplier
from hw.emit.verilog import multiplier_verilog
from hw.spec.feedback import NoiseProfile
from hw.spec.multipliers import MULTIPLIERS, product

pytestmark = pytest.mark.sim


def golden(kind, weight_bits):
    half = 1 << weight_bits - 1
    return np.array([[product(MULTIPLIERS[kind], act, weight, weight_bits=weight_bits)
                      for weight in range(-half, half)] for act in range(-128, 128)])


@pytest.mark.parametrize("kind, weight_bits", [("dsp", 8), ("lut", 4), ("trunc", 8)])
def test_rtl_equals_golden_for_every_pair(kind, weight_bits, tmp_path):
    table = multiplier_table(kind, weight_bits, tmp_path)
    assert table.dtype == np.int32
    assert np.array_equal(table, golden(kind, weight_bits))


def test_a_wrong_multiplier_is_seen(tmp_path):
    right = multiplier_verilog("dsp", 2)
    wrong = right.replace("act) * $signed(weight)", "act) * $signed(weight) + $signed({1'b0, act == 8'd77})")
    assert wrong != right
    table = simulate_multiplier(wrong, 2, tmp_path)
    assert np.argwhere(table != golden("dsp", 2))[:, 0].tolist() == [77 + 128] * 4


def test_profile_of_the_truncated_multiplier():
    profile = noise_profile("trunc", golden("trunc", 8).astype(np.int32))
    assert (profile.multiplier, profile.weight_bits, profile.pairs) == ("trunc", 8, 256 * 256)
    assert profile.simulator.startswith("Verilator 5.")
    assert isinstance(profile, NoiseProfile) and len(profile.mean) == len(profile.variance) == 256
    assert profile.mean[128] == profile.variance[128] == 0     # weight 0
    error = [product(MULTIPLIERS["trunc"], act, -5) + 5 * act for act in range(-128, 128)]
    assert profile.mean[128 - 5] == pytest.approx(np.mean(error)) and profile.mean[128 - 5] < 0
    assert profile.variance[128 - 5] == pytest.approx(np.var(error))


def test_an_exact_multiplier_has_no_noise():
    profile = noise_profile("dsp", golden("dsp", 4).astype(np.int32))
    assert set(profile.mean) == set(profile.variance) == {0.0}
