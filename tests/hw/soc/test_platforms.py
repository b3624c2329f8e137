"""Pins and their constraints; those of each board are in ``test_generate.py``."""

from dataclasses import asdict

import pytest
from migen.fhdl.namer import build_namespace
from migen.fhdl.structure import Signal

from boards import BOARDS
from hw.soc.platforms import CONSTRAINTS, board_platform, sim_platform


@pytest.mark.parametrize("flash", [False, True])
def test_a_simulation_has_a_flash_where_the_soc_boots_from_one(flash):
    platform = sim_platform(flash=flash)
    assert ("flash" in [entry[0] for entry in platform.constraint_manager.available]) == flash


@pytest.mark.parametrize("board, line", [
    ("icebreaker", "set_io leds[1] 37\nset_frequency clk 12\n"),
    ("ulx3s-25", 'IOBUF PORT "leds[7]" IO_TYPE=LVCMOS33;\nFREQUENCY PORT "clk" 25 MHZ;\n')])
def test_constraints_are_in_the_familys_own_words(board, line):
    facts = asdict(BOARDS[board]) | {"family": BOARDS[board].family}
    platform = board_platform(facts)
    pads = [platform.request(name) for name in ("clk", "leds")]
    names = build_namespace({pad for pad in pads if isinstance(pad, Signal)})
    for pad, name in zip(pads, ("clk", "leds"), strict=True):
        pad.name_override = name
    assert CONSTRAINTS[facts["family"]](platform, names, facts["clock_in_mhz"]).endswith(line)
