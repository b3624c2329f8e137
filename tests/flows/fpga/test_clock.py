"""How the highest clock is looked for, with routers that are functions."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from flows.fpga.clock import TRIALS, highest_met
from tests.support.routed import routed

LEGAL = [each / 2 for each in range(20, 401)]        # 10 to 200 MHz


def clocks(fmax_of, first, legal=LEGAL):
    """The clocks that were tried, and whether each was met."""
    def trial(clock):
        made = routed(Path("nowhere"), 1, fmax_of(clock), clock)
        return SimpleNamespace(clock_mhz=clock, routed=made)
    return [(each.clock_mhz, each.routed.timing_met) for each in highest_met(trial, legal, first)]


def test_up_to_the_fmax_and_no_further():
    assert clocks(lambda clock: 61.3, 50) == [(50, True), (61, True)]
    assert clocks(lambda clock: 50.2, 50) == [(50, True)]


def test_down_to_the_fmax():
    assert clocks(lambda clock: 61.3, 80) == [(80, False), (61, True)]


def test_a_router_that_tries_harder_for_a_faster_clock():
    assert clocks(lambda clock: 40 + clock / 2, 50) == [(50, True), (65, True), (72.5, True), (76, True)]


def test_a_miss_on_the_way_up_leaves_what_was_met():
    fmax = {50: 61.3, 61: 60.2, 60: 60.4}
    assert clocks(fmax.__getitem__, 50) == [(50, True), (61, False), (60, True)]


def test_it_ends_where_none_is_met():
    assert clocks(lambda clock: clock - 1, 50) == [(50, False), (49, False), (48, False), (47, False)]
    assert len(clocks(lambda clock: clock - 1, 50)) == TRIALS
    assert clocks(lambda clock: 3, 50) == [(50, False)]       # the PLL makes nothing so slow


@pytest.mark.parametrize("first, begins", [(3, 10), (10.4, 10), (999, 200)])
def test_it_begins_with_a_legal_clock(first, begins):
    assert clocks(lambda clock: 15, first)[0][0] == begins
