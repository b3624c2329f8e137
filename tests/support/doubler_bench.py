"""Runs inside the simulator, for ``tests/cosim/test_bench.py``."""

from typing import Any

import cocotb
from cocotb.triggers import Timer

from cosim.bench import load_job, save_answer

__all__ = ["double"]


@cocotb.test()
async def double(dut: Any) -> None:
    job, twice = load_job(), []
    for number in job["numbers"].tolist():
        dut.number.value = number
        await Timer(1, "step")
        twice.append(int(dut.twice.value))
    if job["fail"]:
        raise AssertionError("told to")
    save_answer(twice=twice)
