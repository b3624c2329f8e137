from dataclasses import replace

import pytest

from boards import find_board
from hw.soc.target import load_target
from hw.spec.errors import SpecError
from hw.spec.presets import PRESETS, to_toml


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_comes_with_its_board(name):
    assert load_target(name) == (PRESETS[name], find_board(PRESETS[name].board))


def test_another_board_is_asked_for_by_name():
    assert load_target("ecp5-85", "ulx3s-12") == (PRESETS["ecp5-85"], find_board("ulx3s-12"))
    with pytest.raises(SpecError, match=r"^memory='spram': the ecp5 of board 'ulx3s-12' has no such memories; "):
        load_target("up5k", "ulx3s-12")


@pytest.mark.parametrize("changes, message", [
    ({"cpu": "arm"}, r"^cpu='arm': unknown; choose 'picorv32', 'serv', 'vexriscv'$"),
    ({"board": "icestick"}, r"^board 'icestick': unknown; choose one of "),
])
def test_what_is_unknown_lists_the_names(tmp_path, changes, message):
    path = tmp_path / "design.toml"
    path.write_text(to_toml(replace(PRESETS["ecp5-25"], **changes)), encoding="utf-8")
    with pytest.raises(SpecError, match=message):
        load_target(str(path))
