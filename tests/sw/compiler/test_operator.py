import pytest

from sw.compiler.operator import Geometry


def geometry(**fields):
    return Geometry(**{"address": 1000, "shape": (8, 6, 3), "out_address": 0, "out_shape": (4, 3, 5)} | fields)


@pytest.mark.parametrize("fields, first_x, first_tap", [
    ({}, 0, 1000), ({"left": 1}, -3, 997), ({"top": 2, "left": 1}, -3, 1000 - 2 * 18 - 3), ({"top": -2}, 0, 1036),
    ({"left": 1, "lead": 1}, -4, 996),
])
def test_padding_and_skipped_rows_move_the_first_tap(fields, first_x, first_tap):
    one = geometry(**fields)
    assert (one.first_x, one.first_tap) == (first_x, first_tap)


@pytest.mark.parametrize("fields, pixel, row", [
    ({}, 5, 15), ({"pixel_bytes": 10}, 10, 30), ({"pixel_bytes": 10, "row_bytes": 64}, 10, 64),
])
def test_outputs_follow_each_other_unless_said(fields, pixel, row):
    one = geometry(**fields)
    assert (one.pixel_pitch, one.row_pitch) == (pixel, row)
