"""Weights that stream from a board's SDRAM in the SoC, behind LiteDRAM; its model of the chip checks every time."""

import re
from dataclasses import replace

import numpy as np
import pytest

from boards import BOARDS
from cosim.process import SimulationError
from cosim.soc import build_soc_sim, run_soc, talk
from hw.soc.generate import generate
from hw.spec.errors import SpecError
from hw.spec.soc import OUTSIDE, MemoryMap, memory_map
from hw.spec.stream import SDRAM_SLACK
from sw.compiler import compile_graph
from sw.firmware import protocol as wire
from sw.firmware.protocol import DeviceError, Op, Status
from sw.golden import run
from tests.support.dense import STREAMING, wide_dense
from tests.support.layers import random_inputs

pytestmark = pytest.mark.soc

OFFSET = OUTSIDE.origin - MemoryMap().engine.origin


def built(folder, board, design=STREAMING):
    return build_soc_sim(design, BOARDS[board], folder, memory=memory_map(design, streams=True))


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return built(tmp_path_factory.mktemp("soc"), "ulx3s-25")


def check_network(soc, design):
    """Every bit, and cycles as the model has them for a memory without pauses, nearly."""
    program, data = compile_graph(wide_dense(), design), random_inputs(np.random.default_rng(1), wide_dense(), 3)
    assert program.streams_outside and program.streamed_bytes > 4096
    answer = run_soc(soc, program.image, data)
    assert np.array_equal(answer.outputs, run(wide_dense(), data, design)[-1].reshape(3, -1))
    assert np.all(np.abs(answer.engine_cycles / program.cycles - 1) < SDRAM_SLACK)


def test_weights_stream_from_the_chip(soc):
    check_network(soc, STREAMING)


@pytest.mark.slow
def test_a_chip_of_32_bits_serves_a_port_of_16_and_of_32(tmp_path):
    for design in (STREAMING, replace(STREAMING, stream_bytes=4)):
        check_network(built(tmp_path / f"{design.stream_bytes}", "colorlight-i5", design), design)


@pytest.mark.slow
@pytest.mark.parametrize("board, beat_bytes", [("orangecrab-25", 2), ("ecpix5-45", 4)])
def test_weights_stream_from_a_chip_of_ddr3(tmp_path, board, beat_bytes):
    """Behind reads that leveling must have found."""
    design = replace(STREAMING, stream_bytes=beat_bytes)
    check_network(built(tmp_path, board, design), design)


@pytest.mark.slow
def test_reads_that_no_setting_makes_right_are_a_bad_image(tmp_path, monkeypatch):
    """Planted: a byte of the chip that comes with no setting. The CPU starts all the same and says so."""
    def unread(*arguments, **options):
        files = generate(*arguments, **options)
        text = files.verilog[0].read_text(encoding="utf-8")
        changed, count = re.subn(r"(chosen_1) <= (?!5'd0).*;", r"\1 <= 5'd0;", text)
        assert count == 1, "the choice is written in another way"
        files.verilog[0].write_text(changed, encoding="utf-8")
        return files

    monkeypatch.setattr("cosim.soc.generate", unread)
    soc, program = built(tmp_path, "orangecrab-25"), compile_graph(wide_dense(), STREAMING)
    with pytest.raises(DeviceError, match="the model image is damaged"):
        run_soc(soc, program.image, random_inputs(np.random.default_rng(1), wide_dense(), 1))


def test_a_damaged_stream_is_refused(soc):
    program = compile_graph(wide_dense(), STREAMING)
    requests = [(Op.WRITE, payload) for payload in wire.upload_payloads(program.image)]
    requests += [(Op.OPEN, b""), write(OFFSET + program.streamed_bytes // 2, b"else"), (Op.OPEN, b"")]
    opened = [wire.parse_info(frame.payload).image for request, frame in zip(requests, talk(soc, requests).frames,
                                                                             strict=True) if request[0] is Op.OPEN]
    assert opened == [Status.OK, Status.BAD_IMAGE]


def write(offset, content=bytes(4)):
    return Op.WRITE, offset.to_bytes(4, "little") + content


def test_the_host_writes_what_there_is_of_it(soc):
    places = (OFFSET, OFFSET + OUTSIDE.size - 4, OFFSET - 4, OFFSET + OUTSIDE.size)
    assert [Status(frame.kind).name for frame in talk(soc, [write(place) for place in places]).frames] \
        == ["OK", "OK", "BAD_ADDRESS", "BAD_ADDRESS"]


def test_a_board_without_such_a_chip_has_no_such_soc(tmp_path):
    with pytest.raises(SpecError, match="^stream_bytes=4: the memory of board 'ulx3s-25' gives 2 bytes per cycle; "):
        built(tmp_path, "ulx3s-25", replace(STREAMING, stream_bytes=4))
    with pytest.raises(SpecError, match="^board 'icebreaker': has no memory that weights could stream from in its "
                                        "SoC; choose one of colorlight-i5, ecpix5-45, ecpix5-85, orangecrab-25, "):
        built(tmp_path, "icebreaker", replace(STREAMING, requantizer_dsps=0))


@pytest.mark.slow
def test_a_time_of_the_chip_that_is_not_kept_is_an_error(tmp_path, monkeypatch):
    """Planted: a chip that needs four times as long from the choice of a row to reading it as the controller waits."""
    def slower(*arguments, **options):
        files = generate(*arguments, **options)
        text = files.verilog[0].read_text(encoding="utf-8")
        rule = re.compile(r"\d+'d20000(\)+\) begin\s+\$display\(\"[^\"]*ACT->RD violation)")
        changed, count = rule.subn(r"20'd80000\1", text)
        assert count, "the rule is written in another way"
        files.verilog[0].write_text(changed, encoding="utf-8")
        return files

    monkeypatch.setattr("cosim.soc.generate", slower)
    soc, program = built(tmp_path, "ulx3s-25"), compile_graph(wide_dense(), STREAMING)
    with pytest.raises(SimulationError, match=r"complained: \[\d+ps\] ACT->RD violation on bank \d"):
        run_soc(soc, program.image, random_inputs(np.random.default_rng(1), wide_dense(), 1))
