"""A data set by name and content, so that tasks and keys need not carry its arrays."""

from dataclasses import dataclass
from functools import cache

from flows.run.step import keyed
from sw.data import DataError, Dataset, load_dataset

__all__ = ["DataSource"]


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """What ``--data`` names, and the digest of what was there; the name does not count in keys."""

    name: str = keyed(None)
    content: str

    @staticmethod
    def of(name: str) -> "DataSource":
        """Raises DataError if it cannot be read."""
        return DataSource(name=name, content=_loaded(name).digest)

    def load(self) -> Dataset:
        """Read once in a process.

        Raises
        ------
        DataError
            If what is there is not what it was.
        """
        data = _loaded(self.name)
        if data.digest != self.content:
            raise DataError(f"data {self.name!r}: is another than a moment ago; if a function makes it, seed what it "
                            f"draws, else run again")
        return data


@cache
def _loaded(name: str) -> Dataset:
    return load_dataset(name)
