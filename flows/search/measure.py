"""Measuring the best points of the front: simulated bit-exactly, routed until timing is met, packed."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from boards import find_board
from flows.fpga.implement import BITSTREAM, FIRMWARE, implement, make_bitstream
from flows.report.console import Display
from flows.report.folder import Point, front_of
from flows.run.files import to_json
from flows.run.queue import Failure, run_queue, say
from flows.run.store import Store, sources
from flows.search.pareto import spread
from flows.search.sampler import Outcome
from flows.search.space import Candidate, Measure, Space
from flows.search.worth import Evaluator
from flows.train.training import dataset, model_digest, reopen
from flows.verify.ladder import verify
from hw.soc.cpus import find_cpu
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.tools import versions
from sw.compiler import Program, compile_graph
from sw.golden import run
from sw.graph.graph import Graph

__all__ = ["LEVELS", "MeasureError", "MeasureTask", "choose_measured", "measure_point"]

LEVELS = ("engine", "soc")
IMAGE, VECTORS = "model.bin", "model_vectors.npz"
VECTOR_IMAGES = 500      # at most, kept beside a measured point
VERIFIES = ("hw", "boards", "cosim", "sw.golden", "sw.graph", "sw.compiler", "sw.firmware", "flows.verify.ladder",
            "flows.verify.rungs")


class MeasureError(HeddleError):
    """A point is not what it was estimated to be; the message says how."""


@dataclass(frozen=True, kw_only=True)
class MeasureTask:
    """One point for a worker."""

    store: tuple[str, int]
    id: str
    design: DesignPoint
    model: Path
    data: str
    inputs: int              # test images
    clock_mhz: float


@dataclass(kw_only=True)
class _Progress:
    """What the queue of points knows while it is worked through."""

    wanted: Measure
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
        return point.metrics["accuracy"] >= self.wanted.min_accuracy


def choose_measured(space: Space, store: Store, source: str, evaluator: Evaluator, outcomes: Sequence[Outcome], *,
                    jobs: int, display: Display) -> tuple[list[Point], list[dict[str, str]]]:
    """Measure the best points of the estimated front until enough of them hold.

    Returns
    -------
    The front, measured points in place of their estimates, and the points that failed with their reasons.
    """
    estimated = front_of([Point(outcome=outcome, program=evaluator.program(outcome.candidate),
                                model=evaluator.model(outcome.candidate))
                          for outcome in _on_smallest_boards(space, evaluator, outcomes)])
    progress = _Progress(wanted=space.measure, left=_order(estimated, space.measure.min_accuracy))
    failures: list[dict[str, str]] = []
    points = {point.id: point for point in estimated}
    with display.bar("measuring the best points", space.measure.points) as bar:
        def done(result: Any) -> None:
            point = progress.running.pop(result.task.id)
            bar.forget(point.id)
            if isinstance(result.value, Failure):
                failures.append({"id": point.id, "stage": result.value.stage, "reason": result.value.reason})
                bar.note(f"failed: {point.id}, {result.value.stage}: {result.value.reason}")
                return
            progress.measured.append(replace(point, measured=result.value))
            bar.set(len(front_of(progress.measured)))

        # A measured point may beat another; then one more is measured.
        while (missing := space.measure.points - len(front_of(progress.measured))) > 0 and progress.left:
            tasks = (_task(store, source, space, point) for point in progress.queue())
            run_queue(measure_point, tasks, jobs=jobs, wanted=missing, name=_name, hear=bar.hear, done=done)
    for failure in failures:
        points.pop(failure["id"], None)
    points |= {point.id: point for point in progress.measured}
    return front_of(_corrected(list(points.values()))), failures


def _on_smallest_boards(space: Space, evaluator: Callable[[Candidate], Outcome],
                        outcomes: Sequence[Outcome]) -> list[Outcome]:
    """What is feasible, each on the smallest board of the space that it fits: the objectives are the same there."""
    boards = sorted(space.hardware.boards, key=lambda name: find_board(name).budget["lut"])
    found: dict[str, Outcome] = {}
    for outcome in outcomes:
        if outcome.feasible:
            twins = (evaluator(replace(outcome.candidate, board=board)) for board in boards)
            best = next((twin for twin in twins if twin.feasible), outcome)
            found[best.candidate.id] = best
    return list(found.values())


def _order(points: Sequence[Point], min_accuracy: float) -> list[Point]:
    """Those that are accurate enough first, in the order that shows most of the front; then the others."""
    good = [point for point in points if point.metrics["accuracy"] >= min_accuracy]
    rest = [point for point in points if point.metrics["accuracy"] < min_accuracy]
    return [*spread(good, _metrics), *spread(rest, _metrics)]


def _corrected(points: Sequence[Point]) -> list[Point]:
    """Estimated logic scaled by what the measured points have shown."""
    ratios = [point.metrics["lut"] / point.outcome.metrics["lut"] for point in points if point.measured]
    factor = mean(ratios) if ratios else 1.0
    return [point if point.measured else replace(point, correction={"lut": round(factor * point.metrics["lut"])})
            for point in points]


def _metrics(point: Point) -> Mapping[str, Any]:
    return point.metrics


def _name(task: MeasureTask) -> str:
    return task.id


def _task(store: Store, source: str, space: Space, point: Point) -> MeasureTask:
    return MeasureTask(store=(str(store.root.parent), store.limit_bytes), id=point.id, design=point.program.design,
                       model=point.model, data=source, inputs=space.measure.inputs,
                       clock_mhz=space.hardware.clock_mhz)


def measure_point(task: MeasureTask) -> dict[str, Any]:
    """Verify at each level, route, pack. Runs in a worker.

    Raises
    ------
    MeasureError
        If a bit or a cycle differs, or no seed meets timing.
    HeddleError
        If a tool fails or the design does not fit.
    """
    store, board = reopen(*task.store), find_board(task.design.board)
    graph = Graph.load(task.model)
    program = compile_graph(graph, task.design)
    images = dataset(task.data).quantized("test", graph.input)
    inputs = images[:task.inputs]
    checks = []
    for level in LEVELS:
        say(f"{level} in simulation, {len(inputs)} images")
        checks.append(_checked(store, task, program, level, inputs))
    made = implement(store, task.design, board, task.clock_mhz, say=say)
    routed = made.routed
    if not routed.timing_met:
        raise MeasureError(f"timing: {routed.fmax_mhz:.1f} of {made.clock_mhz:.1f} MHz with the best seed; lower "
                           f"clock_mhz in the space")
    say("packing")
    stream = make_bitstream(store, made, program)
    cycles = checks[0]["engine_cycles"]
    metrics = {"cycles": cycles, "latency_s": cycles / (made.clock_mhz * 1e6), "clock_mhz": made.clock_mhz,
               "fmax_mhz": routed.fmax_mhz, "timing_met": True,
               **{name: routed.resources[name] for name in ("lut", "ff", "dsp", "bram")}}
    vectors = _vectors(store, task, program, images[:VECTOR_IMAGES])
    return {"metrics": metrics, "checks": checks, "layers": checks[0].pop("layers"), "seed": routed.seed,
            "files": {BITSTREAM: stream, FIRMWARE: made.firmware, **vectors}}


def _checked(store: Store, task: MeasureTask, program: Program, level: str, inputs: np.ndarray) -> dict[str, Any]:
    """What a level gave; MeasureError where it is not as predicted."""
    key = {"image": sha256(program.image).hexdigest(), "model": model_digest(task.model),
           "design": task.design.hardware(), "cpu": find_cpu(task.design.cpu).digest,
           "board": task.design.board, "level": level, "inputs": sha256(inputs.tobytes()).hexdigest(),
           "sources": sources(*VERIFIES), "tools": versions("verilator_bin", "g++", "riscv64-unknown-elf-gcc")}

    def make(folder: Path) -> None:
        report = verify(program.graph, task.design, level=level, inputs=inputs, board=find_board(task.design.board),
                        store=store, program=program)
        (folder / "report.json").write_text(to_json({**report.document(), "shown": str(report.first_mismatch or "")}))

    report = json.loads((store.get("verified", key, make) / "report.json").read_text())
    if report["first_mismatch"] or report["mismatches"]:
        raise MeasureError(f"{level}: {report['mismatches']} mismatches, the first: {report['shown']}")
    return {"level": level, "inputs": report["inputs"], "mismatches": report["mismatches"],
            "engine_cycles": max(report["engine_cycles"]), "predicted_cycles": report["predicted_cycles"],
            "cycles": max(report["cycles"]), **({"layers": report["layers"]} if level == LEVELS[0] else {})}


def _vectors(store: Store, task: MeasureTask, program: Program, inputs: np.ndarray) -> dict[str, Path]:
    """The model image, and the images with their right outputs, for `heddle verify` and for a board."""
    key = {"image": sha256(program.image).hexdigest(), "model": model_digest(task.model),
           "inputs": sha256(inputs.tobytes()).hexdigest(),
           "sources": sources("sw.golden", "sw.graph", "hw.spec")}

    def make(folder: Path) -> None:
        (folder / IMAGE).write_bytes(program.image)
        np.savez_compressed(folder / VECTORS, inputs=inputs, outputs=run(program.graph, inputs, program.design)[-1])

    folder = store.get("vectors", key, make)
    return {IMAGE: folder / IMAGE, VECTORS: folder / VECTORS}
