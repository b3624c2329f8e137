"""The ways of working that a joint search stands beside: the network first and hardware for it, or hardware first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import log, log10
from pathlib import Path

from flows.search.candidate import NetworkChoice
from flows.search.fits import Fitting, places_of
from flows.search.pareto import front
from flows.search.point import Point
from flows.search.samplers import Told
from flows.search.space import Option, Space
from flows.search.worth import Evaluator
from sw.graph.graph import Graph

__all__ = ["HARDWARE_FIRST", "JOINT", "NETWORK_FIRST", "PROXY_FIRST", "Way", "best_chip", "best_network",
           "place", "proxy_cost", "ways_of", "with_chip", "within_half_a_point"]

JOINT, NETWORK_FIRST, HARDWARE_FIRST, PROXY_FIRST = "joint", "network-first", "hardware-first", "proxy-first"
HALF_A_POINT = 0.005    # of accuracy: no difference
LOOKED = 24             # networks, evenly spaced, by which hardware is chosen before any is trained


@dataclass(frozen=True, kw_only=True)
class Way:
    """What a way of working gives where all networks were trained."""

    name: str
    fixed: str              # what is decided first, for people
    points: tuple[Point, ...]


def ways_of(evaluator: Evaluator, points: Sequence[Point], told: Sequence[Told]) -> tuple[Way, ...]:
    """The joint search and the two others, with the same trained networks; none where there is nothing to compare: one
    network, or one accelerator.
    """
    scored = [each for each in told if each.accuracy is not None and any(
        point.candidate.network == each.choice for point in points)]
    chips = {option.chip for each in scored for option in evaluator.space.options(each.choice)}
    if len(scored) < 2 or len(chips) < 2 or evaluator.sources is None:
        return ()
    network, chip = best_network(evaluator.drafts, scored), best_chip(evaluator.space, evaluator.drafts)
    alone = evaluator.on(with_chip(evaluator.space, chip))
    feasible = [point for point in points if point.feasible]
    with_it = [point for each in scored if alone.cost(each.choice) is not None for point in alone.points(each.choice)]
    return (Way(name=JOINT, fixed="nothing", points=tuple(front(feasible))),
            Way(name=NETWORK_FIRST, fixed=network.id, points=tuple(front(
                [point for point in feasible if point.candidate.network == network]))),
            Way(name=HARDWARE_FIRST, fixed=chip.chip.id, points=tuple(front(
                [point for point in with_it if point.feasible]))))


def within_half_a_point(ways: Sequence[Sequence[Point]]) -> list[Point | None]:
    """Of each way the point with the least latency x LUTs among those within half a point of accuracy, on valid, of the
    best that every way with points reaches; None where it has none.
    """
    best = [max(point.metrics.valid_accuracy or 0 for point in points) for points in ways if points]
    least = min(best, default=0.0) - HALF_A_POINT
    return [min((point for point in points if (point.metrics.valid_accuracy or 0) >= least), default=None,
                key=lambda point: point.metrics.latency_s * point.metrics.lut) for points in ways]


def best_network(drafts: Mapping[NetworkChoice, Path], told: Sequence[Told]) -> NetworkChoice:
    """The most accurate on valid, of equals the one with the least multiply-accumulates x bits."""
    return max(told, key=lambda each: (each.accuracy or 0, -proxy_cost(drafts[each.choice]))).choice


def proxy_cost(model: Path) -> float:
    """Multiply-accumulates x bits of their weights: what stands for hardware where nobody asks it."""
    graph = Graph.load(model)
    return float(sum(graph.macs(index) * layer.weight_bits for index, layer in enumerate(graph.layers)))


def best_chip(space: Space, drafts: Mapping[NetworkChoice, Path]) -> Option:
    """The accelerator with the least latency x LUTs, in the geometric mean over networks of the space with the widest
    weights; a network that it does not run counts as one that never ends.
    """
    widest = max(choice.widest for choice in drafts)
    wide = [choice for choice in drafts if choice.weight_bits == widest]
    some = wide[::max(1, len(wide) // LOOKED)]
    options = space.options(some[0])
    sums = [0.0] * len(options)
    for choice in some:
        found = places_of(Fitting(
            model=drafts[choice], designs=tuple(option.design for option in options),
            boards=tuple(option.boards for option in options), clock_mhz=space.clock_mhz))
        for number in range(len(options)):
            cycles, lut = found.get(number, (1, 1e30))
            sums[number] += log(cycles * lut)
    return options[min(range(len(options)), key=sums.__getitem__)]


def with_chip(space: Space, option: Option) -> Space:
    """The space with one accelerator, whose memories and widths still follow from each network."""
    chip = option.chip
    return replace(space, hardware=replace(
        space.hardware, geometries=((chip.rows, chip.cols, chip.lanes),), multipliers=(chip.multiplier,),
        requantizers=(chip.requantizers,), requantizer_dsps=(chip.requantizer_dsps,),
        depthwise_taps=(chip.depthwise_taps,)))


def place(point: Point, *, test: bool = False) -> tuple[float, float, float]:
    """Accuracy, and logarithms of latency and LUTs, each so that more is better: a tenth of the time is worth as much
    wherever it is saved.
    """
    metrics = point.metrics
    accuracy = metrics.accuracy if test else metrics.valid_accuracy
    return accuracy or 0.0, -log10(metrics.latency_s), -log10(metrics.lut)
