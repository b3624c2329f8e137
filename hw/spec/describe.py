"""The page about the command format, made from its tables: ``python -m hw.spec.describe > docs/commands.md``."""

from collections.abc import Mapping
from textwrap import wrap

from hw.spec import commands
from hw.spec.commands import (
    COMMAND_BITS,
    COMMAND_FIELDS,
    COUNTERS,
    COUNTS,
    ERRORS,
    MAGIC,
    MEANINGS,
    OPCODES,
    STREAM_FIELDS,
)
from hw.spec.fields import command_fields
from hw.spec.presets import PRESETS

__all__ = ["commands_page"]

_MADE = "<!-- Made by `python -m hw.spec.describe > docs/commands.md`; change the tables in hw/spec, not this page. -->"
_OPCODES = {"END": "ends the program", "LAYER": "runs a layer, or a part of one",
            "STREAM": "starts the stream of weights from the memory outside"}
_COMPACT = "up5k"
_KINDS = (
    f"The column `{_COMPACT}` is for the compact engine of that preset: how many low bits it looks at, where these are "
    f"not all; `none` is a field that it does not have. What it does instead is in `taken` and `whole_tile` of "
    f"`hw/spec/fields.py`. It refuses a zero only in fields that it has. `encode_for` in the same file refuses a "
    f"command that an engine would not run as it says, and names the rule.")
_ERRORS = {
    "NONE": "the run ended at END", "BAD_MAGIC": "the first byte is another: these are no commands",
    "BAD_OPCODE": "no such command, or the design has no stream", "TOO_LONG": "more layers than the log has entries",
    "ZERO_COUNT": "a count that the engine looks at is 0", "BAD_CHECKSUM": "the command was damaged"}


def commands_page() -> str:
    """Markdown; the same for the same tables."""
    title, _, rest = (commands.__doc__ or "").partition("\n")
    return "\n".join([
        "# The command format", "", _MADE, "", title, rest.replace("``", "`").rstrip(), "",
        f"A command is {COMMAND_BITS} bits. Its first byte is {MAGIC:#04x}. Bits that no field names are zero.", "",
        *_table(("opcode", "number", "what it does"),
                [(f"`{name}`", str(number), _OPCODES[name]) for name, number in OPCODES.items()]), "",
        "## Fields of LAYER and END", "",
        *wrap(f"Never 0 in a LAYER: {', '.join(f'`{name}`' for name in COUNTS)}.", 120), "",
        *wrap(_KINDS, 120), "",
        *_fields(COMMAND_FIELDS, command_fields(PRESETS[_COMPACT])), "",
        "## Fields of STREAM", "", *_fields(STREAM_FIELDS), "",
        "## Errors", "", "`STATUS` has the error of the last run, and the layer at which it stopped.", "",
        *_table(("error", "number", "meaning"),
                [(f"`{name}`", str(number), _ERRORS[name]) for name, number in ERRORS.items()]), "",
        "## Counters", "", "Every cycle of a layer counts for one of them, in the order of the layer log.", "",
        *_table(("counter", "cycles in which"), [(f"`{name}`", what) for name, what in COUNTERS.items()]), ""])


def _fields(table: Mapping[str, tuple[int, bool]], compact: Mapping[str, int] | None = None) -> list[str]:
    """Rows of a table, with the bits that a compact engine takes where they are given."""
    rows, position = list[tuple[str, ...]](), 0
    for name, (bits, signed) in table.items():
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        place = str(position) if bits == 1 else f"{position + bits - 1}:{position}"
        taken = () if compact is None else ("" if compact.get(name) == bits else f"{compact.get(name, 'none')}",)
        rows.append((place, f"`{name}`", f"{low:,} to {high:,}" if bits > 1 else "0, 1", *taken, MEANINGS[name]))
        position += bits
    return _table(("bits", "field", "values", *(() if compact is None else (f"`{_COMPACT}`",)), "meaning"), rows)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows)]


if __name__ == "__main__":
    print(commands_page(), end="")
