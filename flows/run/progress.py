"""The one channel through which work says how far it is; whoever wants to see it listens.

    with work("routing", total=5):
        tell("seed 1", task="a")     # what a task does now
        advance()                    # one of the five is done
        note("seed 1 failed: ...")   # a line that stays

Without a listener nothing happens. In a worker of :mod:`flows.run.queue` what is told reaches the listener of the
process that started it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Listener", "advance", "attach", "count", "doing", "listening", "note", "tell", "this_task", "work"]


class Listener(Protocol):
    """Shows progress. Works may nest; what comes concerns the innermost. It is called from several threads."""

    def began(self, title: str, total: int | None) -> None:
        """A work of ``total`` units starts; None where nobody knows how many."""

    def ended(self) -> None:
        """The innermost work is over, whether well or not."""

    def counted(self, done: int, total: int | None) -> None:
        """So many units are done; ``total`` where it is known better now."""

    def told(self, task: str, text: str) -> None:
        """What a task is doing now; an empty text where it has ended."""

    def noted(self, text: str) -> None:
        """A line that stays."""


class _Task(threading.local):
    name = ""
    text = ""


_listener: Listener | None = None
_task = _Task()
_done: list[int] = []


def attach(listener: Listener | None) -> Listener | None:
    """From now on ``listener`` hears everything in this process, and nobody else does; returns the one before."""
    global _listener
    before, _listener = _listener, listener
    return before


@contextmanager
def listening(listener: Listener | None) -> Iterator[None]:
    """``listener`` hears everything that the body tells, and nobody else does."""
    before = attach(listener)
    try:
        yield
    finally:
        attach(before)


@contextmanager
def work(title: str, total: int | None = None) -> Iterator[None]:
    """A piece of work with units to count."""
    _done.append(0)
    if _listener:
        _listener.began(title, total)
    try:
        yield
    finally:
        _done.pop()
        if _listener:
            _listener.ended()


def count(done: int, total: int | None = None) -> None:
    """``done`` units of the work are done."""
    if _done:
        _done[-1] = done
    if _listener:
        _listener.counted(done, total)


def advance() -> None:
    """One more unit is done."""
    count(_done[-1] + 1 if _done else 1)


def tell(text: str, *, task: str | None = None) -> None:
    """What is being done now, by ``task``, else by the task of this thread. An empty text: it has ended."""
    if task is None:
        _task.text = text
    if _listener:
        _listener.told(_task.name if task is None else task, text)


def note(text: str) -> None:
    """A line that stays."""
    if _listener:
        _listener.noted(text)


@contextmanager
def this_task(name: str) -> Iterator[None]:
    """What this thread tells in the body is of the task ``name``."""
    before = _task.name, _task.text
    _task.name, _task.text = name, ""
    try:
        yield
    finally:
        _task.name, _task.text = before


def doing() -> str:
    """What this thread's task told last."""
    return _task.text
