from dataclasses import replace

import pytest

from flows.search.constraints import Constraint
from flows.search.space import Family, Precision, Space
from flows.search.space_file import DEFAULT_SPACE, HARDWARE_FIRST, MODEL_FIRST, load_space
from hw.spec.errors import SpecError
from sw.quant.recipe import Quantize, Recipe


@pytest.fixture
def read(tmp_path):
    """What a file with a text holds."""
    def read(text):
        path = tmp_path / "space.toml"
        path.write_text(text, encoding="utf-8")
        return load_space(path)
    return read


def test_the_file_holds_the_defaults():
    assert load_space(DEFAULT_SPACE) == load_space() == Space()


@pytest.mark.parametrize("path", [DEFAULT_SPACE, MODEL_FIRST, HARDWARE_FIRST], ids=lambda path: path.stem)
def test_the_files_that_ship_are_read(path):
    assert load_space(path).choices


def test_what_is_left_out_keeps_its_default(read):
    assert read("") == Space()
    assert read("[search]\ntrials = 3\n") == replace(Space(), search=replace(Space().search, trials=3))
    assert read("[precision]\nlayers = [{}, {fc = 8}]\n").precision.weight_bits == Precision().weight_bits


def test_a_list_is_an_axis_and_a_single_value_is_fixed(read):
    found = read("""
        constraints = ["width <= 1", "rows * cols <= 16"]
        [networks.mlp]
        [networks.dscnn]
        width = [0.5, 1]
        blocks = 2
        [networks."nets/small.py:tiny"]
        act = ["relu", "relu6"]
        skip = true
        [precision]
        weight_bits = 4
        layers = [{}, {"*classifier" = 8, fc = 2}]
        [data]
        size = ["16x16", "32x32"]
        grey = 1
        [hardware]
        geometries = [[1, 2, 4]]
        multipliers = "lut"
        clock_mhz = 40
    """)
    assert found.networks == (
        Family(name="mlp"), Family(name="dscnn", axes=(("width", (0.5, 1)), ("blocks", (2,)))),
        Family(name="nets/small.py:tiny", axes=(("act", ("relu", "relu6")), ("skip", (True,)))))
    assert found.precision == Precision(weight_bits=(4,), layers=((), (("*classifier", 8), ("fc", 2))))
    assert found.data == (("size", ("16x16", "32x32")), ("grey", ("1",)))
    assert (found.hardware.geometries, found.hardware.multipliers) == (((1, 2, 4),), ("lut",))
    assert found.hardware.clock_mhz == 40.0 and isinstance(found.hardware.clock_mhz, float)
    assert found.constraints == (Constraint("width <= 1"), Constraint("rows * cols <= 16"))
    assert len(found.choices) == (1 + 2 + 2) * 2 * 2


def test_keys_of_the_recipe_are_axes_too(read):
    found = read("""
        [recipe]
        steps = [["pretrain", "quantize"], ["pretrain", "quantize", "settle"]]
        passes = [3, 9]
        batch = 16
        [recipe.quantize]
        act_bits = [8, 4]
        still = 0.5
        [recipe.quantize.layers]
        fc = 8
    """)
    assert found.recipe_axes == (("steps", (("pretrain", "quantize"), ("pretrain", "quantize", "settle"))),
                                 ("passes", (3, 9)), ("quantize.act_bits", (8, 4)))
    assert found.recipe == Recipe(steps=("pretrain", "quantize"), passes=3, batch=16,
                                  quantize=Quantize(act_bits=8, still=0.5, layers=(("fc", 8),)))
    recipes = [found.config(choice).recipe for choice in found.choices]
    assert {(len(each.steps), each.passes, each.quantize.act_bits) for each in recipes} == {
        (steps, passes, bits) for steps in (2, 3) for passes in (3, 9) for bits in (8, 4)}
    assert {(each.batch, each.quantize.still, each.quantize.layers) for each in recipes} == {(16, 0.5, (("fc", 8),))}


def test_a_list_that_a_key_takes_is_no_axis(read):
    found = read('[recipe]\nsteps = ["pretrain", "quantize"]\n')
    assert found.recipe_axes == () and found.recipe.steps == ("pretrain", "quantize")


def test_multipliers_that_err_are_there_for_those_who_ask(read):
    """At the widths that they take; a default space has no published family."""
    found = read('[hardware]\nmultipliers = ["broken", "mitchell", "underdesigned"]\n')
    assert {(item.chip.multiplier, item.network.weight_bits) for item in found.candidates()} == {
        (name, bits) for name in ("broken", "mitchell", "underdesigned") for bits in (8, 4)}
    assert not {"broken", "mitchell", "underdesigned"} & set(Space().hardware.multipliers)


@pytest.mark.parametrize("text, says", [
    ("[networks\n", r"space.toml: not a TOML file .*copy flows/search/space.toml"),
    ("[networks.mlp]\nwidth = [1]\n[networks.mlp]\n", r"space.toml: not a TOML file"),
    ("[networks.mlp]\nwidth = 1\nwidth = 2\n", r"space.toml: not a TOML file"),
    ("[nets]\n", r"space.toml: unknown table \[nets\]; a space has \[networks\], \[precision\], \[data\], "
                 r"\[hardware\], .* and constraints = \[...\] before them$"),
    ("search = 3\n", r"search = 3: this is a table; write \[search\]"),
    ("networks = 3\n", r"networks = 3: this is a table; write \[networks\]"),
    ("[networks]\nmlp = 3\n", r"\[networks\] mlp = 3: this is a table; write \[networks.mlp\] on a line of its own$"),
    ('[networks]\n"a.py:b" = []\n', r"\[networks\] a.py:b = \[\]: this is a table; write \[networks.\"a.py:b\"\]"),
    ("[networks]\n", r"\[networks\]: there is none; write a table such as \[networks.dscnn\]$"),
    ('[networks]\nnames = ["mlp"]\n', r"\[networks\] names = \['mlp'\]: this is a table; write \[networks.names\]"),
    ("[search]\ntrails = 3\n", r"\[search\] unknown key 'trails'; it has trials, sampler, halving, seed$"),
    ("[search]\nstartup = 3\n", r"\[search\] unknown key 'startup'"),
    ('[search]\ntrials = "many"\n', r"\[search\] trials = 'many': expected a whole number"),
    ("[search]\ntrials = true\n", r"\[search\] trials = True: expected a whole number"),
    ("[search]\ntrials = [3, 4]\n", r"\[search\] trials = \[3, 4\]: expected a whole number"),
    ('[search]\nsampler = "anneal"\n', r"\[search\] sampler = 'anneal': choose from auto, grid, random, tpe, nsga2"),
    ("[search]\nhalving = 0\n", r"\[search\] halving = 0: choose 1 to 10"),
    ("[search]\ntrials = 0\n", r"\[search\] trials = 0: choose 1 to 100000"),
    ("[recipe]\naugment = 1\n", r"augment=1: must be text"),
    ("[recipe]\naugment = [1, 2]\n", r"augment=1: must be text"),
    ('[recipe]\naugment = ["data", 1]\n', r"augment=1: must be text"),
    ("[recipe]\npasses = []\n", r"\[recipe\] passes = \[\]: expected at least one value$"),
    ("[recipe]\npasses = [3, 3]\n", r"\[recipe\] passes: an entry is there twice; keep one$"),
    ("[recipe.quantize]\nact_bits = []\n", r"\[recipe.quantize\] act_bits = \[\]: expected at least one value$"),
    ("[recipe]\nepochs = 1\n", r"recipe: unknown key 'epochs'; it has augment, batch"),
    ("[recipe]\nepochs = [1, 2]\n", r"recipe: unknown key 'epochs'; it has augment, batch"),
    ("[recipe.quantize]\nway = 1\n", r"quantize: unknown key 'way'; it has method"),
    ("[recipe]\nsettle = 1\n", r"settle=1: this is a table; write \[recipe.settle\] on a line of its own"),
    ("recipe = 3\n", r"recipe = 3: this is a table; write \[recipe\]"),
    ("[recipe.quantize]\nlayers = [{fc = 8}, {fc = 4}]\n", r"quantize.layers"),
    ("[networks.mlp]\nwidth = []\n", r"\[networks.mlp\] width = \[\]: expected at least one value$"),
    ("[networks.mlp]\nwidth = [[1, 2]]\n", r"\[networks.mlp\] width = \[1, 2\]: expected a number, text, true or"),
    ("[networks.mlp]\nwidth = {low = 1}\n", r"\[networks.mlp\] width = \{'low': 1\}: expected a number, text, true or"),
    ("[networks.mlp]\nwidth = [1, 1.0]\n", r"\[networks.mlp\] width: an entry is there twice; keep one$"),
    ("[networks.mlp]\nwidth = 20\n", r"\[networks.mlp\] width = 20: choose width multipliers from 0.1 to 16$"),
    ('[networks.mlp]\nwidth = "wide"\n', r"\[networks.mlp\] width = 'wide': choose width multipliers from 0.1 to 16$"),
    ('[networks."a/x.py:n"]\n[networks."b/x.py:n"]\n', r"\[networks\]: two are called x-n in the names of points"),
    ("[data]\nsize = []\n", r"\[data\] size = \[\]: expected at least one value$"),
    ('[data]\nsize = ["8x8", "8x8"]\n', r"\[data\] size: an entry is there twice; keep one$"),
    ("[precision]\nweight_bits = []\n", r"\[precision\] weight_bits = \[\]: expected a list with at least one entry"),
    ("[precision]\nweight_bits = [3]\n", r"\[precision\] weight_bits = 3: choose from 8, 4, 2 and 1$"),
    ("[precision]\nweight_bits = [8, 8]\n", r"\[precision\] weight_bits: an entry is there twice"),
    ("[precision]\nlayers = {fc = 8}\n", r"\[precision\] layers = \{'fc': 8\}: expected a list of tables, one a "
                                         r"choice; write layers = \[\{\}, \{classifier = 8\}\]$"),
    ("[precision]\nlayers = []\n", r"\[precision\] layers = \[\]: expected a list of tables, one a choice"),
    ('[precision]\nlayers = [{fc = "8"}]\n', r"\[precision\] layers: fc = '8': expected a whole number$"),
    ("[precision]\nlayers = [{fc = 3}]\n", r"\[precision\] layers: fc = 3: choose from 8, 4, 2 and 1$"),
    ("[precision]\nlayers = [{}, {}]\n", r"\[precision\] layers: an entry is there twice; keep one$"),
    ("[precision]\nact_bits = 4\n", r"\[precision\] unknown key 'act_bits'; it has weight_bits, layers$"),
    ("[hardware]\ngeometries = [[1, 2]]\n", r"geometries: \[1, 2\] has 2 entries; write \[rows, cols, lanes\]"),
    ("[hardware]\ngeometries = [[3, 2, 4]]\n", r"geometries: \[3, 2, 4\]: rows=3: choose a power of two"),
    ('[hardware]\nmultipliers = ["booth"]\n', r"multipliers: 'booth' is not one of dsp, lut, packed"),
    ("[hardware]\nmultipliers = []\n", r"\[hardware\] multipliers = \[\]: expected a list with at least one entry; "
                                       r"write multipliers = \[...\]$"),
    ("[hardware]\nclock_mhz = 1000\n", r"clock_mhz = 1000: choose 5 to 200"),
    ("[hardware]\nrequantizers = [16]\n", r"no combination can be built; the last of them: requantizers=16"),
    ("[hardware]\ndepthwise_taps = [8]\n", r"no combination can be built; the last of them: depthwise_taps=8"),
    ("[hardware]\ndepthwise_taps = [3]\n", r"\[hardware\] depthwise_taps = 3: choose from 1, 2, 4, 8, 16"),
    ("[hardware]\nrequantizer_dsps = [3]\n", r"\[hardware\] requantizer_dsps = 3: choose from 4, 2, 0"),
    ("[measure]\nseeds = 0\n", r"\[measure\] seeds = 0: choose 1 to 100"),
    ("[measure]\nmin_accuracy = 97\n", r"min_accuracy = 97: an accuracy is from 0 to 1"),
    ('constraints = "width <= 1"\n', r"constraints = 'width <= 1': expected a list of texts; write constraints = \["),
    ("constraints = [1]\n", r"constraints = \[1\]: expected a list of texts"),
    ('constraints = ["width <"]\n', r"space.toml: constraints: 'width <' cannot be read"),
    ('constraints = ["depth < 3"]\n', r"constraints: 'depth < 3': there is no axis 'depth'; there are board, cols, "),
    ('constraints = ["width > 1", "width < 1"]\n',
     r"constraints: no point meets 'width < 1', with 'width > 1'; drop one, or give its axes more values$"),
    ('constraints = ["cols > 8"]\n', r"constraints: no point meets 'cols > 8'; drop one"),
])
def test_a_wrong_file_says_what_where_and_the_way_out(read, text, says):
    with pytest.raises(SpecError, match=says):
        read(text)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(SpecError, match=r"none.toml: No such file or directory; give a TOML file"):
        load_space(tmp_path / "none.toml")
