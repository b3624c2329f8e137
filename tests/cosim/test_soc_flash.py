"""The SoC of the UP5K, from its flash on: SERV, firmware in slow and in fast memories, a network without uploads."""

from dataclasses import replace

import numpy as np
import pytest

from boards import BOARDS
from cosim.soc import Message, build_soc_sim, converse, run_soc, talk
from hw.spec.design import FIRMWARE_BYTES
from hw.spec.image import HEADER_BYTES, pack_header, unpack_header
from hw.spec.presets import PRESETS
from hw.spec.registers import ACT_WINDOW, WEIGHT_WINDOW
from hw.spec.soc import SLOW_BAUD
from sw.compiler import compile_graph
from sw.firmware import protocol as wire
from sw.firmware.protocol import Op, Status
from sw.golden import run
from sw.graph.graph import Graph, TensorType
from tests.support.layers import random_cut, random_inputs, random_kernel, random_layer

pytestmark = pytest.mark.soc

DESIGN, BOARD = PRESETS["up5k"], BOARDS["icebreaker"]


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return build_soc_sim(DESIGN, BOARD, tmp_path_factory.mktemp("up5k"))


def classifier(seed):
    """Two layers whose weights stream, and a softmax of the CPU."""
    rng = np.random.default_rng(seed)
    taken = TensorType(shape=(4, 4, 4), scale=0.05, zero_point=3)
    layers = [random_layer(rng, "conv", taken, outputs=24, kernel=(3, 3), name="conv")]
    layers.append(random_layer(rng, "dense", layers[-1].output, outputs=9, name="dense"))
    layers.append(random_kernel(rng, "softmax", layers[-1].output, name="softmax"))
    return Graph(name="classifier", inputs=(taken,), layers=tuple(layers)).check()


@pytest.mark.parametrize("graph", [
    pytest.param(classifier(1), id="streams"),
    pytest.param(random_cut(np.random.default_rng(2)), id="cut", marks=pytest.mark.slow)])
def test_it_boots_and_runs_a_network(soc, graph):
    """Every output as golden has it, and the engine's cycles as predicted, though it has neither reset nor log."""
    program, data = compile_graph(graph, DESIGN), random_inputs(np.random.default_rng(3), graph, 3)
    answer = run_soc(soc, program.image, data)
    assert np.array_equal(answer.outputs, run(graph, data, DESIGN)[-1].reshape(3, -1))
    assert answer.engine_cycles.tolist() == [program.cycles] * 3
    assert not answer.layer_cycles.any()
    assert answer.info.fingerprint == DESIGN.fingerprint and answer.info.header == unpack_header(program.image)


def test_the_weights_stream_in_one_of_them():
    assert compile_graph(classifier(1), DESIGN).streamed_bytes


def damaged(image):
    return image[:-1] + bytes([image[-1] ^ 1])


def over_the_firmware(image):
    """Its stream lies where the firmware has its code and its buffer; the checksum is right."""
    header, body = unpack_header(image), image[HEADER_BYTES:]
    header["stream_address"] += FIRMWARE_BYTES
    return pack_header(header, body) + body


def larger_than_there_is(image):
    header, body = unpack_header(image), image[HEADER_BYTES:]
    header["act_bytes"] = DESIGN.network_bytes + 1
    return pack_header(header, body) + body


@pytest.mark.parametrize("spoil", [damaged, over_the_firmware, larger_than_there_is])
def test_an_image_that_is_damaged_or_too_large_is_refused(soc, spoil):
    assert opened(soc, compile_graph(classifier(1), DESIGN).image) == Status.OK
    assert opened(soc, spoil(compile_graph(classifier(1), DESIGN).image)) == Status.BAD_IMAGE


def test_an_image_of_another_design_is_refused(soc):
    other = compile_graph(classifier(1), replace(DESIGN, weight_bytes=3072)).image
    assert opened(soc, other) == Status.WRONG_DESIGN


def opened(soc, image):
    """What the firmware makes of an image in its flash."""
    frame, = talk(soc, [(Op.INFO, b"")], image=image).frames
    return wire.parse_info(frame.payload).image


def test_without_an_image_it_says_so(soc):
    assert opened(soc, b"") == Status.NO_IMAGE


def write(offset, content):
    return Op.WRITE, offset.to_bytes(4, "little") + content


def test_what_belongs_to_the_firmware_or_the_flash_is_not_written(soc):
    end = ACT_WINDOW + DESIGN.network_bytes
    done = talk(soc, [write(end - 4, b"good"), write(end, b"code"), write(end - 4, b"halfcode"),
                      write(WEIGHT_WINDOW, b"prog"), (Op.READ, wire.read_payload(end - 4, 4))])
    assert [Status(frame.kind).name for frame in done.frames] == ["OK", *["BAD_ADDRESS"] * 3, "OK"]
    assert done.frames[-1].payload == b"good"


def test_bytes_are_taken_as_fast_as_they_come(soc):
    """One waits in the UART while the next one comes, so each has the time of ten bits."""
    def cycles(size):
        frame = wire.encode(Op.WRITE, 0, bytes(size))
        return converse(soc, [Message(data=frame[:-1] + bytes([frame[-1] ^ 1]))]).simulated_cycles

    each = (cycles(1200) - cycles(200)) / 1000
    assert 500 < each < 0.9 * 10 * BOARD.soc_mhz * 1e6 / SLOW_BAUD
