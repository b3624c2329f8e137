"""The engine's Verilog is one that a person can debug."""

import re

import pytest
from amaranth import Module, Signal
from amaranth.back import verilog

from hw.emit.verilog import engine_verilog
from hw.spec.presets import PRESETS


def unnamed(text):
    return re.findall(r"\\\$signal\S*", text)


@pytest.mark.parametrize("preset", ["up5k", "ecp5-25"])
def test_every_signal_has_a_name_in_a_trace(preset):
    text = engine_verilog(PRESETS[preset])
    assert "block_pointer" in text
    assert unnamed(text) == []


def test_signals_without_a_name_are_found():
    m = Module()
    first, second = Signal(), Signal()      # Amaranth finds no name for them
    m.d.sync += [first.eq(second), second.eq(~first)]
    assert unnamed(verilog.convert(m, ports=[], emit_src=False))
