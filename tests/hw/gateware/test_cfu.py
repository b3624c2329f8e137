import random
from dataclasses import replace

import pytest
from amaranth import Module
from amaranth.sim import Simulator

from hw.gateware.cfu import CFU_CAPACITY, CFU_LATENCY, CfuUnit, telling_bit
from hw.gateware.contract import CfuBusContract
from hw.spec.cfu import CFU_INSTRUCTIONS, cfu_result, corner_operands

UNASSIGNED = 0x3FF


def run_cfu(commands, *, stall, gap=0.0, seed=1):
    """Give every command once; ``stall`` and ``gap`` are the chances of a stalled response and of a pause.

    Returns the responses and the cycles from the first command to the last response.
    """
    rng, got, dut, m = random.Random(seed), [], CfuUnit(), Module()
    m.submodules.dut = dut
    m.submodules.contract = CfuBusContract(dut.cmd, dut.rsp, capacity=CFU_CAPACITY, patience=CFU_LATENCY)
    cycles = 0

    async def source(ctx):
        for function_id, in0, in1 in commands:
            while rng.random() < gap:
                ctx.set(dut.cmd.valid, 0)
                ctx.set(dut.cmd.payload.in0, rng.getrandbits(32))
                await ctx.tick()
            ctx.set(dut.cmd.payload, {"function_id": function_id, "in0": in0, "in1": in1})
            ctx.set(dut.cmd.valid, 1)
            await ctx.tick().until(dut.cmd.ready)
        ctx.set(dut.cmd.valid, 0)

    async def sink(ctx):
        nonlocal cycles
        while len(got) < len(commands):
            ctx.set(dut.rsp.ready, int(rng.random() >= stall))
            _, _, valid, ready, value = await ctx.tick().sample(dut.rsp.valid, dut.rsp.ready, dut.rsp.payload)
            cycles += 1
            if valid and ready:
                got.append(value)

    sim = Simulator(m)
    sim.add_clock(1e-6)
    sim.add_testbench(source)
    sim.add_testbench(sink)
    sim.run()
    return got, cycles


def commands_for(function_id, count=300):
    rng = random.Random(function_id)
    pairs = corner_operands() + [(rng.getrandbits(32), rng.getrandbits(32)) for _ in range(count)]
    return [(function_id, a, b) for a, b in pairs]


@pytest.mark.sim
@pytest.mark.parametrize("name", CFU_INSTRUCTIONS)
def test_matches_golden(name):
    commands = commands_for(CFU_INSTRUCTIONS[name].function_id)
    got, cycles = run_cfu(commands, stall=0)
    assert got == [cfu_result(*command) for command in commands]
    assert cycles == len(commands) + CFU_LATENCY


@pytest.mark.sim
@pytest.mark.parametrize("stall, gap", [(0.5, 0.0), (0.0, 0.5), (0.7, 0.3)])
def test_order_and_bits_hold_under_stalls(stall, gap):
    rng = random.Random(7)
    ids = [entry.function_id for entry in CFU_INSTRUCTIONS.values()] + [UNASSIGNED]
    commands = [(rng.choice(ids), rng.getrandbits(32), rng.getrandbits(32)) for _ in range(400)]
    got, _ = run_cfu(commands, stall=stall, gap=gap)
    assert got == [cfu_result(*command) for command in commands]


@pytest.mark.sim
def test_every_shift_rounds_ties_away_from_zero():
    shift = CFU_INSTRUCTIONS["ROUND_SHIFT"].function_id
    halves = [(shift, (sign * (1 << n) + near) % (1 << 32), count)
              for count in range(32) for n in (max(count - 1, 0), count) for sign in (1, -1) for near in (-1, 0, 1)]
    got, _ = run_cfu(halves, stall=0)
    assert got == [cfu_result(*command) for command in halves]


def test_instructions_that_share_multipliers_differ_in_a_bit(monkeypatch):
    mixed = replace(CFU_INSTRUCTIONS["SCALE"], funct3=0, funct7=1)      # as DOT4_OFFSET
    monkeypatch.setitem(CFU_INSTRUCTIONS, "SCALE", mixed)
    with pytest.raises(ValueError, match="SCALE: no bit of its function is clear in DOT4 and DOT4_OFFSET"):
        telling_bit("SCALE", "DOT4", "DOT4_OFFSET")
