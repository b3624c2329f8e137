from dataclasses import replace
from statistics import median

import pytest

from boards import find_board
from flows.estimate.resources import engine_dsp, estimate_resources, load_model
from flows.search.space import DEFAULT_SPACE, HARDWARE_FIRST, MODEL_FIRST, Networks, Space, load_space
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.presets import PRESETS


def test_the_file_holds_the_defaults():
    assert load_space(DEFAULT_SPACE) == Space()


def test_default_space_is_as_large_as_promised():
    space = load_space()
    found = list(space.candidates())
    assert len({item.id for item in found}) == len(found) >= 200
    assert len(space.hardware.geometries) >= 4
    assert max(item.rows * item.cols * item.lanes for item in found) == 32
    assert all(item.requantizers <= item.cols for item in found)
    assert all(item.design().depthwise_taps == item.depthwise_taps for item in found)


WORTH = 0.1     # of an engine's LUTs: what saves less leaves the default space
FIELDS = Space(hardware=replace(Space().hardware, multipliers=("dsp", "lut", "trunc"), depthwise_taps=(1, 4)))


def saved(field, value, dearer):
    """By weight bits the share of its LUTs that an engine of the space, in the median, saves by ``value``."""
    board, soc = find_board("ulx3s-85"), load_model()["soc"]["lut"]
    found = {}
    for candidate in FIELDS.candidates():
        other = replace(candidate, **{field: value})
        if getattr(candidate, field) == dearer and other in EVERY:
            before, after = (estimate_resources(each.design(), board).lut - soc for each in (candidate, other))
            found.setdefault(candidate.weight_bits, []).append(1 - after / before)
    return [round(median(found[bits]), 3) for bits in (8, 4, 2)]


EVERY = set(FIELDS.candidates())


@pytest.mark.parametrize("field, value, dearer, shares", [
    ("multiplier", "dsp", "lut", [0.314, 0.193, 0.074]),
    ("multiplier", "trunc", "lut", [0.096, 0.026, 0.0]),        # 7%, 2% and 0% where both were synthesized
    ("requantizers", 1, 2, [0.108, 0.083, 0.077]),
    ("requantizers", 2, 4, [0.114, 0.127, 0.133]),
    ("depthwise_taps", 1, 4, [0.058, 0.047, 0.04]),
])
def test_the_default_space_has_only_what_is_worth_it(field, value, dearer, shares):
    """A value stands beside the next dearer one where it saves enough LUTs at some width; it may save other cells."""
    assert saved(field, value, dearer) == pytest.approx(shares, abs=0.005)
    offered = {getattr(candidate, field) for candidate in Space().candidates()}
    assert dearer in offered and (value in offered) == (max(shares) >= WORTH)


def test_products_of_luts_are_offered_since_they_take_no_multiplier_blocks():
    dsp, lut = (candidate.design() for candidate in (
        replace(next(Space().candidates()), multiplier=kind) for kind in ("dsp", "lut")))
    assert engine_dsp(dsp) - engine_dsp(lut) == dsp.macs_per_cycle


def test_multipliers_that_err_are_there_for_those_who_ask(tmp_path):
    """At the widths that they take; a default space has no published family."""
    (tmp_path / "space.toml").write_text('[hardware]\nmultipliers = ["broken", "mitchell", "underdesigned"]\n')
    found = load_space(tmp_path / "space.toml")
    assert {(item.multiplier, item.weight_bits) for item in found.candidates()} == {
        (name, bits) for name in ("broken", "mitchell", "underdesigned") for bits in (8, 4)}
    assert not {"broken", "mitchell", "underdesigned"} & set(Space().hardware.multipliers)


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
    ("[recipe]\naugment = 1\n", r"augment=1: must be text"),
    ("[recipe]\nepochs = 1\n", r"recipe: unknown key 'epochs'; it has augment, batch"),
    ("[recipe.quantize]\nway = 1\n", r"quantize: unknown key 'way'; it has method"),
    ("[recipe]\nsettle = 1\n", r"settle=1: this is a table; write \[recipe.settle\] on a line of its own"),
    ("recipe = 3\n", r"recipe = 3: this is a table; write \[recipe\]"),
    ("[search]\ntrials = 0\n", r"\[search\] trials = 0: choose 1 to 100000"),
    ("[networks]\nwidths = 1.0\n", r"\[networks\] widths = 1.0: expected a list .*write widths = \[...\]"),
    ("[networks]\nwidths = []\n", r"\[networks\] widths = \[\]: expected a list with at least one entry"),
    ("[networks]\nweight_bits = [3]\n", r"weight_bits = 3: choose from 8, 4 and 2"),
    ("[networks]\nweight_bits = [8, 8]\n", r"\[networks\] weight_bits: an entry is there twice"),
    ("[hardware]\ngeometries = [[1, 2]]\n", r"geometries: \[1, 2\] has 2 entries; write \[rows, cols, lanes\]"),
    ("[hardware]\ngeometries = [[3, 2, 4]]\n", r"geometries: \[3, 2, 4\]: rows=3: choose a power of two"),
    ('[hardware]\nmultipliers = ["booth"]\n', r"multipliers: 'booth' is not one of dsp, lut, packed"),
    ("[hardware]\nclock_mhz = 1000\n", r"clock_mhz = 1000: choose 5 to 200"),
    ("[hardware]\nrequantizers = [16]\n", r"no combination can be built"),
    ("[hardware]\ndepthwise_taps = [8]\n", r"no combination can be built: .* every depthwise_taps above lanes"),
    ("[hardware]\ndepthwise_taps = [3]\n", r"\[hardware\] depthwise_taps = 3: choose from 1, 2, 4, 8, 16"),
    ("[hardware]\nrequantizer_dsps = [3]\n", r"\[hardware\] requantizer_dsps = 3: choose from 4, 2, 0"),
    ("[measure]\nseeds = 0\n", r"\[measure\] seeds = 0: choose 1 to 100"),
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


def test_the_spaces_of_one_half_are_looked_at_whole():
    model = replace(load_space(MODEL_FIRST), networks=Networks(names=("kws",), widths=(1.0,), weight_bits=(8,)))
    hardware = load_space(HARDWARE_FIRST).on(PRESETS["ecp5-45"], ("ulx3s-45",))
    for space in (model, hardware):
        assert 20 < len(list(space.candidates())) <= space.search.trials


@pytest.mark.parametrize("path", [DEFAULT_SPACE, MODEL_FIRST], ids=lambda path: path.stem)
def test_every_design_that_is_offered_can_be_estimated(path):
    space = load_space(path)
    found = {(candidate.multiplier, candidate.design(), candidate.board) for candidate in space.candidates()}
    assert {kind for kind, _, _ in found} == set(space.hardware.multipliers)
    assert all(estimate_resources(design, find_board(board)).lut > 0 for _, design, board in found)


def test_on_a_given_design_every_candidate_has_it_and_its_memories():
    design = PRESETS["ecp5-45"]
    space = load_space(HARDWARE_FIRST).on(design, ("ulx3s-45", "ulx3s-85"))
    found = list(space.candidates())
    assert {space.design(candidate) for candidate in found} == {design, replace(design, board="ulx3s-85")}
    assert {candidate.weight_bits for candidate in found} == {8, 4, 2} and space.feedback.weight_bits == 8
    assert len({candidate.id for candidate in found}) == len(found)


def test_a_given_design_takes_no_wider_weights_and_where_it_errs_no_narrower_ones():
    space = load_space(HARDWARE_FIRST)
    assert space.on(DesignPoint(weight_bits=4), ("ulx3s-25",)).networks.weight_bits == (4, 2)
    assert space.on(DesignPoint(weight_bits=4, multiplier="trunc"), ("ulx3s-25",)).networks.weight_bits == (4,)
    wide = replace(space, networks=replace(space.networks, weight_bits=(8,)))
    with pytest.raises(SpecError, match=r"^\[networks\] weight_bits = \[8\]: the design takes 4-bit weights or fewer; "
                                        r"add 4$"):
        wide.on(DesignPoint(weight_bits=4), ("ulx3s-25",))
