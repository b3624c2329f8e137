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

from hw.spec.errors import HeddleError

__all__ = ["Failure", "Result", "run_queue", "say"]

Task = TypeVar("Task")
Hear = Callable[[str, str], None]
_mouth: Any = None   # in a worker: where it tells what it is doing


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a task has no value, in one line."""

    reason: str
    stage: str = ""      # what it was doing


@dataclass(frozen=True, kw_only=True)
class Result(Generic[Task]):
    """A task and its value, or its :class:`Failure`."""

    task: Task
    value: Any

    @property
    def ok(self) -> bool:
        return not isinstance(self.value, Failure)


def say(text: str) -> None:
    """Called in a task: what it is doing now. Outside of a worker nobody listens."""
    _stage.text = text
    if _mouth is not None:
        _mouth.put((_stage.name, text))


class _Stage(threading.local):
    name = ""
    text = ""


_stage = _Stage()


def run_queue(function: Callable[[Task], Any], tasks: Iterable[Task], *, jobs: int, wanted: int | None = None,
              name: Callable[[Task], str] = str, hear: Hear | None = None,
              done: Callable[[Result[Task]], None] = lambda result: None) -> list[Result[Task]]:
    """Run ``function`` on each task in ``jobs`` processes, no more tasks than it takes for ``wanted`` good values.

    A HeddleError or OSError becomes a :class:`Failure`. So does the end of a process (killed, out of memory), after
    the task was tried once more with nothing beside it. ``function`` and tasks must be importable and picklable.

    Parameters
    ----------
    name : of a task, for ``hear(name, text)``, which is called with what tasks :func:`say`.
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
        done(results[index])

    queue = enumerate(tasks)
    while True:
        with _pool(1 if shaken else jobs, hear) as pool:
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
    _stage.name, _stage.text = name, ""
    try:
        return function(task)
    except HeddleError as error:
        return Failure(reason=str(error), stage=_stage.text)
    except OSError as error:
        return Failure(reason=f"{error.filename or ''}: {error.strerror or error}".lstrip(": "), stage=_stage.text)
    except MemoryError:
        return Failure(reason="out of memory; try --jobs 1", stage=_stage.text)


@contextmanager
def _pool(jobs: int, hear: Hear | None) -> Iterator[ProcessPoolExecutor]:
    """A pool that ends at once where the body raises."""
    context = multiprocessing.get_context("spawn")
    ear = context.SimpleQueue()
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_initialize, initargs=(ear,))
    listener = threading.Thread(target=_listen, args=(ear, hear), daemon=True)
    listener.start()
    try:
        yield pool
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        ear.put(None)
        listener.join()
        ear.close()


def _listen(ear: Any, hear: Hear | None) -> None:
    while (said := ear.get()) is not None:
        if hear:
            hear(*said)


def _initialize(mouth: Any) -> None:
    """In the worker: Ctrl-C is the parent's, which ends the workers; and they end with it, however it ends."""
    global _mouth
    _mouth = mouth
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)
