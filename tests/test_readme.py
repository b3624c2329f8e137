"""What the README says can be done."""

import re
from pathlib import Path

import pytest

from flows.cli import cli

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
COMMANDS = sorted({" ".join(line.split()) for line in re.findall(r"^    (heddle .*?)(?:\s+#.*)?$", TEXT, re.MULTILINE)})


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_parses(command):
    """Names, options and their types are right; what the command does is tested elsewhere."""
    name, *arguments = command.split()[1:]
    sub = cli.commands[name]
    existing = [argument.replace("my.toml", str(ROOT / "flows" / "space.toml")) for argument in arguments]
    assert sub.make_context(name, existing).command is sub


def test_every_path_exists():
    paths = re.findall(r"[`(]((?:hw|sw|cosim|flows|boards|docs|tests)/[\w./]+)[`)]", TEXT)
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_nothing_is_left_to_fill_in():
    assert not re.search(r"@[A-Z_]+@", TEXT)
