import random

import pytest

from hw.gateware.command import COMMAND
from hw.spec.commands import COMMAND_BITS, COMMAND_FIELDS, MAGIC, decode, encode
from hw.spec.errors import SpecError
from hw.spec.image import HEADER_BYTES, HEADER_FIELDS, pack_header, unpack_header


def random_values(rng):
    return {name: rng.randint(-(1 << bits - 1), (1 << bits - 1) - 1) if signed else rng.randrange(1 << bits)
            for name, (bits, signed) in COMMAND_FIELDS.items()}


def test_decode_inverts_encode():
    rng = random.Random(1)
    for _ in range(50):
        values = random_values(rng)
        assert decode(encode(values)) == values | {"magic": MAGIC}


def test_gateware_layout_is_the_table():
    assert COMMAND.size == COMMAND_BITS
    rng = random.Random(2)
    values = random_values(rng) | {"magic": MAGIC}
    view = COMMAND.from_bits(encode(values))
    assert {name: view[name] for name in COMMAND_FIELDS} == values


@pytest.mark.parametrize("values, text", [
    ({"groups": 65536}, "groups=65536: the command's 16-bit field holds 0 to 65535"),
    ({"in_zero": -129}, "in_zero=-129: the command's 8-bit field holds -128 to 127"),
    ({"colour": 1}, "command field 'colour': not in hw.spec.commands"),
])
def test_what_does_not_fit_is_named(values, text):
    with pytest.raises(SpecError, match=text):
        encode(values)


def test_image_header_notices_damage():
    given = {name: n for n, name in enumerate(HEADER_FIELDS)} | {"stream_bytes": 3}
    image = pack_header(given, b"body") + b"body"
    assert unpack_header(image)["image_bytes"] == HEADER_BYTES + 4
    assert unpack_header(image)["stream_offset"] == HEADER_BYTES + 1
    assert unpack_header(pack_header(given | {"stream_bytes": 0}, b""))["stream_offset"] == HEADER_BYTES
    with pytest.raises(SpecError, match="damaged .the streamed part lies elsewhere"):
        unpack_header(pack_header(given | {"stream_bytes": 5}, b"body") + b"body")
    with pytest.raises(SpecError, match="damaged"):
        unpack_header(image[:-1] + b"?")
    with pytest.raises(SpecError, match="no Heddle header"):
        unpack_header(b"\0" * 80)
