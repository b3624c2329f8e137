"""Processes that work through a queue of tasks, where a task may fail, crash or run out of memory."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flows.run import progress
from hw.spec.errors import HeddleError

__all__ = ["Failure", "Result", "run_queue"]

Task = TypeVar("Task")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a task has no value, in one line."""

    reason: str
    doing: str = ""      # what it was doing


@dataclass(frozen=True, kw_only=True)
class Result(Generic[Task]):
    """A task and its value, or its :class:`Failure`."""

    task: Task
    value: Any

    @property
    def ok(self) -> bool:
        return not isinstance(self.value, Failure)


def run_queue(function: Callable[[Task], Any], tasks: Iterable[Task], *, jobs: int, wanted: int | None = None,
              name: Callable[[Task], str] = str,
              done: Callable[[Result[Task]], None] = lambda result: None) -> list[Result[Task]]:
    """Run ``function`` on each task in ``jobs`` processes, no more tasks than it takes for ``wanted`` good values.

    A HeddleError or OSError becomes a :class:`Failure`. So does the end of a process (killed, out of memory), after
    the task was tried once more with nothing beside it. ``function`` and tasks must be importable and picklable.

    Parameters
    ----------
    name : of a task; what it tells (:mod:`flows.run.progress`) reaches this process's listener under it.
    done : called in the order in which the tasks end.

    Returns
    -------
    list of Result
        In the order in which the tasks were started.
    """
    results: dict[int, Result[Task]] = {}
    shaken: list[tuple[int, Task]] = []   # their processes died; perhaps a neighbour's fault

    def finish(index: int, task: Task, value: Any) -> None:
        results[index] = Result(task=task, value=value)
        progress.tell("", task=name(task))      # where its process died it could not say so itself
        done(results[index])

    queue = enumerate(tasks)
    while True:
        with _pool(1 if shaken else jobs) as pool:
            alone = bool(shaken)
            broken = _work(pool, function, iter([shaken.pop(0)]) if alone else queue, 1 if alone else jobs, name,
                           finish, lambda: _missing(results, wanted))
        if not broken and not shaken:
            if alone:
                continue
            return [results[index] for index in sorted(results)]
        if alone and broken:
            finish(*broken[0], Failure(reason="its process was killed; out of memory? try --jobs 1"))
        else:
            shaken += broken


def _missing(results: dict[int, Any], wanted: int | None) -> float:
    return float("inf") if wanted is None else wanted - sum(item.ok for item in results.values())


def _work(pool: ProcessPoolExecutor, function: Callable[[Task], Any], queue: Iterator[tuple[int, Task]], jobs: int,
          name: Callable[[Task], str], finish: Callable[[int, Task, Any], None],
          missing: Callable[[], float]) -> list[tuple[int, Task]]:
    """Work until the queue is empty or nothing more is wanted; returns the tasks whose process died."""
    running: dict[Future[Any], tuple[int, Task]] = {}
    while True:
        while len(running) < min(jobs, missing()):
            entry = next(queue, None)
            if entry is None:
                break
            running[pool.submit(_guarded, function, entry[1], name(entry[1]))] = entry
        if not running:
            return []
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            try:
                value = future.result()
            except BrokenProcessPool:
                return sorted(running.values(), key=lambda entry: entry[0])
            finish(*running.pop(future), value)


def _guarded(function: Callable[[Task], Any], task: Task, name: str) -> Any:
    """In the worker: errors of this project may not survive pickling, their text does."""
    with progress.this_task(name):
        try:
            return function(task)
        except HeddleError as error:
            return Failure(reason=str(error), doing=progress.doing())
        except OSError as error:
            return Failure(reason=f"{error.filename or ''}: {error.strerror or error}".lstrip(": "),
                           doing=progress.doing())
        except MemoryError:
            return Failure(reason="out of memory; try --jobs 1", doing=progress.doing())
        finally:
            progress.tell("")     # here, so that it comes behind all else that the task told


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """A pool that ends at once where the body raises."""
    context = multiprocessing.get_context("spawn")
    ear = context.SimpleQueue()
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_initialize, initargs=(ear,))
    relay = threading.Thread(target=_relay, args=(ear,), daemon=True)
    relay.start()
    try:
        yield pool
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        ear.put(None)
        relay.join()
        ear.close()


def _relay(ear: Any) -> None:
    """What workers tell, to this process's listener."""
    while (told := ear.get()) is not None:
        task, text = told
        if task is None:
            progress.note(text)
        else:
            progress.tell(text, task=task)


class _Mouth:
    """In a worker: passes on what its tasks do, not what they count, which is a part of a unit there."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue

    def began(self, title: str, total: int | None) -> None:
        pass

    def ended(self) -> None:
        pass

    def counted(self, done: int, total: int | None) -> None:
        pass

    def told(self, task: str, text: str) -> None:
        self.queue.put((task, text))

    def noted(self, text: str) -> None:
        self.queue.put((None, text))


def _initialize(ear: Any) -> None:
    """In the worker: Ctrl-C is the parent's, which ends the workers; and they end with it, however it ends."""
    progress.attach(_Mouth(ear))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)
