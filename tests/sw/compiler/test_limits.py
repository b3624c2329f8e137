"""Every field of a command has words for what exceeds it; which layers do is in ``test_compile.py``."""

import numpy as np
import pytest

from hw.spec.commands import COMMAND_FIELDS
from hw.spec.design import DesignPoint
from sw.compiler.channels import Channels
from sw.compiler.limits import exceeded_field, limit_text
from sw.compiler.operator import Geometry, Operator

GEOMETRY = Geometry(address=0, shape=(9, 7, 3), out_address=0, out_shape=(9, 7, 5), stride=(2, 1))
NONE = np.zeros(5, np.int64)


def operator(depthwise):
    shape = (3, 4, 5) if depthwise else (5, 3, 4, 3)
    return Operator(depthwise=depthwise, weights=np.ones(shape, np.int8), in_zero=0, out_zero=0, act_min=-128,
                    act_max=127, channels=Channels(bias=NONE, multiplier=NONE, shift=NONE))


def test_the_first_field_that_is_too_small_is_found():
    largest = {name: (1 << bits - signed) - 1 for name, (bits, signed) in COMMAND_FIELDS.items()}
    assert exceeded_field(largest) is None
    assert exceeded_field({**largest, "groups": largest["groups"] + 1}) == "groups"
    assert exceeded_field({"act_min": -129}) == "act_min" and exceeded_field({"bands": -1}) == "bands"


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("name", COMMAND_FIELDS)
def test_each_field_says_its_limit_and_the_way_out(name, depthwise):
    bits, signed = COMMAND_FIELDS[name]
    text = limit_text(name, operator(depthwise), GEOMETRY, DesignPoint())
    most = (1 << bits - signed) - 1
    assert str(most) in text or str(most * DesignPoint().fetch_bytes) in text
    assert "; use " in text and "exceed" in text


@pytest.mark.parametrize("name, depthwise, says", [
    ("kernel_rows", False, "kernel 3x4 exceeds 255 rows; use a smaller kernel"),
    ("segments", True, "kernel 3x4 exceeds a width of 255; use a smaller kernel"),
    ("stride_y", False, "stride 2x1 exceeds 31; use a smaller stride"),
    ("in_row_bytes", False, "a row of the input has 7x3 = 21 activations and exceeds 65535; use a narrower input"),
    ("blocks", False, "5 output channels exceed 4095 blocks of 4; use fewer channels"),
])
def test_the_words_are_the_layers(name, depthwise, says):
    assert limit_text(name, operator(depthwise), GEOMETRY, DesignPoint()) == says
