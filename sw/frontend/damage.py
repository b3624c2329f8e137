"""Whatever goes wrong in a loader is one line that names the file."""

import struct
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from sw.graph.graph import Graph, GraphError

__all__ = ["names_file"]

#: What Python raises where the bytes of a file are not what they are taken for.
DAMAGE = (struct.error, LookupError, TypeError, ValueError, OverflowError, AttributeError, MemoryError, RecursionError)


def names_file(load: Callable[[Path], Graph]) -> Callable[[Path], Graph]:
    """``load``, whose errors are all GraphError and begin with the file's name."""
    @wraps(load)
    def named(path: Path) -> Graph:
        try:
            return load(path)
        except GraphError as error:
            text = str(error)
            raise GraphError(text if text.startswith((path.name, str(path))) else f"{path.name}: {text}") from error
        except DAMAGE as error:
            raise GraphError(f"{path.name}: is damaged or cut short ({type(error).__name__}: {error}); get it again"
                             ) from error
    return named
