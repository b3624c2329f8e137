"""Amaranth's conversion to Verilog, by the Yosys that comes with it: another one on the PATH writes other text."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from amaranth.back import verilog
from amaranth.hdl import Elaboratable

__all__ = ["convert"]

CHOICE = "AMARANTH_USE_YOSYS"      # the variable by which Amaranth is told


def convert(component: Elaboratable, **options: Any) -> str:
    """Verilog of a component without positions in the sources, the same on every machine; ``options`` are Amaranth's.
    """
    with _packaged_yosys():
        return verilog.convert(component, emit_src=False, **options)


@contextmanager
def _packaged_yosys() -> Iterator[None]:
    before = os.environ.get(CHOICE)
    os.environ[CHOICE] = "builtin"
    try:
        yield
    finally:
        if before is None:
            del os.environ[CHOICE]
        else:
            os.environ[CHOICE] = before
