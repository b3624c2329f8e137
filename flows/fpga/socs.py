"""What the SoC of a preset takes of each board and how fast it is, as ``heddle build`` routes it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from boards import BOARDS, Board, find_board
from flows.fpga.families import FAMILIES
from flows.fpga.implement import SEEDS, Implementation, implement
from flows.fpga.routing import Routed
from flows.fpga.seeds import most_at_once
from flows.run.progress import tell
from flows.run.queue import Failure, run_queue
from flows.run.store import Store
from hw.spec.presets import PRESETS
from hw.tools import versions

__all__ = ["SocPlan", "largest_preset", "plans", "soc_rows"]


@dataclass(frozen=True, kw_only=True)
class SocPlan:
    """A preset on a board. ``seeds`` are tried in order; all of them where ``every``, else up to the first that meets
    the board's clock.
    """

    board: Board
    preset: str
    seeds: tuple[int, ...] = SEEDS
    every: bool = False

    @property
    def name(self) -> str:
        return f"{self.preset} on {self.board.name}"


def largest_preset(board: Board) -> str:
    """The preset with the most multipliers of those whose own board's device is no larger.

    >>> largest_preset(find_board("colorlight-i5"))
    'ecp5-25'
    """
    able = {name: design.macs_per_cycle for name, design in PRESETS.items()
            if (own := find_board(design.board)).family == board.family and not board.shortfalls(own.budget)}
    return max(able, key=able.__getitem__)


def plans(boards: Mapping[str, Board] = BOARDS) -> list[SocPlan]:
    """Every board with its largest preset, largest devices first; every seed on a preset's own board."""
    found = [SocPlan(board=board, preset=preset, every=PRESETS[preset].board == board.name)
             for board in boards.values() for preset in (largest_preset(board),)]
    return sorted(found, key=lambda plan: -plan.board.budget["lut"])


def soc_rows(store: Store, asked: Sequence[SocPlan], *, jobs: int | None = None) -> Iterator[dict[str, Any]]:
    """For JSON, what was routed of each plan, in their order; of one that was not, all are None but its ``error``.

    ``fmax_mhz`` has the seeds in their order, ``timing_met`` is for the first that meets the board's clock. Networks
    that stream weights need a controller beside, which is not in these SoCs.
    """
    jobs = jobs or most_at_once()
    made = {result.task: result.value for result in run_queue(
        partial(_made, store), asked, jobs=jobs, name=lambda plan: plan.name)}
    others = [(plan, seed) for plan in asked if plan.every and not isinstance(made[plan], Failure)
              for seed in plan.seeds]
    routed: dict[SocPlan, list[Routed]] = {}
    for result in run_queue(partial(_routed, store, made), others, jobs=jobs,
                            name=lambda task: f"{task[0].name} seed {task[1]}"):
        if not isinstance(result.value, Failure):
            routed.setdefault(result.task[0], []).append(result.value)
    for plan in asked:
        yield _row(plan, made[plan], routed.get(plan, []))


def _made(store: Store, plan: SocPlan) -> Implementation:
    """In a worker."""
    return implement(store, PRESETS[plan.preset], plan.board, plan.board.soc_mhz, seeds=plan.seeds)


def _routed(store: Store, made: Mapping[SocPlan, Implementation], task: tuple[SocPlan, int]) -> Routed:
    """In a worker."""
    plan, seed = task
    tell("routing")
    return made[plan].routing(seed).value(store)


def _row(plan: SocPlan, made: Implementation | Failure, routed: Sequence[Routed]) -> dict[str, Any]:
    board = plan.board
    row: dict[str, Any] = {"board": board.name, "device": board.device, "preset": plan.preset,
                           "clock_mhz": board.soc_mhz}
    if isinstance(made, Failure):
        empty = dict.fromkeys(("resources", "fmax_mhz", "fmax_median_mhz", "timing_met", "floorplan", "tools"))
        return row | empty | {"error": made.reason}
    found = routed or [each.routed for each in made.seeds.tried if each.routed]
    speeds = [round(one.fmax_mhz, 2) for one in found]
    return row | {
        "resources": {name: {"used": made.routed.resources[name], "available": have}
                      for name, have in board.budget.items() if have},
        "fmax_mhz": speeds, "fmax_median_mhz": median(speeds), "timing_met": made.routed.timing_met,
        "floorplan": made.placed.used, "tools": versions("yosys", FAMILIES[board.family].nextpnr)}
