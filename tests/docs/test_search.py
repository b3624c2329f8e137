"""The page about the search: its space file is one, and its tables have all that there is."""

import re
from pathlib import Path

from flows.search.samplers import SAMPLERS
from flows.search.space_file import load_space

TEXT = (Path(__file__).resolve().parents[2] / "docs/search.md").read_text(encoding="utf-8")


def test_the_space_file_of_the_page_is_read_as_the_page_says(tmp_path):
    block, = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "space.toml").write_text(block, encoding="utf-8")
    space = load_space(tmp_path / "space.toml")
    assert [family.name for family in space.networks] == ["dscnn", "nets/small.py:tiny"]
    assert {choice.values.get("blocks") for choice in space.choices} == {2, 3, None}      # a conditional axis
    assert all(choice.values["width"] * choice.values["blocks"] <= 4 for choice in space.choices
               if choice.name == "dscnn")
    assert len(space.choices) == (5 + 2) * 3 * 2 * 2 * 2 * 2        # one of dscnn's six is too large
    for candidate in space.candidates():
        assert candidate.network.weight_bits < 8 or candidate.chip.rows * candidate.chip.cols <= 8
    assert {name for choice in space.choices for name in choice.values} >= {
        "_classifier_bits", "quantize_act_bits", "size", "passes", "skip"}


def test_every_sampler_is_on_the_page():
    rows = re.findall(r"^\| `(\w+)` \|", TEXT[TEXT.index("## Samplers"):], re.MULTILINE)
    assert rows == ["sampler", *SAMPLERS, "auto"]
