"""All accelerators for one network at once: those that none beats, exactly, and why the others are none of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from time import process_time

from boards import BOARDS, Board, find_board
from flows.estimate.kernels import uncounted
from flows.estimate.memories import fit_memories, least_act_bytes, weight_bytes_for
from flows.estimate.program import Estimate, estimate_program
from flows.estimate.resources import Resources, estimate_resources
from flows.fpga.buildable import check_buildable
from flows.run.step import Step
from flows.run.store import Store
from flows.run.typed import read_typed, write_typed
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from sw.compiler import compile_graph
from sw.compiler.costs import FAILED, network_costs
from sw.graph.graph import Graph

__all__ = ["Fit", "Fits", "Fitting", "places_of"]

RECORD = "fits.json"
CLOCK = "fmax_mhz"          # the limit of a design that is too slow


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A network on an accelerator with the memories that it needs, on the smallest board that has the cells."""

    number: int             # of the design that was asked for
    design: DesignPoint
    estimate: Estimate
    over: Mapping[str, float]       # limits of the board that it exceeds, and by which share; none of those of a front

    @property
    def cycles(self) -> int:
        """What its latency has: those of the engine, exact, and those of the CPU, estimated."""
        return self.estimate.cycles + (self.estimate.cpu_cycles or 0)


@dataclass(frozen=True, kw_only=True)
class Fits:
    """What a network runs on."""

    front: tuple[Fit, ...]          # those that no other beats in latency and LUTs, the fastest first
    looked: int                     # designs
    excluded: Mapping[str, int]     # designs by what keeps each from the largest board: a budget, the clock, "network"
    closest: Fit | None             # where none fits
    reason: str                     # what the compiler says of the first design that does not run the network, or ""
    cpu_seconds: float              # that finding this took

    @property
    def line(self) -> str:
        """Why nothing fits, and what is nearest."""
        counts = ", ".join(f"{name} excludes {count}" for name, count in self.excluded.items() if name != "network")
        if self.closest is None:
            return self.reason
        over = ", ".join(f"{name} by {share:.0%}" for name, share in self.closest.over.items())
        larger = _holding(self.closest)
        board = f"board {larger} would hold it; else take" if larger else "take a larger board,"
        return (f"none of {self.looked} designs fits: {counts}; the nearest, {self.closest.design.label} on "
                f"{self.closest.design.board}, exceeds {over}; {board} a smaller array or network, or fewer bits")


def _holding(fit: Fit) -> str:
    """The smallest board of the family that has the cells, first among equals that of the same maker, or ""."""
    family, (maker, _, _) = find_board(fit.design.board).family, fit.design.board.partition("-")
    boards = sorted((board for board in BOARDS.values() if board.family == family),
                    key=lambda board: (board.budget["lut"], not board.name.startswith(f"{maker}-"), board.name))
    return next((board.name for board in boards if not board.shortfalls(asdict(fit.estimate))), "")


@dataclass(frozen=True, kw_only=True)
class Fitting(Step[Fits]):
    """Cycles of all designs by :func:`sw.compiler.costs.network_costs`, those of the engine and, as estimated, those of
    the CPU, whose sum decides; resources by the model; of the front, each is compiled, so that its memories are exact
    as well.
    """

    kind = "fits"
    model: Path                                 # a model.npz, trained or not: its values do not matter
    designs: tuple[DesignPoint, ...]
    boards: tuple[tuple[str, ...], ...]         # of each, the smallest first
    clock_mhz: float
    given: bool = False                         # whether designs keep their own memories

    def make(self, folder: Path, store: Store) -> None:
        began = process_time()
        found = _Search(self).fits()
        write_typed(folder / RECORD, replace(found, cpu_seconds=process_time() - began))

    def load(self, folder: Path) -> Fits:
        return read_typed(Fits, folder / RECORD)


def places_of(asked: Fitting) -> dict[int, tuple[int, int]]:
    """Cycles of engine and CPU, and LUTs, of every design that fits, by its number, with memories in closed form."""
    search = _Search(asked)
    search.estimate()
    return search.places


class _Search:
    """The front of one network, narrowed until all of it is exact."""

    def __init__(self, asked: Fitting) -> None:
        self.asked, self.graph = asked, Graph.load(asked.model)
        self.places: dict[int, tuple[int, int]] = {}        # cycles and LUTs of what may fit, by number
        self.far: dict[int, Mapping[str, float]] = {}       # what does not fit, with its limits
        self.exact: dict[int, Fit] = {}
        self.refused: dict[int, str] = {}

    def fits(self) -> Fits:
        if self.asked.given:
            self._compile(range(len(self.asked.designs)))
        else:
            self.estimate()
        while new := [number for number in _front(self.places) if number not in self.exact]:
            self._compile(new)
        closest = None
        while not self.places and self.far and closest is None:
            number = min(self.far, key=lambda each: sum(self.far[each].values()))
            if number not in self.exact:
                del self.far[number]
                self._compile([number])
            closest = self.exact.get(number)
        excluded = Counter(name for limits in self.far.values() for name in limits)
        excluded["network"] += len(self.refused)
        front = sorted((self.exact[number] for number in _front(self.places)), key=lambda fit: fit.cycles)
        return Fits(front=tuple(front), looked=len(self.asked.designs), excluded=dict(+excluded), closest=closest,
                    reason=next(iter(self.refused.values()), ""), cpu_seconds=0.0)

    def estimate(self) -> None:
        """With memories in closed form; a network's own placement may need a larger one."""
        designs, act_bytes = self.asked.designs, least_act_bytes(self.graph)
        costs = network_costs(self.graph, designs)
        for number, design in enumerate(designs):
            cycles, beside = int(costs.cycles[number]), int(costs.cpu_cycles[number])
            if cycles == FAILED:
                self.refused[number] = "" if self.refused else self._refusal(design)
                continue
            if beside and (line := uncounted(design)):
                self.refused[number] = f"{design.label}: {line}"
                continue
            sized = replace(design, act_bytes=act_bytes,
                            weight_bytes=weight_bytes_for(int(costs.image_bytes[number]), design))
            _, used, over = self._board(sized, self.asked.boards[number])
            if over:
                self.far[number] = over
            else:
                self.places[number] = cycles + beside, used.lut

    def _refusal(self, design: DesignPoint) -> str:
        try:
            fit_memories(self.graph, design)
        except HeddleError as error:
            return f"{design.label}: {error}"
        return ""

    def _board(self, design: DesignPoint, boards: Sequence[str], *, streams: bool = False
               ) -> tuple[Board, Resources, Mapping[str, float]]:
        """The smallest board that has the cells for a design, what it takes of it, and nothing; else the largest one,
        and what is exceeded there.
        """
        for board in map(find_board, boards):
            used = _resources(design, board.name, streams)
            over = {name: used.used[name] / have - 1 for name, have in board.budget.items()
                    if have and used.used[name] > have}
            if used.fmax_mhz < self.asked.clock_mhz:
                over[CLOCK] = self.asked.clock_mhz / used.fmax_mhz - 1
            if not over:
                break
        return board, used, over

    def _compile(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self.places.pop(number, None)
            try:
                fit = self._fit(number)
            except HeddleError as error:
                self.refused[number] = f"{self.asked.designs[number].label}: {error}"
                continue
            self.exact[number] = fit
            if fit.over:
                self.far[number] = fit.over
            else:
                self.places[number] = fit.cycles, fit.estimate.lut

    def _fit(self, number: int) -> Fit:
        """Compiled. Raises HeddleError where that, or building it, is impossible, or its time unknown."""
        design = self.asked.designs[number]
        program = (compile_graph if self.asked.given else fit_memories)(self.graph, design)
        board, _, over = self._board(program.design, self.asked.boards[number], streams=program.streams_outside)
        program = replace(program, design=replace(program.design, board=board.name))
        check_buildable(program, board)
        estimate = estimate_program(program, board, self.asked.clock_mhz)
        if estimate.cpu_cycles is None:
            raise HeddleError(uncounted(program.design))
        return Fit(number=number, design=program.design, over=over, estimate=estimate)


@cache
def _resources(design: DesignPoint, board: str, streams: bool) -> Resources:
    return estimate_resources(design, find_board(board), streams=streams)


def _front(places: Mapping[int, tuple[int, int]]) -> list[int]:
    """Those that no other beats, of equals the first."""
    kept, least = [], None
    for number in sorted(places, key=lambda each: (*places[each], each)):
        lut = places[number][1]
        if least is None or lut < least:
            kept.append(number)
            least = lut
    return kept
