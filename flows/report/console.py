"""What people see: progress bars and tables, on standard error."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

__all__ = ["Bar", "Display"]

WIDTH = 140     # characters, where there is no terminal to fill


class Bar:
    """One line of progress."""

    def __init__(self, progress: Progress, task: Any, note: Callable[[str], None]) -> None:
        self._progress, self._task, self._note = progress, task, note
        self._said: dict[str, str] = {}

    def set(self, done: int, total: int | None = None) -> None:
        self._progress.update(self._task, completed=done, total=total)

    def advance(self) -> None:
        self._progress.advance(self._task)

    def hear(self, name: str, text: str) -> None:
        """What a task is doing now; the latest of each is shown."""
        self._said.pop(name, None)
        self._said[name] = text
        self._show()

    def forget(self, name: str) -> None:
        """A task that ended."""
        self._said.pop(name, None)
        self._show()

    def note(self, text: str) -> None:
        """A line that stays."""
        self._note(text)

    def _show(self) -> None:
        self._progress.update(self._task, doing="; ".join(f"{name}: {text}" for name, text in self._said.items()))


class Display:
    """Standard error for people; ``quiet`` says nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        if not self.console.is_terminal:
            self.console.width = WIDTH

    def line(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, title: str, total: int | None = None) -> Iterator[Bar]:
        """A bar while the body runs; without a terminal one line at its end."""
        if not self.console.is_terminal:
            self.line(f"{title} ...")
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(),
                   TimeElapsedColumn(), TextColumn("[dim]{task.fields[doing]}", markup=True))
        with Progress(*columns, console=self.console, transient=False) as progress:
            yield Bar(progress, progress.add_task(title, total=total, doing=""), self.line)

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]],
              styles: Mapping[int, str] | None = None) -> None:
        """``styles`` is by row."""
        shown = Table(title=title or None, title_justify="left", header_style="bold")
        for index, name in enumerate(header):
            shown.add_column(name, justify="left" if index == 0 else "right", overflow="fold")
        for index, row in enumerate(rows):
            shown.add_row(*row, style=(styles or {}).get(index))
        self.console.print(shown)
