"""cocotb bench of the whole engine: a bus master that stalls, meddles while the engine runs, and repeats itself."""

from random import Random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from cosim.bench import load_job, save_answer
from hw.spec.registers import ACT_WINDOW, LAYER_LOG, REGISTERS, WEIGHT_WINDOW

ACK_LIMIT_CYCLES = 1000
RUN_LIMIT_CYCLES = 50_000


class Master:
    """Wishbone master with random pauses; everything happens at falling edges."""

    def __init__(self, dut, rng: Random):
        self.dut, self.rng, self.irqs, self.cycles = dut, rng, 0, 0

    async def cycle(self) -> None:
        await FallingEdge(self.dut.clk)
        self.irqs += int(self.dut.irq.value)
        self.cycles += 1

    async def access(self, address: int, data: int | None = None, select: int = 15) -> int:
        """One transfer; a read without ``data``."""
        while self.rng.random() < 0.3:
            await self.cycle()
        dut = self.dut
        dut.bus__cyc.value = dut.bus__stb.value = 1
        dut.bus__we.value = data is not None
        dut.bus__sel.value, dut.bus__adr.value, dut.bus__dat_w.value = select, address >> 2, data or 0
        for _ in range(ACK_LIMIT_CYCLES):
            await self.cycle()
            if dut.bus__ack.value == 1:
                value = dut.bus__dat_r.value.to_unsigned()
                break
        else:
            raise RuntimeError(f"no acknowledge at {address:#x}")
        dut.bus__stb.value = dut.bus__cyc.value = 0
        await self.cycle()
        return value

    async def register(self, name: str, data: int | None = None) -> int:
        return await self.access(REGISTERS[name][0], data)

    async def write_bytes(self, address: int, data: bytes) -> None:
        """Byte by byte, in parts of words or whole words, at random."""
        done = 0
        while done < len(data):
            lane = (address + done) & 3
            count = min(self.rng.randint(1, 4 - lane), len(data) - done)
            beside = self.rng.getrandbits(32) & ~((1 << 8 * count) - 1 << 8 * lane)
            word = int.from_bytes(data[done:done + count], "little") << 8 * lane
            await self.access(address + done - lane, beside | word, (1 << count) - 1 << lane)
            done += count

    async def read_bytes(self, address: int, count: int) -> bytes:
        first = address & ~3
        words = [await self.access(at) for at in range(first, address + count, 4)]
        return b"".join(word.to_bytes(4, "little") for word in words)[address - first:][:count]

    async def run(self, ticket: int, image: bytes) -> None:
        """Start, then disturb until it is done: reads of both windows and the log, repeated tickets."""
        await self.register("TICKET", ticket)
        last = self.cycles + RUN_LIMIT_CYCLES
        while self.cycles < last:
            if await self.register("DONE") == ticket:
                return
            choice = self.rng.randrange(6)
            if choice == 0:
                await self.register("TICKET", ticket)
            elif choice == 1:
                at = self.rng.randrange(0, len(image), 4)
                got = await self.access(WEIGHT_WINDOW + at)
                if got != int.from_bytes(image[at:at + 4], "little"):
                    raise RuntimeError(f"weight window at {at:#x} reads {got:#x} during a run")
            elif choice == 2:
                await self.access(ACT_WINDOW + 4 * self.rng.randrange(256))
            elif choice == 3:
                await self.access(LAYER_LOG)
            else:
                for _ in range(self.rng.randrange(40)):
                    await self.cycle()
        raise RuntimeError(f"ticket {ticket} is not done: STATUS {await self.register('STATUS'):#010x}")


@cocotb.test()
async def whole_programs(dut) -> None:
    """Job: ``image``, ``inputs`` (N, bytes), ``seed``, and ``program``, ``input``, ``output``, ``output_bytes`` of the
    image's header. Answer: ``outputs`` (N, output_bytes), ``status`` and ``irqs`` (N,).
    """
    job = load_job()
    image, size = job["image"].tobytes(), int(job["output_bytes"])
    master = Master(dut, Random(int(job["seed"])))
    dut.bus__cyc.value = dut.bus__stb.value = 0
    dut.rst.value = 1
    Clock(dut.clk, 2, unit="step").start()
    await master.cycle()
    dut.rst.value = 0
    for at in range(0, len(image), 4):
        await master.access(WEIGHT_WINDOW + at, int.from_bytes(image[at:at + 4], "little"))
    await master.register("PROGRAM", int(job["program"]))
    outputs, status, irqs = [], [], []
    for ticket, data in enumerate(job["inputs"], 1):
        await master.write_bytes(ACT_WINDOW + int(job["input"]), data.tobytes())
        master.irqs = 0
        await master.run(ticket, image)
        outputs.append(np.frombuffer(await master.read_bytes(ACT_WINDOW + int(job["output"]), size), np.int8))
        status.append(await master.register("STATUS"))
        irqs.append(master.irqs)
    save_answer(outputs=np.array(outputs), status=np.array(status), irqs=np.array(irqs))
