"""cocotb bench of the CPU's custom-function port: stalls, latencies, slow memory and interrupts at random."""

from collections import deque
from random import Random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from cosim.bench import load_job, save_answer
from hw.spec.cfu import cfu_result

Command = tuple[int, int, int]
CPU_IN_FLIGHT = 2            # hw.gateware.contract, which would bring Amaranth into the simulator
INTERRUPT_CHANCE = 0.01


class CfuModel:
    """The other side of the custom-function port, in order, with a random latency; acts at falling edges.

    An ``eager`` unit takes a command also while it is full but gives a response, as
    ``hw.gateware.contract.CfuBusContract`` asks.
    """

    def __init__(self, dut, rng: Random, slowest: int, *, eager: bool):
        self.dut, self.rng, self.slowest, self.eager = dut, rng, slowest, eager
        self.waiting: deque[list[int]] = deque()    # result, cycles until it is offered

    def act(self) -> None:
        """Outputs for the rest of the cycle, from what the CPU shows; zero latency answers a command at once."""
        for entry in self.waiting:
            entry[1] = max(0, entry[1] - 1)
        ready = len(self.waiting) < CPU_IN_FLIGHT or (self.eager and self._goes())
        self.dut.bench_cmd_ready.value = ready
        if ready and self.dut.cmd_valid.value == 1:
            self.waiting.append([cfu_result(*command(self.dut)), self.rng.randrange(self.slowest + 1)])
        offered = bool(self.waiting) and self.waiting[0][1] == 0
        self.dut.bench_rsp_valid.value = offered
        self.dut.bench_rsp_outputs.value = self.waiting[0][0] if offered else self.rng.getrandbits(32)
        if self._goes():
            self.waiting.popleft()

    def _goes(self) -> bool:
        return bool(self.waiting) and self.waiting[0][1] == 0 and self.dut.rsp_ready.value == 1


def command(dut) -> Command:
    return tuple(port.value.to_unsigned() for port in (dut.cmd_function_id, dut.cmd_inputs_0, dut.cmd_inputs_1))


async def load(dut, words: np.ndarray) -> None:
    """Fill the memory while the CPU is held in reset."""
    dut.load_valid.value = 1
    for index, word in enumerate(words.tolist()):
        dut.load_address.value, dut.load_data.value = 4 * index, word
        await FallingEdge(dut.clk)
    dut.load_valid.value = 0


class Watch:
    """What crosses the port, seen shortly before each rising edge."""

    def __init__(self, dut):
        self.dut = dut
        self.commands: list[Command] = []
        self.responses = self.withdrawn = 0
        self.owed: Command | None = None

    def look(self) -> None:
        dut = self.dut
        shown = command(dut) if dut.cmd_valid.value == 1 else None
        if self.owed is not None and shown != self.owed:
            self.withdrawn += 1
        taken = shown is not None and dut.cmd_ready.value == 1
        if shown is not None and taken:
            self.commands.append(shown)
        self.owed = None if taken else shown
        if dut.rsp_valid.value == 1 and dut.rsp_ready.value == 1:
            self.responses += 1
        if self.responses > len(self.commands):
            raise RuntimeError("a response without a command")


@cocotb.test()
async def program(dut) -> None:
    """Job: ``words`` of the program, and the options of ``cosim.cpu.run_program``. Answer: the fields of ``CpuRun``."""
    job = load_job()
    rng, external, stall = Random(int(job["seed"])), bool(job["external"]), float(job["stall"])
    for port in (dut.stall, dut.interrupt_set, dut.bench_cmd_ready, dut.bench_rsp_valid, dut.bench_rsp_outputs):
        port.value = 0
    dut.slow.value, dut.external.value, dut.reset.value = bool(job["slow"]), external, 1
    Clock(dut.clk, 2, unit="step").start()
    await FallingEdge(dut.clk)
    await load(dut, job["words"])
    dut.reset.value = 0
    model, watch = CfuModel(dut, rng, int(job["slowest"]), eager=bool(job["eager"])), Watch(dut)
    outputs, interrupts = [], 0
    for cycle in range(int(job["limit"])):
        await FallingEdge(dut.clk)
        if external:
            model.act()
        else:
            dut.stall.value = rng.random() < stall
        came = bool(job["interrupts"]) and dut.interrupt.value == 0 and rng.random() < INTERRUPT_CHANCE
        dut.interrupt_set.value = came
        interrupts += came
        await cocotb.triggers.ReadOnly()
        watch.look()
        if dut.out_valid.value == 1:
            outputs.append(dut.out_data.value.to_unsigned())
        if dut.finished.value == 1:
            commands = np.array(watch.commands, np.int64).reshape(-1, 3)
            save_answer(outputs=np.array(outputs, np.int64), commands=commands, responses=watch.responses,
                        withdrawn=watch.withdrawn, interrupts=interrupts, cycles=cycle)
            return
    raise RuntimeError(f"the program did not end in {int(job['limit'])} cycles; {len(outputs)} outputs, "
                       f"{len(watch.commands)} commands, {watch.responses} responses")
