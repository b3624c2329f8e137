"""What the ladder refuses, and how it reports."""

import pytest

from hw.spec.errors import SpecError
from sw.golden import run
from tests.support.ladder import Plain, check


@pytest.mark.parametrize("level, kind, message", [
    ("board", SpecError, "level 'board': where is it\\? name its serial port with --port, such as /dev/ttyUSB0"),
    ("chip", SpecError, "level 'chip': choose array, engine, soc, netlist, board"),
])
def test_levels_that_are_not_there(graph, inputs, level, kind, message):
    with pytest.raises(kind, match=message):
        check(graph, inputs, level=level)


def test_no_inputs(graph, inputs):
    with pytest.raises(SpecError, match="inputs: none; give at least one"):
        check(graph, inputs[:0])


def test_a_report_has_the_names_that_it_was_asked_for(graph, inputs, program):
    report = check(graph, inputs, rung=Plain(program))
    assert (report.model, report.design, report.board) == ("all", program.design.label, "ulx3s-25")
    report = check(graph, inputs, rung=Plain(program), model="runs/x", design_name="my.toml")
    assert (report.model, report.design, report.inputs) == ("runs/x", "my.toml", 5)


def test_outputs_that_are_given_are_what_is_right(graph, inputs, program):
    wrong = run(graph, inputs, program.design)[-1].reshape(5, -1).copy()
    wrong[3, 2] ^= 1
    report = check(graph, inputs, rung=Plain(program), outputs=wrong)
    assert (report.mismatches, report.first_mismatch.input, report.first_mismatch.channel) == (1, 3, 2)
