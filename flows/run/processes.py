"""The executors that need nothing else: processes of this machine, started for a queue and ended with it, or kept from
one queue to the next.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any

from flows.run import progress
from flows.run.executor import Failure, Mouth, guarded, hear

__all__ = ["Kept", "Processes"]

Entry = tuple[int, Any]
Pool = Callable[[], AbstractContextManager[ProcessPoolExecutor]]


@dataclass(frozen=True)
class Processes:
    """An :class:`flows.run.executor.Executor` of ``jobs`` processes for each queue.

    Where one dies (killed, out of memory), each task that ran then is tried once more with nothing beside it.
    """

    jobs: int

    def work(self, function: Callable[[Any], Any], queue: Iterator[Entry], *, name: Callable[[Any], str],
             missing: Callable[[], float]) -> Generator[tuple[int, Any, Any], None, None]:
        return _worked(partial(_pool, self.jobs), self.jobs, partial(_submit, function, name), queue, missing)


class Kept:
    """As :class:`Processes`, but they go on to the next queue, with all that they have loaded, until this is closed.
    Where one died, and where a queue was broken off, others take their place.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._stack = ExitStack()
        self._pool: tuple[ProcessPoolExecutor, _Ear] | None = None

    def work(self, function: Callable[[Any], Any], queue: Iterator[Entry], *, name: Callable[[Any], str],
             missing: Callable[[], float]) -> Generator[tuple[int, Any, Any], None, None]:
        return _worked(self._lent, self.jobs, partial(_submit, function, name), queue, missing)

    def close(self) -> None:
        """End them."""
        self._pool = None
        self._stack.__exit__(*sys.exc_info())

    @contextmanager
    def _lent(self) -> Iterator[ProcessPoolExecutor]:
        if self._pool and not _whole(self._pool[0]):
            self.close()
        if self._pool is None:
            self._pool = self._stack.enter_context(_listened_pool(self.jobs))
        pool, ear = self._pool
        try:
            yield pool
            ear.drain()
        except BaseException:
            self.close()
            raise


def _worked(pools: Pool, jobs: int, submit: Callable[[ProcessPoolExecutor, Any], Future[Any]], queue: Iterator[Entry],
            missing: Callable[[], float]) -> Generator[tuple[int, Any, Any], None, None]:
    shaken: list[Entry] = []     # their processes died; perhaps a neighbour's fault
    while True:
        alone = bool(shaken)
        with _pool(1) if alone else pools() as pool:
            broken = yield from _work(partial(submit, pool), iter([shaken.pop(0)]) if alone else queue,
                                      1 if alone else jobs, missing)
        if not broken and not shaken:
            if alone:
                continue
            return
        if alone and broken:
            yield (*broken[0], Failure(reason="its process was killed; out of memory? try --jobs 1"))
        else:
            shaken += broken


def _submit(function: Callable[[Any], Any], name: Callable[[Any], str], pool: ProcessPoolExecutor,
            task: Any) -> Future[Any]:
    future = pool.submit(guarded, partial(function, task), name(task))
    with suppress(BrokenProcessPool):
        pool.submit(int)        # a process that was started for a task is watched from the next submit on
    return future


def _work(submit: Callable[[Any], Future[Any]], queue: Iterator[Entry], jobs: int,
          missing: Callable[[], float]) -> Generator[tuple[int, Any, Any], None, list[Entry]]:
    """Work until the queue is empty or nothing more is wanted; returns the tasks whose process died."""
    running: dict[Future[Any], Entry] = {}
    while True:
        while len(running) < min(jobs, missing()):
            entry = next(queue, None)
            if entry is None:
                break
            try:
                running[submit(entry[1])] = entry
            except BrokenProcessPool:       # since another task was submitted
                return sorted([*running.values(), entry], key=itemgetter(0))
        if not running:
            return []
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            try:
                value = future.result()
            except BrokenProcessPool:
                return sorted(running.values(), key=itemgetter(0))
            yield (*running.pop(future), value)


def _whole(pool: ProcessPoolExecutor) -> bool:
    """Whether all its processes live."""
    try:
        pool.submit(int).result()
    except BrokenProcessPool:
        return False
    return True


class _Ear:
    """Takes what workers tell to this process's listener, in a thread."""

    def __init__(self, context: Any) -> None:
        self.queue, self._drained = context.SimpleQueue(), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._relay, daemon=True)
        self._thread.start()

    def drain(self) -> None:
        """Wait until everything is heard that was told before."""
        self.queue.put(None)
        self._drained.acquire()

    def close(self) -> None:
        self.queue.put(False)
        self._thread.join()
        self.queue.close()

    def _relay(self) -> None:
        while (message := self.queue.get()) is not False:
            if message is None:
                self._drained.release()
            else:
                hear(message)


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """A pool that ends at once where the body raises; what its processes told is heard when it has ended."""
    with _listened_pool(jobs) as (pool, _):
        yield pool


@contextmanager
def _listened_pool(jobs: int) -> Iterator[tuple[ProcessPoolExecutor, _Ear]]:
    context = multiprocessing.get_context("spawn")
    ear = _Ear(context)
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_initialize, initargs=(ear.queue,))
    try:
        yield pool, ear
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        ear.close()


def _initialize(ear: Any) -> None:
    """In the worker: Ctrl-C is the parent's, which ends the workers; and they end with it, however it ends."""
    progress.attach(Mouth(ear.put))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)
