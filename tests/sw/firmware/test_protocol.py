import pytest

from hw.spec.design import DesignPoint
from hw.spec.image import HEADER_FIELDS, pack_header
from hw.spec.registers import ACT_WINDOW, WEIGHT_WINDOW, WINDOW_BYTES
from hw.spec.soc import memory_map
from sw.firmware import protocol as wire
from sw.firmware.protocol import DeviceError, Frame, Op, Status

HEADER = dict.fromkeys(HEADER_FIELDS, 0)
PAYLOADS = [b"", b"x", bytes(range(256)), bytes(wire.MAX_PAYLOAD)]


def test_frames_come_back():
    data = b"".join(wire.encode(Op.INFER, index, payload) for index, payload in enumerate(PAYLOADS))
    assert wire.decode(data) == [Frame(kind=Op.INFER, sequence=index, payload=payload)
                                 for index, payload in enumerate(PAYLOADS)]


def test_every_flipped_bit_is_found():
    good = wire.encode(Op.INFO, 3, b"payload")
    for bit in range(8 * len(good)):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DeviceError, match="no frame at byte 0|CRC-32 differs|before the end|no frame at byte"):
            wire.decode(bytes(bad))


@pytest.mark.parametrize("data, message", [
    (b"noise", "response: no frame at byte 0, but 6e 6f 69 73 65; check the connection"),
    (wire.encode(0, 0)[:-1], "response: ends 1 bytes before the end of its last frame"),
    (wire.encode(0, 0) + b"H", "response: no frame at byte 10, but 48"),
])
def test_what_is_no_frame_says_where(data, message):
    with pytest.raises(DeviceError, match=message):
        wire.decode(data)


def test_a_payload_has_a_limit():
    with pytest.raises(DeviceError, match=f"payload: 5000 bytes; a frame takes {wire.MAX_PAYLOAD}; send it in parts"):
        wire.encode(Op.WRITE, 0, bytes(5000))


def test_an_upload_covers_the_image_in_whole_words():
    body = bytes(range(250)) * 17
    image = pack_header(HEADER, body) + body
    parts = [(int.from_bytes(payload[:4], "little"), payload[4:]) for payload in wire.upload_payloads(image)]
    assert [offset for offset, _ in parts] == [WEIGHT_WINDOW + n for n in range(0, len(image), wire.CHUNK_BYTES)]
    assert b"".join(part for _, part in parts) == image + bytes(-len(image) % 4)


def test_a_streamed_part_goes_to_the_activations():
    body = bytes(range(100))
    image = pack_header({**HEADER, "stream_bytes": 16, "stream_address": 64}, body) + body
    assert list(wire.upload_payloads(image)) == [WEIGHT_WINDOW.to_bytes(4, "little") + image[:-16],
                                                 (ACT_WINDOW + 64).to_bytes(4, "little") + body[-16:]]


def test_or_to_a_memory_outside():
    body = bytes(range(100))
    image = pack_header({**HEADER, "stream_bytes": 16}, body) + body
    outside = memory_map(DesignPoint(stream_bytes=2), streams=True)
    assert list(wire.upload_payloads(image))[1:] == [
        (outside.outside.origin - outside.engine.origin).to_bytes(4, "little") + body[-16:]]


def test_an_engine_error_says_where():
    payload = b"".join(value.to_bytes(4, "little") for value in (3 << 16 | 5 << 8, 7, 900, 0x51))
    with pytest.raises(DeviceError, match=r"input 2: ENGINE_ERROR: .*\(STATUS 0x00030500: error BAD_CHECKSUM, layer 3, "
                                          r"busy 0; PC 0x51, DONE 7, CYCLES 900\)"):
        wire.check(Frame(kind=Status.ENGINE_ERROR, sequence=0, payload=payload), "input 2")


@pytest.mark.parametrize("offset, size", [(2, 4), (0, 3), (WINDOW_BYTES, 4), (-4, 4)])
def test_a_read_takes_whole_words_of_the_engine(offset, size):
    with pytest.raises(DeviceError, match="read whole words inside the engine's region"):
        wire.read_payload(offset, size)


def test_every_status_has_a_meaning():
    assert set(wire.MEANING) == set(Status) - {Status.OK}
    for status in wire.MEANING:
        with pytest.raises(DeviceError, match=f"doing: {status.name}: "):
            wire.check(Frame(kind=status, sequence=0, payload=b""), "doing")


def test_an_unknown_status_and_another_version():
    with pytest.raises(DeviceError, match="asking: unknown status 200; build the firmware again"):
        wire.check(Frame(kind=200, sequence=0, payload=b""), "asking")
    with pytest.raises(DeviceError, match="firmware: protocol version 9, the host has 3"):
        wire.parse_info((9).to_bytes(4, "little") + bytes(76))


def test_an_inference_is_read():
    payload = b"".join(value.to_bytes(4, "little") for value in (500, 300, 2, 1, 100, 200, 50)) + b"\x80\x7f"
    assert wire.parse_inference(payload) == wire.Inference(cycles=500, engine_cycles=300, layer_cycles=(100, 200),
                                                           kernel_cycles=(50,), output=b"\x80\x7f")


def answers(requests, shift):
    """What a device gives to them whose model adds ``shift`` to each byte of the input, by the header ``LARGE``."""
    act = bytearray(b"\xa5" * (WEIGHT_WINDOW - ACT_WINDOW))
    for op, payload in requests:
        words = [int.from_bytes(payload[n:n + 4], "little") for n in (0, 4)]
        answer = b""
        if op == Op.WRITE:
            act[words[0] - ACT_WINDOW:words[0] - ACT_WINDOW + len(payload) - 4] = payload[4:]
        elif op == Op.READ:
            answer = bytes(act[words[0] - ACT_WINDOW:][:words[1]])
        else:
            data = payload[8:] or act[LARGE["input_address"]:][:LARGE["input_bytes"]]
            output = bytes((byte + shift) % 256 for byte in data)
            act[LARGE["output_address"]:LARGE["output_address"] + len(output)] = output
            answer = wire.INFERENCE.pack(9, 8, 1, 1) + bytes(8) + (output if words[1] == 0 else b"")
        wire.encode(op, 0, payload), wire.encode(0, 0, answer)      # both fit a frame
        yield answer


LARGE = {**HEADER, "input_address": 5, "output_address": 8195}


@pytest.mark.parametrize("size, requests", [
    (wire.MOST_OUTPUT_BYTES, 1), (wire.MOST_OUTPUT_BYTES + 1, 2 + 1 + 2), (9224, 5 + 1 + 5)])
def test_what_exceeds_a_frame_goes_in_parts(size, requests, monkeypatch):
    monkeypatch.setitem(LARGE, "input_bytes", size)
    monkeypatch.setitem(LARGE, "output_bytes", size)
    data = bytes(n * 7 % 251 for n in range(size))
    asked = wire.inference_requests(data, LARGE, limit_cycles=77)
    assert len(asked) == requests
    done = wire.parse_answers(list(answers(asked, 3)), LARGE)
    assert (done.cycles, done.engine_cycles, len(done.layer_cycles), len(done.kernel_cycles)) == (9, 8, 1, 1)
    assert done.output == bytes((byte + 3) % 256 for byte in data)


def test_an_input_of_another_size_is_refused():
    with pytest.raises(DeviceError, match="input: 9 bytes; the model takes 0; give a whole input"):
        wire.inference_requests(bytes(9), HEADER)


def test_frames_are_found_among_noise():
    """Wherever they are cut; a magic that begins nothing, a length that cannot be and a wrong CRC are noise."""
    wrong = bytearray(wire.encode(Op.READ, 3, b"payload"))
    wrong[-1] ^= 1
    stream = (b"\x00HH" + wire.encode(Op.INFO, 1) + b"HD\x01\x01\xff\xff!" + bytes(wrong)
              + wire.encode(Op.READ, 2, b"HD") + wire.encode(Op.READ, 4) + b"..H")
    for size in (1, 2, 5, 7, len(stream)):
        found, noise, rest = [], b"", b""
        for start in range(0, len(stream), size):
            rest += stream[start:start + size]
            while True:
                frame, skipped, rest = wire.first_frame(rest)
                noise += skipped
                if frame is None:
                    break
                found.append((frame.sequence, frame.payload))
        assert found == [(1, b""), (2, b"HD"), (4, b"")] and rest == b"H"
        assert noise == b"\x00HHHD\x01\x01\xff\xff!" + bytes(wrong) + b".."
