"""What a source's text says: ``KIND:PATH,name=value,name=value``; options are the fields of a dataclass a source.

A comma that no ``name=`` follows belongs to the path or the value, so ``columns=ax,ay,label=kind`` has two options.
Nothing in the form means anything to a shell, nor to TOML within a string.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from sw.data.augment import augmentations_of
from sw.data.errors import DataError

__all__ = ["NumberOptions", "Options", "SplitOptions", "convert", "known", "option", "parse_options", "split_source"]

#: What stands for a truth.
TRUTHS = {"1": True, "yes": True, "true": True, "on": True, "0": False, "no": False, "false": False, "off": False}
LARGEST_SEED = (1 << 32) - 1

Given = TypeVar("Given")


def option(default: Any, says: str) -> Any:
    """A field with its line in the documentation."""
    return field(default=default, metadata={"says": says})


@dataclass(frozen=True, kw_only=True)
class Options:
    """What every source takes."""

    seed: int = option(0, "of the split")
    valid: str = option("", "what networks are chosen by: a share of the training inputs, such as 0.1, or groups")
    augment: str = option("", "changes of training inputs, such as shift:1+noise:0.05; without it what suits the kind, "
                              "none for nothing")
    normal: str = option("", "classes, joined by +, that alone are learned, by a network that gives its inputs back; "
                             "valid and test keep all, to tell others from them")

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise DataError(f"seed={self.seed}: write 0 to {LARGEST_SEED}")
        if self.augment:
            augmentations_of(self.augment)


@dataclass(frozen=True, kw_only=True)
class SplitOptions(Options):
    """What sources take that may have no test split of their own."""

    test: str = option("", "what is only reported: a share of all inputs, such as 0.2, or groups; refused where the "
                           "data have a test split")


@dataclass(frozen=True, kw_only=True)
class NumberOptions(SplitOptions):
    """What sources of plain numbers take."""

    standardize: bool = option(False, "each channel minus its mean, divided by its deviation, both of the training "
                                      "split")


def split_source(text: str) -> tuple[str, dict[str, str]]:
    """What stands before the options, and the options as they are written.

    Raises
    ------
    DataError
        If an option is there twice.

    >>> split_source("csv:a, b.csv,columns=ax,ay,label=kind")
    ('csv:a, b.csv', {'columns': 'ax,ay', 'label': 'kind'})
    """
    source, *options = re.split(r",(?=[A-Za-z_]\w*=)", text)
    given: dict[str, str] = {}
    for each in options:
        name, _, value = each.partition("=")
        if name in given:
            raise DataError(f"data {text!r}: the option {name} is there twice; keep one")
        given[name] = value
    return source, given


def known(kinds: Iterable[Any]) -> str:
    """Names of the fields of dataclasses, for messages."""
    return ", ".join(each.name for kind in kinds for each in fields(kind))


def parse_options(kind: type[Given], given: Mapping[str, str], source: str) -> Given:
    """The options of a source from their texts.

    Raises
    ------
    DataError
        If a name is unknown, or a value is none of its type.
    """
    hints = get_type_hints(kind)
    if unknown := [name for name in given if name not in hints]:
        raise DataError(f"data {source!r}: no option {unknown[0]!r}; there are {known([kind])}")
    try:
        return kind(**{name: convert(hints[name], text, name) for name, text in given.items()})
    except DataError as error:
        raise DataError(f"data {source!r}: {error}") from None


def convert(kind: Any, text: str, name: str) -> Any:
    """A value from its text, by its type; texts of types that have no form here stay texts.

    >>> convert(tuple[int, int], "32x24", "size"), convert(bool, "yes", "grey"), convert(tuple[str, ...], "a,b", "x")
    ((32, 24), True, ('a', 'b'))
    """
    kinds = [each for each in get_args(kind) if each is not NoneType] if NoneType in get_args(kind) else [kind]
    wanted = kinds[0]
    if get_origin(wanted) is Literal:
        if text not in get_args(wanted):
            raise DataError(f"{name}={text}: write one of {', '.join(filter(None, get_args(wanted)))}")
        return text
    if wanted is bool:
        if text.lower() not in TRUTHS:
            raise DataError(f"{name}={text}: write 1 or 0")
        return TRUTHS[text.lower()]
    if wanted == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(","))
    try:
        if wanted == tuple[int, int]:
            first, _, second = text.partition("x")
            return int(first), int(second or first)
        return wanted(text) if wanted in (int, float) else text
    except ValueError:
        form = {int: "a whole number", float: "a number"}.get(wanted, "two whole numbers, such as 32x24")
        raise DataError(f"{name}={text}: is no value; write {form}") from None
