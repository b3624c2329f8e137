"""``heddle verify``: one program and its inputs on a rung of the ladder, compared with the golden model."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from boards import Board
from flows.fpga.implement import check_resident
from flows.run.store import Store, open_store
from flows.verify.inputs import choose_inputs, read_vectors, vectors_beside
from flows.verify.rungs import Observed, Rung, stored_engine, stored_soc
from hw.soc.target import load_target
from hw.spec.commands import COUNTERS
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError, SpecError
from sw.compiler import Program, compile_graph
from sw.golden import finish, run
from sw.graph.graph import Graph

__all__ = ["LEVELS", "LayerReport", "Mismatch", "VerifyReport", "differences", "read_vectors", "verify",
           "verify_model"]

LEVELS = ("array", "engine", "soc", "netlist", "board")
TENSOR_CYCLES = 20_000_000      # simulated for the tensors inside the network: decides how many inputs these take
SLOWER = 100                    # times as long as predicted, that is a hang; bus traffic explains a part of that
TRAFFIC_SEED = 1


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """The first difference: in a value (then with channel and position), or in clock cycles."""

    input: int
    layer: str
    what: str                             # "value", "accumulator", "value under bus traffic", "cycles" or of a counter
    channel: int | None = None
    position: tuple[int, int] | None = None   # y, x
    expected: int
    got: int

    def __str__(self) -> str:
        place = "" if self.position is None else f", channel {self.channel}, position {self.position}"
        return f"input {self.input}, layer {self.layer}{place}: {self.what} {self.got}, expected {self.expected}"


@dataclass(frozen=True, kw_only=True)
class LayerReport:
    """One layer's cycles: of the first input that differs from the prediction, else of the first one.

    Counters are by the names of ``hw.spec.commands.COUNTERS``; what a level does not count is None.
    """

    name: str
    op: str
    macs: int
    cycles: int | None
    predicted_cycles: int
    counters: dict[str, int] | None
    predicted_counters: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """What a rung gave; ``document()`` is the ``--json`` of the command."""

    model: str
    design: str
    board: str
    level: str
    inputs: int
    mismatches: int                       # elements of the compared tensors
    first_mismatch: Mismatch | None
    cycles: tuple[int, ...]
    engine_cycles: tuple[int, ...]
    predicted_cycles: int
    layers: tuple[LayerReport, ...]

    @property
    def ok(self) -> bool:
        """Every bit and, where the level counts them, every cycle is as predicted."""
        return self.first_mismatch is None

    def document(self) -> dict[str, Any]:
        return asdict(self)


def verify(graph: Graph, design: DesignPoint, *, level: str, inputs: np.ndarray, board: Board, store: Store,
           outputs: np.ndarray | None = None, trace: Path | None = None, program: Program | None = None,
           rung: Rung | None = None, model: str = "", design_name: str = "") -> VerifyReport:
    """Run ``graph`` on the hardware of ``design`` and compare with the golden model.

    Parameters
    ----------
    level : ``array``, ``engine`` or ``soc``.
    inputs : int8 ``(N, height, width, channels)``.
    outputs : int8 ``(N, ...)``, what the network must answer, softmax included; without it the golden model says.
    trace : file for the waves of the input with the first mismatch, up to the layer that has it (else of input 0).
    program : instead of what the compiler makes of ``graph``.
    rung : what runs the images, instead of the simulator from the store.
    model, design_name : how the report names them.

    Raises
    ------
    HeddleError
        If the level is unknown or not there yet, the network does not fit, or a tool or the simulation fails.
    """
    if level not in LEVELS:
        raise SpecError(f"level {level!r}: choose {', '.join(LEVELS[:3])}")
    if level in ("netlist", "board"):
        raise HeddleError(f"level {level!r}: not available yet; choose {', '.join(LEVELS[:3])}")
    if not len(inputs):
        raise SpecError("inputs: none; give at least one")
    if trace and level == "array":
        raise HeddleError("level 'array': writes no waves; trace the level engine")
    program = program or compile_graph(graph, design)
    if level == "soc" and rung is None:
        check_resident(program)
    tensors = run(graph, inputs, design)
    names = {"model": model or graph.name, "design": design_name or design.label, "board": board.name}
    if level == "array":
        return _verify_array(program, tensors, store, names)
    rung = rung or (stored_engine(store, design) if level == "engine" else stored_soc(store, design, board))
    answers = tensors[-1] if outputs is None else outputs.reshape(tensors[-1].shape)
    return _Check(program, inputs, tensors, answers, rung).report(names, trace)


class _Check:
    """One program on one rung."""

    def __init__(self, program: Program, inputs: np.ndarray, tensors: Sequence[np.ndarray], answers: np.ndarray,
                 rung: Rung) -> None:
        self.program, self.inputs, self.rung = program, inputs, rung
        self.tensors, self.answers = tensors, answers
        self.mismatches = 0
        self.first: Mismatch | None = None

    def report(self, names: dict[str, str], trace: Path | None) -> VerifyReport:
        program, rung = self.program, self.rung
        observed = self._run(program.image, self.inputs)
        self._outputs(observed.outputs, "value")
        if rung.level == "engine":
            self._inner_tensors()
            if not self.mismatches:
                few = self.inputs[:self._few()]
                self._outputs(self._run(program.image, few, TRAFFIC_SEED).outputs, "value under bus traffic")
        differing = self._differing(observed)
        self.first = self.first or self._cycles(observed, differing)
        if trace:
            self._trace(trace)
        return VerifyReport(
            **names, level=rung.level, inputs=len(self.inputs), mismatches=self.mismatches, first_mismatch=self.first,
            cycles=tuple(observed.cycles.tolist()), engine_cycles=tuple(observed.engine_cycles.tolist()),
            predicted_cycles=program.cycles, layers=tuple(_layer_reports(program, observed, differing or 0)))

    def _run(self, image: bytes, inputs: np.ndarray, traffic: int = 0) -> Observed:
        return self.rung.run(image, inputs, cycle_limit=SLOWER * self.program.cycles, traffic=traffic)

    def _outputs(self, got: np.ndarray, what: str) -> None:
        """Compare what the network answers; where it differs, look for the layer that went wrong first."""
        graph, last = self.program.graph, self.program.layers[-1].name
        answered = finish(graph, got.reshape(len(got), *graph.types()[graph.engine_layers].shape))
        name = last if graph.engine_layers == len(graph.layers) else graph.layers[-1].name
        count, found = differences(name, self.answers[:len(got)], answered, what)
        self.mismatches += count
        if found and not self.first:
            self.first = self._earliest(found)

    def _inner_layers(self) -> list[int]:
        """After how many layers a tensor of the graph is complete; without the tensor that is the answer."""
        graph = self.program.graph
        whole = [count for count, plan in enumerate(self.program.layers, 1) if plan.tensor is not None]
        return whole if graph.engine_layers < len(graph.layers) else whole[:-1]

    def _earliest(self, found: Mismatch) -> Mismatch:
        """The same input again, stopped after each layer."""
        one = slice(found.input, found.input + 1)
        traffic = TRAFFIC_SEED if "traffic" in found.what else 0
        for layers in self._inner_layers():
            got = self._run(self.program.prefix(layers).image, self.inputs[one], traffic).outputs
            _, earlier = self._compare(layers, one, got, found.what)
            if earlier:
                return Mismatch(**{**vars(earlier), "input": found.input})
        return found

    def _inner_tensors(self) -> None:
        """Every tensor before the last, of as many inputs as time allows."""
        few = slice(self._few())
        for layers in self._inner_layers():
            got = self._run(self.program.prefix(layers).image, self.inputs[few]).outputs
            count, found = self._compare(layers, few, got, "value")
            self.mismatches += count
            self.first = self.first or found

    def _compare(self, layers: int, part: slice, got: np.ndarray, what: str) -> tuple[int, Mismatch | None]:
        """The tensor after ``layers`` layers, of a part of the inputs."""
        plan = self.program.layers[layers - 1]
        wanted = self.tensors[plan.tensor or 0][part]
        return differences(plan.name, wanted, got.reshape(wanted.shape), what)

    def _few(self) -> int:
        ends = np.cumsum([plan.cycles for plan in self.program.layers])
        return int(np.clip(TENSOR_CYCLES // ends.sum(), 1, len(self.inputs)))

    def _differing(self, observed: Observed) -> int | None:
        """The first input whose cycles are not as predicted."""
        predicted = np.array([list(_terms(plan).values()) for plan in self.program.layers])
        wrong = observed.engine_cycles != self.program.cycles
        wrong |= (observed.layer_cycles != predicted.sum(axis=1)).any(1)
        if observed.counters is not None:
            wrong |= (observed.counters != predicted).any((1, 2))
        return int(wrong.argmax()) if wrong.any() else None

    def _cycles(self, observed: Observed, index: int | None) -> Mismatch | None:
        """The first layer of input ``index`` whose cycles are not as predicted, and the first of its counters."""
        if index is None:
            return None
        for plan, shown in zip(self.program.layers, _shown(observed, index), strict=True):
            wanted = {**_terms(plan), "": plan.cycles}
            for name, got in shown.items():
                if got != wanted[name]:
                    return Mismatch(input=index, layer=plan.name, what=f"{name} cycles".strip(), expected=wanted[name],
                                    got=got)
        return Mismatch(input=index, layer="END", what="cycles", expected=self.program.cycles,
                        got=int(observed.engine_cycles[index]))

    def _trace(self, file: Path) -> None:
        index, image = 0, self.program.image
        if self.first:
            index = self.first.input
            names = [plan.name for plan in self.program.layers]
            image = self.program.prefix(names.index(self.first.layer) + 1).image if self.first.layer in names else image
        file.parent.mkdir(parents=True, exist_ok=True)
        self.rung.trace(image, self.inputs[index:index + 1], file)


def _verify_array(program: Program, tensors: Sequence[np.ndarray], store: Store,
                  names: dict[str, str]) -> VerifyReport:
    """Accumulators, without pauses and with random ones; the array counts no cycles."""
    from flows.verify.array import array_differences  # brings cocotb with it

    mismatches, first = 0, None
    for stalls in (None, TRAFFIC_SEED):
        for layer, wanted, got in array_differences(program, tensors, store, stalls=stalls):
            count, found = differences(layer, wanted, got, "accumulator")
            mismatches, first = mismatches + count, first or found
    return VerifyReport(
        **names, level="array", inputs=len(tensors[0]), mismatches=mismatches, first_mismatch=first, cycles=(),
        engine_cycles=(), predicted_cycles=program.cycles, layers=tuple(_layer_reports(program, None, 0)))


def differences(layer: str, wanted: np.ndarray, got: np.ndarray, what: str) -> tuple[int, Mismatch | None]:
    """How many elements differ, and the first that does: ``(N, height, width, channels)``."""
    places = np.argwhere(wanted != got)
    if not len(places):
        return 0, None
    index, y, x, channel = places[0].tolist()
    return len(places), Mismatch(input=index, layer=layer, what=what, channel=channel, position=(y, x),
                                 expected=int(wanted[index, y, x, channel]), got=int(got[index, y, x, channel]))


def _terms(plan: Any) -> dict[str, int]:
    """The prediction for a layer, in the order of the layer log."""
    terms = asdict(plan.cycle_terms)
    return {name: terms[name] for name in COUNTERS}


def _shown(observed: Observed, index: int) -> list[dict[str, int]]:
    """What each layer of input ``index`` took: by counter where they were read, and in all, under an empty name."""
    totals = observed.layer_cycles[index].tolist()
    if observed.counters is None:
        return [{"": total} for total in totals]
    return [{**dict(zip(COUNTERS, counters, strict=True)), "": total}
            for total, counters in zip(totals, observed.counters[index].tolist(), strict=True)]


def _layer_reports(program: Program, observed: Observed | None, index: int) -> Iterator[LayerReport]:
    shown = [None] * len(program.layers) if observed is None else _shown(observed, index)
    for plan, seen in zip(program.layers, shown, strict=True):
        counters = {name: seen[name] for name in COUNTERS} if seen and len(seen) > 1 else None
        yield LayerReport(name=plan.name, op=plan.op, macs=plan.macs, cycles=seen[""] if seen else None,
                          predicted_cycles=plan.cycles, counters=counters, predicted_counters=_terms(plan))


def verify_model(model: str, design: str, board: str | None = None, *, level: str = "engine", inputs: int = 32,
                 inputs_from: Path | None = None, trace: Path | None = None,
                 store: Store | None = None) -> dict[str, Any]:
    """The document of ``heddle verify``; ``first_mismatch`` is None exactly where all is as predicted.

    Inputs come from ``inputs_from``, else from ``NAME_vectors.npz`` beside the model, else from a seed; at most
    ``inputs`` of them.

    Raises
    ------
    HeddleError
        If something is unknown, does not fit, or a tool fails.
    """
    from flows.train.model import load_model  # brings the trainer with it

    point, chosen = load_target(design, board)
    loaded = load_model(model, weight_bits=point.weight_bits)
    beside = vectors_beside(loaded.path)
    given, outputs = choose_inputs(loaded.graph, inputs_from or (beside if beside.is_file() else None), inputs)
    return verify(loaded.graph, point, level=level, inputs=given, outputs=outputs,
                  board=chosen, store=store or open_store(), trace=trace,
                  model=model, design_name=design).document()
