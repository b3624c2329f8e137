import pickle
from dataclasses import replace
from statistics import median

import numpy as np
import pytest

from boards import find_board
from flows.estimate.resources import estimate_resources, load_model
from flows.estimate.wide import engine_dsp
from flows.search.candidate import NetworkChoice
from flows.search.constraints import Constraint
from flows.search.space import Family, Hardware, Precision, Search, Space, Training, families
from flows.search.space_file import DEFAULT_SPACE, HARDWARE_FIRST, MODEL_FIRST, load_space
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.multipliers import MULTIPLIERS
from hw.spec.presets import PRESETS
from sw.compiler.costs import network_costs
from sw.graph.graph import Graph
from sw.quant.config import TrainConfig
from sw.quant.recipe import Recipe
from tests.sw.golden.nets import kind, layer, weights_of

SMALL = Space(networks=families("mlp", width=(0.5, 1.0)), precision=Precision(weight_bits=(8, 4)),
              hardware=Hardware(geometries=((1, 2, 4), (2, 4, 4)), multipliers=("lut", "dsp"), requantizers=(1, 2)))


def limited(*texts, space=SMALL):
    return replace(space, constraints=tuple(map(Constraint, texts)))


def test_default_space_is_as_large_as_promised():
    space = load_space()
    found = list(space.candidates())
    assert len({item.id for item in found}) == len(found) >= 200
    assert len(space.choices) == 27 and len(space.hardware.geometries) >= 4
    assert max(item.chip.rows * item.chip.cols * item.chip.lanes for item in found) == 32
    assert all(item.chip.requantizers <= space.design(item).most_tile_cols for item in found)
    assert all(space.design(item).depthwise_taps == item.chip.depthwise_taps for item in found)


WORTH = 0.1     # of an engine's LUTs: what saves less leaves the default space
FIELDS = Space(hardware=replace(Space().hardware, multipliers=("dsp", "lut", "trunc"), depthwise_taps=(1, 4),
                                boards=("ulx3s-85",)))
EVERY = set(FIELDS.candidates())


def saved(field, value, dearer):
    """By weight bits the share of its LUTs that an engine of the space, in the median, saves by ``value``."""
    board, soc = find_board("ulx3s-85"), load_model()["soc"]["lut"]
    found = {}
    for candidate in FIELDS.candidates():
        other = replace(candidate, chip=replace(candidate.chip, **{field: value}))
        if getattr(candidate.chip, field) == dearer and other in EVERY:
            before, after = (estimate_resources(FIELDS.design(each), board).lut - soc for each in (candidate, other))
            found.setdefault(candidate.network.weight_bits, []).append(1 - after / before)
    return [round(median(found[bits]), 3) for bits in (8, 4, 2)]


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
    offered = {getattr(candidate.chip, field) for candidate in Space().candidates()}
    assert dearer in offered and (value in offered) == (max(shares) >= WORTH)


def test_products_of_luts_are_offered_since_they_take_no_multiplier_blocks():
    first = next(Space().candidates())
    dsp, lut = (Space().design(replace(first, chip=replace(first.chip, multiplier=kind))) for kind in ("dsp", "lut"))
    assert engine_dsp(dsp) - engine_dsp(lut) == dsp.macs_per_cycle


def test_scalable_products_are_offered_since_narrow_weights_are_faster_on_them():
    lut, scalable = (next(option.design for option in Space().options(Space().choices[0])
                          if option.chip.multiplier == name and option.chip.cols == 8) for name in ("lut", "scalable"))
    rng, cycles = np.random.default_rng(0), {}
    for bits in (8, 4, 2):
        taken = kind((4, 4, 64), rng)
        conv = layer(rng, "conv", weights_of(rng, (64, 1, 1, 64), bits), taken, bits=bits)
        cycles[bits] = network_costs(Graph(name="wide", inputs=(taken,), layers=(conv,)), [lut, scalable]).cycles
    assert cycles[8][0] == cycles[8][1] and all(cycles[bits][1] < cycles[bits][0] for bits in (4, 2))


def test_a_multiplier_of_another_family_makes_no_candidates():
    space = Space(hardware=replace(Space().hardware, multipliers=("lut", "mac16")))
    assert {item.chip.multiplier for item in space.candidates()} == {"lut"}


def test_networks_are_every_combination_of_their_axes_once_and_in_order():
    space = Space(networks=(Family(name="mlp"), Family(name="dscnn", axes=(("width", (0.5, 1.0)), ("blocks", (2, 3))))),
                  precision=Precision(weight_bits=(8, 2), layers=((), (("fc", 8),))),
                  data=(("size", ("8x8", "16x16")),), recipe_axes=(("passes", (3.0, 9.0)),))
    assert len(space.choices) == len(set(space.choices)) == (1 + 2 * 2) * 2 * 2 * 2 * 2
    assert space.choices[0] == NetworkChoice(name="mlp", weight_bits=8, data=(("size", "8x8"),),
                                             recipe=(("passes", 3.0),))
    assert space.choices[-1] == NetworkChoice(
        name="dscnn", settings=(("width", 1.0), ("blocks", 3)), weight_bits=2, layers=(("fc", 8),),
        data=(("size", "16x16"),), recipe=(("passes", 9.0),))
    assert len({choice.id for choice in space.choices}) == len(space.choices)
    assert replace(space).choices == space.choices


def test_an_axis_of_one_network_is_none_of_another():
    space = Space(networks=(Family(name="mlp"), Family(name="dscnn", axes=(("blocks", (2, 3)),))))
    assert {tuple(choice.values) for choice in space.choices} == {
        ("network", "weight_bits"), ("network", "blocks", "weight_bits")}
    limited_ = limited("blocks > 2", space=space)
    assert {(choice.name, choice.values.get("blocks")) for choice in limited_.choices} == {("mlp", None), ("dscnn", 3)}


def test_conditions_on_networks_leave_networks_out():
    space = limited("width < 1 or weight_bits == 8")
    assert {(choice.values["width"], choice.weight_bits) for choice in space.choices} == {(0.5, 8), (0.5, 4), (1.0, 8)}
    assert {option for choice in space.choices for option in space.options(choice)} == {
        option for choice in SMALL.choices for option in SMALL.options(choice)}


@pytest.mark.parametrize("text, keeps", [
    ("rows == 2", lambda candidate: candidate.chip.rows == 2),
    ("macs_per_cycle * weight_bits <= 128",
     lambda each: each.chip.rows * each.chip.cols * each.chip.lanes * each.network.weight_bits <= 128),
    ("board != 'ulx3s-45' or requantizers == 2",
     lambda candidate: candidate.board != "ulx3s-45" or candidate.chip.requantizers == 2),
    ("multiplier in ('lut', 'trunc')", lambda candidate: candidate.chip.multiplier == "lut"),
])
def test_conditions_on_hardware_leave_candidates_out(text, keeps):
    found = list(limited(text).candidates())
    assert 0 < len(found) < len(list(SMALL.candidates()))
    assert found == list(filter(keeps, SMALL.candidates()))


def test_boards_come_smallest_first_and_only_those_whose_device_has_the_cells():
    space = replace(SMALL, hardware=replace(SMALL.hardware, boards=("ulx3s-85", "icebreaker", "ulx3s-12"),
                                            multipliers=("lut", "mac16"), requantizer_dsps=(4, 0)))
    found = {(option.chip.multiplier, option.chip.requantizer_dsps): option.boards
             for option in space.options(space.choices[1])}
    assert found == {("lut", 4): ("ulx3s-12", "ulx3s-85"), ("lut", 0): ("ulx3s-12", "ulx3s-85")}


def test_a_board_that_takes_no_array_says_what_it_may_be_searched_with():
    hardware = replace(SMALL.hardware, boards=("icebreaker",), multipliers=("lut",), requantizer_dsps=(0,))
    with pytest.raises(SpecError, match=r"engine='wide' on board 'icebreaker': what a SoC takes of an ice40 .* only; "
                                        r"or search networks alone: --design up5k$"):
        replace(SMALL, hardware=hardware)


@pytest.mark.parametrize("boards, wanted, clock_mhz", [
    (("ulx3s-25", "ulx3s-85"), None, 50.0), (("upduino",), None, 24.0), (("ulx3s-25", "icebreaker"), None, 24.0),
    (("icebreaker",), 12.0, 12.0)])
def test_the_clock_is_that_of_the_boards_unless_one_is_asked_for(boards, wanted, clock_mhz):
    space = replace(SMALL, hardware=replace(SMALL.hardware, clock_mhz=wanted)).on(PRESETS["up5k"], boards)
    assert space.clock_mhz == clock_mhz


@pytest.mark.parametrize("hardware, why", [
    ({"boards": ("icebreaker",)}, "requantizer_dsps=4: no multiplier block of the ice40 of board 'icebreaker'"),
    ({"geometries": ((1, 2, 4),), "requantizers": (4,)}, "requantizers=4"),
])
def test_hardware_that_cannot_be_built_is_refused_and_says_what_lacks(hardware, why):
    with pytest.raises(SpecError, match=f"no combination can be built; the last of them: {why}"):
        replace(SMALL, hardware=replace(SMALL.hardware, **hardware))


def test_weights_of_several_widths_ask_for_what_gains_by_them():
    space = replace(SMALL, precision=Precision(weight_bits=(4,), layers=((), (("fc", 8),), (("fc", 4),))),
                    hardware=replace(SMALL.hardware, multipliers=("lut", "scalable")))
    plain, mixed, same = (choice for choice in space.choices if choice.values["width"] == 1.0)
    kinds = {choice: {option.chip.multiplier for option in space.options(choice)} for choice in (plain, mixed, same)}
    assert kinds == {plain: {"lut", "scalable"}, mixed: {"scalable"}, same: {"lut", "scalable"}}
    assert all(MULTIPLIERS[kind].splits for kind in kinds[mixed])
    assert {option.design.weight_bits for option in space.options(mixed)} == {8} and mixed.widest == 8
    design = DesignPoint(weight_bits=8)
    assert {option.design for option in space.on(design, ("ulx3s-45",)).options(mixed)} == {design}


def test_a_network_is_trained_as_its_choice_says():
    space = Space(training=Training(seed=7), recipe=Recipe(passes=5.0, augment="none"))
    choice = NetworkChoice(name="dscnn", settings=(("blocks", 2), ("width", 0.5)), weight_bits=4)
    assert space.config(choice) == TrainConfig(network="dscnn", width=0.5, settings=(("blocks", 2),), weight_bits=4,
                                               seed=7, recipe=space.recipe)
    other = space.config(replace(choice, layers=(("fc", 8),), recipe=(("passes", 9.0), ("quantize.act_bits", 4),
                                                                      ("steps", ("pretrain", "quantize")))))
    assert other.recipe.quantize.layers == (("fc", 8),) and other.recipe.quantize.act_bits == 4
    assert (other.recipe.passes, other.recipe.augment) == (9.0, "none")
    assert other.recipe.steps == ("pretrain", "quantize")
    assert space.config(NetworkChoice(name="mlp")).width == 1.0


def test_options_of_the_data_are_a_networks_own():
    space = Space()
    assert space.source(NetworkChoice(name="mlp"), "images:x") == "images:x"
    assert space.source(NetworkChoice(name="mlp", data=(("size", "8x8"), ("grey", "1"))), "images:x") == (
        "images:x,size=8x8,grey=1")


def test_augmentation_is_switched_off_by_the_space():
    for recipe, augment in ((Recipe(), "data"), (Recipe(augment="none"), "none")):
        space = Space(recipe=recipe)
        assert {space.config(choice).recipe.augment for choice in space.choices} == {augment}


@pytest.mark.parametrize("texts, says", [
    (["depth <= 3"], r"^constraints: 'depth <= 3': there is no axis 'depth'; there are board, cols, "),
    (["width > 2"], r"^constraints: no point meets 'width > 2'; drop one, or give its axes more values$"),
    (["width > 0.5", "weight_bits < 8", "width * weight_bits > 4"],
     r"^constraints: no point meets 'width \* weight_bits > 4', with 'width > 0.5' and 'weight_bits < 8'; drop one"),
    (["weight_bits < 8", "rows * cols > 8"],
     r"^constraints: no point meets 'rows \* cols > 8', with 'weight_bits < 8'"),
    (["width < 'a'"], r"^constraints: \"width < 'a'\" of width=0.5: '<' not supported"),
    (["rows + multiplier > 2"], r"^constraints: 'rows \+ multiplier > 2' of multiplier='lut', rows=1: unsupported"),
])
def test_conditions_that_leave_nothing_or_make_no_sense_say_so(texts, says):
    with pytest.raises(SpecError, match=says):
        limited(*texts)


def test_an_axis_that_is_there_twice_is_refused():
    rows = replace(SMALL, networks=(Family(name="mlp", axes=(("rows", (1, 2)),)),))     # no condition speaks of it
    with pytest.raises(SpecError, match=r"^\[networks\.mlp\] rows: \[hardware\] has an axis of that name too, and "
                                        r"conditions could not tell them apart; rename the function's argument$"):
        limited("rows > 1", space=rows)
    with pytest.raises(SpecError, match=r"^\[recipe\] quantize\.layers and \[precision\] layers: bits of layers are "
                                        r"there twice; keep those of \[precision\]$"):
        replace(SMALL, precision=Precision(layers=((), (("fc", 8),))),
                recipe=Recipe(quantize=replace(Recipe().quantize, layers=(("fc", 4),))))


def test_names_of_points_tell_all_networks_apart():
    with pytest.raises(SpecError, match=r"^two networks are called mlp-w8-augmentshift_1 in the names of points"):
        replace(SMALL, networks=(Family(name="mlp"),), recipe_axes=(("augment", ("shift:1", "shift+1")),))


def test_more_networks_than_can_be_listed_are_refused_without_listing_them():
    many = tuple(range(100))
    with pytest.raises(SpecError, match=r"^20,000,000,000 networks are more than 100,000; give axes fewer values$"):
        replace(SMALL, networks=(Family(name="mlp", axes=tuple((f"a{n}", many) for n in range(5))),))


def test_two_networks_of_one_short_name_are_refused():
    with pytest.raises(SpecError, match=r"^\[networks\]: two are called net-a in the names of points"):
        Space(networks=families("x/net.py:a", "y/net.py:a"))
    found = next(Space(networks=families("x/net.py:a", width=(0.5,))).candidates())
    assert found.id.startswith("net-a-0.5-w8-")


def test_the_spaces_of_one_half_are_looked_at_whole():
    model = replace(load_space(MODEL_FIRST), networks=families("kws"), precision=Precision(weight_bits=(8,)))
    hardware = load_space(HARDWARE_FIRST).on(PRESETS["ecp5-45"], ("ulx3s-45",))
    for space in (model, hardware):
        assert len(space.choices) <= space.search.trials and 20 < len(list(space.candidates()))


@pytest.mark.parametrize("path", [DEFAULT_SPACE, MODEL_FIRST], ids=lambda path: path.stem)
def test_every_design_that_is_offered_can_be_estimated(path):
    space = load_space(path)
    found = {(option.chip.multiplier, option.design, option.boards) for choice in space.choices
             for option in space.options(choice)}
    assert {kind for kind, _, _ in found} == set(space.hardware.multipliers)
    assert all(estimate_resources(design, find_board(board)).lut > 0 for _, design, boards in found
               for board in boards)


def test_on_a_given_design_every_candidate_has_it_and_its_memories():
    design = PRESETS["ecp5-45"]
    space = load_space(HARDWARE_FIRST).on(design, ("ulx3s-45", "ulx3s-85"))
    found = list(space.candidates())
    assert {space.design(candidate) for candidate in found} == {design, replace(design, board="ulx3s-85")}
    assert {candidate.network.weight_bits for candidate in found} == {8, 4, 2} and space.feedback.weight_bits == 8
    assert len({candidate.id for candidate in found}) == len(found)


def test_a_given_design_takes_no_wider_weights_and_where_it_errs_no_narrower_ones():
    space = load_space(HARDWARE_FIRST)
    assert space.on(DesignPoint(weight_bits=4), ("ulx3s-25",)).precision.weight_bits == (4, 2)
    assert space.on(DesignPoint(weight_bits=4, multiplier="trunc"), ("ulx3s-25",)).precision.weight_bits == (4,)
    wide = replace(space, precision=Precision(weight_bits=(8,)))
    with pytest.raises(SpecError, match=r"^\[precision\] weight_bits = \[8\]: the design takes 4-bit weights or fewer; "
                                        r"add 4$"):
        wide.on(DesignPoint(weight_bits=4), ("ulx3s-25",))


def test_a_space_is_sent_without_what_it_has_computed():
    space = limited("width < 1")
    assert list(space.candidates()) and "choices" in vars(space)
    other = pickle.loads(pickle.dumps(space))
    assert "choices" not in vars(other) and other == space and list(other.candidates()) == list(space.candidates())


def test_a_search_is_no_part_of_what_is_searched():
    assert list(replace(SMALL, search=Search(trials=3)).candidates()) == list(SMALL.candidates())


def test_what_an_accelerator_does_not_reward_is_not_offered():
    """Binary weights cost elements of scalable precision what ternary ones do, and those in multiplier blocks what
    4 bits do."""
    space = Space(precision=Precision(weight_bits=(8, 2, 1)), hardware=Hardware(
        geometries=((2, 4, 4), (1, 8, 4)), multipliers=("lut", "scalable", "scalable-dsp")))
    kinds = {choice.weight_bits: {option.chip.multiplier for option in space.options(choice)}
             for choice in space.choices}
    assert kinds == {8: {"lut", "scalable", "scalable-dsp"}, 2: {"lut", "scalable"}, 1: {"lut"}}
