"""A bench of our own, on two lines of Verilog."""

import numpy as np
import pytest

from cosim.bench import build_bench, run_bench
from cosim.process import SimulationError
from hw.tools import ToolError

pytestmark = pytest.mark.sim

DOUBLER = """module doubler(
    input [7:0] number,
    output [8:0] twice
);
    assign twice = {number, 1'b0};
endmodule
"""
BENCH = "tests.support.doubler_bench"


@pytest.fixture(scope="module")
def doubler(tmp_path_factory):
    return build_bench(DOUBLER, "doubler", tmp_path_factory.mktemp("doubler"))


def test_arrays_go_in_and_come_back(doubler):
    answer = run_bench(doubler, "doubler", BENCH, {"numbers": np.array([0, 3, 255]), "fail": np.array(False)})
    assert answer["twice"].tolist() == [0, 6, 510]


def test_a_failed_test_is_one_line_with_its_name(doubler):
    with pytest.raises(SimulationError, match=r"doubler_bench: failed: double: told to$") as caught:
        run_bench(doubler, "doubler", BENCH, {"numbers": np.array([1]), "fail": np.array(True)})
    assert caught.value.repeats


def test_a_bench_without_tests_is_an_error(doubler):
    with pytest.raises(SimulationError, match="^bench tests.support.listener: "):
        run_bench(doubler, "doubler", "tests.support.listener", {})


def test_broken_verilog_is_one_line(tmp_path):
    with pytest.raises(ToolError, match=r"^verilator_bin: exit status 1: .*doubler.v") as caught:
        build_bench(DOUBLER.replace("endmodule", ""), "doubler", tmp_path)
    assert "\n" not in str(caught.value)
