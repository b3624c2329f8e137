import json
from dataclasses import FrozenInstanceError, asdict, fields

import pytest

from sw.quant.recipe import STEPS, Correct, Pretrain, QuantError, Quantize, Recipe, Settle, recipe_of


@pytest.mark.parametrize("given, error", [
    ({"informed": ("pretrain",)}, r"informed: 'pretrain' is none of prune, distill, quantize, settle"),
    ({"steps": ("pretrain", "polish")}, r"steps: 'polish' is none of pretrain, "),
    ({"steps": ("pretrain", "quantize", "quantize")}, r"steps: one is there twice; keep one"),
    ({"steps": ("settle",)}, r"steps: nothing trains; add pretrain, or quantize with its method aware"),
    ({"steps": ("pretrain",)}, r"steps: nothing makes integers; add quantize"),
    ({"steps": ("quantize",)}, r"quantize.method='auto': nothing is trained before; put pretrain in front, or "),
    ({"steps": ("quantize", "pretrain")}, r"quantize.method='auto': nothing is trained before"),
    ({"steps": "pretrain"}, r"steps: 'p' is none of"),
    ({"passes": -1}, r"passes=-1: must be 0 to 1e\+06"),
    ({"passes": float("nan")}, r"passes=nan: must be a finite number"),
    ({"passes": "3"}, r"passes='3': must be a finite number"),
    ({"passes": True}, r"passes=True: must be a finite number"),
    ({"batch": 1}, r"batch=1: must be 2 to 1.04858e\+06"),
    ({"batch": 2.5}, r"batch=2\.5: must be a whole number"),
    ({"optimizer": "lion"}, r"optimizer='lion': choose adam, adamw, sgd"),
    ({"schedule": "step"}, r"schedule='step': choose cosine, linear, constant"),
    ({"learning_rate": 0}, r"learning_rate=0: must be above 0"),
    ({"label_smoothing": 1}, r"label_smoothing=1: must be 0 to 0\.99"),
    ({"augment": 1}, r"augment=1: must be text"),
    ({"quantize": Quantize(method="best")}, r"quantize.method='best': choose auto, post, aware"),
    ({"quantize": Quantize(tolerance=2)}, r"quantize.tolerance=2: must be 0 to 1"),
    ({"quantize": Quantize(forward="real")}, r"quantize.forward='real': choose stat, exact, none"),
    ({"quantize": Quantize(forward="exact", gradient="flat")}, r"quantize.gradient='flat': choose straight, slope"),
    ({"quantize": Quantize(gradient="slope")}, r"quantize.gradient='slope': of quantize.forward='exact' only; choose"),
    ({"steps": ("pretrain", "correct", "quantize")}, r"steps: correct changes the integers that all others make; put"),
    ({"steps": ("pretrain", "quantize", "correct")}, r"quantize.forward='stat': correct makes up for errors that"),
    ({"correct": Correct(inputs=0)}, r"correct.inputs=0: must be 1 to"),
    ({"quantize": Quantize(step_size="best")}, r"quantize.step_size='best': choose statistics, learned"),
    ({"quantize": Quantize(act_bits=2)}, r"quantize.act_bits=2: choose 8, 4"),
    ({"quantize": Quantize(layers={"fc": 3})}, r"quantize.layers.fc=3: choose 8, 4, 2, 1"),
    ({"settle": Settle(batches=0)}, r"settle.batches=0: must be 1 to"),
    ({"pretrain": Pretrain(passes=-2)}, r"pretrain.passes=-2: must be 0 to"),
])
def test_mistakes_are_named(given, error):
    with pytest.raises(QuantError, match=error) as caught:
        Recipe(**given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("table, error", [
    ({"epochs": 3}, r"recipe: unknown key 'epochs'; it has augment, batch, "),
    ({"settle": 3}, r"settle=3: this is a table; write \[recipe\.settle\] on a line of its own"),
    ({"settle": {"passes": 3}}, r"settle: unknown key 'passes'; it has batches"),
])
def test_unknown_keys_are_named(table, error):
    with pytest.raises(QuantError, match=error):
        recipe_of(table)


def test_plain_values_make_the_same_recipe():
    made = Recipe(passes=3, quantize=Quantize(method="aware", passes=2))
    assert recipe_of(json.loads(json.dumps(asdict(made)))) == made
    assert recipe_of({"passes": 3.0, "quantize": {"method": "aware", "passes": 2.0}}) == made
    assert json.dumps(asdict(made)) == json.dumps(asdict(recipe_of({"passes": 3.0, "quantize": {
        "method": "aware", "passes": 2.0}})))
    with pytest.raises(FrozenInstanceError):
        made.batch = 3


def test_every_field_has_its_line_for_help():
    for owner in (Recipe, *STEPS.values()):
        for item in fields(owner):
            assert item.name in STEPS or len(item.metadata["help"]) > 5, (owner, item.name)


@pytest.mark.parametrize("given", [{"fc": 8, "1.*": 2}, [["fc", 8], ["1.*", 2]], (("fc", 8), ("1.*", 2))])
def test_bits_by_name_are_one_recipe_however_they_are_given(given):
    made = recipe_of({"quantize": {"layers": given}})
    assert made.quantize.layers == (("fc", 8), ("1.*", 2))
    assert recipe_of(json.loads(json.dumps(asdict(made)))) == made and hash(made)


@pytest.mark.parametrize("given", [{"fc": "8"}, ["fc"], {3: 8}, {"fc": True}])
def test_bits_without_a_name_or_number_are_refused(given):
    with pytest.raises(QuantError, match=r"quantize\.layers=.*: must be a name and a whole number, such as class"):
        Quantize(layers=given)


@pytest.mark.parametrize("count, seen", [(1257, 50_000), (54_000, 540_000), (36, 50_000)])
def test_without_passes_the_size_of_the_data_says_how_many(count, seen):
    assert Recipe().inputs(1, count) == seen and Recipe().inputs(0.5, count) == seen / 2
    assert Recipe(passes=2).inputs(0.5, count) == count
