"""cocotb bench of the bare array: drives its ports cycle by cycle and looks at its sums when asked to."""

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from cosim.bench import load_job, save_answer


@cocotb.test()
async def drive(dut) -> None:
    """Job: ``step`` (T,), ``constants`` (T, C) of the ports ``names`` (C,), and ``weights``, ``word`` (T, bytes) for
    each cycle, ``looks`` (S,) the cycles in which the sums are read, ``widths`` (sums,) of the fields that they are.
    Answer: ``totals`` (S, sums).
    """
    job = load_job()
    widths, looks = job["widths"].tolist(), set(job["looks"].tolist())
    totals = []
    dut.rst.value = 1
    Clock(dut.clk, 2, unit="step").start()
    await FallingEdge(dut.clk)
    dut.rst.value = 0
    columns = (job["step"].tolist(), *job["constants"].T.tolist(), _integers(job["weights"]), _integers(job["word"]))
    ports = (dut.step, *(getattr(dut, name) for name in job["names"].tolist()), dut.weights, dut.word)
    before: tuple[int | None, ...] = (None,) * len(ports)
    for cycle, now in enumerate(zip(*columns, strict=True)):
        await FallingEdge(dut.clk)
        if cycle in looks:
            totals.append(_split(dut.totals.value.to_unsigned(), widths))
        for port, value, last in zip(ports, now, before, strict=True):
            if value != last:
                port.value = value
        before = now
    save_answer(totals=np.array(totals, np.int64).reshape(-1, len(widths)))


def _integers(rows: np.ndarray) -> list[int]:
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


def _split(value: int, widths: list[int]) -> list[int]:
    """Signed fields of a packed value, lowest first."""
    found = []
    for bits in widths:
        half = 1 << bits - 1
        found.append(((value & 2 * half - 1) ^ half) - half)
        value >>= bits
    return found
