"""Which preset is routed on which board, with which seeds, and what is said of it."""

from types import SimpleNamespace

import pytest

from boards import BOARDS, find_board
from flows.fpga import socs
from flows.fpga.socs import SocPlan, largest_preset, plans, soc_rows
from flows.run.queue import Failure, Result
from flows.run.store import Store
from hw.spec.errors import HeddleError


@pytest.mark.parametrize("board, preset", [
    ("upduino", "up5k"), ("ulx3s-12", "ecp5-25"), ("colorlight-i5", "ecp5-25"), ("ecpix5-45", "ecp5-45"),
    ("orangecrab-85", "ecp5-85")])
def test_a_board_has_the_largest_preset_of_its_die(board, preset):
    assert largest_preset(find_board(board)) == preset


def test_every_board_is_planned_and_every_die_has_all_seeds_once():
    found = plans()
    assert {plan.board.name for plan in found} == BOARDS.keys()
    assert {(plan.preset, plan.board.name) for plan in found if plan.every} == {
        ("up5k", "icebreaker"), ("ecp5-25", "ulx3s-25"), ("ecp5-45", "ulx3s-45"), ("ecp5-85", "ulx3s-85")}
    sizes = [plan.board.budget["lut"] for plan in found]
    assert sizes == sorted(sizes, reverse=True)


@pytest.fixture
def routes(monkeypatch):
    """MHz by seed that every SoC is routed at, in this process, and the seeds that were routed."""
    speeds, asked = {}, []

    def routed(seed):
        asked.append(seed)
        return SimpleNamespace(seed=seed, fmax_mhz=speeds[seed], timing_met=speeds[seed] >= 50,
                               resources={"lut": 9, "ff": 8, "dsp": 7, "bram": 6, "spram": 0})

    def implement(store, design, board, clock_mhz, *, seeds):
        if board.name == "ulx3s-12":
            raise HeddleError("does not fit")
        tried = []
        for seed in seeds:
            tried.append(SimpleNamespace(routed=routed(seed)))
            if tried[-1].routed.timing_met:
                break
        return SimpleNamespace(seeds=SimpleNamespace(tried=tried), placed=SimpleNamespace(used=True),
                               routed=max((each.routed for each in tried), key=lambda one: one.fmax_mhz),
                               routing=lambda seed: SimpleNamespace(value=lambda store: routed(seed)))

    def here(function, tasks, **_):
        for task in tasks:
            try:
                yield Result(task=task, value=function(task))
            except HeddleError as error:
                yield Result(task=task, value=Failure(reason=str(error)))

    monkeypatch.setattr(socs, "implement", implement)
    monkeypatch.setattr(socs, "run_queue", here)
    return speeds, asked


def plan(board, **options):
    return SocPlan(board=find_board(board), preset="ecp5-25", seeds=(1, 2, 3), **options)


def test_seeds_up_to_the_first_that_meets_the_clock_or_all(routes, tmp_path):
    speeds, asked = routes
    speeds.update({1: 48.0, 2: 51.004, 3: 70.0})
    first, every = soc_rows(Store(tmp_path), [plan("colorlight-i5"), plan("ulx3s-25", every=True)], jobs=1)
    assert asked == [1, 2, 1, 2, 1, 2, 3]
    assert (first["fmax_mhz"], first["timing_met"], first["clock_mhz"]) == ([48.0, 51.0], True, 50.0)
    assert (every["fmax_mhz"], every["fmax_median_mhz"], every["floorplan"]) == ([48.0, 51.0, 70.0], 51.0, True)
    assert first["resources"]["lut"] == {"used": 9, "available": 24288} and "spram" not in first["resources"]


def test_a_board_that_cannot_be_built_for_says_why_and_the_others_go_on(routes, tmp_path):
    routes[0].update({1: 40.0, 2: 41.0, 3: 42.0})
    failed, missed = soc_rows(Store(tmp_path), [plan("ulx3s-12", every=True), plan("ulx3s-25")], jobs=1)
    assert (failed["board"], failed["resources"], failed["error"]) == ("ulx3s-12", None, "does not fit")
    assert failed.keys() - {"error"} == missed.keys()
    assert (missed["timing_met"], missed["fmax_mhz"]) == (False, [40.0, 41.0, 42.0])


def test_a_plan_has_a_name():
    assert plan("ulx3s-25").name == "ecp5-25 on ulx3s-25"
