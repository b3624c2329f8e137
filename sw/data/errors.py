"""What is wrong with data."""

from collections.abc import Sequence
from pathlib import Path

from hw.spec.errors import HeddleError

__all__ = ["BrokenFiles", "DataError"]

NAMED = 3               # files that one line names


class DataError(HeddleError, ValueError):
    """A data set cannot be read, or not be trained on; the message names the file."""


class BrokenFiles(DataError):
    """Files of a folder that cannot be read, each with the reason."""

    def __init__(self, files: Sequence[tuple[Path, str]]) -> None:
        self.files = tuple(files)
        (first, reason), *others = self.files
        named = ", ".join(path.name for path, _ in others[:NAMED])
        more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
        also = f"; so {'are' if len(others) > 1 else 'is'} {named}{more}" if others else ""
        super().__init__(f"{first}: cannot be used ({reason}){also}; mend or remove "
                         f"{'them' if others else 'it'}, or add broken=skip to go on without")
