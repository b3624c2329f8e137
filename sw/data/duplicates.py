"""Inputs that are there more than once, found by their hashes."""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from sw.data.dataset import SPLITS, Dataset

__all__ = ["Duplicate", "find_duplicates"]


@dataclass(frozen=True, kw_only=True)
class Duplicate:
    """An input that equals one before it, in the order of the splits, byte for byte."""

    split: str
    input: str              # its file, or its number in the split
    label: int
    of_split: str           # where the first one is
    of_input: str
    of_label: int

    @property
    def across(self) -> bool:
        return self.split != self.of_split

    @property
    def contradicts(self) -> bool:
        return self.label != self.of_label


def find_duplicates(data: Dataset) -> list[Duplicate]:
    """Every input that was there before, with the first of its kind; of the same split too."""
    first: dict[bytes, tuple[str, int]] = {}
    found = []
    for split in SPLITS:
        for number, one in enumerate(np.ascontiguousarray(data.inputs[split])):
            place = first.setdefault(blake2b(one.data, digest_size=16).digest(), (split, number))
            if place != (split, number):
                found.append(Duplicate(
                    split=split, input=_called(data, split, number), label=int(data.labels[split][number]),
                    of_split=place[0], of_input=_called(data, *place), of_label=int(data.labels[place[0]][place[1]])))
    return found


def _called(data: Dataset, split: str, number: int) -> str:
    return data.names[split][number] if split in data.names else str(number)
