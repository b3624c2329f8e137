import subprocess
import sys

from hw.tools import TOOLS
from hw.tools import __main__ as module


def test_all_that_place_route_and_pack_are_prepared(monkeypatch):
    prepared = []
    monkeypatch.setattr(module, "prepare", prepared.append)
    assert module.main(["--prepare"]) == 0
    assert prepared == [name for name, tool in TOOLS.items() if tool.wheel and "nextpnr" in tool.wheel]


def test_anything_else_is_told_how():
    done = subprocess.run([sys.executable, "-m", "hw.tools", "--clean"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "usage: python -m hw.tools --prepare\n")
