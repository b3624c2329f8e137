import pytest

from hw.spec.registers import WEIGHT_WINDOW, WINDOW_BYTES
from sw.firmware import protocol as wire
from sw.firmware.protocol import DeviceError, Frame, Op, Status

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
    image = bytes(range(250)) * 17
    parts = [(int.from_bytes(payload[:4], "little"), payload[4:]) for payload in wire.upload_payloads(image)]
    assert [offset for offset, _ in parts] == [WEIGHT_WINDOW + n for n in range(0, len(image), wire.CHUNK_BYTES)]
    assert b"".join(part for _, part in parts) == image + bytes(-len(image) % 4)


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
    with pytest.raises(DeviceError, match="firmware: protocol version 9, the host has 1"):
        wire.parse_info((9).to_bytes(4, "little") + bytes(76))


def test_an_inference_is_read():
    payload = b"".join(value.to_bytes(4, "little") for value in (500, 300, 2, 100, 200)) + b"\x80\x7f"
    assert wire.parse_inference(payload) == wire.Inference(cycles=500, engine_cycles=300, layer_cycles=(100, 200),
                                                           output=b"\x80\x7f")
