import re
from zlib import crc32

import pytest

from hw.soc.cpus import CPUS
from hw.spec.cfu import CFU_INSTRUCTIONS
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.image import HEADER_BYTES, HEADER_FIELDS, MOST_LAYERS, Call, pack_calls, pack_header
from hw.spec.registers import REGISTERS
from hw.spec.soc import MemoryMap, Region
from hw.tools import ToolError
from sw.firmware import build, c_header, rom_words
from sw.firmware import protocol as wire
from sw.firmware.build import SOURCES, code_bytes, functions_of
from sw.firmware.header import STANDARD
from sw.firmware.protocol import Op, Status
from sw.golden.kernels import FUNCTIONS
from sw.graph.audio import LARGEST_WINDOW, MOST_CHANNELS


def defines(text):
    return dict(re.findall(r"^#define (\w+) (.*?)(?:  /\*.*)?$", text, re.MULTILINE))


def test_the_header_holds_the_spec():
    values = defines(c_header())
    for name, (offset, _) in REGISTERS.items():
        assert int(values[f"HEDDLE_REG_{name}"], 0) == offset
    for status in Status:
        assert int(values[f"HEDDLE_{status.name}"], 0) == status
    for op in Op:
        assert int(values[f"HEDDLE_OP_{op.name}"], 0) == op
    for name, entry in CFU_INSTRUCTIONS.items():
        assert int(values[f"HEDDLE_CFU_{name}_ID"], 0) == entry.function_id
        assert f".insn r CUSTOM_0, {entry.funct3}, {entry.funct7}," in c_header()
    assert "HEDDLE_DESIGN_FINGERPRINT" not in values


def test_the_header_of_a_design_adds_its_facts():
    design = DesignPoint()
    assert int(defines(c_header(design=design))["HEDDLE_DESIGN_FINGERPRINT"], 0) == design.fingerprint


def test_the_crc_table_is_that_of_zlib():
    table = [int(entry, 0) for entry in defines(c_header())["HEDDLE_CRC_TABLE"].split(", ")]
    crc = 0xFFFFFFFF
    for byte in b"123456789":
        for half in (byte & 15, byte >> 4):
            crc = crc >> 4 ^ table[(crc ^ half) & 15]
    assert crc ^ 0xFFFFFFFF == crc32(b"123456789")


def test_the_same_bytes_wherever_they_lie(tmp_path):
    first, second = build(tmp_path / "first"), build(tmp_path / "elsewhere" / "second")
    assert first.read_bytes() == second.read_bytes()
    assert first.with_suffix(".elf").read_bytes() == second.with_suffix(".elf").read_bytes()
    assert len(first.read_bytes()) < MemoryMap().rom.size


def test_a_users_own_files_are_linked(tmp_path):
    (tmp_path / "mine.c").write_text('#include "heddle.h"\nint twice(int); int main(void) { return twice(1); }\n')
    (tmp_path / "more.c").write_text("int twice(int n) { return 2 * n; }\n")
    alone = build(tmp_path / "out", main=tmp_path / "mine.c", extra_sources=[tmp_path / "more.c"])
    assert 0 < len(alone.read_bytes()) < len(build(tmp_path / "whole").read_bytes())


def test_a_memory_map_moves_the_program(tmp_path):
    memory = MemoryMap(rom=Region(origin=0x40000000, size=16384))
    assert build(tmp_path / "moved", memory=memory).read_bytes() != build(tmp_path / "usual").read_bytes()


def test_what_does_not_fit_or_compile_is_one_line(tmp_path):
    with pytest.raises(ToolError, match=r"riscv64-unknown-elf-gcc: exit status 1: .*`rom' overflowed by \d+ bytes"):
        build(tmp_path / "small", memory=MemoryMap(rom=Region(origin=0, size=1024)))
    (tmp_path / "large.c").write_text("char large[5500]; int main(void) { return large[1]; }\n")
    with pytest.raises(ToolError, match="error: less than 1024 bytes of sram are left for the stack"):
        build(tmp_path / "stack", main=tmp_path / "large.c")
    (tmp_path / "wrong.c").write_text("int main(void) { return nothing; }\n")
    with pytest.raises(ToolError, match="riscv64-unknown-elf-gcc: exit status 1: .*wrong.c:1:.*nothing"):
        build(tmp_path / "wrong", main=tmp_path / "wrong.c")
    with pytest.raises(HeddleError, match=r"firmware source .*absent.c: no such file; give the path of a C file"):
        build(tmp_path / "absent", extra_sources=[tmp_path / "absent.c"])


def test_the_rom_is_padded(tmp_path):
    (tmp_path / "f.bin").write_bytes(b"\1\2\3\4\5")
    words = rom_words(tmp_path / "f.bin", MemoryMap())
    assert words[:3] == [0x04030201, 5, 0]
    assert len(words) == MemoryMap().rom.size // 4


def test_the_bytes_of_each_function_are_those_that_the_docs_say(tmp_path):
    """Within a few, for other versions of the compiler."""
    text = (SOURCES.parents[2] / "docs" / "calls.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| .* \| ([\d,]+) \|$", text, re.MULTILINE)
    said = {name: int(size.replace(",", "")) for name, size in rows}
    found = code_bytes(build(tmp_path))      # compiled are all of them
    assert list(said) == list(found)
    assert all(abs(said[name] - size) <= 0.1 * size + 16 for name, size in found.items())


def image_of(*functions):
    calls = pack_calls(Call(runner=1 + list(FUNCTIONS).index(name), words=(0, 0)) for name in functions)
    return pack_header({**dict.fromkeys(HEADER_FIELDS, 0), "calls_offset": HEADER_BYTES}, calls) + calls


@pytest.mark.parametrize("called, linked", [
    ((), STANDARD), (("softmax", "copy"), STANDARD), (("softmax", "features"), ("softmax", "features")),
    (("features",), ("features",))])
def test_the_functions_of_a_networks_firmware(called, linked):
    assert functions_of(image_of(*called)) == linked


@pytest.mark.parametrize("cpu", CPUS)
def test_a_network_that_hears_fits_the_rom_with_what_it_calls(tmp_path, cpu):
    small = build(tmp_path / "small", cpu=cpu, functions=("features", "softmax", "table"))
    assert small.stat().st_size <= MemoryMap().rom.size
    names = defines((tmp_path / "small" / "heddle_config.h").read_text())["HEDDLE_LINKED"].split(", ")
    assert [name.removeprefix("heddle_kernel_") for name in names if name != "0"] == ["table", "softmax", "features"]


def test_all_functions_at_once_are_too_many_for_the_rom(tmp_path):
    with pytest.raises(ToolError, match="overflowed by"):
        build(tmp_path, functions=tuple(FUNCTIONS))


def test_the_largest_features_fit_beside_the_cycles_of_an_inference():
    """Lines and noise lie at the end of the payload, cycles at its beginning."""
    most = 4 * (LARGEST_WINDOW // 2 + MOST_CHANNELS)
    assert most + wire.INFERENCE.size + 4 * MOST_LAYERS <= wire.MAX_PAYLOAD
