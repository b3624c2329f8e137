"""Flatbuffers read with every offset checked: what lies outside of the file is an error and never read.

A schema names the fields that are read, so that nothing else is followed and a file cannot lead in a circle. What comes
back are plain values, strings, numpy views of the file's bytes, and records of them; the file is not looked at again.
The rules of the format are those of ``flatbuffers::Verifier``: offsets within the file, tables and vectors aligned, a
string ended by a zero byte.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from struct import Struct
from types import SimpleNamespace
from typing import Any

import numpy as np

from sw.graph.graph import GraphError

__all__ = ["MOST_TABLES", "Record", "Scalar", "Table", "Tables", "Text", "Union", "Vector", "read"]

MOST_TABLES = 30_000      # tables and entries of their vectors in one file
_OFFSET, _BACK, _SIZE = Struct("<I"), Struct("<i"), Struct("<H")

#: What is read of a table: its fields by their names in the schema.
Record = SimpleNamespace


@dataclass(frozen=True, kw_only=True)
class Scalar:
    """A number within its table; numpy's name of its type without the byte order."""

    kind: str
    default: int | float = 0


@dataclass(frozen=True, kw_only=True)
class Text:
    """A string; None where it is absent."""


@dataclass(frozen=True, kw_only=True)
class Vector:
    """Numbers, as a view of the file; None where absent."""

    kind: str


@dataclass(frozen=True, kw_only=True)
class Tables:
    """A vector of tables; empty where absent."""

    of: "Table"


@dataclass(frozen=True, kw_only=True)
class Union:
    """A table whose kind the field before says; None where that is a kind that nobody asks for, or it is absent.

    The record gets ``NAME`` and, for the number of the kind, ``NAME_type``.
    """

    of: Mapping[int, "Table"]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table's name, for errors, and its fields by their slots; a union takes its own slot and the one before."""

    name: str
    fields: Mapping[int, "tuple[str, Field]"]


Field = Scalar | Text | Vector | Tables | Union | Table


def read(data: bytes, root: Table) -> Record:
    """The root table of the file ``data``.

    Raises
    ------
    GraphError
        If what it holds cannot be as it says.
    """
    reader = _Reader(data)
    return reader.table(root, reader.follow(0, "the root"))


class _Reader:
    def __init__(self, data: bytes):
        self.data = data
        self.tables: dict[tuple[int, int], Record] = {}     # by the schema's identity and the place
        self.count = 0

    def within(self, start: int, size: int, align: int, what: str) -> int:
        """``start``, if ``size`` bytes from there are in the file and it is a multiple of ``align``."""
        if start % align or start < 0 or start + size > len(self.data):
            reason = f"is not a multiple of {align}" if start % align else f"reaches beyond the end at {len(self.data)}"
            raise GraphError(f"is damaged or cut short: {what} at byte {start} {reason}; get it again")
        return start

    def follow(self, place: int, what: str) -> int:
        """Where the offset at ``place`` leads."""
        return place + _OFFSET.unpack_from(self.data, self.within(place, 4, 4, f"the offset of {what}"))[0]

    def counted(self, more: int) -> None:
        self.count += more
        if self.count > MOST_TABLES:
            raise GraphError(f"holds more than {MOST_TABLES} tables, which no network that fits a board does; get it "
                             f"again")

    def table(self, schema: Table, place: int) -> Record:
        key = id(schema), place
        if key not in self.tables:
            self.counted(1)
            self.tables[key] = self._table(schema, place)
        return self.tables[key]

    def _table(self, schema: Table, place: int) -> Record:
        self.within(place, 4, 4, f"a table {schema.name}")
        start = self.within(place - _BACK.unpack_from(self.data, place)[0], 4, 2, f"the layout of {schema.name}")
        layout, size = (_SIZE.unpack_from(self.data, start + step)[0] for step in (0, 2))
        if layout < 4 or layout % 2 or size < 4:
            raise GraphError(f"is damaged: the layout of {schema.name} at byte {start} has {layout} bytes for a table "
                             f"of {size}; get it again")
        self.within(start, layout, 2, f"the layout of {schema.name}")
        self.within(place, size, 4, f"a table {schema.name}")

        def slot(number: int, bytes_: int, name: str) -> int | None:
            """Where the field in slot ``number`` is; None where the table has none."""
            if 4 + 2 * number + 2 > layout:
                return None
            offset = _SIZE.unpack_from(self.data, start + 4 + 2 * number)[0]
            if not offset:
                return None
            if not 4 <= offset <= size - bytes_:
                raise GraphError(f"is damaged: field {name} of {schema.name} at byte {place + offset} is not within "
                                 f"its table; get it again")
            return self.within(place + offset, bytes_, bytes_, f"field {name} of {schema.name}")

        record = Record()
        for number, (name, field) in schema.fields.items():
            self._field(record, f"{schema.name}.{name}", name, field, number, slot)
        return record

    def _field(self, record: Record, what: str, name: str, field: Field, number: int,
               slot: Callable[[int, int, str], int | None]) -> None:
        if isinstance(field, Scalar):
            kind = np.dtype(field.kind)
            place = slot(number, kind.itemsize, name)
            value: Any = field.default if place is None else np.frombuffer(
                self.data, kind.newbyteorder("<"), 1, place)[0].item()
            setattr(record, name, value)
            return
        place = slot(number, 4, name)
        target = None if place is None else self.follow(place, what)
        if isinstance(field, Union):
            at = slot(number - 1, 1, f"{name}_type")
            number = 0 if at is None else self.data[at]
            setattr(record, f"{name}_type", number)
            schema = field.of.get(number)
            setattr(record, name, None if target is None or schema is None else self.table(schema, target))
        elif isinstance(field, Table):
            setattr(record, name, None if target is None else self.table(field, target))
        elif isinstance(field, Tables):
            setattr(record, name, [] if target is None else self._tables(field.of, target, what))
        elif isinstance(field, Vector):
            setattr(record, name, None if target is None else self._vector(np.dtype(field.kind), target, what))
        else:
            setattr(record, name, None if target is None else self._text(target, what))

    def _length(self, place: int, size: int, what: str) -> int:
        """Entries of the vector at ``place``, of ``size`` bytes each."""
        count: int = _OFFSET.unpack_from(self.data, self.within(place, 4, 4, what))[0]
        self.within(place + 4, count * size, 1, f"the end of {what}, of {count} entries,")
        return count

    def _vector(self, kind: np.dtype, place: int, what: str) -> np.ndarray:
        count = self._length(place, kind.itemsize, what)
        if count:
            self.within(place + 4, 0, kind.itemsize, what)
        return np.frombuffer(self.data, kind.newbyteorder("<"), count, place + 4)

    def _text(self, place: int, what: str) -> str:
        count = self._length(place, 1, what)
        self.within(place + 4 + count, 1, 1, f"the end of {what}")
        if self.data[place + 4 + count]:
            raise GraphError(f"is damaged: {what} at byte {place} does not end in a zero byte; get it again")
        return self.data[place + 4:place + 4 + count].decode(errors="replace")

    def _tables(self, schema: Table, place: int, what: str) -> list[Record]:
        count = self._length(place, 4, what)
        self.counted(count)
        return [self.table(schema, self.follow(place + 4 + 4 * entry, what)) for entry in range(count)]
