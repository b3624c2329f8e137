"""``progress.json``: how far a run is, for whoever watches it (:mod:`flows.report.live`)."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flows.run.files import write_json
from flows.run.progress import Listener, attach
from flows.run.typed import to_plain
from hw.spec.errors import HeddleError

__all__ = ["FORMAT", "STATE", "State", "Task", "Work", "recording"]

STATE = "progress.json"
FORMAT = 1
EVERY_S = 1.0           # at most so often is it written; as often it says that the run is alive
AT_ONCE_S = 2.0         # units that are done so soon come from the store, and say nothing about those that follow
NOTES = 200             # lines that are kept, the last ones


@dataclass(kw_only=True)
class Work:
    """A work that goes on or has ended. Times are seconds since the run began."""

    title: str
    began_s: float
    done: int = 0
    total: int | None = None
    ended_s: float | None = None
    #: Where units began to take time: when, and how many were done.
    paced_s: float = 0.0
    paced_done: int = 0


@dataclass(kw_only=True)
class Task:
    """What a task does."""

    name: str
    text: str
    since_s: float


@dataclass(kw_only=True)
class State:
    """All that is known of a run."""

    format: int = FORMAT
    asked: str = ""                                         # what the run is about
    now_s: float = 0.0                                      # when this was written
    works: list[Work] = field(default_factory=list)         # that go on, the innermost last
    past: list[Work] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ended: str = ""                                         # why the run ended before it was done


@contextmanager
def recording(folder: Path, asked: str) -> Iterator[None]:
    """What the body tells is kept in ``folder/progress.json``, and goes on to whoever listened before. After a body
    that ends well there is no such file; after another it says why.
    """
    recorder = _Recorder(folder / STATE, asked)
    recorder.before = attach(recorder)
    recorder.start()
    try:
        yield
    except BaseException as error:
        recorder.stop(_why(error))
        raise
    else:
        recorder.stop("")
    finally:
        attach(recorder.before)


def _why(error: BaseException) -> str:
    if isinstance(error, HeddleError):
        return str(error)
    return "interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"


class _Recorder:
    """A listener to progress; a thread of its own writes, so that nobody waits for the disk."""

    def __init__(self, path: Path, asked: str) -> None:
        self.path, self.state = path, State(asked=asked)
        self.before: Listener | None = None
        self._begun = time.monotonic()
        self._lock, self._over, self._fresh = threading.Lock(), threading.Event(), True
        self._writer = threading.Thread(target=self._write_on, daemon=True)

    def start(self) -> None:
        self._write()
        self._writer.start()

    def stop(self, why: str) -> None:
        """Leave a state that says ``why``, or none."""
        self._over.set()
        self._writer.join()
        if not why:
            self.path.unlink(missing_ok=True)
            return
        self.state.ended, self._fresh = why, True
        self._write()

    def began(self, title: str, total: int | None) -> None:
        with self._changed() as now:
            self.state.works.append(Work(title=title, total=total, began_s=now, paced_s=now))
        if self.before:
            self.before.began(title, total)

    def ended(self) -> None:
        with self._changed() as now:
            work = self.state.works.pop()
            work.ended_s = now
            self.state.past.append(work)
            if not self.state.works:
                self.state.tasks.clear()
        if self.before:
            self.before.ended()

    def counted(self, done: int, total: int | None) -> None:
        with self._changed() as now:
            if self.state.works:
                work = self.state.works[-1]
                work.done, work.total = done, work.total if total is None else total
                if now - work.began_s < AT_ONCE_S:
                    work.paced_s, work.paced_done = now, done
        if self.before:
            self.before.counted(done, total)

    def told(self, task: str, text: str) -> None:
        with self._changed() as now:
            since = next((each.since_s for each in self.state.tasks if each.name == task), now)
            self.state.tasks = [each for each in self.state.tasks if each.name != task]
            if text:
                self.state.tasks.append(Task(name=task, text=text, since_s=since))
        if self.before:
            self.before.told(task, text)

    def noted(self, text: str) -> None:
        with self._changed():
            self.state.notes = [*self.state.notes, text][-NOTES:]
        if self.before:
            self.before.noted(text)

    @contextmanager
    def _changed(self) -> Iterator[float]:
        with self._lock:
            yield time.monotonic() - self._begun
            self._fresh = True

    def _write_on(self) -> None:
        while not self._over.wait(EVERY_S):
            self._write()

    def _write(self) -> None:
        """The state; where nothing is new only the sign that the run is alive."""
        with self._lock:
            self.state.now_s = time.monotonic() - self._begun
            plain, self._fresh, fresh = to_plain(self.state), False, self._fresh
        try:
            if fresh:
                write_json(self.path, plain)
            else:
                self.path.touch()
        except OSError:
            return      # a full disk is told by the run itself, which writes what matters
