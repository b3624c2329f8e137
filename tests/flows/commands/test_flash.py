import json
import os
import stat

import pytest

from boards import BOARDS
from flows.cli import cli
from flows.commands.flash import flash_from, plan_flash
from hw.spec.errors import HeddleError

IN_FLASH = {"firmware": 0x20000, "image": 0x40000}


@pytest.fixture
def built(tmp_path):
    """A folder that `heddle build` could have written for a board."""
    def make(board="ulx3s-25", **changes):
        small = BOARDS[board].family == "ice40"
        name = "heddle.bin" if small else "heddle.bit"
        record = {"board": board, "bitstream": name, "timing_met": True, "fmax_mhz": 61.7,
                  "flash": IN_FLASH if small else None, **changes}
        for file in (name, "model.bin", "firmware.bin"):
            (tmp_path / file).write_bytes(b"bits")
        (tmp_path / "build.json").write_text(json.dumps(record))
        return tmp_path
    return make


@pytest.mark.parametrize("record", [None, "[]", '{"board": "ulx3s-25"}'])
def test_flash_needs_a_build(tmp_path, record):
    if record is not None:
        (tmp_path / "build.json").write_text(record)
    with pytest.raises(HeddleError, match=r"no readable build.json; make one with `heddle build --out "):
        plan_flash(tmp_path)


def test_what_missed_its_timing_is_not_flashed(built):
    with pytest.raises(HeddleError, match=r"the build missed its timing, so there is no bitstream; build again with "
                                          r"--clock-mhz 61 or less"):
        plan_flash(built(bitstream=None, timing_met=False))


def test_a_file_that_is_gone(built):
    folder = built()
    (folder / "heddle.bit").unlink()
    with pytest.raises(HeddleError, match=r"heddle.bit: missing; build again with `heddle build --out "):
        plan_flash(folder)


def test_without_the_programmer_it_says_how_to_get_it(built, monkeypatch):
    monkeypatch.setattr("hw.tools.find.shutil.which", lambda *arguments, **options: None)
    with pytest.raises(HeddleError, match=r"openFPGALoader: not found: get it with `sudo apt-get install"):
        flash_from(plan_flash(built()))
    with pytest.raises(HeddleError, match=r"^icesprog: not found: get it from https://github.com/wuxx/icesugar"):
        flash_from(plan_flash(built("icesugar")))


def test_the_weights_alone_go_to_their_place(built):
    plan = plan_flash(built("icebreaker"), weights=True)
    assert plan.command[-3:] == ["--offset", "0x40000", str(built() / "model.bin")]
    assert plan_flash(built("icebreaker")).command[-1] == str(built() / "heddle.bin")


def test_what_a_board_has_not_is_not_asked_of_it(built):
    with pytest.raises(HeddleError, match=r"^--weights: those of ULX3S .* are in the bitstream; leave it out$"):
        plan_flash(built(), weights=True)
    with pytest.raises(HeddleError, match=r"^--persistent: iCEBreaker .* is always programmed for good; leave it out$"):
        plan_flash(built("icebreaker"), persistent=True)
    assert "--write-flash" in plan_flash(built(), persistent=True).command
    assert "--write-flash" not in plan_flash(built()).command


@pytest.mark.parametrize("board", BOARDS)
def test_a_dry_run_prints_the_command_and_runs_nothing(board, built, monkeypatch, capsys):
    monkeypatch.setattr("flows.fpga.programming.run", lambda *arguments, **options: pytest.fail("it ran"))
    folder = built(board)
    cli.main(["flash", str(folder), "--dry-run"], standalone_mode=False)
    out, err = capsys.readouterr()
    name = "heddle.bin" if BOARDS[board].family == "ice40" else "heddle.bit"
    assert (out, err) == (" ".join(BOARDS[board].programmer.command(str(folder / name))) + "\n", "")
    assert not (folder / "flash.log").exists()


def test_the_programmer_gets_the_bitstream(built, tmp_path, monkeypatch):
    """One of our own, which writes down what it was asked."""
    tools = tmp_path / "tools"
    tools.mkdir()
    programmer = tools / "openFPGALoader"
    programmer.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n')
    programmer.chmod(programmer.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    plan = plan_flash(built())
    assert "programmed with heddle.bit in " in flash_from(plan)
    assert (tmp_path / "asked").read_text().split() == plan.command[1:]
