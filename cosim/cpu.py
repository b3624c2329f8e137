"""A CPU with a port for custom instructions, alone under cocotb: programs with such, and all that may happen there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cosim.bench import build_bench, run_bench
from hw.emit.cfu import cfu_verilog
from hw.soc.cpus import Cpu
from hw.spec.errors import HeddleError

__all__ = ["CFU_SLOWEST_CYCLES", "CpuRun", "build_cpu", "run_program"]

TOP = "cpu_top"
CYCLE_LIMIT = 200_000
CFU_SLOWEST_CYCLES = 6       # latency of the bench's own custom-function unit, at most


@dataclass(frozen=True, kw_only=True, eq=False)
class CpuRun:
    """What a program did."""

    outputs: list[int]                        # words written to 0xF0000000, in order
    commands: list[tuple[int, int, int]]      # accepted at the custom-function port: function id and operands
    responses: int                            # taken by the CPU
    withdrawn: int                            # commands that were taken back or changed before they were taken
    interrupts: int
    cycles: int


def build_cpu(cpu: Cpu, out: Path, *, cfu: str | None = None) -> Path:
    """Compile the CPU with a memory and a custom-function unit for cocotb in folder ``out``; returns ``out``.

    ``cfu`` is Verilog of a module ``Cfu``; without it Heddle's own. Raises HeddleError for a CPU without such a port.
    """
    if cpu.custom is None:
        raise HeddleError(f"cpu={cpu.name!r}: has no port for custom instructions; choose one that has")
    parts = (Path(__file__).with_name("cpu_top.v"), *cpu.files())
    texts = [part.read_text(encoding="utf-8") for part in parts]
    return build_bench("\n".join([*texts, cpu.custom.bench, cfu or cfu_verilog()]), TOP, out)


def run_program(directory: Path, program: bytes, *, seed: int = 0, external: bool = False, eager: bool = True,
                stall: float = 0.0, slow_memory: bool = False, interrupts: bool = False,
                cycle_limit: int = CYCLE_LIMIT) -> CpuRun:
    """Run a program from address 0 until it writes to 0xF0000008.

    Parameters
    ----------
    directory : what :func:`build_cpu` returned.
    seed : of everything random.
    external : the bench answers custom instructions, as ``hw.spec.cfu`` says, with a random latency from none to
        ``CFU_SLOWEST_CYCLES``; otherwise the Verilog unit does.
    eager : with ``external``: it takes a command also while it is full but gives a response, as
        ``hw.gateware.contract.CfuBusContract`` asks.
    stall : without ``external``: chance, in each cycle, that a response is held back.
    slow_memory : memory accesses take a random time.
    interrupts : external interrupt 0 comes at random; the program's handler takes it back.

    Raises
    ------
    SimulationError
        If the program does not end within ``cycle_limit`` cycles, or a response comes without a command.
    """
    words = np.frombuffer(program + bytes(-len(program) % 4), "<u4")
    options = {"seed": seed, "external": external, "eager": eager, "stall": stall, "slow": slow_memory,
               "interrupts": interrupts, "limit": cycle_limit, "slowest": CFU_SLOWEST_CYCLES}
    answer = run_bench(directory, TOP, "cosim.cpu_bench",
                       {"words": words, **{name: np.array(value) for name, value in options.items()}})
    commands: Sequence[Sequence[int]] = answer["commands"].tolist()
    return CpuRun(outputs=answer["outputs"].tolist(), commands=[(c[0], c[1], c[2]) for c in commands],
                  responses=int(answer["responses"]), withdrawn=int(answer["withdrawn"]),
                  interrupts=int(answer["interrupts"]), cycles=int(answer["cycles"]))
