import pytest

from flows.search.constraints import Constraint
from hw.spec.errors import SpecError

VALUES = {"width": 2.0, "blocks": 3, "act": "relu", "skip": True, "macs_per_cycle": 32}


@pytest.mark.parametrize("text, holds", [
    ("width * blocks <= 6", True), ("width * blocks < 6", False), ("width <= 1 or skip", True),
    ("not skip", False), ("skip and act in ('relu', 'relu6')", True), ("act not in ['relu']", False),
    ("1 < width < 3", True), ("blocks % 2 == 1 and blocks // 2 == 1", True), ("-width > -1", False),
    ("macs_per_cycle / blocks != 10.5", True),
])
def test_conditions_are_what_they_say(text, holds):
    assert Constraint(text).holds(VALUES) is holds and Constraint(text).applies(VALUES)


def test_a_condition_on_an_axis_that_is_not_there_binds_nothing():
    constraint = Constraint("depth < 3 and width > 1")
    assert constraint.names == {"depth", "width"}
    assert not constraint.applies(VALUES) and constraint.applies({**VALUES, "depth": 2})


@pytest.mark.parametrize("text, says", [
    ("width <=", r"^constraints: 'width <=' cannot be read \(invalid syntax\); write a comparison, such as width \* "),
    ("width <= 1\0", r"^constraints: .* cannot be read"),
    ("", r"^constraints: '' cannot be read"),
    ("width = 1", r"^constraints: 'width = 1' cannot be read"),
    ("open('x')", r"^constraints: \"open\('x'\)\": Call is no part of a condition; it has comparisons, and, or, not, "),
    ("width.real > 1", r": Attribute is no part of a condition"),
    ("act[0] == 'r'", r": Subscript is no part of a condition"),
    ("2 ** 9 ** 9 > width", r": Pow is no part of a condition"),
    ("[each for each in (1, 2)]", r": ListComp is no part of a condition"),
    ("(lambda: 1) == 1", r": Lambda is no part of a condition"),
    ("f'{width}' == '2'", r": JoinedStr is no part of a condition"),
])
def test_what_is_no_condition_is_refused_and_never_run(text, says):
    with pytest.raises(SpecError, match=says):
        Constraint(text)


@pytest.mark.parametrize("text, says", [
    ("act < width", r"^constraints: 'act < width' of act='relu', width=2.0: '<' not supported between"),
    ("width / (blocks - 3) > 1", r"^constraints: .* of blocks=3, width=2.0: .*division by zero"),
    ("act * act == 1", r"can't multiply sequence"),
])
def test_values_that_cannot_be_compared_are_named(text, says):
    with pytest.raises(SpecError, match=says):
        Constraint(text).holds(VALUES)


def test_no_name_but_an_axis_is_known():
    assert not Constraint("abs == 1").applies(VALUES)
    with pytest.raises(NameError):      # nobody asks what does not apply
        Constraint("abs == 1").holds(VALUES)
