from dataclasses import replace

from flows.search.candidate import NetworkChoice
from flows.search.parameters import axes_of, parameters_of
from flows.search.space import Family, Precision, Space

SPACE = Space(networks=(Family(name="mlp"), Family(name="dscnn", axes=(("width", (0.5, 1.0)), ("blocks", (2, 3))))),
              precision=Precision(weight_bits=(8, 4), layers=((), (("fc", 8), ("conv", 2)))),
              data=(("size", ("8x8",)),), recipe_axes=(("passes", (3.0, 9.0)), ("steps", (("a", "b"), ("a",)))))


def test_every_value_is_a_number_or_text_and_arguments_are_the_networks_own():
    choice = NetworkChoice(name="dscnn", settings=(("width", 0.5), ("blocks", 2)), weight_bits=4,
                           layers=(("fc", 8), ("conv", 2)), data=(("size", "8x8"),),
                           recipe=(("passes", 3.0), ("steps", ("a", "b"))))
    assert parameters_of(choice) == {
        "network": "dscnn", "weight_bits": 4, "layers": "fc=8,conv=2", "dscnn.width": 0.5, "dscnn.blocks": 2,
        "data.size": "8x8", "recipe.passes": 3.0, "recipe.steps": "a,b"}


def test_axes_have_each_value_once_in_the_order_of_the_space():
    assert axes_of(replace(SPACE, recipe_axes=(("passes", (9.0, 3.0)),)).choices) == {
        "network": ["mlp", "dscnn"], "weight_bits": [8, 4], "layers": ["", "fc=8,conv=2"], "data.size": ["8x8"],
        "recipe.passes": [9.0, 3.0], "dscnn.width": [0.5, 1.0], "dscnn.blocks": [2, 3]}


def test_networks_that_differ_have_other_values():
    found = {tuple(parameters_of(choice).items()) for choice in Space().choices}
    assert len(found) == len(Space().choices)
