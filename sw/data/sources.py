"""Data sets by what ``--data`` says. To add a source, write a module that loads it and name it here."""

from collections.abc import Callable

from sw.data import digits, idx
from sw.data.dataset import Dataset
from sw.data.errors import DataError

__all__ = ["SOURCES", "load_dataset"]

#: what stands before the colon -> what takes the text behind it
SOURCES: dict[str, Callable[[str], Dataset]] = {
    "digits": digits.load_digits, "mnist": idx.load_folder, "idx": idx.load_folder}


def load_dataset(name: str) -> Dataset:
    """``digits``, or ``mnist:PATH`` (``idx:PATH`` is the same) with the folder of an IDX data set.

    Raises
    ------
    DataError
        If the name is unknown, or a file is missing, damaged, or cannot be trained on.

    >>> load_dataset("digits").inputs["test"].shape
    (360, 8, 8, 1)
    """
    source, _, path = name.partition(":")
    if source not in SOURCES:
        raise DataError(f"data {name!r}: unknown; choose digits or mnist:PATH (idx:PATH is the same)")
    try:
        return SOURCES[source](path)
    except DataError:
        raise
    except (OSError, ValueError, MemoryError) as error:
        raise DataError(f"data {name!r}: {error}") from error
