import pytest

from flows.train.recipes import merged, read_recipe
from hw.spec.errors import SpecError
from sw.quant.recipe import Quantize, Recipe

TEXT = """[network]
blocks = 2
[recipe]
passes = 20
[recipe.quantize]
method = "aware"
"""


def test_a_file_has_a_recipe_and_arguments_of_the_network(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(TEXT, encoding="utf-8")
    found = read_recipe(path)
    assert found.network == {"blocks": 2}
    assert merged(found.recipe, {}) == Recipe(passes=20, quantize=Quantize(method="aware"))
    assert merged(found.recipe, {"passes": 3.0, "quantize.passes": 1.0, "settle.batches": 4}).quantize == Quantize(
        method="aware", passes=1.0)
    assert found.recipe["quantize"] == {"method": "aware"}, "it is left as it is"


@pytest.mark.parametrize("text, says", [
    ("[recipes]\n", r"own\.toml: unknown table \[recipes\]; a recipe has \[recipe\] and \[network\]"),
    ("recipe = 3\n", r"own\.toml: unknown table \[recipe\]"),
    ("[recipe]\nepochs = 3\n", r"own\.toml: recipe: unknown key 'epochs'"),
    ("[recipe]\nsteps = ['settle']\n", r"own\.toml: steps: nothing trains")])
def test_mistakes_are_named_with_the_file(tmp_path, text, says):
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=says):
        read_recipe(path)
