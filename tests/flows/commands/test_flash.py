import json
import os
import stat

import pytest

from flows.commands.flash import flash_from
from hw.spec.errors import HeddleError

RECORD = {"board": "ulx3s-25", "bitstream": "heddle.bit", "timing_met": True, "fmax_mhz": 61.7}


@pytest.mark.parametrize("record, says", [
    (None, r"no readable build.json; make one with `heddle build"),
    ("[]", r"no readable build.json"),
    ('{"board": "ulx3s-25", "bitstream": null, "timing_met": false, "fmax_mhz": 61.7}',
     r"the build missed its timing, so there is no bitstream; build again with --clock-mhz 61 or less"),
    ('{"board": "ulx3s-25", "bitstream": "heddle.bit", "timing_met": true, "fmax_mhz": 61.7}',
     r"heddle.bit: missing; build again"),
])
def test_flash_needs_a_build(tmp_path, record, says):
    if record is not None:
        (tmp_path / "build.json").write_text(record)
    with pytest.raises(HeddleError, match=says):
        flash_from(tmp_path)


def test_flash_without_the_programmer_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr("hw.tools.find.shutil.which", lambda *arguments, **options: None)
    (tmp_path / "heddle.bit").write_bytes(b"bits")
    (tmp_path / "build.json").write_text(
        '{"board": "ulx3s-25", "bitstream": "heddle.bit", "timing_met": true, "fmax_mhz": 61.7}')
    with pytest.raises(HeddleError, match=r"openFPGALoader: not found: get it with `sudo apt-get install"):
        flash_from(tmp_path)


def test_the_programmer_gets_the_bitstream(tmp_path, monkeypatch):
    """One of our own, which writes down what it was asked."""
    tools, build = tmp_path / "tools", tmp_path / "build"
    tools.mkdir()
    build.mkdir()
    programmer = tools / "openFPGALoader"
    programmer.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n')
    programmer.chmod(programmer.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    (build / "heddle.bit").write_bytes(b"bits")
    (build / "build.json").write_text(json.dumps(RECORD))
    said = flash_from(build)
    assert "programmed with heddle.bit in " in said
    asked = (tmp_path / "asked").read_text().split()
    assert asked[-1] == str(build / "heddle.bit") and "ulx3s" in asked
