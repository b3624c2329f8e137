"""The page about results names every step that there is, with its kind and its module."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROWS = {(name, kind, path) for name, kind, path in re.findall(
    r"^\| `(\w+)` \| ([\w-]+) \| .+ \| `([\w/.]+)` \|$", (ROOT / "docs/results.md").read_text(encoding="utf-8"),
    re.MULTILINE)}


def steps(source, path):
    """Name, kind and module of each ``class X(Step[Y])`` in a source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).startswith("Step[") for base in node.bases):
            given = {ast.unparse(one.targets[0]): one.value for one in node.body if isinstance(one, ast.Assign)}
            yield node.name, given["kind"].value, path


def test_every_step_is_on_the_page_and_every_row_is_a_step():
    found = {step for path in (ROOT / "flows").rglob("*.py")
             for step in steps(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())}
    assert found == ROWS
    assert len(found) > 10


def test_a_step_is_found():
    source = "class Other(Thing): pass\nclass Model(Step[int]):\n    '''One.'''\n    kind = 'model'\n    seed: int"
    assert list(steps(source, "flows/x.py")) == [("Model", "model", "flows/x.py")]
