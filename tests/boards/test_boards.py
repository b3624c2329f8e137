"""Every board passes the same suite: whole facts, a part that the tools know, a SoC platform of its own part."""

import ast
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from boards import BOARDS, Board, find_board
from boards._devices import DEVICES
from hw.spec.errors import HeddleError, SpecError
from hw.spec.presets import PRESETS
from tests.support.joined import names_with

ROOT = Path(__file__).parents[2]
every_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)


@every_board
def test_facts_are_whole(board):
    assert find_board(board.name) is board
    missing = {field.name for field in fields(board) if not getattr(board, field.name)} - {"sdram"}
    assert missing == (set() if board.family == "ice40" else {"flash_pins"})
    assert set(board.budget) == {"lut", "ff", "dsp", "bram", "spram"}
    assert all(board.budget[name] > 0 for name in ("lut", "ff", "dsp", "bram"))
    assert len({board.clock_pin, board.serial_tx_pin, board.serial_rx_pin, *board.led_pins}) == 3 + len(board.led_pins)
    assert board.device in board.part and board.device in board.title
    assert board.nextpnr_args[0] == DEVICES[board.device].nextpnr
    assert board.programmer.command("top.bit")[-1] == "top.bit"
    with pytest.raises(FrozenInstanceError):
        board.part = ""


def test_a_file_in_the_folder_is_a_board(tmp_path):
    """Found there, with nothing else to edit."""
    mine = (ROOT / "boards" / "icebreaker.py").read_text(encoding="utf-8").replace('name="icebreaker"', 'name="mine"')
    assert names_with(tmp_path, "boards/mine.py", mine, "from boards import BOARDS; print(*BOARDS)") \
        == [name for board in BOARDS for name in ((board, "mine") if board == "icesugar" else (board,))]


def test_names_are_not_given_twice():
    given = [board.name for path in (ROOT / "boards").glob("[!_]*.py")
             for board in __import__(f"boards.{path.stem}", fromlist=["BOARDS"]).BOARDS]
    assert sorted(given) == sorted(BOARDS)


def read_attributes():
    """Attributes and keys that the tree reads outside of ``boards``."""
    found = set()
    for top in ("hw", "flows", "cosim"):
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.Attribute):
                    found.add(node.attr)
                elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
                    found.add(node.slice.value)
    return found


def test_every_fact_is_used():
    """``part`` by LiteX."""
    facts = {field.name for field in fields(Board)} | {"standby_a", "nextpnr_args"}
    assert facts - read_attributes() == set()
    assert {"bram_bits"} - read_attributes() == {"bram_bits"}, "a fact that nothing reads would be seen"


def test_every_preset_has_its_board():
    assert {design.board for design in PRESETS.values()} <= set(BOARDS)


def test_unknown_board_lists_the_names():
    with pytest.raises(HeddleError, match=r"^board 'ulx3s': unknown; choose one of colorlight-i5, ecpix5-45, "):
        find_board("ulx3s")
    assert issubclass(SpecError, HeddleError)
