"""Routing with several seeds until one meets timing: one after the other in a worker of a search, side by side in a
build, with the same result.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from flows.fpga.routing import Routed, Routing
from flows.run.progress import note, tell
from flows.run.queue import Failure, Result, run_queue
from flows.run.store import Store
from hw.spec.errors import HeddleError

__all__ = ["Seed", "Seeds", "most_at_once", "route_seeds"]

ROUTER_BYTES = 2 << 30          # of one nextpnr
MEMORY = Path("/proc/meminfo")


@dataclass(frozen=True, kw_only=True)
class Seed:
    """What one seed gave: a routed design, or why there is none."""

    seed: int
    routed: Routed | None = None
    failure: str = ""

    @property
    def met(self) -> bool:
        return self.routed is not None and self.routed.timing_met

    @property
    def record(self) -> dict[str, Any]:
        """For JSON."""
        if self.routed is None:
            return {"seed": self.seed, "failure": self.failure}
        return {"seed": self.seed, "fmax_mhz": self.routed.fmax_mhz, "timing_met": self.met}


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """What seeds gave, in the order in which they were asked for, up to the first that met timing."""

    tried: tuple[Seed, ...]

    @property
    def best(self) -> Routed:
        """The one that met timing, else the fastest, the first of equals."""
        return max((each.routed for each in self.tried if each.routed),
                   key=lambda each: (each.timing_met, each.fmax_mhz))


class _Decided(Exception):
    """It is known which seed is the first that meets timing."""


def route_seeds(store: Store, routings: Sequence[Routing], *, jobs: int = 1) -> Seeds:
    """Route with one seed after the other, ``jobs`` at once, until it is known which is the first that meets timing.

    What still runs then is ended. The result depends neither on ``jobs`` nor on who is quicker. Where this is
    interrupted no process goes on, and what was routed stays in the store.

    Raises
    ------
    HeddleError
        If none can be routed.
    ValueError
        If there are no seeds.
    """
    if not routings:
        raise ValueError("no seeds to route with")
    order, found = [routing.seed for routing in routings], dict[int, Seed]()

    def left() -> Iterator[Routing]:
        for number, routing in enumerate(routings):
            if any(found[seed].met for seed in order[:number] if seed in found):
                return
            if routing.seed not in found:
                yield routing

    def keep(each: Seed) -> None:
        found[each.seed] = each
        if _up_to_the_first(order, found)[-1].met:
            raise _Decided

    try:
        for routing in routings:
            if folder := store.find(routing.kind, routing.key()):
                keep(Seed(seed=routing.seed, routed=routing.load(folder)))
        if min(jobs, len(order)) == 1:      # in this process, which may be a worker itself
            for routing in left():
                keep(_route_here(store, routing))
        else:
            run_queue(partial(_route, store), left(), jobs=min(jobs, len(order)),
                      name=lambda routing: f"seed {routing.seed}", done=lambda result: keep(_seed(result)))
    except _Decided:
        pass
    tried = _up_to_the_first(order, found)
    if not any(each.routed for each in tried):
        raise HeddleError("; ".join(dict.fromkeys(each.failure for each in tried)))
    return Seeds(tried=tuple(tried))


def _up_to_the_first(order: Sequence[int], found: Mapping[int, Seed]) -> list[Seed]:
    """What has ended, from the first seed on without a gap, up to the first that met timing; at least one entry."""
    ended = [Seed(seed=order[0], failure="not routed yet")]
    for number, seed in enumerate(order):
        if seed not in found:
            break
        ended[number:] = [found[seed]]
        if found[seed].met:
            break
    return ended


def _route(store: Store, routing: Routing) -> Routed:
    """In a worker."""
    tell("routing")
    return routing.value(store)


def _seed(result: Result[Routing]) -> Seed:
    seed, value = result.task.seed, result.value
    if isinstance(value, Failure):
        note(f"seed {seed} failed: {value.reason}")
        return Seed(seed=seed, failure=value.reason)
    note(f"seed {seed}: {value.fmax_mhz:.1f} MHz")
    return Seed(seed=seed, routed=value)


def _route_here(store: Store, routing: Routing) -> Seed:
    tell(f"routing, seed {routing.seed}")
    try:
        return Seed(seed=routing.seed, routed=routing.value(store))
    except HeddleError as error:
        return Seed(seed=routing.seed, failure=str(error))


def most_at_once(memory: Path = MEMORY) -> int:
    """How many may be routed at once: as many as there are cores for this process, and memory is left for."""
    try:
        lines = dict(line.split(":", 1) for line in memory.read_text(encoding="utf-8").splitlines())
        left = int(lines["MemAvailable"].split()[0]) << 10
    except (OSError, ValueError, KeyError, IndexError):
        left = ROUTER_BYTES
    return max(1, min(len(os.sched_getaffinity(0)), left // ROUTER_BYTES))
