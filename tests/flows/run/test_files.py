import json
import signal
import subprocess
import sys
from math import nan
from pathlib import Path

import pytest

from flows.run.files import read_json, sweep, to_json, write_json, write_whole
from hw.spec.errors import HeddleError

ROOT = Path(__file__).resolve().parents[3]


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_whole(path, "old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


KILLED = """
import os, signal, sys
from pathlib import Path
from flows.run.files import write_whole

os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
write_whole(Path(sys.argv[1]), "new")
"""


def test_what_a_kill_left_is_swept_and_nothing_else(tmp_path):
    kept = [write_whole(tmp_path / name, "old") for name in ("file", ".lock", "a.part")]
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "file"], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL and len(list(tmp_path.iterdir())) == len(kept) + 1
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept) and {path.read_text() for path in kept} == {"old"}


def test_folders_are_made_and_everyone_may_read(tmp_path):
    path = write_whole(tmp_path / "a" / "b" / "file", "µ")
    assert path.read_bytes() == "µ".encode()
    assert path.stat().st_mode & 0o777 == 0o644
    assert write_whole(path, b"\0\xff").read_bytes() == b"\0\xff"


def test_json_keeps_order_letters_and_digits(tmp_path):
    document = {"z": 0.1 + 0.2, "a": "µ", "none": None, "list": [1, True]}
    text = to_json(document)
    assert text.endswith("\n") and "µ" in text and text.index('"z"') < text.index('"a"')
    assert read_json(write_json(tmp_path / "x.json", document)) == document == json.loads(text)


def test_what_is_no_number_is_refused_and_nothing_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"fmax": nan})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"{", b"\xff"])
def test_a_damaged_file_is_one_line_with_the_way_out(tmp_path, content):
    if content is not None:
        (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(HeddleError, match=r"x.json: not written as expected \(.*\); run `make clean` and try again$"):
        read_json(tmp_path / "x.json")
