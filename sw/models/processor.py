"""How torch computes: with the same instructions and threads on every machine, so that it gives the same bits there.

The order in which numbers are added depends on how wide the processor's instructions are, and with the order the last
bits of a sum. So torch is asked for the instructions that nearly every machine has, unless the user asks otherwise. It
looks at what it is asked at its first operation, and never again.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

__all__ = ["STANDARD", "arithmetic", "ask", "instructions", "one_thread"]

VARIABLE = "ATEN_CPU_CAPABILITY"
#: The variables that torch reads, and the libraries in it: oneDNN for convolutions, MKL for dense layers. MKL adds in
#: one order on processors of both makers in this mode alone.
SETTINGS = {VARIABLE: "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "COMPATIBLE"}
STANDARD = "AVX2"       # torch's name for them
NAMES = {"avx2": "AVX2", "avx512": "AVX512", "default": "DEFAULT"}      # by what the variable may say
NEEDED = {"avx2", "fma"}        # torch believes the variable, whatever the processor has
CPU_FACTS = Path("/proc/cpuinfo")
THREADS = 1


def ask() -> None:
    """Set the variables that are not set, where the processor has the instructions; before torch's first operation."""
    if NEEDED <= _flags():
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)


def instructions() -> str:
    """What torch computes with in this process, by its own name, such as ``AVX2``.

    Where torch is not loaded yet and the variable says what it will be, it is not loaded for this.
    """
    ask()
    asked = NAMES.get(os.environ.get(VARIABLE, ""))
    if asked and "torch" not in sys.modules:
        return asked
    import torch

    return str(torch.backends.cpu.get_cpu_capability())


def arithmetic() -> dict[str, str | int]:
    """All of it that decides last bits, for keys."""
    return {"instructions": instructions(), "threads": THREADS,
            **{name: os.environ.get(name, "") for name in SETTINGS if name != VARIABLE}}


@contextmanager
def one_thread() -> Iterator[None]:
    """The order of additions does not depend on the machine's cores; and for networks as small as these several threads
    only wait for each other.
    """
    ask()
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@cache
def _flags() -> frozenset[str]:
    """What the processor can do, by Linux's names; nothing where Linux does not say."""
    try:
        lines = CPU_FACTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), ()))
