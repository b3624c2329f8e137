"""A function of the CPU, and what an operator of the graph has it do.

A function is a C file of the firmware and the same in numpy. Its words are its fields, in order, as signed 32-bit
numbers, and a table behind them. Addresses are bytes in the activation scratchpad; a function may read and write
several places in it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Fields", "Function", "Place", "Task", "as_words", "words_of"]

Fields = Mapping[str, int]
#: Address and bytes.
Place = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function of the CPU, on the activation scratchpad."""

    fields: tuple[str, ...]                                     # of its first words
    addresses: tuple[str, ...]                                  # those of them that are addresses
    reads: Callable[[Fields], Sequence[Place]]
    writes: Callable[[Fields], Sequence[Place]]
    cycles: Callable[[Fields], float]                           # estimated, see sw.golden.costs
    #: Of fields, table (uint32) and the whole scratchpad (int8), which changes.
    run: Callable[[Fields, np.ndarray, np.ndarray], None]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One call of a function, by its name."""

    function: str
    fields: Fields
    table: Sequence[int] = field(default=())                    # 32-bit words


def as_words(content: bytes) -> list[int]:
    """The words of a table, the last one filled up with zeros.

    >>> [hex(word) for word in as_words(bytes([1, 2, 3, 4, 5]))]
    ['0x4030201', '0x5']
    """
    return np.frombuffer(content + bytes(-len(content) % 4), "<u4").tolist()


def words_of(function: Function, fields: Fields, table: Sequence[int] = ()) -> tuple[int, ...]:
    """The words of a call: negative fields as two's complement.

    Raises
    ------
    KeyError
        If a field is missing.
    """
    return (*(fields[name] % (1 << 32) for name in function.fields), *table)
