"""The SoC with its firmware, run as a board would run it: what goes in and comes out, and every way to fail."""

from pathlib import Path

import numpy as np
import pytest

from boards import BOARDS
from cosim.process import SimulationError
from cosim.soc import Message, build_soc_sim, converse, run_soc, talk
from flows.estimate.kernels import cpu_cycles
from hw.spec.cfu import CFU_INSTRUCTIONS, cfu_result, corner_operands
from hw.spec.commands import COUNTERS
from hw.spec.design import DesignPoint
from hw.spec.image import HEADER_BYTES, MOST_LAYERS, Call, unpack_header
from hw.spec.registers import ACT_WINDOW, LAYER_LOG, LOG_WORDS, REGISTERS, WEIGHT_WINDOW, WINDOW_BYTES
from sw.compiler import compile_graph
from sw.firmware import DeviceError, build
from sw.firmware import protocol as wire
from sw.firmware.build import SOURCES, functions_of
from sw.firmware.header import STANDARD
from sw.firmware.protocol import Op, Status
from sw.golden import run
from sw.golden.kernels import FUNCTIONS, name_of
from sw.golden.waveform import hearing
from sw.graph.audio import FeatureSpec
from sw.graph.graph import Graph, TensorType
from tests.support.images import run_image, with_body
from tests.support.layers import random_cut, random_graph, random_inputs, random_layer
from tests.support.operators import every_function, random_values

pytestmark = pytest.mark.soc

FINGERPRINT, INPUT_BYTES, INPUT_ADDRESS, OUTPUT_ADDRESS, LAYERS = 0xC0FFEE, 13, 6, 1021, 3
ACT_ADDRESS = 2048     # of weights that stream
REAL = DesignPoint(rows=2, cols=4, lanes=4, multiplier="lut", act_bytes=16384, weight_bytes=16384,
                   stream_bytes=2)     # nothing is at that port; a network that does not stream runs


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    """A simulator of the SoC around an engine that adds one."""
    verilog = Path(__file__).with_name("stub_soc_engine.v").read_text()
    return build_soc_sim(REAL, BOARDS["ulx3s-25"], tmp_path_factory.mktemp("stub"), engine=verilog, trace=True)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The SoC around a real engine, with a network in its initial memory."""
    return build_soc_sim(REAL, BOARDS["ulx3s-25"], tmp_path_factory.mktemp("real"), weight_init=network(0)[1].image)


def image(**changes):
    header = {"fingerprint": FINGERPRINT, "input_address": INPUT_ADDRESS, "input_bytes": INPUT_BYTES,
              "output_address": OUTPUT_ADDRESS, "output_bytes": INPUT_BYTES, "layers": LAYERS}
    return run_image(bytes(range(40)), **{**header, **changes})


def inputs(count=3):
    return np.random.default_rng(1).integers(-128, 128, (count, INPUT_BYTES)).astype(np.int8)


def write(offset, content):
    return Op.WRITE, offset.to_bytes(4, "little") + content + bytes(-len(content) % 4)


def upload(content):
    """Good or damaged, whatever it says of itself."""
    return [write(WEIGHT_WINDOW, content), (Op.OPEN, b"")]


def statuses(answer):
    return [Status(frame.kind).name for frame in answer.frames]


def firmware_of(source, out):
    out.mkdir()
    (out / "main.c").write_text(source)
    return build(out, main=out / "main.c")


def test_outputs_and_cycles(stub):
    answer = run_soc(stub, image(), inputs())
    assert np.array_equal(answer.outputs, inputs() + np.int8(1))
    assert answer.outputs.dtype == np.int8
    assert answer.engine_cycles.tolist() == [INPUT_BYTES] * 3
    assert answer.layer_cycles.tolist() == [[sum(LAYER_LOG // 4 + LOG_WORDS * layer + n for n in range(len(COUNTERS)))
                                             for layer in range(LAYERS)]] * 3
    assert (answer.cycles > INPUT_BYTES).all()
    assert (answer.cycles < 2000).all()
    assert answer.info.fingerprint == FINGERPRINT
    assert answer.info.header["output_address"] == OUTPUT_ADDRESS
    assert answer.simulated_cycles > answer.cycles.sum()


def test_the_same_run_takes_the_same_cycles(stub):
    first, second = run_soc(stub, image(), inputs()), run_soc(stub, image(), inputs())
    assert first.cycles.tolist() == second.cycles.tolist()
    assert first.simulated_cycles == second.simulated_cycles


def test_waves_of_one_input(stub, tmp_path):
    run_soc(stub, image(), inputs(), trace=tmp_path / "waves.vcd", traced_input=1)
    assert "program_word" in (tmp_path / "waves.vcd").read_text()


def test_input_and_output_may_stay_in_the_engine(stub):
    data = inputs(1)[0].tobytes()
    padded = bytes(2) + data + bytes(1)   # INPUT_ADDRESS is not a whole word
    answer = talk(stub, [*upload(image()), (Op.WRITE, (ACT_WINDOW + 4).to_bytes(4, "little") + padded),
                         (Op.INFER, wire.infer_payload(None)),
                         (Op.READ, wire.read_payload(ACT_WINDOW + 1020, 16))])
    assert set(statuses(answer)) == {"OK"}
    assert wire.parse_inference(answer.frames[-2].payload).output == b""
    assert answer.frames[-1].payload[1:14] == bytes((byte + 1) % 256 for byte in data)


def test_custom_instructions_match_golden(stub):
    commands = [(entry.function_id, a, b) for entry in CFU_INSTRUCTIONS.values() for a, b in corner_operands()[:60]]
    commands.append((0x3FF, 5, 6))
    answer = talk(stub, [(Op.CFU, wire.cfu_payload(commands))])
    assert wire.parse_cfu(answer.frames[0].payload) == [cfu_result(*command) for command in commands]


@pytest.mark.parametrize("content, status", [
    (bytes(64), "NO_IMAGE"),
    (image()[:-1] + b"\1", "BAD_IMAGE"),
    (image(output_address=0xFFFFFFFF), "BAD_IMAGE"),
    (image(layers=65), "BAD_IMAGE"),
    (image(stream_address=ACT_ADDRESS, stream_bytes=8), "BAD_IMAGE"),     # other weights are there
    (image(stream_address=ACT_ADDRESS + 2, stream_bytes=8), "BAD_IMAGE"),
    (image(stream_address=0x80000, stream_bytes=8), "BAD_IMAGE"),
    (image(stream_bytes=8), "NO_STREAM"),
    (image(fingerprint=7), "WRONG_DESIGN"),
    (image(), "OK"),
])
def test_an_image_is_checked_before_it_runs(stub, content, status):
    answer = talk(stub, [*upload(content), (Op.INFER, wire.infer_payload(bytes(INPUT_BYTES)))])
    assert wire.parse_info(answer.frames[-2].payload).image.name == status
    assert statuses(answer)[-1] == status


def outside(content):
    """What of an image is not in the weight scratchpad."""
    return content[unpack_header(content)["stream_offset"]:]


def test_weights_stream_from_the_activations(stub):
    streaming = image(stream_address=ACT_ADDRESS, stream_bytes=8)
    run_soc(stub, streaming, inputs(1))
    pieces = [(Op.WRITE, payload) for payload in wire.upload_payloads(streaming)]
    answer = talk(stub, [*pieces, (Op.OPEN, b""), (Op.INFER, wire.infer_payload(bytes(INPUT_BYTES))),
                         (Op.READ, wire.read_payload(ACT_WINDOW + ACT_ADDRESS, len(outside(streaming)))),
                         (Op.READ, wire.read_payload(REGISTERS["STREAM"][0], 4))])
    assert set(statuses(answer)) == {"OK"}
    assert answer.frames[-2].payload == outside(streaming)
    assert int.from_bytes(answer.frames[-1].payload, "little") == ACT_ADDRESS


def test_weights_of_a_memory_outside_do_not_reach_it(stub):
    with pytest.raises(DeviceError, match="8 bytes of weights stream from a memory outside, and this SoC has none; "):
        run_soc(stub, image(stream_bytes=8), inputs(1))


@pytest.mark.parametrize("op, payload, status", [
    (99, b"", "BAD_OP"),
    (Op.INFER, b"", "BAD_LENGTH"),
    (Op.INFER, wire.infer_payload(bytes(INPUT_BYTES + 1)), "BAD_LENGTH"),
    (Op.CFU, bytes(11), "BAD_LENGTH"),
    (Op.WRITE, bytes(3), "BAD_LENGTH"),
    (Op.WRITE, (WEIGHT_WINDOW + 2).to_bytes(4, "little") + bytes(4), "BAD_ADDRESS"),
    (Op.WRITE, (ACT_WINDOW - 4).to_bytes(4, "little") + bytes(4), "BAD_ADDRESS"),
    (Op.WRITE, (WINDOW_BYTES - 4).to_bytes(4, "little") + bytes(8), "BAD_ADDRESS"),
    (Op.READ, bytes(4), "BAD_LENGTH"),
    (Op.READ, WINDOW_BYTES.to_bytes(4, "little") + (4).to_bytes(4, "little"), "BAD_ADDRESS"),
])
def test_a_bad_request_is_refused(stub, op, payload, status):
    assert statuses(talk(stub, [*upload(image()), (op, payload), (Op.INFO, b"")]))[-2:] == [status, "OK"]


def test_a_damaged_frame_is_refused(stub):
    good = wire.encode(Op.INFO, 0)
    answer = converse(stub, [Message(data=good[:-1] + bytes([good[-1] ^ 1])), Message(data=good)])
    assert [Status(frame.kind).name for frame in wire.decode(answer.data)] == ["BAD_CRC", "OK"]


def test_noise_before_a_frame_is_ignored(stub):
    answer = converse(stub, [Message(data=b"\0HxHH" + wire.encode(Op.INFO, 9))])
    assert [frame.sequence for frame in wire.decode(answer.data)] == [9]


def test_a_broken_off_frame_is_forgotten_after_a_silence(stub):
    answer = converse(stub, [Message(data=wire.encode(Op.INFO, 1)[:5], pause_cycles=5_000_000),
                             Message(data=wire.encode(Op.INFO, 2))])
    assert [frame.sequence for frame in wire.decode(answer.data)] == [2]


@pytest.mark.parametrize("program, message", [
    (1, r"input 0: TIMEOUT: the engine did not finish in time.*\(STATUS 0x00000001: error NONE, layer 0, busy 1; "
        r"PC 0x1234, DONE"),
    (2, r"input 0: ENGINE_ERROR: the engine stopped with an error \(STATUS 0x00030200: error BAD_OPCODE, layer 3, "
        r"busy 0; PC 0x1234,"),
    (3, r"input 0: BUSY: the engine still runs"),
    (4, r"input 0: BUSY: .*STATUS 0xffffffff"),
])
def test_a_failing_engine_is_an_error_that_says_so(stub, program, message):
    with pytest.raises(DeviceError, match=message):
        run_soc(stub, image(program=program), inputs(1), cycle_limit=50_000)


def test_a_wrong_input_size_is_an_error(stub):
    with pytest.raises(DeviceError, match="input: 12 bytes; the model takes 13; give a whole input"):
        run_soc(stub, image(), inputs()[:, 1:])
    short = (Op.INFER, wire.infer_payload(bytes(INPUT_BYTES - 1)))
    assert Status(talk(stub, [*upload(image()), short]).frames[-1].kind) == Status.BAD_LENGTH


def test_a_hung_program_is_reported_not_waited_for(stub, tmp_path):
    hung = firmware_of('#include "heddle.h"\nint main(void) { for (;;) __asm__(""); }', tmp_path / "hung")
    with pytest.raises(SimulationError, match=r"message 0: no response in 20000 cycles: 0 bytes came in all"):
        talk(stub, [(Op.INFO, b"")], firmware=hung, cycle_limit=20_000)


def test_a_trap_is_reported_with_its_address(stub, tmp_path):
    source = ((SOURCES / "main.c").read_text()
              .replace("    int opened = heddle_open();", '    int opened = 0; __asm__ volatile(".word 0");'))
    with pytest.raises(DeviceError, match=r"TRAP: the firmware met a trap \(mcause 0x2, mepc 0x[0-9a-f]+"):
        talk(stub, [(Op.INFO, b"")], firmware=firmware_of(source, tmp_path / "trap"))


USER_MAIN = """
#include "heddle.h"
#define IO(name) (*(volatile uint32_t *)(HEDDLE_IO_BASE + HEDDLE_IO_##name))
static const uint32_t image[] = {%s};
static int8_t data[16];
static uint32_t crc;
static void put(uint32_t byte)
{
    while (!IO(UART_ROOM));
    IO(UART_DATA) = byte;
    crc = heddle_crc(crc, byte & 255);
}
int main(void)
{
    heddle_cycles cycles;
    while (IO(UART_DATA) & HEDDLE_UART_EMPTY);
    for (uint32_t n = 0; n < sizeof image / 4; n++) *heddle_word(HEDDLE_WEIGHT_WINDOW + 4 * n) = image[n];
    for (int n = 0; n < 16; n++) data[n] = (int8_t)n;
    %s
    int status = heddle_open();
    if (status == HEDDLE_OK) status = heddle_infer(data, data + 1, &cycles);
    if (*heddle_word(HEDDLE_REG_STREAM) != %s) status = 99;
    put('H'), put('D');
    crc = ~0u;
    put((uint32_t)status), put(0), put(16), put(0);
    for (int n = 0; n < 16; n++) put((uint8_t)data[n]);
    for (uint32_t n = 0, sum = ~crc; n < 4; n++, sum >>= 8) put(sum);
    for (;;);
}
"""


def test_a_users_own_main_runs_an_inference(stub, tmp_path):
    check_users_main(stub, USER_MAIN % (as_words(image()), "", "0"), tmp_path)


def test_a_users_own_main_gives_a_memory_outside(stub, tmp_path):
    streaming = image(stream_bytes=8)
    content = f"static const uint32_t content[] = {{{as_words(outside(streaming))}}};"
    resident = streaming[:-len(outside(streaming))]
    check_users_main(stub, USER_MAIN % (as_words(resident), f"{content} heddle_set_stream(content, 0x1234560);",
                                        "0x1234560"), tmp_path)


def as_words(content):
    return ", ".join(hex(int.from_bytes(content[n:n + 4], "little")) for n in range(0, len(content), 4))


def check_users_main(stub, source, folder):
    answer = converse(stub, [Message(data=b"!")], firmware=firmware_of(source, folder / "user"))
    frame, = wire.decode(answer.data)
    assert Status(frame.kind) == Status.OK
    assert frame.payload == bytes([0, *range(1, 14), 14, 15])


def network(seed):
    """A random network, its program and three inputs."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, weight_bits=REAL.weight_bits)
    return graph, compile_graph(graph, REAL), random_inputs(rng, graph, 3)


def check_network(simulator, seed, *, upload):
    graph, program, data = network(seed)
    answer = run_soc(simulator, program.image if upload else None, data)
    assert np.array_equal(answer.outputs, run(graph, data, REAL)[-1].reshape(3, -1))
    assert answer.engine_cycles.tolist() == [program.cycles] * 3
    assert answer.layer_cycles.tolist() == [[layer.cycles for layer in program.layers]] * 3


def test_a_network_in_the_bitstream_needs_no_upload(real):
    check_network(real, 0, upload=False)


@pytest.mark.parametrize("op, shape, fields", [
    ("maxpool", (41, 41, 3), {"kernel": (5, 5), "stride": (4, 4)}),      # only the input exceeds a frame
    ("conv", (25, 25, 2), {"kernel": (1, 1), "outputs": 9}),             # only the output
    ("depthwise", (29, 29, 5), {"kernel": (3, 3)}),
])
def test_inputs_and_outputs_that_exceed_a_frame(real, op, shape, fields):
    rng = np.random.default_rng(7)
    start = TensorType(shape=shape, scale=0.1, zero_point=3)
    graph = Graph(name="large", inputs=(start,), layers=(random_layer(rng, op, start, **fields),)).check()
    assert max(start.size, graph.output.size) > wire.MAX_PAYLOAD
    program, data = compile_graph(graph, REAL), random_inputs(rng, graph, 2)
    answer = run_soc(real, program.image, data)
    assert np.array_equal(answer.outputs, run(graph, data, REAL)[-1].reshape(2, -1))
    assert answer.engine_cycles.tolist() == [program.cycles] * 2 and (answer.cycles > program.cycles).all()
    with pytest.raises(DeviceError, match=r"payload: \d+ bytes; a frame takes 4112; send it in parts|BAD_LENGTH"):
        run_soc(real, None, data)      # nobody says where it goes


@pytest.mark.parametrize("seed", range(3))
def test_the_cpu_between_runs_of_the_engine(real, seed):
    rng = np.random.default_rng(seed)
    graph = random_cut(rng, runs=2 + seed % 2)
    program, data = compile_graph(graph, REAL), random_inputs(rng, graph, 3)
    answer = run_soc(real, program.image, data)
    assert np.array_equal(answer.outputs, run(graph, data, REAL)[-1].reshape(3, -1))
    assert answer.engine_cycles.tolist() == [program.cycles] * 3
    assert answer.layer_cycles.tolist() == [[layer.cycles for layer in program.layers]] * 3
    assert answer.kernel_cycles.shape == (3, len(program.kernels)) and (answer.kernel_cycles > 100).all()
    rest = answer.cycles - answer.engine_cycles - answer.kernel_cycles.sum(axis=1)
    assert (rest > 0).all() and (rest < 20_000).all()


def test_every_function_of_the_cpu(real):
    """As far from what is estimated as all of them together are."""
    graph = every_function(np.random.default_rng(4))
    program, data = compile_graph(graph, REAL), random_values(np.random.default_rng(5), graph.input, 3)
    called = {name_of(call) for plan in program.kernels for call in plan.calls}
    assert called == set(STANDARD)
    answer = run_soc(real, program.image, data.view(np.int8).reshape(3, -1))
    assert answer.outputs.tobytes() == run(graph, data)[-1].tobytes()
    assert answer.engine_cycles.tolist() == [program.cycles] * 3
    taken, guess = answer.kernel_cycles.sum(axis=1), cpu_cycles(program)
    assert guess and (abs(taken / guess - 1) < 0.25).all()


def test_a_network_that_hears_has_a_firmware_of_its_own(real, tmp_path):
    """And no other one takes its image."""
    spec = FeatureSpec(rate=8000, window_ms=16, hop_ms=8, channels=8, high_hz=3500)
    taken = TensorType(shape=(spec.frames(300), 8, 1), scale=0.1, zero_point=-128)
    conv = random_layer(np.random.default_rng(6), "conv", taken, outputs=4)
    graph = hearing(Graph(name="net", inputs=(taken,), layers=(conv,)).check(), spec, 300)
    program = compile_graph(graph, REAL)
    data = np.random.default_rng(7).integers(-9000, 9000, (2, 1, 1, 300)).astype(np.int16)
    packed = program.pack_inputs([data])
    own = build(tmp_path, functions=functions_of(program.image))
    answer = run_soc(real, program.image, packed, firmware=own)
    assert answer.outputs.tobytes() == run(graph, data)[-1].tobytes()
    assert answer.engine_cycles.tolist() == [program.cycles] * 2
    guess = cpu_cycles(program)
    assert guess and (abs(answer.kernel_cycles.sum(axis=1) / guess - 1) < 0.25).all()
    with pytest.raises(DeviceError):
        run_soc(real, program.image, packed)


@pytest.mark.parametrize("calls", [
    [Call(runner=0, words=(0, LAYERS, 0)), Call(runner=len(FUNCTIONS) + 1, words=(0, 0, 0))],       # no such function
    [Call(runner=0, words=(0, LAYERS, 0)), Call(runner=len(FUNCTIONS), words=(0, 0, 0))],       # not in this firmware
    [Call(runner=0, words=(0, 0))], [Call(runner=0, words=(0, 0, 0, 0))],   # not the words of a run
    [Call(runner=0, words=(0, LAYERS + 1, 0))],                             # other layers than the header's
    # more than the log holds
    [Call(runner=0, words=(0, LAYERS, 0))] + (MOST_LAYERS - LAYERS + 1) * [Call(runner=1, words=())]])
def test_a_list_that_cannot_be_run_is_refused(stub, calls):
    answer = talk(stub, upload(image(calls=calls)))
    assert wire.parse_info(answer.frames[-1].payload).image == Status.BAD_IMAGE
    broken = bytearray(image())
    broken[-4 * 4:-3 * 4] = (9).to_bytes(4, "little")      # more words than there are
    answer = talk(stub, upload(with_body(image(), broken[HEADER_BYTES:])))
    assert wire.parse_info(answer.frames[-1].payload).image == Status.BAD_IMAGE


@pytest.mark.parametrize("seed", range(1, 5))
def test_random_networks_equal_golden_and_prediction(real, seed):
    check_network(real, seed, upload=True)
