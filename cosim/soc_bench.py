"""cocotb bench of the whole SoC: the bytes of its UART with pauses on both sides."""

from random import Random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

from cosim.bench import load_job, save_answer


@cocotb.test()
async def converse(dut) -> None:
    """Job: ``data`` to send, ``wanted`` bytes to receive, ``stall`` chance of a pause on either side in each cycle,
    ``seed``, ``limit`` cycles. Answer: ``data`` received, ``cycles``, ``leds`` at the end.
    """
    job = load_job()
    rng, stall, data, wanted = Random(int(job["seed"])), float(job["stall"]), job["data"].tolist(), int(job["wanted"])
    dut.serial_rx_valid.value = dut.serial_tx_ready.value = 0
    dut.rst.value = 1
    Clock(dut.clk, 2, unit="step").start()
    for _ in range(16):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    given, offered, received = 0, False, []
    for cycle in range(int(job["limit"])):
        await FallingEdge(dut.clk)
        offered = given < len(data) and (offered or rng.random() >= stall)
        dut.serial_rx_valid.value, dut.serial_rx_data.value = offered, data[given] if offered else rng.getrandbits(8)
        ready = rng.random() >= stall
        dut.serial_tx_ready.value = ready
        await ReadOnly()
        if offered and dut.serial_rx_ready.value == 1:
            given, offered = given + 1, False
        if ready and dut.serial_tx_valid.value == 1:
            received.append(dut.serial_tx_data.value.to_unsigned())
        if len(received) == wanted:
            save_answer(data=np.array(received, np.uint8), cycles=cycle, leds=dut.leds.value.to_unsigned())
            return
    raise RuntimeError(f"{len(received)} of {wanted} bytes came in {int(job['limit'])} cycles; {given} of {len(data)} "
                       f"were taken")
