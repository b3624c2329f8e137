"""A queue of tasks, where a task may fail, crash or run out of memory."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flows.run import progress
from flows.run.executor import Executor, Failure
from flows.run.processes import Kept, Processes

__all__ = ["Failure", "Result", "keeping", "run_queue", "using"]

Task = TypeVar("Task")
_executor: Executor | None = None


@dataclass(frozen=True, kw_only=True)
class Result(Generic[Task]):
    """A task and its value, or its :class:`Failure`."""

    task: Task
    value: Any

    @property
    def ok(self) -> bool:
        return not isinstance(self.value, Failure)


@contextmanager
def using(executor: Executor) -> Iterator[None]:
    """Every queue in the body is worked through by ``executor``, whatever its ``jobs``."""
    global _executor
    before, _executor = _executor, executor
    try:
        yield
    finally:
        _executor = before


@contextmanager
def keeping(jobs: int) -> Iterator[None]:
    """Every queue in the body is worked through by the same processes, so that they load torch once; or by the executor
    that is already used.
    """
    if _executor:
        yield
        return
    with closing(Kept(jobs)) as kept, using(kept):
        yield


def run_queue(function: Callable[[Task], Any], tasks: Iterable[Task], *, jobs: int, wanted: int | None = None,
              name: Callable[[Task], str] = str,
              done: Callable[[Result[Task]], None] = lambda result: None) -> list[Result[Task]]:
    """Run ``function`` on each task in ``jobs`` processes, or on those that are being used (:func:`using`); no more
    tasks than it takes for ``wanted`` good values.

    A HeddleError or OSError becomes a :class:`Failure`, and so does the end of a process (killed, out of memory) after
    the task was tried again. ``function`` and tasks must be importable and picklable.

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

    def missing() -> float:
        return float("inf") if wanted is None else wanted - sum(item.ok for item in results.values())

    executor = _executor or Processes(jobs)
    with closing(executor.work(function, enumerate(tasks), name=name, missing=missing)) as ended:
        for index, task, value in ended:
            results[index] = Result(task=task, value=value)
            progress.tell("", task=name(task))      # where its process died it could not say so itself
            done(results[index])
    return [results[index] for index in sorted(results)]
