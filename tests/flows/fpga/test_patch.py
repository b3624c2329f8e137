import random

import pytest
from amaranth import Cat, Module, Signal
from amaranth.back import verilog
from amaranth.lib.memory import Memory

from boards import BOARDS
from flows.fpga.netlist import synthesize
from flows.fpga.patch import PatchError, patch_memory, placeholder
from flows.fpga.routing import route
from tests.support.textcfg import config

BOARD = BOARDS["ulx3s-25"]
MEMORY_PINS = "".join(f'LOCATE COMP "{name}" SITE "{site}";\n' for name, site in
                      {"clk": "G2", "rst": "R1", "serial_in": "T1", "serial_out": "B2"}.items())


def memory_design(width, depth, contents):
    """A memory behind shift registers, so that few pins are needed."""
    words = [int.from_bytes(contents[n:n + width // 8], "little") for n in range(0, len(contents), width // 8)]
    m = Module()
    m.submodules.mem = mem = Memory(shape=width, depth=depth, init=words)
    writer, reader = mem.write_port(), mem.read_port()
    serial_in, serial_out = Signal(name="serial_in"), Signal(name="serial_out")
    held = Signal(2 * len(writer.addr) + width + 1)
    out = Signal(width)
    m.d.sync += [held.eq(Cat(serial_in, held)), out.eq(reader.data)]
    m.d.comb += [Cat(reader.addr, writer.addr, writer.data, writer.en).eq(held), serial_out.eq(out.xor())]
    return verilog.convert(m, ports=[serial_in, serial_out], name="top", emit_src=False)


def routed_memory(width, depth, contents, folder):
    folder.mkdir()
    (folder / "top.v").write_text(memory_design(width, depth, contents))
    (folder / "pins.lpf").write_text(MEMORY_PINS)
    netlist = synthesize([folder / "top.v"], "top", folder / "synth")
    return route(netlist, BOARD, folder / "route", freq_mhz=50, pins=folder / "pins.lpf").textcfg


@pytest.mark.synth
@pytest.mark.parametrize("width, depth", [(32, 512), (32, 2048), (8, 16384)])
def test_patched_memory_equals_a_direct_build(tmp_path, width, depth):
    size = width // 8 * depth
    before, after = placeholder(size), random.Random(1).randbytes(size)
    textcfg = routed_memory(width, depth, before, tmp_path / "before")
    direct = routed_memory(width, depth, after, tmp_path / "after")
    blocks = patch_memory(textcfg, before=before, after=after, word_bits=width, out=tmp_path / "patched.config")
    assert blocks == textcfg.read_text().count(".bram_init")
    assert (tmp_path / "patched.config").read_text() == direct.read_text()
    patch_memory(direct, before=after, after=before, word_bits=width, out=tmp_path / "back.config")
    assert (tmp_path / "back.config").read_text() == textcfg.read_text()


def test_a_memory_that_is_not_there_is_refused(tmp_path):
    contents = placeholder(2048)
    (tmp_path / "top.config").write_text(config([list(contents), [0] * 2048]))
    assert patch_memory(tmp_path / "top.config", before=contents, after=bytes(2048), word_bits=8,
                        out=tmp_path / "new.config") == 1
    assert (tmp_path / "new.config").read_text() == config([[0] * 2048] * 2)
    with pytest.raises(PatchError, match=r"top.config: 16384 of 16384 bits of the memory are in no block RAM of it"):
        patch_memory(tmp_path / "top.config", before=random.Random(2).randbytes(2048), after=contents, word_bits=8,
                     out=tmp_path / "none.config")
    assert not (tmp_path / "none.config").exists()


def test_wrong_sizes_are_refused(tmp_path):
    (tmp_path / "top.config").write_text(config([]))
    with pytest.raises(PatchError, match=r"contents of 64 and 32 bytes for words of 32 bits; both must be"):
        patch_memory(tmp_path / "top.config", before=bytes(64), after=bytes(32), word_bits=32, out=tmp_path / "new")
    with pytest.raises(PatchError, match=r"a memory of 16 words is too short to be told apart; raise weight_bytes"):
        patch_memory(tmp_path / "top.config", before=bytes(64), after=bytes(64), word_bits=32, out=tmp_path / "new")
