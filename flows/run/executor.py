"""What runs the tasks of a queue (:mod:`flows.run.queue`): the interface, and what all kinds of it share."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from flows.run import progress
from hw.spec.errors import HeddleError

__all__ = ["Executor", "Failure", "Mouth", "guarded", "hear"]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a task has no value, in one line."""

    reason: str
    doing: str = ""      # what it was doing


class Executor(Protocol):
    """Processes that tasks run in, each in one that does nothing else meanwhile."""

    def work(self, function: Callable[[Any], Any], queue: Iterator[tuple[int, Any]], *, name: Callable[[Any], str],
             missing: Callable[[], float]) -> Generator[tuple[int, Any, Any], None, None]:
        """Each entry of ``queue`` and ``function`` of its task, or its :class:`Failure`, as soon as it ends.

        It takes an entry when there is a process for it, and never has more at work than good values are
        ``missing``. A process that dies is no failure before its task was tried again. What else a task raises comes
        through; then, and when the iterator is closed early, what still runs is ended.

        Parameters
        ----------
        function, queue : importable and picklable, ``function`` and every task.
        name : of a task; what it tells (:mod:`flows.run.progress`) reaches this process's listener under it.
        """


def guarded(call: Callable[[], Any], name: str) -> Any:
    """In the process of the task ``name``: what it gives. Errors of this project may not survive pickling, so that of
    a HeddleError, OSError or MemoryError there is a :class:`Failure`.
    """
    with progress.this_task(name):
        try:
            return call()
        except HeddleError as error:
            return Failure(reason=str(error), doing=progress.doing())
        except OSError as error:
            return Failure(reason=f"{error.filename or ''}: {error.strerror or error}".lstrip(": "),
                           doing=progress.doing())
        except MemoryError:
            return Failure(reason="out of memory; try --jobs 1", doing=progress.doing())
        finally:
            progress.tell("")     # here, so that it comes behind all else that the task told


@dataclass(frozen=True)
class Mouth:
    """In the process of a task, a listener that passes on what tasks do, not what they count, which is a part of a unit
    there; :func:`hear` is at the other end.
    """

    send: Callable[[tuple[str | None, str]], None]

    def began(self, title: str, total: int | None) -> None:
        pass

    def ended(self) -> None:
        pass

    def counted(self, done: int, total: int | None) -> None:
        pass

    def told(self, task: str, text: str) -> None:
        self.send((task, text))

    def noted(self, text: str) -> None:
        self.send((None, text))


def hear(message: Sequence[str | None]) -> None:
    """What a :class:`Mouth` sent, to this process's listener."""
    task, text = message
    if task is None:
        progress.note(text or "")
    else:
        progress.tell(text or "", task=task)
