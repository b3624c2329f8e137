"""The commands that the README prints."""

import re
from pathlib import Path

__all__ = ["README", "printed_commands"]

README = Path(__file__).resolve().parents[2] / "README.md"


def printed_commands(text: str) -> list[str]:
    """Those in blocks, their remarks cut off, and those in ``code``; each once, with single spaces.

    >>> printed_commands("    heddle  explore --space my.toml   # copy it\\n\\n`heddle doctor` says, `make test` too")
    ['heddle doctor', 'heddle explore --space my.toml', 'make test']
    """
    blocks = re.findall(r"^ {4}((?:heddle|make|python) .*?)(?:\s+#.*)?$", text, re.MULTILINE)
    quoted = re.findall(r"`((?:heddle|make|python) [^`]+)`", text)
    return sorted({" ".join(line.split()) for line in [*blocks, *quoted]})
