from dataclasses import replace

import pytest

from flows.search.space import DEFAULT_SPACE, Networks, Space, load_space
from hw.spec.errors import SpecError


def test_the_file_holds_the_defaults():
    assert load_space(DEFAULT_SPACE) == Space()


def test_default_space_is_as_large_as_promised():
    space = load_space()
    found = list(space.candidates())
    assert len({item.id for item in found}) == len(found) >= 200
    assert len(space.hardware.geometries) >= 4
    assert max(item.rows * item.cols * item.lanes for item in found) == 32
    assert all(item.requantizers <= item.cols for item in found)
    assert {item.depthwise_taps for item in found} == {1, 4}
    assert all(item.design().depthwise_taps == item.depthwise_taps for item in found)


def test_a_multiplier_of_another_family_makes_no_candidates():
    space = Space(hardware=replace(Space().hardware, multipliers=("lut", "mac16")))
    assert {item.multiplier for item in space.candidates()} == {"lut"}


@pytest.mark.parametrize("text, says", [
    ("[networks\n", r"space.toml: not a TOML file .*copy flows/search/space.toml"),
    ("[nets]\n", r"space.toml: unknown table \[nets\]; a space has \[networks\], \[hardware\]"),
    ("search = 3\n", r"search = 3: this is a table; write \[search\]"),
    ("[search]\ntrails = 3\n", r"\[search\] unknown key 'trails'; it has trials, startup, seed"),
    ('[search]\ntrials = "many"\n', r"\[search\] trials = 'many': expected a whole number"),
    ("[search]\ntrials = true\n", r"\[search\] trials = True: expected a whole number"),
    ("[training]\naugment = 1\n", r"\[training\] augment = 1: expected true or false"),
    ("[search]\ntrials = 0\n", r"\[search\] trials = 0: choose 1 to 100000"),
    ("[networks]\nwidths = 1.0\n", r"\[networks\] widths = 1.0: expected a list .*write widths = \[...\]"),
    ("[networks]\nwidths = []\n", r"\[networks\] widths = \[\]: expected a list with at least one entry"),
    ("[networks]\nweight_bits = [3]\n", r"weight_bits = 3: choose from 8, 4 and 2"),
    ("[networks]\nweight_bits = [8, 8]\n", r"\[networks\] weight_bits: an entry is there twice"),
    ("[hardware]\ngeometries = [[1, 2]]\n", r"geometries: \[1, 2\] has 2 entries; write \[rows, cols, lanes\]"),
    ("[hardware]\ngeometries = [[3, 2, 4]]\n", r"geometries: \[3, 2, 4\]: rows=3: choose a power of two"),
    ('[hardware]\nmultipliers = ["booth"]\n', r"multipliers: 'booth' is not one of dsp, lut, trunc"),
    ("[hardware]\nclock_mhz = 1000\n", r"clock_mhz = 1000: choose 5 to 200"),
    ("[hardware]\nrequantizers = [16]\n", r"no combination can be built"),
    ("[hardware]\ndepthwise_taps = [8]\n", r"no combination can be built: .* every depthwise_taps above lanes"),
    ("[hardware]\ndepthwise_taps = [3]\n", r"\[hardware\] depthwise_taps = 3: choose from 1, 2, 4, 8, 16"),
    ("[hardware]\nrequantizer_dsps = [3]\n", r"\[hardware\] requantizer_dsps = 3: choose from 4, 2, 0"),
    ("[measure]\nmin_accuracy = 97\n", r"min_accuracy = 97: an accuracy is from 0 to 1"),
])
def test_a_wrong_file_says_what_where_and_the_way_out(tmp_path, text, says):
    path = tmp_path / "space.toml"
    path.write_text(text)
    with pytest.raises(SpecError, match=says):
        load_space(path)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(SpecError, match=r"none.toml: No such file or directory; give a TOML file"):
        load_space(tmp_path / "none.toml")


def test_two_networks_of_one_short_name_are_refused():
    with pytest.raises(SpecError, match=r"^\[networks\] names: two are called net-a in the names of points"):
        Space(networks=Networks(names=("x/net.py:a", "y/net.py:a")))
    found = next(Space(networks=Networks(names=("x/net.py:a",))).candidates())
    assert found.id.startswith("net-a-0.5-w8-")
