"""The custom-function port on the CPU's own RTL: branches, cache misses, stalls and interrupts around commands."""

import pytest

from cosim.cpu import build_cpu, run_program
from tests.support.programs import START, assemble, random_program

pytestmark = pytest.mark.soc


@pytest.fixture(scope="module")
def cpu(tmp_path_factory):
    return build_cpu(tmp_path_factory.mktemp("cpu"))


def check(cpu, tmp_path, seed, **options):
    text, data, outputs, custom = random_program(seed)
    answer = run_program(cpu, assemble(text, data, tmp_path), seed=seed, **options)
    assert answer.outputs == outputs
    assert answer.responses == len(answer.commands)
    assert len(answer.commands) == custom
    assert answer.withdrawn == 0
    return answer


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("options", [
    {}, {"stall": 0.5}, {"external": True}, {"external": True, "slow_memory": True}, {"slow_memory": True},
    {"stall": 0.3, "interrupts": True}, {"external": True, "interrupts": True},
], ids=lambda options: "_".join(options) or "plain")
def test_programs_give_what_the_golden_functions_say(cpu, tmp_path, options, seed):
    answer = check(cpu, tmp_path, seed, **options)
    assert bool(answer.interrupts) == bool(options.get("interrupts"))


def test_a_full_unit_that_is_not_ready_breaks_the_cpu(cpu, tmp_path):
    """Why the contract asks for it: the CPU issues commands for instructions that have none, and may hang."""
    pair = ".insn r CUSTOM_0, 0, 0, s1, s0, s0\n.insn r CUSTOM_0, 0, 0, s2, s0, s0\nadd s0, s1, s2\nsw s0, 0(a0)\n"
    code = assemble(START + "li s0, 0x01020304\n" + 30 * pair + "sw zero, 8(a0)\nend: j end\n", [], tmp_path)
    assert len(run_program(cpu, code, external=True).commands) == 60
    assert len(run_program(cpu, code, external=True, eager=False).commands) > 60
