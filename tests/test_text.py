"""Text is UTF-8 whatever the locale says: in every file that is read or written, and in every command."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hw.spec.presets import PRESETS, load_design, to_toml
from sw.graph.graph import Graph, TensorType
from tests.support.layers import random_layer

ROOT = Path(__file__).resolve().parents[1]
TOPS = ("boards", "cosim", "flows", "hw", "scripts", "sw")
#: A locale without letters outside ASCII, and Python kept from mending it.
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
#: Calls of that name that read bytes: the system's, and Pillow's.
OF_BYTES = (("os", "open"), ("Image", "open"))
WITH_LETTERS = "# für kleine Netze: ≤ 32 Zeilen\n"


def locale_calls(source):
    """Lines of calls that read or write text in the locale's encoding."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and not {key.arg for key in node.keywords} & {"encoding", None} and is_text(node):
            yield node.lineno


def is_text(call):
    function, keys = call.func, {key.arg: key.value for key in call.keywords}
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    owner = getattr(function.value, "id", "") if isinstance(function, ast.Attribute) else ""
    if name in ("read_text", "write_text"):
        return True
    if owner == "subprocess":
        return bool({"text", "universal_newlines"} & set(keys))
    if name in ("open", "fdopen") and (owner, name) not in OF_BYTES:
        place = 0 if name == "open" and isinstance(function, ast.Attribute) else 1
        mode = keys.get("mode", call.args[place] if len(call.args) > place else None)
        return not (isinstance(mode, ast.Constant) and "b" in mode.value)
    return False


def test_no_file_is_read_or_written_as_the_locale_says():
    found = [f"{path.relative_to(ROOT)}:{line}" for top in TOPS for path in sorted((ROOT / top).rglob("*.py"))
             for line in locale_calls(path.read_text(encoding="utf-8"))]
    assert not found, "give encoding=\"utf-8\": " + ", ".join(found)


@pytest.mark.parametrize("source", [
    "path.read_text()", "path.write_text(content)", "path.open()", "path.open('w')", "open(path)", "open(path, 'a')",
    "os.fdopen(number, 'w')", "subprocess.run(argv, text=True)",
])
def test_such_a_call_is_caught(source):
    assert list(locale_calls(source)) == [1]


@pytest.mark.parametrize("source", [
    "path.read_text(encoding='utf-8')", "path.read_bytes()", "open(path, 'rb')", "path.open('wb')",
    "os.open(path, flags)", "Image.open(path)", "subprocess.run(argv)", "path.open(**options)",
])
def test_other_calls_pass(source):
    assert list(locale_calls(source)) == []


@pytest.fixture
def design(tmp_path):
    path = tmp_path / "design.toml"
    path.write_text(WITH_LETTERS + to_toml(PRESETS["ecp5-25"]), encoding="utf-8")
    return path


def test_letters_outside_ascii_are_read(design):
    assert load_design(str(design)) == PRESETS["ecp5-25"]


def test_a_command_under_an_ascii_locale(design, tmp_path):
    kind = TensorType(shape=(1, 1, 16), scale=0.1, zero_point=0)
    layer = random_layer(np.random.default_rng(0), "dense", kind, name="fc")
    Graph(name="small", inputs=(kind,), layers=(layer,)).save(tmp_path / "model.npz")
    done = subprocess.run([sys.executable, "-m", "flows.cli", "estimate", tmp_path, "--design", design, "--json"],
                          cwd=ROOT, env={**os.environ, **ASCII}, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["design"] == str(design)


def test_an_ascii_locale_reads_the_same(design):
    code = ("import locale, sys; from hw.spec.presets import PRESETS, load_design; "
            "assert locale.getpreferredencoding(False) != 'utf-8'; "
            "sys.exit(load_design(sys.argv[1]) != PRESETS['ecp5-25'])")
    done = subprocess.run([sys.executable, "-c", code, design], cwd=ROOT, env={**os.environ, **ASCII},
                          capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")
