import random

import pytest

from hw.gateware.command import COMMAND, STREAM, command_layout
from hw.spec.commands import (
    COMMAND_BITS,
    COMMAND_FIELDS,
    COUNTERS,
    COUNTS,
    MAGIC,
    OPCODES,
    REACHES,
    STREAM_FIELDS,
    checksum,
    decode,
    encode,
)
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.fields import OF_UNITS
from hw.spec.image import HEADER_BYTES, HEADER_FIELDS, pack_header, unpack_header


def random_values(rng, fields, opcode):
    """Every field but those that ``encode`` fills in."""
    values = {name: rng.randint(-(1 << bits - 1), (1 << bits - 1) - 1) if signed else rng.randrange(1 << bits)
              for name, (bits, signed) in fields.items()}
    return {**values, "opcode": OPCODES[opcode], "magic": MAGIC, "checksum": 0}


EVERYTHING = command_layout(DesignPoint(table_unit=True, multiplier="scalable"))
TABLES = [("LAYER", COMMAND_FIELDS, EVERYTHING), ("STREAM", STREAM_FIELDS, STREAM), ("END", COMMAND_FIELDS, EVERYTHING)]


@pytest.mark.parametrize("opcode, fields, layout", TABLES)
def test_decode_inverts_encode(opcode, fields, layout):
    rng = random.Random(1)
    for _ in range(50):
        values = random_values(rng, fields, opcode)
        assert decode(encode(values)) | {"checksum": 0} == values


@pytest.mark.parametrize("opcode, fields, layout", TABLES)
def test_gateware_layout_is_the_table(opcode, fields, layout):
    assert layout.size == COMMAND_BITS
    rng = random.Random(2)
    values = random_values(rng, fields, opcode)
    view = layout.from_bits(encode(values))
    assert {name: view[name] for name in fields} | {"checksum": 0} == values


def test_a_design_without_units_has_the_same_layout_but_for_their_fields():
    lacking = command_layout(DesignPoint())
    assert lacking == COMMAND and lacking.size == COMMAND_BITS
    assert set(EVERYTHING.members) - set(lacking.members) == set(OF_UNITS)
    assert all(lacking[name] == EVERYTHING[name] for name in COMMAND_FIELDS if name not in OF_UNITS)


def test_any_two_flipped_bits_spoil_the_checksum_unless_they_hide_each_other():
    rng = random.Random(3)
    word = encode(random_values(rng, COMMAND_FIELDS, "LAYER"))
    assert checksum(word) == 0 and word >> COMMAND_BITS == 0
    for first in range(COMMAND_BITS):
        assert checksum(word ^ 1 << first)
    for _ in range(200):
        first, second = rng.sample(range(COMMAND_BITS), 2)
        assert bool(checksum(word ^ 1 << first ^ 1 << second)) == (first % 16 != second % 16)


def test_a_stream_has_its_own_fields():
    values = {"opcode": OPCODES["STREAM"], "ring_base": 4096, "ring_bytes": 8192, "stream_bytes": 1 << 31}
    assert {name: decode(encode(values))[name] for name in values} == values
    with pytest.raises(SpecError, match="command field 'ring_base': not in hw.spec.commands"):
        encode({"opcode": OPCODES["LAYER"], "ring_base": 0})


def test_fits_says_what_a_field_holds():
    assert (REACHES["kernel_rows"], REACHES["first_y"]) == ((0, 255), (-256, 255))


def test_counters_counts_and_opcodes_are_of_the_table():
    assert set(COUNTS) < set(COMMAND_FIELDS)
    assert list(COMMAND_FIELDS)[:len(STREAM_FIELDS) - 3] == list(STREAM_FIELDS)[:-3]
    assert len(COUNTERS) == 5 and max(OPCODES.values()) < 16


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
