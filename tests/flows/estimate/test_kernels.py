from dataclasses import replace

import pytest

from flows.estimate.kernels import CALIBRATED_CPU, cpu_cycles, plan_cycles, uncounted
from hw.spec.presets import PRESETS
from sw.compiler import compile_graph
from sw.golden import kernels
from tests.support.dense import even_dense
from tests.support.mixed import mixed_net

DESIGN = PRESETS["ecp5-25"]


def counted(function):
    """Costs half a cycle a field and what its first one says."""
    def cycles(fields):
        assert tuple(fields) == function.fields
        return 0.5 * len(fields) + next(iter(fields.values()))
    return replace(function, cycles=cycles)


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(kernels, "FUNCTIONS", {name: counted(one) for name, one in kernels.FUNCTIONS.items()})


def test_what_the_calls_cost_is_added_up(known):
    program = compile_graph(mixed_net(), DESIGN)
    every = [plan_cycles(DESIGN, plan) for plan in program.kernels]
    constant = program.kernels[0].calls[0]
    assert program.kernels[0].op == "constant"
    assert every[0] == constant.words[0] + 1                 # of two fields
    assert cpu_cycles(program) <= sum(every) <= cpu_cycles(program) + len(every)      # each is rounded up alone


def test_a_field_may_be_negative(known, monkeypatch):
    call = replace(compile_graph(mixed_net(), DESIGN).kernels[0].calls[0], words=(2**32 - 8, 4, 1))
    plan = replace(compile_graph(mixed_net(), DESIGN).kernels[0], calls=(call,))
    assert plan_cycles(DESIGN, plan) == -7


def test_nobody_has_counted_on_another_cpu(known):
    other = replace(DESIGN, cpu="picorv32")
    assert other.cpu != CALIBRATED_CPU == DESIGN.cpu
    assert cpu_cycles(compile_graph(mixed_net(), other)) is None


def test_where_the_cpu_runs_nothing_it_takes_nothing():
    assert cpu_cycles(compile_graph(even_dense(), DESIGN)) == 0


def test_the_line_for_a_cpu_that_nobody_has_counted_names_the_field():
    assert uncounted(DESIGN) == ""
    assert uncounted(replace(DESIGN, cpu="serv")) == (
        "nobody has counted what layers of the CPU take on 'serv'; set cpu = 'vexriscv', or take a network that the "
        "engine runs alone")
