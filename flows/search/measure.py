"""Measuring the best points of the front: simulated bit-exactly, routed until timing is met, packed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean

import numpy as np

from boards import find_board
from flows.estimate.energy import energy_j
from flows.estimate.roofline import roofline
from flows.estimate.runners import assign
from flows.fpga.firmware import FIRMWARE
from flows.fpga.implement import implement
from flows.run.progress import count, note, tell, work
from flows.run.queue import Failure, Result, run_queue
from flows.run.store import Store
from flows.search.pareto import front_of, spread
from flows.search.point import Check, Failed, MeasuredLayer, Measurement, Point
from flows.search.space import Measure as Plan
from flows.search.space import Space
from flows.search.worth import Evaluator
from flows.train.data import DataSource
from flows.verify.compare import VerifyReport
from flows.verify.inputs import choose_inputs
from flows.verify.verification import Vectors, Verification
from hw.spec.errors import HeddleError
from sw.compiler import Program, compile_graph
from sw.graph.graph import Graph

__all__ = ["LEVELS", "Measured", "MeasureError", "Measurer", "measure_best"]

LEVELS = ("engine", "soc")
VECTOR_INPUTS = 500      # at most, kept beside a measured point
Files = Mapping[str, Path]


class MeasureError(HeddleError):
    """A point is not what it was estimated to be; the message says how."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What measuring a point gave, and its files by the names that they get in the point's folder."""

    measurement: Measurement
    files: Files


@dataclass(frozen=True, kw_only=True)
class Best:
    """The front after measuring."""

    points: tuple[Point, ...]
    files: Mapping[str, Files]          # of measured points, by their id
    failures: tuple[Failed, ...]


@dataclass(kw_only=True)
class _Progress:
    """What the queue of points knows while it is worked through."""

    plan: Plan
    left: list[Point]
    running: dict[str, Point] = field(default_factory=dict)
    measured: list[Point] = field(default_factory=list)

    def queue(self) -> Iterator[Point]:
        """The next best point, each time; the most accurate ones as long as none is accurate enough."""
        while self.left:
            hopes = [*self.running.values(), *self.measured]
            good = [index for index, point in enumerate(self.left) if self._accurate(point)]
            first = good[0] if good and not any(map(self._accurate, hopes)) else 0
            point = self.left.pop(first)
            self.running[point.id] = point
            yield point

    def _accurate(self, point: Point) -> bool:
        return _accurate(point, self.plan.min_accuracy)


def measure_best(space: Space, store: Store, evaluator: Evaluator, points: Sequence[Point], *, jobs: int,
                 vectors: Path | None = None) -> Best:
    """Measure the best points of the estimated front until enough of them hold.

    Without data the inputs are those of ``vectors``, an .npz file with what the network must answer, else random.

    Returns
    -------
    Best
        Measured points in place of their estimates, and the points that failed with their reasons.
    """
    estimated = front_of([point for point in points if point.feasible])
    progress = _Progress(plan=space.measure, left=_order(estimated, space.measure.min_accuracy))
    failures: list[Failed] = []
    files: dict[str, Files] = {}
    known = {point.id: point for point in estimated}
    measurer = Measurer(store=store, vectors=vectors, inputs=space.measure.inputs, clock_mhz=space.clock_mhz,
                        data={point.id: evaluator.data(point.candidate.network) for point in estimated},
                        models={point.id: evaluator.model(point.candidate) for point in estimated})
    with work("measuring the best points", space.measure.points):
        def done(result: Result[Point]) -> None:
            point = progress.running.pop(result.task.id)
            if isinstance(result.value, Failure):
                failures.append(Failed(id=point.id, doing=result.value.doing, reason=result.value.reason))
                note(f"failed: {point.id}, {result.value.doing}: {result.value.reason}")
                return
            progress.measured.append(replace(point, measurement=result.value.measurement))
            files[point.id] = result.value.files
            count(len(front_of(progress.measured)))

        # A measured point may beat another; then one more is measured.
        while (missing := space.measure.points - len(front_of(progress.measured))) > 0 and progress.left:
            run_queue(measurer, progress.queue(), jobs=jobs, wanted=missing, name=lambda point: point.id, done=done)
    for failure in failures:
        known.pop(failure.id, None)
    known |= {point.id: point for point in progress.measured}
    return Best(points=tuple(front_of(_learned(list(known.values())))), files=files, failures=tuple(failures))


def _order(points: Sequence[Point], min_accuracy: float) -> list[Point]:
    """Those that are accurate enough first, in the order that shows most of the front; then the others."""
    good = [point for point in points if _accurate(point, min_accuracy)]
    rest = [point for point in points if not _accurate(point, min_accuracy)]
    return [*spread(good), *spread(rest)]


def _accurate(point: Point, least: float) -> bool:
    """Without data all networks are."""
    return point.metrics.valid_accuracy is None or point.metrics.valid_accuracy >= least


def _learned(points: Sequence[Point]) -> list[Point]:
    """Estimated logic scaled by what the measured points have shown."""
    ratios = [point.metrics.lut / point.estimate.lut for point in points if point.measurement]
    return [point.learn(mean(ratios)) for point in points] if ratios else list(points)


@dataclass(frozen=True, kw_only=True)
class Measurer:
    """Verifies a point at each level, routes and packs it. Runs in a worker.

    Raises
    ------
    MeasureError
        If a bit or a cycle differs, or no seed meets timing.
    HeddleError
        If a tool fails or the design does not fit.
    """

    store: Store
    data: Mapping[str, DataSource | None]       # by the id of a point
    vectors: Path | None = None     # without data: inputs, and what the network must answer; without them random inputs
    inputs: int                     # of the test split, or of those
    clock_mhz: float
    models: Mapping[str, Path]      # by the id of a point

    def __call__(self, point: Point) -> Measured:
        design, model = point.built, self.models[point.id]
        board, graph = find_board(design.board), Graph.load(model)
        inputs, outputs = self._inputs(graph, self.data[point.id])
        few = [each[:self.inputs] for each in inputs]
        right = None if outputs is None else [each[:self.inputs] for each in outputs]
        reports = []
        for level in LEVELS:
            tell(f"{level} in simulation, {len(few[0])} inputs")
            reports.append(_passed(Verification(model=model, design=design, board=board, level=level, inputs=few,
                                                outputs=right).value(self.store)))
        program = compile_graph(graph, design)
        made = implement(self.store, design, board, self.clock_mhz, streams=program.streams_outside)
        routed, clock_mhz = made.routed, made.clock_mhz
        if not routed.timing_met:
            raise MeasureError(f"timing: {routed.fmax_mhz:.1f} of {clock_mhz:.1f} MHz with the best seed; lower "
                               f"clock_mhz in the space")
        stream = made.bitstream(self.store, program)
        files = {stream.name: stream, FIRMWARE: made.firmware,
                 **Vectors(model=model, design=design, inputs=inputs).value(self.store)}
        checks = tuple(map(_check, reports))
        cycles, used = checks[0].engine_cycles, routed.resources
        beside = _cpu_cycles(reports[-1])
        metrics = replace(point.estimate, cycles=cycles, cpu_cycles=beside,
                          latency_s=(cycles + beside) / (clock_mhz * 1e6), clock_mhz=clock_mhz,
                          fmax_mhz=routed.fmax_mhz, timing_met=True, energy_j=energy_j(program, board, clock_mhz),
                          lut=used["lut"], ff=used["ff"], dsp=used["dsp"], bram=used["bram"], spram=used["spram"])
        return Measured(files=files, measurement=Measurement(
            metrics=metrics, checks=checks, layers=tuple(_layers(program, reports[0])),
            assignment=assign(program, graph), seed=routed.seed, bitstream=stream.name))

    def _inputs(self, graph: Graph, data: DataSource | None) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
        """At most as many as are kept beside a point, and what the network must answer, where that is known."""
        if data is None:
            return choose_inputs(graph, self.vectors, VECTOR_INPUTS if self.vectors else self.inputs)
        return [data.load().quantized("test", graph.input)[:VECTOR_INPUTS]], None


def _passed(report: VerifyReport) -> VerifyReport:
    """Raises MeasureError where the level did not give what was predicted."""
    if report.first_mismatch or report.mismatches:
        raise MeasureError(f"{report.level}: {report.mismatches} mismatches, the first: {report.first_mismatch}")
    return report


def _check(report: VerifyReport) -> Check:
    return Check(level=report.level, inputs=report.inputs, mismatches=report.mismatches,
                 engine_cycles=max(report.engine_cycles), predicted_cycles=report.predicted_cycles,
                 cycles=max(report.cycles))


def _cpu_cycles(report: VerifyReport) -> int:
    """Of what the CPU runs, as the SoC counted them in the first inference."""
    return sum(kernel.cycles or 0 for kernel in report.kernels)


def _layers(program: Program, report: VerifyReport) -> Iterator[MeasuredLayer]:
    for plan, layer in zip(program.layers, report.layers, strict=True):
        roof = roofline(plan, program.design)
        yield MeasuredLayer(name=layer.name, op=layer.op, macs=layer.macs, cycles=layer.cycles or 0,
                            predicted_cycles=layer.predicted_cycles, roof=roof.cycles, bound=roof.bound)
