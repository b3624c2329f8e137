"""A tool that is missing, crashed, hung or filled the disk, in one line."""

from pathlib import Path

from hw.spec.errors import HeddleError

__all__ = ["ToolError"]


class ToolError(HeddleError):
    """One tool's failure.

    Attributes
    ----------
    tool : str
    what : str
        What happened: ``exit status 1``, ``killed by SIGSEGV``, ``timed out after 60 s``, ``the disk is full``.
    detail : str
        The last meaningful line of its log, or the remedy; may be empty.
    log : Path or None
        Where everything it said is kept.
    repeats : bool
        Whether the same run would fail the same way: true for a tool that judged its input, false where time,
        memory, disk or a person ended it.
    """

    def __init__(self, tool: str, what: str, *, detail: str = "", log: Path | None = None, repeats: bool) -> None:
        super().__init__(tool, what)
        self.tool, self.what, self.detail, self.log, self.repeats = tool, what, detail, log, repeats

    def __str__(self) -> str:
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.tool}: {self.what}{detail}" + (f" (log: {self.log})" if self.log else "")
