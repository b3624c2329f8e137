"""Every registered multiplier kind, at every width that it takes, as the Verilog that is synthesized."""

import numpy as np
import pytest

from cosim.conformance import Case, cases, requests, simulate, wrong
from hw.spec.multipliers import MULTIPLIERS

pytestmark = pytest.mark.sim
CASES = cases()
ROWS = requests()


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    modules = [(case, case.verilog(f"case{number}")) for number, case in enumerate(CASES)]
    assert any("SB_MAC16 #(" in text for _, text in modules)
    return simulate(modules, ROWS, tmp_path_factory.mktemp("conformance"))


def test_every_kind_and_every_width_is_there():
    assert {(case.kind.name, case.weight_bits, case.act_bits) for case in CASES} == {
        (kind.name, weight_bits, act_bits) for kind in MULTIPLIERS.values()
        for weight_bits in kind.product_bits for act_bits in kind.act_bits}


def test_requests_are_every_pair_of_every_lane_and_way():
    every = ROWS.astype(int)
    for lane in range(2):
        for way in range(2):
            assert len(np.unique(every[:, lane] << 8 | every[:, 2 + 2 * way + lane])) == 1 << 16
        assert len(np.unique(every[:, lane] << 8 | (every[:, 2 + lane] & 15) << 4 | every[:, 4 + lane] & 15)) == 1 << 16


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rtl_equals_golden_for_every_pair(case, answers):
    assert wrong(case, ROWS, answers[CASES.index(case)])[:5] == []


@pytest.mark.parametrize("named, builder", [("dsp", "trunc"), ("trunc", "dsp")])
def test_a_kind_that_answers_like_another_is_caught(named, builder, answers):
    claimed, built = (Case(kind=MULTIPLIERS[name], weight_bits=8, act_bits=8) for name in (named, builder))
    assert wrong(claimed, ROWS, answers[CASES.index(built)])


def test_a_planted_error_is_named(tmp_path):
    """The high product of a packed pair without what the low one borrows."""
    case = Case(kind=MULTIPLIERS["packed"], weight_bits=1, act_bits=4)
    right = case.verilog("case0")
    lines = right.splitlines()
    borrows = [number for number, line in enumerate(lines) if " + " in line and "[4]" in line]
    assert borrows, right
    broken = [line.split(" + ")[0] + ";" if number in borrows else line for number, line in enumerate(lines)]
    found = simulate([(case, "\n".join(broken))], ROWS, tmp_path)[0]
    texts = wrong(case, ROWS, found)
    assert texts and all("way 1" in text for text in texts)
    assert texts[0].startswith("packed 4x1, way 1, lane 0: ")
