"""What people see in a terminal: progress bars and tables, on standard error."""

from collections.abc import Collection, Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from flows.report.text import printable

__all__ = ["Display"]

WIDTH = 140     # characters, where there is no terminal to fill


class Display:
    """Standard error for people; ``quiet`` says nothing. It listens to progress (``flows.run.progress.Listener``)."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        if not self.console.is_terminal:
            self.console.width = WIDTH
        self._progress: Progress | None = None      # one live area, with a bar for each work that goes on
        self._bars: list[_Bar] = []

    def line(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]],
              styles: Mapping[int, str] | None = None, left: Collection[int] = ()) -> None:
        """``styles`` is by row; the columns of ``left`` hold text, as the first one does. No cell is markup."""
        shown = Table(title=Text(printable(title)) if title else None, title_justify="left", header_style="bold")
        for index, name in enumerate(header):
            shown.add_column(name, justify="left" if index in (0, *left) else "right", overflow="fold")
        for index, row in enumerate(rows):
            shown.add_row(*(Text(printable(cell)) for cell in row), style=(styles or {}).get(index))
        self.console.print(shown)

    def began(self, title: str, total: int | None) -> None:
        """A bar until :meth:`ended`; without a terminal a line here and one at its end."""
        if not self.console.is_terminal:
            self.line(f"{title} ...")
        if self._progress is None:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(),
                       TimeElapsedColumn(), TextColumn("{task.fields[doing]}", style="dim", markup=False))
            self._progress = Progress(*columns, console=self.console)
            self._progress.start()
        self._bars.append(_Bar(self._progress, title, total))

    def ended(self) -> None:
        self._bars.pop().end()
        if not self._bars and self._progress is not None:
            self._progress.stop()
            self._progress = None

    def counted(self, done: int, total: int | None) -> None:
        if self._bars:
            self._bars[-1].count(done, total)

    def told(self, task: str, text: str) -> None:
        if self._bars:
            self._bars[-1].tell(task, text)

    def noted(self, text: str) -> None:
        self.line(text)


class _Bar:
    """One line of progress, with the latest of what each task told."""

    def __init__(self, progress: Progress, title: str, total: int | None) -> None:
        self.progress, self.task = progress, progress.add_task(title, total=total, doing="")
        self.doing: dict[str, str] = {}

    def count(self, done: int, total: int | None) -> None:
        self.progress.update(self.task, completed=done, total=total)

    def tell(self, task: str, text: str) -> None:
        self.doing.pop(task, None)
        if text:
            self.doing[task] = text
        shown = "; ".join(f"{name}: {what}" if name else what for name, what in self.doing.items())
        self.progress.update(self.task, doing=shown)

    def end(self) -> None:
        self.progress.update(self.task, doing="")
        self.progress.stop_task(self.task)
