from pathlib import Path

import pytest

from hw.spec.errors import HeddleError
from hw.tools import ToolError


@pytest.mark.parametrize("more, says", [
    ({}, "yosys: timed out after 60 s"),
    ({"detail": "placing"}, "yosys: timed out after 60 s: placing"),
    ({"detail": "placing", "log": Path("a/x.log")}, "yosys: timed out after 60 s: placing (log: a/x.log)"),
    ({"log": Path("x.log")}, "yosys: timed out after 60 s (log: x.log)"),
])
def test_a_failure_in_one_line(more, says):
    error = ToolError("yosys", "timed out after 60 s", **more, repeats=False)
    assert str(error) == says
    assert isinstance(error, HeddleError) and not error.repeats
