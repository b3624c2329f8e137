"""The page of a run while it goes on: what ``progress.json`` and ``study.db`` say, made again whenever it is asked for.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from flows.report.document import STYLE
from flows.report.front import front_svg
from flows.report.recording import FORMAT, STATE, State, Work
from flows.report.text import printable
from flows.run.files import read_json
from flows.run.typed import from_plain
from flows.search.point import Point
from flows.search.sofar import SoFar
from hw.spec.errors import HeddleError

__all__ = ["Live", "WatchError", "shell"]

REPORT = "report.html"
SILENT_S = 20.0         # a run that said nothing for so long has been killed
ROWS = 20               # of the front
FAILED = ("failed:", "not trained:", "worker ", "warning:")
MORE_STYLE = """
.bar{background:var(--line);border-radius:5px;height:10px;width:220px;display:inline-block;overflow:hidden}
.bar i{display:block;height:10px;background:var(--blue)}
.state{border-radius:6px;padding:2px 10px;color:#fff;background:var(--blue)}.state.stopped{background:var(--orange)}
#lost{display:none;color:var(--orange);font-weight:600}
"""
SCRIPT = """
const main = document.getElementById("live"), lost = document.getElementById("lost");
async function look() {
  try {
    const answer = await fetch("live"), found = await answer.json();
    if (found.done) { location.reload(); return; }
    main.innerHTML = found.html;
    lost.style.display = "none";
  } catch (error) {
    lost.style.display = "block";
  }
  setTimeout(look, 1000);
}
look();
"""


class WatchError(HeddleError):
    """There is nothing to watch; the message names the folder."""


def shell() -> str:
    """The page around :meth:`Live.body`, which fetches that once a second."""
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Heddle: watching</title>'
            f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}{MORE_STYLE}</style>'
            f'</head>\n<body><main><p id="lost">`heddle watch` does not answer any more; this is what it said last.</p>'
            f'<div id="live"><p class="muted">looking</p></div></main><script>{SCRIPT}</script></body></html>\n')


@dataclass(frozen=True, kw_only=True)
class _Stand:
    """A run's state, and how long ago it was written."""

    state: State
    age_s: float

    @property
    def alive(self) -> bool:
        return not self.state.ended and self.age_s < SILENT_S


class Live:
    """What a folder says about its run.

    Raises
    ------
    WatchError
        If there is no such folder, or no run in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.found = SoFar(folder / "study.db")
        if not folder.is_dir():
            raise WatchError(f"{folder}: no such folder; give the --out of a `heddle explore` that has begun")
        if not (folder / STATE).exists() and not self.done:
            raise WatchError(f"{folder}: holds no run; give the --out of a `heddle explore` that has begun")
        self._stand()

    @property
    def done(self) -> bool:
        """Whether there is a report, and no run that goes on or was stopped behind it."""
        return not (self.folder / STATE).exists() and (self.folder / REPORT).is_file()

    @property
    def report(self) -> bytes:
        return (self.folder / REPORT).read_bytes()

    def body(self) -> str:
        """The changing part of the page."""
        stand = self._stand()
        if stand is None:
            return '<p class="muted">The run has ended; its report is being read.</p>'
        return "".join(_body(stand, self.folder, self.found.front(), self.found.looked))

    def _stand(self) -> _Stand | None:
        """None where there is no state any more. Raises WatchError for one of another version."""
        path = self.folder / STATE
        try:
            age_s = max(0.0, time.time() - path.stat().st_mtime)
            state = from_plain(State, read_json(path), where=str(path))
            if state.format != FORMAT:
                raise WatchError(f"format {state.format}")
            return _Stand(state=state, age_s=age_s)
        except (FileNotFoundError, HeddleError) as error:
            if not path.exists():
                return None     # the run has ended since
            raise WatchError(f"{path}: written by another version of Heddle; watch with that one") from error


def _body(stand: _Stand, folder: Path, front: Sequence[Point], looked: int) -> Iterator[str]:
    state = stand.state
    yield _head(stand, folder)
    failures = [line for line in state.notes if line.startswith(FAILED)]
    tiles = [(_span(state.now_s + (stand.age_s if stand.alive else 0)), "since it began"),
             (_left(state) if stand.alive else "–", "left of what is being done"),
             (str(len(state.tasks)), "tasks at work"), (f"{looked:,}", "designs looked at"),
             (str(len(front)), "on the front so far"), (str(len(failures)), "failures and warnings")]
    yield '<div class="tiles">' + "".join(
        f'<div class="tile"><b>{value}</b><span>{name}</span></div>' for value, name in tiles) + "</div>"
    yield _section("works", "What is being done", _works(state))
    yield _section("tasks", "Who does what", _table(
        ("task", "doing", "for"), [(task.name or "this process", task.text, _span(state.now_s - task.since_s))
                                   for task in state.tasks], "Nothing at this moment."))
    yield _section("front", "The front so far", _front(front))
    yield _section("failures", "Failures and warnings", _table(("", ), [(line, ) for line in failures], "None so far."))
    others = [line for line in state.notes if not line.startswith(FAILED)]
    yield _section("notes", "What else was said", _table(("", ), [(line, ) for line in others], "Nothing so far."))


def _head(stand: _Stand, folder: Path) -> str:
    if stand.alive:
        label, line = '<span class="state">goes on</span>', ""
    elif stand.state.ended:
        label = '<span class="state stopped">stopped</span>'
        line = f"{stand.state.ended}; what was finished is in the store, and the same command goes on from there"
    else:
        label = '<span class="state stopped">silent</span>'
        line = (f"no sign of life for {_span(stand.age_s)}: if it was killed, the same command goes on where it "
                f"stopped")
    return (f"<h1>Heddle: {_text(stand.state.asked)} {label}</h1><p class='muted'>{_text(str(folder))}</p>"
            + (f'<p class="bad">{_text(line)}</p>' if line else ""))


def _works(state: State) -> str:
    rows = [(work.title, _bar(work), _count(work), _span((work.ended_s or state.now_s) - work.began_s),
             _remaining(work, state.now_s)) for work in (*state.works, *reversed(state.past))]
    head = "".join(f"<th>{name}</th>" for name in ("work", "", "units", "took so far", "left"))
    body = "".join(f"<tr><td>{_text(title)}</td><td class='text'>{bar}</td><td>{units}</td><td>{took}</td>"
                   f"<td>{left}</td></tr>" for title, bar, units, took, left in rows)
    return (f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>' if rows
            else '<p class="muted">Nothing yet.</p>')


def _bar(work: Work) -> str:
    share = min(1.0, work.done / work.total) if work.total else float(work.ended_s is not None)
    return f'<span class="bar"><i style="width:{100 * share:.1f}%"></i></span>'


def _count(work: Work) -> str:
    return f"{work.done:,}" + (f" of {work.total:,}" if work.total is not None else "")


def _seconds_left(work: Work, now_s: float) -> float | None:
    """By what the units took that did not come from the store; None before one is known."""
    counted = work.done - work.paced_done
    if work.total is None or counted <= 0:
        return None
    return max(0.0, (work.total - work.done) * (now_s - work.paced_s) / counted)


def _remaining(work: Work, now_s: float) -> str:
    if work.ended_s is not None:
        return "ended"
    left = _seconds_left(work, now_s)
    return "not known yet" if left is None else f"about {_span(left)}"


def _left(state: State) -> str:
    """Of the innermost work that says so."""
    for work in reversed(state.works):
        if (left := _seconds_left(work, state.now_s)) is not None:
            return _span(left)
    return "not known"


def _front(front: Sequence[Point]) -> str:
    if not front:
        return '<p class="muted">Nothing yet: first there are networks to be trained.</p>'
    rows = [(point.id, "–" if point.metrics.valid_accuracy is None else f"{point.metrics.valid_accuracy:.4f}",
             f"{1e6 * point.metrics.latency_s:,.2f}", f"{point.metrics.cycles:,}", f"{point.metrics.cpu_cycles:,}",
             f"{point.metrics.lut:,}")
            for point in front]
    more = f'<p class="muted">and {len(rows) - ROWS} more</p>' if len(rows) > ROWS else ""
    return (f'<div class="picture">{front_svg(front, "as estimated; the report has what is measured")}</div>'
            + _table(("point", "valid accuracy", "latency, µs", "engine cycles", "CPU cycles, estimated", "LUT"),
                     rows[:ROWS], "") + more)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], nothing: str) -> str:
    if not rows:
        return f'<p class="muted">{nothing}</p>'
    names = "".join(f"<th class='text'>{name}</th>" for name in head)
    body = "".join("<tr>" + "".join(f'<td class="wrap">{_text(cell)}</td>' for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table>{f"<tr>{names}</tr>" if any(head) else ""}{body}</table></div>'


def _section(name: str, title: str, content: str) -> str:
    return f'<section id="{name}"><h2>{title}</h2>{content}</section>'


def _text(text: str) -> str:
    return escape(printable(text))


def _span(seconds: float) -> str:
    """
    >>> _span(5), _span(65), _span(3725)
    ('5 s', '1 min 5 s', '1 h 2 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
