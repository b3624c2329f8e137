"""The executor for several machines: workers of a Dask scheduler that exists, where they share the store.

    dask scheduler                              # on one machine
    dask worker HOST:8786 --nthreads 1          # on each, in its checkout; --nworkers N for N processes

A worker takes part where its results would have the same keys as here (sources, libraries, tools) and lie in the same
store, whose locks reach it: what one makes all others find, and nobody makes it again. Workers may come and go; a task
whose worker died is given to another.
"""

import asyncio
import logging
import os
import pickle
import platform
import re
import signal
import time
import tomllib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, partial
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

from flows.run import progress
from flows.run.closure import ROOT
from flows.run.executor import Failure, Mouth, guarded, hear
from flows.run.queue import using
from flows.run.store import Store
from hw.spec.errors import HeddleError
from hw.tools import NATIVE, PACKAGED, TOOLS, VARIABLE, ToolError
from hw.tools import version as tool_version
from sw.models.processor import arithmetic

__all__ = ["Cluster", "ClusterError", "connected"]

Entry = tuple[int, Any]
WAIT_S = 10.0           # for the scheduler
WORKER_WAIT_S = 20.0    # for its first worker
LOOK_S = 1.0            # between two looks at which workers there are
DEATHS_MOST = 3         # processes that a task may take with it
PACKAGES = ("boards", "cosim", "flows", "hw", "sw")
_DIED = object()


class ClusterError(HeddleError):
    """The cluster cannot be used; the message says why and what to do."""


@contextmanager
def connected(address: str, store: Store) -> Iterator["Cluster"]:
    """Every queue in the body is worked through by the cluster of the scheduler at ``address``, whose workers keep
    results in ``store``.

    Raises
    ------
    ClusterError
        If there is no scheduler, no worker, or one that cannot take part.
    """
    client = _client(address)
    try:
        with _probe(store) as probe:
            cluster = Cluster(client, address, probe)
            cluster.check()
            with using(cluster):
                yield cluster
    finally:
        client.close()


class Cluster:
    """An :class:`flows.run.executor.Executor`: one task at a time on every worker that can take part.

    Which worker gets a task is said here, so that a task that kills its process kills no more than ``DEATHS_MOST``.
    """

    def __init__(self, client: Any, address: str, probe: Path) -> None:
        self.client, self.address, self.probe = client, address, probe
        self.topic = f"heddle-{uuid4().hex}"     # of what tasks tell
        self._batch = ""                         # of the queue that is being worked through
        self._known: dict[str, str] = {}      # why it cannot take part, empty where it can
        self._running: dict[Any, tuple[Entry, str]] = {}
        self._looked = 0.0
        client.subscribe_topic(self.topic, lambda event: hear(event[1]))

    def check(self) -> None:
        """Raises ClusterError unless all workers that there are can take part."""
        with self._reached():
            found = self.client.get_versions()
        for worker, record in found["workers"].items():
            if line := difference(_versions(found["client"]), _versions(record)):
                raise ClusterError(f"cluster {self.address}: worker {worker}: {line}")
        self._look(now=True)
        for worker, line in self._known.items():
            if line:
                raise ClusterError(f"cluster {self.address}: worker {worker}: {line}")

    def work(self, function: Callable[[Any], Any], queue: Iterator[Entry], *, name: Callable[[Any], str],
             missing: Callable[[], float]) -> Generator[tuple[int, Any, Any], None, None]:
        self._batch = f"heddle-{uuid4().hex}"
        try:
            yield from self._work(function, _Source(queue), name, missing)
        except BaseException:
            self._end()
            raise

    @property
    def workers(self) -> list[str]:
        """Those that take part."""
        return [worker for worker, line in self._known.items() if not line]

    def _work(self, function: Callable[[Any], Any], source: "_Source", name: Callable[[Any], str],
              missing: Callable[[], float]) -> Generator[tuple[int, Any, Any], None, None]:
        ended = SimpleQueue[Any]()
        while True:
            idle = [worker for worker in self.workers if worker not in {busy for _, busy in self._running.values()}]
            while idle and len(self._running) < missing() and (entry := source.next()):
                worker = idle.pop(0)
                future = self._submit(partial(function, entry[1]), name(entry[1]), worker)
                self._running[future] = entry, worker
                future.add_done_callback(ended.put)
            if not self._running and (missing() <= 0 or source.empty):
                return
            done = _taken(ended)
            self._look(now=not done)
            for future, (entry, worker) in list(self._running.items()):
                if future not in done and worker in self._known:
                    continue
                del self._running[future]
                if (value := self._value(future, worker)) is not _DIED:
                    yield (*entry, value)
                elif not source.again(entry):
                    yield (*entry, Failure(reason=f"its process was killed on {DEATHS_MOST} workers; out of memory?"))

    def _end(self) -> None:
        """Stop all that was begun: what is at work on a worker ends with its process, which a nanny starts anew;
        without a nanny it goes on, and its result to the store.
        """
        busy = [worker for _, worker in self._running.values()]
        with suppress(OSError):      # the scheduler may have gone, with all that it was asked for
            self.client.cancel(list(self._running), force=True)
            if busy:
                self.client.run(_end, self._batch, workers=busy, on_error="ignore")
        self._running.clear()

    def _submit(self, call: Callable[[], Any], name: str, worker: str) -> Any:
        """As bytes, so that the scheduler does not open it, which may see neither the store nor the data."""
        return self.client.submit(_remote, pickle.dumps(call), name, self.topic, self._batch, pure=False,
                                  key=f"{self._batch}-{uuid4().hex}", workers=[worker], allow_other_workers=False)

    def _value(self, future: Any, worker: str) -> Any:
        """What came of a task; ``_DIED`` where its worker is no more, or the scheduler dropped it."""
        from distributed import KilledWorker

        if worker in self._known and future.status not in ("cancelled", "lost"):
            try:
                return future.result(timeout=WAIT_S)
            except (KilledWorker, OSError):
                pass
        self.client.cancel([future], force=True)
        return _DIED

    def _look(self, *, now: bool) -> None:
        """See which workers there are, and ask new ones whether they can take part; unless ``now``, not too often."""
        if not now and time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        with self._reached():
            there = set(self.client.scheduler_info()["workers"])
            before = self.workers
            self._known = {worker: line for worker, line in self._known.items() if worker in there}
            if new := sorted(there - set(self._known)):
                answers = self.client.run(_fit, code(), str(self.probe), workers=new, on_error="return")
                for worker, answer in answers.items():
                    if not isinstance(answer, OSError):       # else gone again
                        self._known[worker] = _shown(answer)
        for worker in new:
            if line := self._known.get(worker):
                progress.note(f"worker {worker} is left out: {line}")
        if before and not self.workers:
            progress.note(f"cluster {self.address}: no worker is left; waiting for one")

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Where the body does not reach the scheduler, a line says so."""
        gone = ClusterError(f"cluster {self.address}: the scheduler has gone; start it again and give the same "
                            f"command: what was finished is in the store")
        if self.client.status != "running":
            raise gone
        try:
            yield
        except OSError as error:
            raise gone from error


class _Source:
    """A queue that entries go back to, unless that was done too often."""

    def __init__(self, queue: Iterator[Entry]) -> None:
        self._queue, self._back, self._over = queue, list[Entry](), False
        self._deaths: dict[int, int] = {}

    def next(self) -> Entry | None:
        if self._back:
            return self._back.pop(0)
        entry = None if self._over else next(self._queue, None)
        self._over = entry is None
        return entry

    @property
    def empty(self) -> bool:
        """Whether it has been seen to be at its end."""
        return self._over and not self._back

    def again(self, entry: Entry) -> bool:
        """Put it back; False where it killed as many processes as it may."""
        self._deaths[entry[0]] = self._deaths.get(entry[0], 0) + 1
        if self._deaths[entry[0]] >= DEATHS_MOST:
            return False
        self._back.append(entry)
        return True


def _taken(ended: "SimpleQueue[Any]") -> set[Any]:
    """All futures that have ended; none where none does for a while."""
    found = set[Any]()
    with suppress(Empty):
        found.add(ended.get(timeout=LOOK_S))
        while True:
            found.add(ended.get_nowait())
    return found


def _client(address: str) -> Any:
    """A connection to the scheduler, with a worker."""
    from distributed import Client
    from distributed.versions import get_versions

    logging.getLogger("distributed").setLevel(logging.CRITICAL)     # what matters is said in a line
    try:
        scheduler, versions = asyncio.run(_asked(address))
    except Exception as error:      # a stranger's answer may be anything, also a length of exabytes
        raise ClusterError(f"cluster {address}: no Dask scheduler answers there within {WAIT_S:.0f} s; start "
                           f"`dask scheduler`, and give the address that it prints") from error
    if scheduler["type"] != "Scheduler":
        raise ClusterError(f"cluster {address}: a Dask {scheduler['type'].lower()} answers there; give the address "
                           f"that `dask scheduler` prints")
    if line := difference(_versions(get_versions()), _versions(versions)):
        raise ClusterError(f"cluster {address}: scheduler: {line}")
    client = Client(address, timeout=WAIT_S, set_as_default=False)
    try:
        client.wait_for_workers(1, timeout=WORKER_WAIT_S)
    except TimeoutError as error:
        client.close()
        raise ClusterError(f"cluster {address}: the scheduler has no worker; start `dask worker {address} --nthreads "
                           f"1`") from error
    return client


async def _asked(address: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What answers there, and its versions, before there is a client: one that fails stays behind with a thread, and
    its end may then wait for itself.
    """
    from distributed.core import rpc
    from distributed.security import Security

    arguments = Security().get_connection_args("client")
    async with asyncio.timeout(WAIT_S), rpc(address, timeout=WAIT_S, connection_args=arguments) as peer:
        return await peer.identity(), await peer.versions()


@contextmanager
def _probe(store: Store) -> Iterator[Path]:
    """A file in the store that nobody can know, and a lock that is taken."""
    path = store.root / "locks" / f"probe-{uuid4().hex}"
    path.touch()
    lock = FileLock(f"{path}.lock")
    try:
        with lock:
            yield path
    finally:
        path.unlink(missing_ok=True)
        Path(lock.lock_file).unlink(missing_ok=True)


@cache
def code() -> dict[str, Any]:
    """What keys hold beside inputs, of everything that a run may load; once, since a process keeps what it loaded."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[^\w-]", line)[0] for line in project["dependencies"]]
    return {"python": ".".join(platform.python_version_tuple()[:2]), "sources": _sources(ROOT),
            "libraries": {name: version(name) for name in names},
            "tools": {name: _tool(name) for name, tool in TOOLS.items() if not tool.optional}, "torch": arithmetic()}


def _sources(root: Path) -> str:
    """A digest of all files of the packages, but for what an editor or Python left."""
    state = sha256()
    for path in sorted(path for package in PACKAGES for path in (root / package).rglob("*")):
        if path.is_file() and path.parent.name != "__pycache__" and path.name[0] != "." and path.name[-1] != "~":
            state.update(f"{path.relative_to(root).as_posix()}\0{path.stat().st_size}\0".encode())
            state.update(path.read_bytes())
    return state.hexdigest()[:32]


def _tool(name: str) -> str:
    try:
        return tool_version(name)
    except ToolError:
        return ""


def _versions(record: Mapping[str, Any]) -> dict[str, str]:
    """Of Python and Dask, in a record of Dask's own."""
    packages = record["packages"]
    return {"python": ".".join(packages["python"].split(".")[:2]), "distributed": packages["distributed"]}


def difference(here: Mapping[str, Any], there: Mapping[str, Any]) -> str:
    """In a line, the first thing that is another there than here, and what to do; empty where there is none."""
    for name, mine in here.items():
        its = there.get(name)
        if its == mine:
            continue
        if isinstance(mine, Mapping):
            return difference(mine, its or {})
        if NATIVE in (str(its).partition(" ")[0], str(mine).partition(" ")[0]):
            return (f"{name} is {its or 'missing'} there and {mine or 'missing'} here; have the same on the PATH "
                    f"there, or set {VARIABLE}={PACKAGED} there and here, and start it again")
        if name == "sources":
            return "its sources of Heddle are not those here; start it from the same commit, after the last change"
        return (f"{name} is {its or 'missing'} there and {mine or 'missing'} here; run `make setup` there at the same "
                f"commit, and start it again")
    return ""


async def _fit(expected: Mapping[str, Any], probe: str, dask_worker: Any = None) -> str:
    """On a worker: what keeps it from taking part, or nothing."""
    if (threads := dask_worker.state.nthreads) != 1:
        return f"it runs {threads} tasks in one process; start it with --nthreads 1 --nworkers {threads}"
    return _store_line(Path(probe)) or difference(expected, await asyncio.to_thread(code))


def _store_line(probe: Path) -> str:
    """What is wrong with a store from here, where the file ``probe`` is there and locked."""
    root = probe.parent.parent.parent
    if not os.path.isfile(probe):       # also where it may not look
        return (f"it does not see the store {root}; share that folder with all workers under the same path, or name "
                f"one that is shared with HEDDLE_CACHE")
    if not os.access(probe.parent, os.W_OK):
        return f"it may not write to the store {root}; let it, or start it as a user who may"
    with suppress(Timeout), FileLock(f"{probe}.lock", timeout=0):
        return f"locks do not reach it in the store {root}; mount that folder with locks (NFS: without nolock)"
    return ""


def _shown(answer: Any) -> str:
    """What a worker said, or what it raised instead."""
    if isinstance(answer, ModuleNotFoundError):
        return f"it has no Heddle ({answer}); start it as .venv/bin/dask of a checkout where `make setup` was run"
    return f"{type(answer).__name__}: {answer}" if isinstance(answer, Exception) else answer


# In a worker: batches that it does something for, and those that were ended. A task may come behind the word that its
# batch has ended, so each side writes before it reads.
_at_work: set[str] = set()
_ended: set[str] = set()


def _remote(call: bytes, name: str, topic: str, batch: str) -> Any:
    """In a worker: one task."""
    from distributed import get_worker

    worker: Any = get_worker()
    _at_work.add(batch)
    try:
        if batch in _ended:
            return Failure(reason="its run has ended")
        with progress.listening(Mouth(partial(_send, worker, topic))):
            return guarded(lambda: pickle.loads(call)(), name)
    finally:
        _at_work.discard(batch)


def _send(worker: Any, topic: str, message: tuple[str | None, str]) -> None:
    """What a task tells, with where it runs."""
    task, text = message
    worker.log_event(topic, (task, f"{text} [{worker.name}]" if task and text else text))


def _end(batch: str, dask_worker: Any = None) -> None:
    """On a worker: do no more for a batch; where it is at work, end its process if that will be started again. Its
    tools end with it.
    """
    _ended.add(batch)
    if batch in _at_work and dask_worker.nanny:
        os.kill(os.getpid(), signal.SIGKILL)
