"""TOML files that users write."""

import tomllib
from pathlib import Path
from typing import Any

from hw.spec.errors import SpecError

__all__ = ["read_toml"]


def read_toml(path: Path, *, example: str) -> dict[str, Any]:
    """Tables of a file.

    Raises
    ------
    SpecError
        If it cannot be read or is no TOML; the line names ``example``, a file to copy.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}; give a TOML file, for example a copy of {example}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not a TOML file ({error}); copy {example} and change it") from error
