"""Generated SoCs: the same bytes every time, the right ports and pins, clear errors."""

import re
from dataclasses import replace

import pytest

from boards import BOARDS
from hw.soc.cpus import CPUS
from hw.soc.generate import generate, load_soc
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError, SpecError
from hw.spec.presets import PRESETS
from hw.spec.soc import MemoryMap, Region, memory_map

pytestmark = pytest.mark.soc

ENGINE = "module heddle_engine; endmodule\n"


@pytest.fixture
def firmware(tmp_path):
    path = tmp_path / "firmware.bin"
    path.write_bytes(bytes(range(1, 11)))
    return path


def make(firmware, out, **options):
    options = {"clock_mhz": 50, "engine": ENGINE, **options}
    return generate(DesignPoint(), BOARDS["ulx3s-25"], firmware=firmware, out=out, **options)


def content(files):
    return {path.name: path.read_bytes() for path in sorted(files.folder.iterdir())}


@pytest.mark.parametrize("sim", [False, True])
def test_the_same_bytes_wherever_they_lie(firmware, tmp_path, sim):
    first = content(make(firmware, tmp_path / "first", sim=sim))
    assert first == content(make(firmware, tmp_path / "elsewhere" / "second", sim=sim))
    text = b"".join(first.values()).decode()
    assert str(tmp_path) not in text
    assert not re.search(r"\b20\d\d-\d\d-\d\d", text.replace("2022-11-14", "")), "a date"


def test_ports_of_a_simulation(firmware, tmp_path):
    files = make(firmware, tmp_path / "soc", sim=True)
    module = files.verilog[0].read_text().partition("module heddle_soc (")[2].partition(");")[0]
    streams = {f"serial_{way}_{part}" for way in ("rx", "tx") for part in ("valid", "ready", "data")}
    assert set(re.findall(r"(\w+)(?:,|\s*$)", module, re.MULTILINE)) == {"clk", "rst", "leds"} | streams
    assert files.pins is None


@pytest.mark.parametrize("board", [board for board in BOARDS.values() if board.family == "ecp5"],
                         ids=lambda board: board.name)
def test_pins_of_a_board(firmware, tmp_path, board):
    files = generate(DesignPoint(), board, clock_mhz=50, firmware=firmware, out=tmp_path / "soc", engine=ENGINE)
    pins = dict(re.findall(r'LOCATE COMP "(.*)" SITE "(.*)";', files.pins.read_text()))
    if len(board.led_pins) == 1:
        pins["leds[0]"] = pins.pop("leds")
    assert pins == {"clk": board.clock_pin, "serial_tx": board.serial_tx_pin, "serial_rx": board.serial_rx_pin,
                    **{f"leds[{n}]": pin for n, pin in enumerate(board.led_pins)}}
    assert f'FREQUENCY PORT "clk" {board.clock_in_mhz:g} MHZ;' in files.pins.read_text()


def test_the_rom_holds_the_firmware(firmware, tmp_path):
    files = make(firmware, tmp_path / "soc")
    words = files.rom.read_text().split()
    assert words[:4] == ["04030201", "08070605", "00000a09", "00000000"]
    assert len(words) == MemoryMap().rom.size // 4


@pytest.mark.parametrize("wanted, made", [(50, 50), (62.5, 62.5), (65, 65), (48, 48), (33.3, 33.333)])
def test_the_clock_is_what_the_pll_makes(firmware, tmp_path, wanted, made):
    assert make(firmware, tmp_path / "soc", clock_mhz=wanted).clock_mhz == pytest.approx(made, rel=2e-3)


def test_a_generated_soc_can_be_loaded(firmware, tmp_path):
    files = make(firmware, tmp_path / "soc", sim=True)
    assert load_soc(tmp_path / "soc") == files
    with pytest.raises(HeddleError, match="not a generated SoC .* generate it again"):
        load_soc(tmp_path)


def test_memories_lie_where_the_map_says(firmware, tmp_path):
    memory = MemoryMap(rom=Region(origin=0x40000000, size=1024), sram=Region(origin=0x20000000, size=2048))
    verilog = make(firmware, tmp_path / "soc", memory=memory).verilog[0].read_text()
    assert "reg [31:0] rom[0:255];" in verilog
    assert "reg [31:0] sram[0:511];" in verilog
    assert "32'd1073741824" in verilog  # the CPU's reset vector


@pytest.mark.parametrize("clock_mhz", [0, 5, 400])
def test_an_impossible_clock_says_what_is_possible(firmware, tmp_path, clock_mhz):
    with pytest.raises(SpecError, match=f"clock_mhz={clock_mhz}: choose 10 to 200"):
        make(firmware, tmp_path / "soc", clock_mhz=clock_mhz)


@pytest.mark.parametrize("board", [board for board in BOARDS.values() if board.family == "ice40"],
                         ids=lambda board: board.name)
def test_a_soc_that_boots_from_the_flash(firmware, tmp_path, board):
    """Its pins, and a PLL that reads the oscillator where it is; no firmware in its Verilog."""
    files = generate(PRESETS["up5k"], board, clock_mhz=24, firmware=firmware, out=tmp_path / "soc", engine=ENGINE)
    text, verilog = files.pins.read_text(), files.verilog[0].read_text()
    assert dict(re.findall(r"set_io (\S+) (\S+)\n", text)) == {
        "clk": board.clock_pin, "serial_tx": board.serial_tx_pin, "serial_rx": board.serial_rx_pin,
        **dict(zip(("flash_cs_n", "flash_clk", "flash_mosi", "flash_miso"), board.flash_pins, strict=True)),
        **{f"leds[{n}]": pin for n, pin in enumerate(board.led_pins)}}
    assert f"set_frequency clk {board.clock_in_mhz:g}" in text
    assert ("SB_PLL40_PAD" in verilog) == (board.clock_pin == "35")
    assert (files.clock_mhz, files.rom, files.memory) == (24.0, None, memory_map(PRESETS["up5k"]))
    assert "readmemh" not in verilog
    with pytest.raises(SpecError, match="clock_mhz=12: choose 16 to 60"):
        generate(PRESETS["up5k"], board, clock_mhz=12, firmware=firmware, out=tmp_path / "slow", engine=ENGINE)


def test_a_simulated_soc_shows_the_pins_of_its_flash(firmware, tmp_path):
    files = generate(PRESETS["up5k"], BOARDS["icebreaker"], clock_mhz=50, firmware=firmware, out=tmp_path / "soc",
                     engine=ENGINE, sim=True)
    assert set(re.findall(r"flash_(?:cs_n|clk|mosi|miso)\b", files.verilog[0].read_text().partition(");")[0])) == {
        "flash_cs_n", "flash_clk", "flash_mosi", "flash_miso"}


def test_a_design_that_the_soc_cannot_hold_is_refused(tmp_path):
    spram = DesignPoint(rows=1, memory="spram", multiplier="mac16", act_bytes=131072, requantizer_dsps=0)
    for design, text in ((spram, r"^memory='spram': the ecp5 of board 'ulx3s-25' has no such memories; choose memory="),
                         (DesignPoint(cpu="arm"), r"^cpu='arm': unknown; choose 'picorv32', 'serv', 'vexriscv'$")):
        with pytest.raises(SpecError, match=text):
            generate(design, BOARDS["ulx3s-25"], clock_mhz=50, firmware=tmp_path / "none", out=tmp_path)


def test_a_device_where_the_cpu_caches_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(CPUS, "vexriscv", replace(CPUS["vexriscv"], uncached_base=0xA0000000))
    with pytest.raises(SpecError, match=r"^cpu='vexriscv': caches below 0xa0000000; move engine, io and outside "):
        make(tmp_path / "none", tmp_path)


def test_a_memory_to_stream_from_is_tied_off(firmware, tmp_path):
    def verilog(name, design):
        files = generate(design, BOARDS["ulx3s-25"], clock_mhz=50, firmware=firmware, out=tmp_path / name)
        return files.verilog[0].read_text()
    small = DesignPoint(rows=1, cols=2, multiplier="lut", act_bytes=1024, weight_bytes=1024)
    assert "memory__" not in verilog("without", small)
    assert re.search(r"\.memory__request__ready *\(1'd0\)", verilog("with", replace(small, stream_bytes=2)))


def test_firmware_that_is_missing_or_too_large(firmware, tmp_path):
    with pytest.raises(HeddleError, match=r"firmware .*nothing.bin: No such file or directory; build it"):
        make(tmp_path / "nothing.bin", tmp_path / "soc")
    firmware.write_bytes(bytes(13000))
    with pytest.raises(HeddleError, match=r"firmware .*: 13000 bytes; the ROM has 12288; make it larger"):
        make(firmware, tmp_path / "soc")
