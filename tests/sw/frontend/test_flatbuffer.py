"""Reading flatbuffers: every offset is checked before it is followed."""

import struct

import flatbuffers
import numpy as np
import pytest

from sw.frontend import flatbuffer
from sw.frontend.flatbuffer import Scalar, Table, Tables, Text, Union, Vector, read
from sw.graph.graph import GraphError

LEAF = Table(name="Leaf", fields={0: ("number", Scalar(kind="i4", default=7)), 1: ("real", Scalar(kind="f4"))})
ROOT = Table(name="Root", fields={
    0: ("name", Text()), 1: ("values", Vector(kind="i4")), 2: ("leaves", Tables(of=LEAF)), 3: ("one", LEAF),
    5: ("choice", Union(of={2: LEAF})), 6: ("flag", Scalar(kind="?"))})


def leaf(builder, number):
    builder.StartObject(2)
    builder.PrependInt32Slot(0, number, 7)
    return builder.EndObject()


def file(*, kind=2, name="net", values=(1, -2, 3), leaves=(5, 7)):
    builder = flatbuffers.Builder(64)
    text, vector = builder.CreateString(name), builder.CreateNumpyVector(np.array(values, np.int32))
    made = [leaf(builder, number) for number in leaves]
    builder.StartVector(4, len(made), 4)
    for offset in reversed(made):
        builder.PrependUOffsetTRelative(offset)
    tables = builder.EndVector()
    one = leaf(builder, 9)
    builder.StartObject(7)
    for slot, offset in ((0, text), (1, vector), (2, tables), (3, one), (5, one)):
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    builder.PrependUint8Slot(4, kind, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def test_what_is_read():
    root = read(file(), ROOT)
    assert (root.name, root.values.tolist(), root.flag) == ("net", [1, -2, 3], False)
    assert [one.number for one in root.leaves] == [5, 7]
    assert (root.one.number, root.one.real, root.choice.number, root.choice_type) == (9, 0.0, 9, 2)


def test_what_is_absent_is_its_default_and_a_kind_that_nobody_asks_for_is_not_followed():
    builder = flatbuffers.Builder(64)
    builder.StartObject(0)
    builder.Finish(builder.EndObject())
    root = read(bytes(builder.Output()), ROOT)
    assert (root.name, root.values, root.leaves, root.one) == (None, None, [], None)
    assert (root.choice, root.choice_type) == (None, 0)
    assert (read(file(kind=1), ROOT).choice, read(file(kind=1), ROOT).choice_type) == (None, 1)


def test_tables_that_several_name_are_read_once():
    root = read(file(), ROOT)
    assert root.one is root.choice


def test_every_cut_is_one_line():
    whole = file()
    for length in range(len(whole) - 1):
        with pytest.raises(GraphError, match="is damaged|cut short"):
            read(whole[:length], ROOT)


@pytest.mark.parametrize("value", [0, 1, 2, 3, 4, 0x7FFF, 0xFFFF])
def test_every_half_word_with_another_value_reads_or_is_one_line(value):
    whole, refused = file(), 0
    for place in range(0, len(whole) - 1, 2):
        changed = whole[:place] + struct.pack("<H", value) + whole[place + 2:]
        try:
            read(changed, ROOT)
        except GraphError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 0


def changed(place, form, value):
    whole = bytearray(file())
    struct.pack_into(form, whole, place, value)
    return bytes(whole)


def places():
    """Of the root table, its layout, the text and the vector of numbers in the file."""
    whole = file()
    root = struct.unpack_from("<I", whole)[0]
    layout = root - struct.unpack_from("<i", whole, root)[0]
    fields = [root + struct.unpack_from("<H", whole, layout + 4 + 2 * slot)[0] for slot in range(2)]
    return root, layout, *(field + struct.unpack_from("<I", whole, field)[0] for field in fields)


@pytest.mark.parametrize("which, offset, form, value, text", [
    (0, 0, "<i", 1, "the layout of Root at byte"),                                    # not aligned
    (0, 0, "<i", -1 << 30, "the layout of Root at byte .* reaches beyond the end"),
    (1, 0, "<H", 2, "the layout of Root at byte .* has 2 bytes"),
    (1, 0, "<H", 5, "the layout of Root at byte .* has 5 bytes"),
    (1, 0, "<H", 0xFFFE, "the layout of Root at byte .* reaches beyond the end"),
    (1, 2, "<H", 0xFFFE, "a table Root at byte .* reaches beyond the end"),
    (1, 4, "<H", 0xFFF0, "field name of Root at byte .* is not within its table"),
    (2, 0, "<I", 1 << 30, "the end of Root.name, of 1073741824 entries, at byte .* reaches beyond the end"),
    (2, 3 + 4, "<B", 1, "Root.name at byte .* does not end in a zero byte"),
    (3, 0, "<I", 1 << 30, "the end of Root.values, of 1073741824 entries, at byte .* reaches beyond the end"),
])
def test_what_cannot_be_is_named(which, offset, form, value, text):
    with pytest.raises(GraphError, match=text):
        read(changed(places()[which] + offset, form, value), ROOT)


def test_a_file_that_reads_the_same_over_and_over_ends(monkeypatch):
    monkeypatch.setattr(flatbuffer, "MOST_TABLES", 20)
    assert len(read(file(leaves=(1,) * 8), ROOT).leaves) == 8
    with pytest.raises(GraphError, match="holds more than 20 tables"):
        read(file(leaves=(1,) * 10), ROOT)
