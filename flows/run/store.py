"""The store: results by a digest of everything that made them.

A result is a directory. It is made in a temporary one and renamed into place, so it is there whole or not at all, with
a manifest that tells a damaged one. One lock per key: whoever comes second waits and finds it made. What a killed run
left behind is swept by the next. ``python -m flows.run.store clean`` empties it.
"""

import errno
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

from hw.spec.errors import HeddleError
from hw.tools import ToolError

__all__ = ["Store", "StoreError", "open_store", "parse_size"]

ROOT = Path(__file__).resolve().parents[2]
FORMAT = 1                      # of the store's folders and manifests
DEFAULT_LIMIT_BYTES = 8 << 30
_MANIFEST = ".heddle.json"
_LOW_WATER = 0.9                # eviction goes on down to this part of the limit
_UNWRITABLE = {errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.ENOENT, errno.ENAMETOOLONG,
               errno.ELOOP}
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class StoreError(HeddleError):
    """The store cannot do what was asked; the message says what to mend."""


class Store:
    """Results under ``root``, at most about ``limit_bytes`` of them.

    Beyond the limit the least recently used results go, but none that a living process has taken since it opened the
    store. Paths that :meth:`get` gives are for reading.
    """

    def __init__(self, root: Path, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self.root = root.resolve() / f"v{FORMAT}"
        self.limit_bytes = limit_bytes
        self.made = 0       # results that this object had to make
        self.reused = 0     # results that were there
        self._checked: set[Path] = set()
        self._bytes: int | None = None
        with self._named_errors():
            for name in ("entries", "locks", "tmp", "logs", "leases"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            self._lease = _take_lease(self.root / "leases")

    def __reduce__(self) -> tuple[Any, ...]:
        """A store may be sent to a worker, which opens it once."""
        return _reopened, (str(self.root.parent), self.limit_bytes)

    def close(self) -> None:
        """Let go of everything that was taken. The end of the process does the same."""
        os.close(self._lease)

    def get(self, kind: str, key: Mapping[str, object], make: Callable[[Path], object]) -> Path:
        """The directory of one result, made by ``make(directory)`` unless it is there.

        Parameters
        ----------
        kind
            What it is, one word.
        key
            Everything that the result depends on; must be JSON-able.
        make
            Fills an empty directory. It runs at most once for a key at a time, among all processes.

        Raises
        ------
        ToolError
            The tool's failure, now or, where the same run would fail the same way, when it was first tried.
        StoreError
            If the disk is full or the store cannot be written.

        Anything else that ``make`` raises comes through; then nothing is stored.
        """
        digest = self.digest(kind, key)
        final = self.root / "entries" / kind / digest[:2] / digest
        with self._named_errors(), self._lock(digest):
            self._sweep(digest)
            here = self._usable(final)
            if not here:
                self._make(kind, key, final, make)
            os.utime(final / _MANIFEST)
        self.made, self.reused = self.made + (not here), self.reused + here
        if not here:
            self._count(final)
        failure = final / "failure.json"
        if failure.exists():
            raise _failure_from(json.loads(failure.read_text(encoding="utf-8")))
        return final

    def find(self, kind: str, key: Mapping[str, object]) -> Path | None:
        """The result if it is there, undamaged and not a failure; makes nothing."""
        digest = self.digest(kind, key)
        final = self.root / "entries" / kind / digest[:2] / digest
        with self._named_errors(), self._lock(digest):
            if not self._usable(final) or (final / "failure.json").exists():
                return None
            os.utime(final / _MANIFEST)
        return final

    @staticmethod
    def digest(kind: str, key: Mapping[str, object]) -> str:
        """The name of a result, 40 hexadecimal digits."""
        try:
            text = json.dumps([FORMAT, kind, key], sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise StoreError(f"key of {kind!r}: {error}; use plain numbers, text, lists and dictionaries") from error
        return sha256(text.encode()).hexdigest()[:40]

    def evict(self, limit_bytes: int | None = None) -> int:
        """Remove the least recently used results until the rest fits; the number that went.

        Without an argument it works when the store's own limit is passed. Results in use stay, whatever their size.
        """
        limit = self.limit_bytes if limit_bytes is None else limit_bytes
        with self._named_errors():
            self._sweep_all()
            entries = sorted(self._entries())
            total, gone, oldest = sum(size for _, size, _ in entries), 0, self._oldest_lease()
            target = limit if total <= limit else int(limit * _LOW_WATER)
            for _, size, path in entries:
                if total <= target:
                    break
                if self._remove_unused(path, oldest):
                    total, gone = total - size, gone + 1
            self._bytes = total
        return gone

    def _make(self, kind: str, key: Mapping[str, object], final: Path, make: Callable[[Path], object]) -> None:
        partial = self.root / "tmp" / f"{final.name}.{uuid4().hex[:8]}"
        partial.mkdir()
        begun = time.monotonic()
        try:
            try:
                make(partial)
            except ToolError as error:
                record = self._keep_log(kind, final.name, error)
                if not error.repeats:
                    raise _failure_from(record) from error
                shutil.rmtree(partial)
                partial.mkdir()
                (partial / "failure.json").write_text(json.dumps(record), encoding="utf-8")
            manifest = {"kind": kind, "key": key, "seconds": round(time.monotonic() - begun, 3),
                        "files": {name: _fingerprint(path) for name, path in _files(partial)}}
            (partial / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
            self._discard(final)
            final.parent.mkdir(parents=True, exist_ok=True)
            partial.rename(final)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        self._checked.add(final)

    def _count(self, made: Path) -> None:
        """Keep the size in mind, and to the limit; counted whole once, so that a result more costs no walk."""
        if self._bytes is None:
            self._bytes = sum(size for _, size, _ in self._entries())
        else:
            self._bytes += _manifest_bytes(json.loads((made / _MANIFEST).read_text(encoding="utf-8")))
        if self._bytes > self.limit_bytes:
            self.evict()

    def _keep_log(self, kind: str, digest: str, error: ToolError) -> dict[str, object]:
        """The failure as a record, its log moved to where it outlives the directory."""
        record = {"tool": error.tool, "what": error.what, "detail": error.detail, "repeats": error.repeats, "log": None}
        if error.log and error.log.is_file():
            kept = self.root / "logs" / f"{kind}-{digest[:12]}-{error.log.name}"
            try:
                shutil.copyfile(error.log, kept)
                record["log"] = str(kept)
            except OSError:
                kept.unlink(missing_ok=True)
        return record

    def _usable(self, path: Path) -> bool:
        """Whether the result is there and is what was stored; contents are read once in a process."""
        try:
            recorded = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))["files"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        if path in self._checked:
            return all(_size(path / name) == size for name, (size, _) in recorded.items())
        whole = all(_size(path / name) == size and _fingerprint(path / name) == [size, digest]
                    for name, (size, digest) in recorded.items())
        if whole:
            self._checked.add(path)
        return whole

    def _entries(self) -> Iterator[tuple[int, int, Path]]:
        """(last use in ns, bytes, directory) of every result."""
        for path in (self.root / "entries").glob("*/*/*"):
            try:
                manifest = path / _MANIFEST
                record = json.loads(manifest.read_text(encoding="utf-8"))
                yield manifest.stat().st_mtime_ns, _manifest_bytes(record), path
            except (OSError, ValueError, KeyError, TypeError):
                yield 0, sum(size for _, size in ((n, _size(p) or 0) for n, p in _files(path))), path

    def _oldest_lease(self) -> int:
        """When the longest-living process that has this store open opened it, ns; removes leases of dead ones."""
        oldest = os.fstat(self._lease).st_mtime_ns
        for path in (self.root / "leases").iterdir():
            try:
                with path.open("rb") as lease:
                    fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink(missing_ok=True)
            except BlockingIOError:
                oldest = min(oldest, path.stat().st_mtime_ns)
            except FileNotFoundError:
                continue
        return oldest

    def _remove_unused(self, path: Path, oldest_lease: int) -> bool:
        try:
            with self._lock(path.name, wait=False):
                manifest = path / _MANIFEST
                if manifest.exists() and manifest.stat().st_mtime_ns >= oldest_lease:
                    return False
                self._discard(path)
                (self.root / "locks" / f"{path.name}.lock").unlink(missing_ok=True)
        except Timeout:
            return False
        return True

    def _discard(self, path: Path) -> None:
        """Remove a directory so that it is never seen half there."""
        if path.exists():
            doomed = self.root / "tmp" / f"{path.name}.{uuid4().hex[:8]}"
            path.rename(doomed)
            shutil.rmtree(doomed)
        self._checked.discard(path)

    def _sweep(self, digest: str) -> None:
        """Remove what a killed run left of this key; its lock is ours, so nobody is at work on it."""
        for path in (self.root / "tmp").glob(f"{digest}.*"):
            shutil.rmtree(path, ignore_errors=True)

    def _sweep_all(self) -> None:
        for digest in {path.name.partition(".")[0] for path in (self.root / "tmp").iterdir()}:
            try:
                with self._lock(digest, wait=False):
                    self._sweep(digest)
            except Timeout:
                continue

    def _lock(self, digest: str, *, wait: bool = True) -> FileLock:
        return FileLock(self.root / "locks" / f"{digest}.lock", timeout=-1 if wait else 0)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """A full or unwritable disk under the store, as one line."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreError(f"store {self.root}: the disk is full; free some space, empty the store with "
                                 f"`make clean`, or put it elsewhere with HEDDLE_CACHE") from error
            if self._is_mine(error.filename) and error.errno in _UNWRITABLE:
                raise StoreError(f"store {self.root}: cannot be written ({error.strerror}: {error.filename}); "
                                 f"put it elsewhere with HEDDLE_CACHE") from error
            raise

    def _is_mine(self, name: object) -> bool:
        """Whether a file lies in the store, or is a folder that was to be made for it."""
        path = Path(str(name))
        return path.is_relative_to(self.root) or self.root.is_relative_to(path)


def _take_lease(folder: Path) -> int:
    """An open, locked file whose time says since when this process has the store open.

    It stays open when the object goes, because the paths that the object gave are still in use.
    """
    path = folder / f"{os.getpid()}-{uuid4().hex[:8]}"
    while True:
        lease = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC)
        fcntl.flock(lease, fcntl.LOCK_EX)
        if os.fstat(lease).st_nlink:
            return lease
        os.close(lease)  # an eviction took it for a dead one between the two calls


def _failure_from(record: Mapping[str, object]) -> ToolError:
    log = record["log"]
    return ToolError(str(record["tool"]), str(record["what"]), detail=str(record["detail"]),
                     log=Path(str(log)) if log else None, repeats=bool(record["repeats"]))


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _fingerprint(path: Path) -> list[int | str]:
    digest = blake2b(digest_size=16)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return [path.stat().st_size, digest.hexdigest()]


def _manifest_bytes(manifest: Mapping[str, Mapping[str, tuple[int, str]]]) -> int:
    return sum(size for size, _ in manifest["files"].values()) + 4096


def parse_size(text: str) -> int:
    """Bytes from ``500M``, ``8G``, ``1.5 GB`` or a plain number.

    >>> parse_size("2K"), parse_size("8 GB")
    (2048, 8589934592)
    """
    plain = text.strip().upper().removesuffix("B").removesuffix("I").rstrip()
    number, unit = (plain[:-1], plain[-1]) if plain and plain[-1] in _UNITS else (plain, "")
    try:
        size = int(float(number) * _UNITS[unit])
    except (ValueError, OverflowError):
        size = -1
    if size < 0:
        raise StoreError(f"HEDDLE_CACHE_LIMIT={text!r}: write a size such as 500M or 8G")
    return size


@cache
def _reopened(root: str, limit_bytes: int) -> Store:
    return Store(Path(root), limit_bytes)


def open_store() -> Store:
    """The user's store: ``$HEDDLE_CACHE``, else ``.heddle`` in the checkout; ``$HEDDLE_CACHE_LIMIT`` is its size."""
    limit = os.environ.get("HEDDLE_CACHE_LIMIT")
    return Store(Path(os.environ.get("HEDDLE_CACHE") or ROOT / ".heddle"),
                 parse_size(limit) if limit else DEFAULT_LIMIT_BYTES)


def _main(argv: list[str]) -> int:
    if argv != ["clean"]:
        print("usage: python -m flows.run.store clean", file=sys.stderr)
        return 2
    try:
        store = open_store()
        gone, kept = store.evict(0), sum(1 for _ in store._entries())
        shutil.rmtree(store.root / "logs")
        store.close()
        print(f"store {store.root}: {gone} results removed" + (f", {kept} in use by another run kept" if kept else ""))
    except HeddleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
