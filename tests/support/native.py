"""Programs that only say things, for the tests of which tools are used."""

from pathlib import Path

__all__ = ["BASE_PATH", "SAYS", "program"]

BASE_PATH = "/usr/bin:/bin"
#: What each tool says of itself, around a version.
SAYS = {"yosys": "Yosys {} (git sha1 0123abc)", "ecppack": "Project Trellis ecppack Version {}",
        **{name: f'"{name}" -- Next Generation Place and Route (Version {{}})'
           for name in ("nextpnr-ecp5", "nextpnr-ice40")}}


def program(folder: Path, name: str, script: str) -> Path:
    """A program of the shell in ``folder``, which is to be on the PATH."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path
