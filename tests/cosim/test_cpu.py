"""The custom-function port on the CPU's own RTL: branches, cache misses, stalls and interrupts around commands."""

import pytest

from cosim.cpu import build_cpu, run_program
from hw.soc.cpus import CPUS
from hw.spec.errors import HeddleError
from tests.support.programs import assemble, random_program, start

pytestmark = pytest.mark.soc


@pytest.fixture(scope="module", params=[name for name, cpu in CPUS.items() if cpu.custom])
def cpu(request):
    return CPUS[request.param]


@pytest.fixture(scope="module")
def bench(cpu, tmp_path_factory):
    return build_cpu(cpu, tmp_path_factory.mktemp("cpu"))


def check(cpu, bench, tmp_path, seed, **options):
    text, data, outputs, custom = random_program(cpu.custom, seed)
    answer = run_program(bench, assemble(text, data, tmp_path), seed=seed, **options)
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
def test_programs_give_what_the_golden_functions_say(cpu, bench, tmp_path, options, seed):
    answer = check(cpu, bench, tmp_path, seed, **options)
    assert bool(answer.interrupts) == bool(options.get("interrupts"))


def test_a_full_unit_that_is_not_ready_breaks_the_cpu(cpu, bench, tmp_path):
    """Why the contract asks for it: the CPU issues commands for instructions that have none, and may hang."""
    pair = ".insn r CUSTOM_0, 0, 0, s1, s0, s0\n.insn r CUSTOM_0, 0, 0, s2, s0, s0\nadd s0, s1, s2\nsw s0, 0(a0)\n"
    text = start(cpu.custom) + "li s0, 0x01020304\n" + 30 * pair + "sw zero, 8(a0)\nend: j end\n"
    code = assemble(text, [], tmp_path)
    assert len(run_program(bench, code, external=True).commands) == 60
    assert len(run_program(bench, code, external=True, eager=False).commands) > 60


def test_a_cpu_without_the_port_has_no_bench(tmp_path):
    with pytest.raises(HeddleError, match="^cpu='serv': has no port for custom instructions; choose one that has$"):
        build_cpu(CPUS["serv"], tmp_path)
