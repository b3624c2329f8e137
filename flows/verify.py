"""``heddle verify``: one program and its inputs on a rung of the ladder, compared with the golden model."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from boards import Board, find_board
from cosim.array import run_array
from flows.rungs import Observed, Rung, stored_array, stored_engine, stored_soc
from flows.store import Store, open_store
from hw.spec.commands import COMMAND_BITS, OPCODES, encode
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError, SpecError
from hw.spec.image import HEADER_BYTES, pack_header, unpack_header
from hw.spec.presets import load_design
from sw.compiler import Program, compile_graph
from sw.compiler.lower import pooling_scale
from sw.golden import accumulate, run
from sw.graph.graph import Graph

__all__ = ["LEVELS", "LayerReport", "Mismatch", "VerifyReport", "read_vectors", "stopped", "verify", "verify_model"]

LEVELS = ("array", "engine", "soc", "netlist", "board")
TENSOR_CYCLES = 20_000_000      # simulated for the tensors inside the network: decides how many inputs these take
SLOWER = 100                    # times as long as predicted, that is a hang; bus traffic explains a part of that
TRAFFIC_SEED = 1
SEED = 0                        # of random inputs


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """The first difference: in a value (then with channel and position), or in clock cycles."""

    input: int
    layer: str
    what: str                             # "value", "accumulator", "value under bus traffic", "cycles"
    channel: int | None = None
    position: tuple[int, int] | None = None   # y, x
    expected: int
    got: int

    def __str__(self) -> str:
        place = "" if self.position is None else f", channel {self.channel}, position {self.position}"
        return f"input {self.input}, layer {self.layer}{place}: {self.what} {self.got}, expected {self.expected}"


@dataclass(frozen=True, kw_only=True)
class LayerReport:
    """One layer's cycles: of the first input that differs from the prediction, else of the first one."""

    name: str
    op: str
    macs: int
    cycles: int | None                    # None where the level has no counter
    predicted_cycles: int


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
    outputs : int8 ``(N, ...)``, what the last layer must give; without it the golden model says.
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
    tensors = run(graph, inputs, design)
    names = {"model": model or graph.name, "design": design_name or design.label, "board": board.name}
    if level == "array":
        return _verify_array(program, tensors, stored_array(store, design), names)
    rung = rung or (stored_engine(store, design) if level == "engine" else stored_soc(store, design, board))
    return _Check(program, inputs, tensors, outputs, rung).report(names, trace)


class _Check:
    """One program on one rung."""

    def __init__(self, program: Program, inputs: np.ndarray, tensors: Sequence[np.ndarray],
                 outputs: np.ndarray | None, rung: Rung) -> None:
        self.program, self.inputs, self.rung = program, inputs, rung
        self.wanted = list(tensors)
        if outputs is not None:
            self.wanted[-1] = outputs.reshape(tensors[-1].shape)
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
        differing = _first_true((observed.layer_cycles != _predicted(program)).any(1)
                                | (observed.engine_cycles != program.cycles))
        self.first = self.first or self._cycles(observed, differing)
        if trace:
            self._trace(trace)
        shown = observed.layer_cycles[differing or 0].tolist()
        return VerifyReport(
            **names, level=rung.level, inputs=len(self.inputs), mismatches=self.mismatches, first_mismatch=self.first,
            cycles=tuple(observed.cycles.tolist()), engine_cycles=tuple(observed.engine_cycles.tolist()),
            predicted_cycles=program.cycles, layers=tuple(_layer_reports(program, shown)))

    def _run(self, image: bytes, inputs: np.ndarray, traffic: int = 0) -> Observed:
        return self.rung.run(image, inputs, cycle_limit=SLOWER * self.program.cycles, traffic=traffic)

    def _outputs(self, got: np.ndarray, what: str) -> None:
        """Compare the last tensor; where it differs, look for the layer that went wrong first."""
        count, found = _compare(self.program, self.wanted, len(self.program.layers), got, what)
        self.mismatches += count
        if found and not self.first:
            self.first = self._earliest(found)

    def _earliest(self, found: Mismatch) -> Mismatch:
        """The same input again, stopped after each layer."""
        one = slice(found.input, found.input + 1)
        traffic = TRAFFIC_SEED if "traffic" in found.what else 0
        for layers in range(1, len(self.program.layers)):
            got = self._run(stopped(self.program, layers), self.inputs[one], traffic).outputs
            _, earlier = _compare(self.program, [tensor[one] for tensor in self.wanted], layers, got, found.what)
            if earlier:
                return Mismatch(**{**vars(earlier), "input": found.input})
        return found

    def _inner_tensors(self) -> None:
        """Every tensor before the last, of as many inputs as time allows."""
        few = self._few()
        for layers in range(1, len(self.program.layers)):
            got = self._run(stopped(self.program, layers), self.inputs[:few]).outputs
            count, found = _compare(self.program, [tensor[:few] for tensor in self.wanted], layers, got, "value")
            self.mismatches += count
            self.first = self.first or found

    def _few(self) -> int:
        ends = np.cumsum(_predicted(self.program))
        return int(np.clip(TENSOR_CYCLES // ends.sum(), 1, len(self.inputs)))

    def _cycles(self, observed: Observed, differing: int | None) -> Mismatch | None:
        """The first input, and its first layer, whose cycles are not as predicted."""
        if differing is None:
            return None
        layers = zip(self.program.layers, observed.layer_cycles[differing].tolist(), strict=True)
        for plan, cycles in layers:
            if cycles != plan.cycles:
                return Mismatch(input=differing, layer=plan.name, what="cycles", expected=plan.cycles, got=cycles)
        return Mismatch(input=differing, layer="END", what="cycles", expected=self.program.cycles,
                        got=int(observed.engine_cycles[differing]))

    def _trace(self, file: Path) -> None:
        index, image = 0, self.program.image
        if self.first:
            index = self.first.input
            names = [plan.name for plan in self.program.layers]
            image = stopped(self.program, names.index(self.first.layer) + 1) if self.first.layer in names else image
        file.parent.mkdir(parents=True, exist_ok=True)
        self.rung.trace(image, self.inputs[index:index + 1], file)


def stopped(program: Program, layers: int) -> bytes:
    """The program's own model image, made to end after ``layers`` layers and to give the tensor there."""
    if layers == len(program.layers):
        return program.image
    header, body = unpack_header(program.image), bytearray(program.image[HEADER_BYTES:])
    size = COMMAND_BITS // 8
    at = header["program"] * program.design.weight_word_bits // 8 - HEADER_BYTES + layers * size
    body[at:at + size] = encode({"opcode": OPCODES["END"]}).to_bytes(size, "little")
    tensor = program.tensors[layers]
    changes = {"layers": layers, "output_address": tensor.address, "output_bytes": tensor.size}
    return pack_header({**header, **changes}, bytes(body)) + bytes(body)


def _verify_array(program: Program, tensors: Sequence[np.ndarray], simulator: Path,
                  names: dict[str, str]) -> VerifyReport:
    """Accumulators, without pauses and with random ones; the array counts no cycles."""
    mismatches, first = 0, None
    for stalls in (None, TRAFFIC_SEED):
        sums = run_array(simulator, program, tensors, stalls=stalls)
        for index, (layer, got) in enumerate(zip(program.graph.layers, sums, strict=True)):
            wanted = accumulate(layer, program.graph.types()[index], tensors[index], program.design)
            if layer.op == "avgpool":
                wanted = wanted * pooling_scale(layer.kernel[0] * layer.kernel[1], program.design.weight_bits)[0]
            count, found = _differences(layer.name, wanted, got, "accumulator")
            mismatches, first = mismatches + count, first or found
    return VerifyReport(
        **names, level="array", inputs=len(tensors[0]), mismatches=mismatches, first_mismatch=first, cycles=(),
        engine_cycles=(), predicted_cycles=program.cycles,
        layers=tuple(_layer_reports(program, [None] * len(program.layers))))


def _compare(program: Program, wanted: Sequence[np.ndarray], layers: int, got: np.ndarray,
             what: str) -> tuple[int, Mismatch | None]:
    """The tensor after ``layers`` layers, of the first ``len(got)`` inputs."""
    tensor = wanted[layers][:len(got)]
    return _differences(program.layers[layers - 1].name, tensor, got.reshape(tensor.shape), what)


def _differences(layer: str, wanted: np.ndarray, got: np.ndarray, what: str) -> tuple[int, Mismatch | None]:
    """How many elements differ, and the first that does: ``(N, height, width, channels)``."""
    places = np.argwhere(wanted != got)
    if not len(places):
        return 0, None
    index, y, x, channel = places[0].tolist()
    return len(places), Mismatch(input=index, layer=layer, what=what, channel=channel, position=(y, x),
                                 expected=int(wanted[index, y, x, channel]), got=int(got[index, y, x, channel]))


def _predicted(program: Program) -> np.ndarray:
    return np.array([plan.cycles for plan in program.layers])


def _first_true(flags: np.ndarray) -> int | None:
    return int(flags.argmax()) if flags.any() else None


def _layer_reports(program: Program, cycles: Sequence[int | None]) -> Iterator[LayerReport]:
    for plan, seen in zip(program.layers, cycles, strict=True):
        yield LayerReport(name=plan.name, op=plan.op, macs=plan.macs, cycles=seen, predicted_cycles=plan.cycles)


def read_vectors(path: Path, graph: Graph) -> tuple[np.ndarray, np.ndarray | None]:
    """``inputs`` and, if there, ``outputs`` of an .npz file, shaped for ``graph``.

    Raises
    ------
    SpecError
        If the file cannot be read or does not fit the graph.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in ("inputs", "outputs") if name in stored.files}
    except Exception as error:  # numpy raises many kinds for a broken file
        raise SpecError(f"{path}: no vectors ({type(error).__name__}: {error}); give an .npz file with an int8 array "
                        f"'inputs'") from error
    if "inputs" not in arrays:
        raise SpecError(f"{path}: has no array 'inputs'; give an .npz file with an int8 array 'inputs'")
    inputs, outputs = arrays["inputs"], arrays.get("outputs")
    for name, array, kind in (("inputs", inputs, graph.input), ("outputs", outputs, graph.output)):
        if array is not None and (array.dtype != np.int8 or not array.ndim or not len(array)
                                  or array[0].size != kind.size or len(array) != len(inputs)):
            raise SpecError(f"{path}: {name!r} is {array.dtype}{array.shape}; {graph.name} has int8 (N, "
                            f"{', '.join(map(str, kind.shape))}) there")
    return inputs.reshape(-1, *graph.input.shape), None if outputs is None else outputs.reshape(
        -1, *graph.output.shape)


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
    from flows.models import load_model  # brings the trainer with it

    point = load_design(design)
    loaded = load_model(model, weight_bits=point.weight_bits)
    graph = loaded.graph
    beside = loaded.path.with_name(f"{loaded.path.stem}_vectors.npz")
    if inputs_from or beside.is_file():
        given, outputs = read_vectors(inputs_from or beside, graph)
    else:
        given = np.random.default_rng(SEED).integers(-128, 128, (inputs, *graph.input.shape)).astype(np.int8)
        outputs = None
    return verify(graph, point, level=level, inputs=given[:inputs], outputs=None if outputs is None else
                  outputs[:inputs], board=find_board(board or point.board), store=store or open_store(), trace=trace,
                  model=model, design_name=design).document()
