"""Programs that the user has on the PATH: what each says of itself, and whether it will do in place of the packaged."""

import os
import re
import shutil
import signal
import subprocess
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

__all__ = ["VERSION_S", "Found", "Native", "Probed", "Versioned"]

VERSION_S = 10.0        # for an answer; a program that takes longer is left alone


@dataclass(frozen=True, kw_only=True)
class Found:
    """A program on the PATH; ``fault`` is why it will not do, empty where it will.

    ``version`` is what it says of itself in full, since two builds may share a number.
    """

    path: Path
    version: str = ""
    fault: str = ""

    def __str__(self) -> str:
        return f"{self.path} {self.version}".strip()


@dataclass(frozen=True, kw_only=True)
class Native:
    """How a program is asked that may take the place of a packaged one."""

    name: str                       # on the PATH
    script: tuple[str, ...] = ()    # what comes before the arguments that a packaged one takes

    def look(self, path: str) -> Found | None:
        """The first of that name in the folders of ``path``; None where there is none."""
        found = shutil.which(self.name, path=path)
        if found is None:
            return None
        program = Path(found).absolute()
        try:
            return self.ask(program)
        except subprocess.TimeoutExpired:
            return Found(path=program, fault=f"does not answer within {VERSION_S:g} s")
        except OSError as error:
            return Found(path=program, fault=f"does not run ({error.strerror})")

    @abstractmethod
    def ask(self, program: Path) -> Found:
        """Raises OSError where it does not start, TimeoutExpired where it does not end."""


@dataclass(frozen=True, kw_only=True)
class Versioned(Native):
    """One that says its version after the word ``before``; ``least`` is the lowest that will do."""

    before: str
    least: tuple[int, ...]
    older: str                      # what is wrong with older ones

    def ask(self, program: Path) -> Found:
        said = _answer([str(program), "--version"], b"").decode(errors="replace")
        match = re.search(rf"\b{self.before} (?P<all>[^\d\n]*?(?P<number>\d+(?:\.\d+)+)[^\n]*)", said)
        if match is None:
            return Found(path=program, fault="says no version that Heddle can read")
        number, full = match["number"], match["all"].strip()
        version = full[:-1] if full.count(")") > full.count("(") else full
        if tuple(map(int, number.split("."))) >= self.least:
            return Found(path=program, version=version)
        least = ".".join(map(str, self.least))
        return Found(path=program, version=version, fault=f"is older than {least}, and {self.older}")


@dataclass(frozen=True, kw_only=True)
class Probed(Native):
    """One that says no version: it is given a small input, and must make the same of it as the packaged one.

    Its version is the digest of its file.
    """

    arguments: tuple[str, ...]
    given: bytes                    # on standard input
    makes: str                      # SHA-256 of what the packaged one writes to standard output

    def ask(self, program: Path) -> Found:
        made = sha256(_answer([str(program), *self.arguments], self.given)).hexdigest()
        version = f"sha256 {sha256(program.read_bytes()).hexdigest()[:16]}"
        return Found(path=program, version=version,
                     fault="" if made == self.makes else "makes something else of a probe than the packaged one")


def _answer(argv: Sequence[str], given: bytes) -> bytes:
    """Standard output and error; whatever it started ends with it."""
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          start_new_session=True) as process:
        try:
            return process.communicate(given, timeout=VERSION_S)[0]
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
