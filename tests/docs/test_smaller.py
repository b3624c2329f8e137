"""docs/smaller.md has every way to judge channels and to follow a teacher, and commands that the command line takes."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner

from flows.cli import cli
from sw.quant import recipe

TEXT = (Path(__file__).parents[2] / "docs/smaller.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    heddle (.+)$", TEXT, re.MULTILINE)


def test_every_name_is_there():
    named = set(re.findall(r"`([\w.-]+)`", TEXT))
    assert named >= {*recipe.CRITERIA, *recipe.FOLLOWED, *recipe.TEACHERS, *recipe.PRUNED}
    options = {item.name for kind in (recipe.Prune, recipe.Distill) for item in fields(kind)}
    assert options - named == {"learning_rate"}
    rows = re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)
    assert set(rows) >= {*recipe.CRITERIA, *recipe.FOLLOWED}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_taken(command, monkeypatch):
    asked = []
    monkeypatch.setattr("flows.commands.train.train_to", lambda config, **options: asked.append(config) or {})
    monkeypatch.setattr("flows.cli.show", lambda *arguments: None)
    result = CliRunner().invoke(cli, command.split(), catch_exceptions=False)
    assert (result.exit_code, len(asked)) == (0, 1)
    assert {"prune", "distill"} & set(asked[0].recipe.steps)
