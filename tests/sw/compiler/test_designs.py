"""Attributes of many designs, and what the timing says of each."""

from dataclasses import replace

import numpy as np
import pytest

from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.timing import drain_cycles, last_output_cycles
from sw.compiler import designs
from sw.compiler.designs import Designs, of_each

VALUES = {"rows": (1, 2, 4, 8), "cols": (1, 2, 4, 8, 16), "lanes": (2, 4, 8, 16), "weight_bits": (8, 4, 2, 1),
          "multiplier": ("dsp", "lut", "packed", "trunc", "scalable", "scalable-dsp"), "requantizers": (1, 2, 4, 8),
          "requantizer_cycles": (1, 2, 4), "requantizer_dsps": (4, 2, 0), "depthwise_taps": (1, 2, 4, 8),
          "dataflow": ("output", "weight"), "table_unit": (False, True), "acc_bits": (26, 30)}


def random_design(rng):
    """Any that can be built."""
    while True:
        values = {name: choices[int(rng.integers(len(choices)))] for name, choices in VALUES.items()}
        try:
            return DesignPoint(**values, act_bytes=131072, weight_bytes=524288)
        except SpecError:
            continue


def test_an_attribute_is_one_value_where_all_agree_else_an_array():
    found = Designs([DesignPoint(cols=8, requantizers=count) for count in (1, 2, 8)])
    assert len(found) == 3 and found.cols == 8 and found.requantizers.tolist() == [1, 2, 8]
    assert found.has_local_memory is False
    assert not hasattr(found, "colums")


@pytest.mark.parametrize("function", [drain_cycles, last_output_cycles])
def test_many_timings_are_those_of_each_design(function):
    rng = np.random.default_rng(3)
    made = [random_design(rng) for _ in range(60)]
    points = [replace(point, rows=8, cols=8, lanes=8) for point in made if point.requantizers <= 8]
    rows, cols = np.array([[1], [3], [8]]), np.array([[8], [5], [1]])
    for where in ({"depthwise": False, "add": False}, {"depthwise": True, "add": False},
                  {"depthwise": False, "add": True}):
        found = of_each(function, Designs(points), rows=rows, cols=cols, **where)
        wanted = [[function(point, rows=row, cols=col, **where) for point in points]
                  for row, col in ((1, 8), (3, 5), (8, 1))]
        assert found.tolist() == wanted
        assert of_each(function, points[0], rows=3, cols=5, **where) == wanted[1][0]


def test_what_timing_reads_of_a_design_is_all_there():
    """Designs of one key are one to every function; a key that lacks a field is found out."""
    rng = np.random.default_rng(7)
    points = [random_design(rng) for _ in range(3000)]
    by_key = {}
    for point in points:
        by_key.setdefault(designs._timing(point), []).append(point)
    several = [group for group in by_key.values() if len(group) > 1]
    assert len(several) > 200
    for group in several:
        for function in (drain_cycles, last_output_cycles):
            assert len({function(point, depthwise=False, add=False, rows=2, cols=8) for point in group}) == 1
    short = {}
    for point in points:
        short.setdefault((*designs._timing(point)[:5], *designs._timing(point)[6:]), []).append(point)
    assert any(len({drain_cycles(point, depthwise=False, add=False, rows=2, cols=8) for point in group}) > 1
               for group in short.values())
