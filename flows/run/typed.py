"""Typed values as JSON and back: frozen dataclasses of plain data, of each other, and of paths."""

from pathlib import Path
from typing import Any, TypeVar

import cattrs

from flows.run.files import read_json, write_json
from hw.spec.errors import HeddleError

__all__ = ["from_plain", "read_typed", "to_plain", "write_typed"]

Value = TypeVar("Value")
_CONVERTER = cattrs.Converter(forbid_extra_keys=True)
_CONVERTER.register_unstructure_hook(Path, str)
_SCALARS = (bool, int, float, str)


@_CONVERTER.register_structure_hook
def _scalar(value: Any, _: Any) -> bool | int | float | str:
    """A number, text, true or false, as it is."""
    if type(value) not in _SCALARS:
        raise ValueError(f"{value!r} is no number, text, true or false")
    scalar: bool | int | float | str = value
    return scalar


@_CONVERTER.register_structure_hook
def _plain(value: Any, _: Any) -> bool | int | float | str | tuple[Any, ...]:
    """The same, or several of them."""
    return tuple(_plain(each, _) for each in value) if isinstance(value, list | tuple) else _scalar(value, _)


def to_plain(value: Any) -> Any:
    """Dictionaries, lists, text and numbers."""
    return _CONVERTER.unstructure(value)


def from_plain(kind: type[Value], plain: Any, *, where: str) -> Value:
    """The inverse of :func:`to_plain`.

    Raises
    ------
    HeddleError
        If it is no such value; the message starts with ``where`` and says what is wrong, and where inside.
    """
    try:
        return _CONVERTER.structure(plain, kind)
    except HeddleError as error:
        raise HeddleError(f"{where}: {error}") from error
    except Exception as error:  # cattrs raises groups of whatever the types raise
        raise HeddleError(f"{where}: not a {kind.__name__} of this version ({_cause(error)})") from error


def write_typed(path: Path, value: Any) -> None:
    write_json(path, to_plain(value))


def read_typed(kind: type[Value], path: Path) -> Value:
    """What :func:`write_typed` wrote. Raises HeddleError where it is not that."""
    return from_plain(kind, read_json(path), where=str(path))


def _cause(error: Exception) -> str:
    """In one line: what a type of ours says, else what cattrs does, with the place."""
    waiting: list[BaseException] = [error]
    while waiting:
        found = waiting.pop()
        if isinstance(found, HeddleError):
            return str(found)
        waiting += getattr(found, "exceptions", ())
    return cattrs.transform_error(error)[0]
