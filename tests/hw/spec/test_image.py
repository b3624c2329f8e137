import pytest

from hw.spec.errors import SpecError
from hw.spec.image import (
    ENGINE,
    HEADER_BYTES,
    HEADER_FIELDS,
    Call,
    pack_calls,
    pack_header,
    unpack_calls,
    unpack_header,
)

VALUES = {"fingerprint": 0xDEADBEEF, "calls_offset": 160, "input_address": 0, "input_bytes": 64, "output_address": 128,
          "output_bytes": 10, "layers": 2, "act_bytes": 138}
BODY = bytes(range(100))


def image(values=VALUES, body=BODY):
    return pack_header(values, body) + body


def test_a_header_survives_and_its_length_is_fixed():
    found = unpack_header(image())
    assert len(pack_header(VALUES, BODY)) == HEADER_BYTES >= 4 * len(HEADER_FIELDS)
    assert {name: found[name] for name in VALUES} == VALUES
    assert list(found) == list(HEADER_FIELDS)
    assert (found["image_bytes"], found["stream_bytes"], found["stream_offset"]) == (164, 0, 164)
    assert image()[:4] == b"HEDL"


def test_the_last_bytes_stream():
    found = unpack_header(image({**VALUES, "stream_bytes": 40, "stream_address": 4096}))
    assert (found["stream_offset"], found["stream_bytes"], found["stream_address"]) == (124, 40, 4096)


@pytest.mark.parametrize("at", [HEADER_BYTES, HEADER_BYTES + 50, HEADER_BYTES + 99])
def test_any_damage_of_the_body_is_found(at):
    damaged = bytearray(image())
    damaged[at] ^= 1
    with pytest.raises(SpecError, match=r"^model image: damaged \(size or CRC-32 differ\); compile the model again$"):
        unpack_header(bytes(damaged))


@pytest.mark.parametrize("content, says", [
    (b"", "no Heddle header of this version"), (b"TFL3" + bytes(100), "no Heddle header of this version"),
    (image()[:4] + b"\1" + image()[5:], "no Heddle header of this version"),
    (image()[:-1], "damaged"), (image() + b"\0", "damaged"),
    (image()[:44] + (0).to_bytes(4, "little") + image()[48:], r"damaged \(the streamed part lies elsewhere\)"),
])
def test_what_is_no_whole_image_is_refused(content, says):
    with pytest.raises(SpecError, match=f"^model image: {says}"):
        unpack_header(content)


CALLS = [Call(runner=2, words=()), Call(runner=ENGINE, words=(5, 6, 7)), Call(runner=1, words=(2**32 - 1, 0))]


def test_calls_survive_behind_anything():
    content = bytes(range(8)) + pack_calls(CALLS)
    assert unpack_calls(content, {"calls_offset": 8, "reset_bytes": 0}) == CALLS
    assert CALLS[1].run == {"program": 5, "layers": 6, "stream_start": 7}
    assert unpack_calls(content, {"calls_offset": len(content), "reset_bytes": 0}) == []


@pytest.mark.parametrize("content, offset, says", [
    (pack_calls(CALLS)[:-4], 0, "call 2, of 1, has 2 words, 1 are left"),
    (pack_calls([Call(runner=ENGINE, words=(1, 2))]), 0, "call 0, of 0, has 2 words, 2 are left"),
    (pack_calls(CALLS) + bytes(4), 0, "call 3, of 0, has 0 words, -1 are left"),
    (pack_calls(CALLS), 2, "its calls begin at byte 2 of"), (b"abc", 0, "its calls begin at byte 0 of 3"),
    (pack_calls(CALLS), 400, "its calls begin at byte 400 of"),
])
def test_what_is_no_list_of_calls_is_refused(content, offset, says):
    with pytest.raises(SpecError, match=f"^model image: {says}"):
        unpack_calls(content, {"calls_offset": offset, "reset_bytes": 0})
