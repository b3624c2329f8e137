import tomllib
from dataclasses import replace

import pytest

from hw.spec.errors import SpecError
from hw.spec.presets import PRESETS, design_from_table, load_design, to_toml


@pytest.mark.parametrize("name", PRESETS)
def test_preset_survives_toml(name):
    assert design_from_table(tomllib.loads(to_toml(PRESETS[name])), "x.toml") == PRESETS[name]


def test_presets_have_the_promised_macs():
    assert [PRESETS[name].macs_per_cycle for name in PRESETS] == [16, 32, 64, 128]
    assert list(PRESETS) == ["up5k", "ecp5-25", "ecp5-45", "ecp5-85"]


def test_toml_without_an_engine_is_wide():
    table = tomllib.loads(to_toml(PRESETS["up5k"]))
    assert table.pop("engine") == "compact"
    assert design_from_table(table, "old.toml") == replace(PRESETS["up5k"], engine="wide")


def test_unknown_key_names_the_file():
    with pytest.raises(SpecError, match=r"my.toml: unknown key 'row'; a design has engine, rows, cols"):
        design_from_table({"row": 4}, "my.toml")


def test_unknown_name_lists_the_presets():
    with pytest.raises(SpecError, match=r"design 'ecp5': neither a preset \(up5k, ecp5-25, ecp5-45, ecp5-85\) nor"):
        load_design("ecp5")


def test_broken_toml_is_one_line(tmp_path):
    path = tmp_path / "d.toml"
    path.write_text("rows = = 3")
    with pytest.raises(SpecError, match=r"d.toml: not a TOML file"):
        load_design(str(path))


def test_a_file_gives_the_design_that_was_written(tmp_path):
    design = replace(PRESETS["ecp5-25"], rows=4, board="ulx3s-45")
    (tmp_path / "design.toml").write_text("# für mich\n" + to_toml(design), encoding="utf-8")
    assert load_design(str(tmp_path / "design.toml")) == design


def test_a_value_that_cannot_be_names_the_file(tmp_path):
    (tmp_path / "design.toml").write_text("rows = 3")
    with pytest.raises(SpecError, match=r"design.toml: rows=3: choose a power of two"):
        load_design(str(tmp_path / "design.toml"))
