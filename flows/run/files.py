"""Files that are written whole or not at all, and JSON in them."""

import json
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from hw.spec.errors import HeddleError

__all__ = ["read_json", "sweep", "to_json", "write_json", "write_whole"]

_PART = ".part"         # how the name of a file ends that is being written


def write_whole(path: Path, content: str | bytes) -> Path:
    """Replace ``path`` by a file with ``content``; whoever reads sees the old one or the new one."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=_PART, delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return path


def sweep(folder: Path) -> None:
    """Remove what was being written in ``folder`` by whom a kill ended; nobody else may be writing there."""
    for path in folder.glob(f".*{_PART}"):
        path.unlink(missing_ok=True)


def to_json(document: Any) -> str:
    """The same text for the same document: keys keep their order, numbers are not rounded."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, document: Any) -> Path:
    return write_whole(path, to_json(document))


def read_json(path: Path) -> Any:
    """What a step wrote. Raises HeddleError where it is not there or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HeddleError(f"{path}: not written as expected ({error}); run `make clean` and try again") from error
