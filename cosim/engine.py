"""The engine in Verilator, for whole data sets: one fast executable per design, called with numpy arrays.

The simulator is a process of its own, so that a model that crashes or hangs is an error here and not the end of the
caller. ``cosim/engine.cpp`` is its other half.

What makes it fast, and what is therefore left to cocotb's slower simulation of the same gateware: the engine starts
from its initial values and is never reset, and products of exact multiplier kinds are plain multiplications
(:func:`simulated_design`).
"""

import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from cosim.bench import build_bench, run_bench
from cosim.lanes import ONE, Lanes, widen
from cosim.process import SimulationError, exchange
from cosim.verilate import verilate
from hw.emit.verilog import engine_verilog
from hw.spec.commands import COMMAND_BITS, COUNTERS, ERRORS, OPCODES, decode
from hw.spec.design import DesignPoint
from hw.spec.image import ENGINE, HEADER_BYTES, Call, reset_calls, unpack_calls, unpack_header
from hw.spec.multipliers import MULTIPLIERS
from hw.spec.registers import ACT_WINDOW, LAYER_LOG, LOG_WORDS, REGISTERS, WEIGHT_WINDOW, WINDOW_BYTES
from hw.spec.stream import MEMORY_LATENCY_CYCLES
from sw.golden.kernels import run_call, sources_of

__all__ = ["EngineEnd", "EngineRun", "build_engine", "build_engine_bench", "build_simulator", "run_engine",
           "run_engine_bench", "run_to_any_end", "simulated_design", "takes_lanes"]

CYCLE_LIMIT = 200_000_000      # of one inference; MobileNet-sized networks end well below
ANSWER = struct.Struct("<8IQd")
FAILURES = ("", "the run did not end", "the bus did not answer", "the engine stopped with an error",
            "DONE is not the ticket of the run", "ID is not the fingerprint in the image",
            "the engine asked for weights outside the image's stream",
            "what steers the engine differs between the inputs that it was given side by side")
#: How Verilator names the memories that hold an inference's data.
INPUT_MEMORY = re.compile(r"__DOT__acts(__DOT__bank\d+)?(__DOT__cell__DOT__words)?$")
#: The engine without its reset: Verilator then leaves the reset out of every register.
WRAPPER = """
module heddle_engine_bench(
    input clk, bus__cyc, bus__stb, bus__we, input [3:0] bus__sel, input [{address}:0] bus__adr,
    input [31:0] bus__dat_w, output [31:0] bus__dat_r, output bus__ack, irq{memory}
);
    heddle_engine engine(.rst(1'b0), {connected});
endmodule
"""
PORTS = ("clk", "bus__cyc", "bus__stb", "bus__we", "bus__sel", "bus__adr", "bus__dat_w", "bus__dat_r", "bus__ack",
         "irq")
MEMORY_PORTS = """,
    output memory__request__valid, input memory__request__ready, output [31:0] memory__request__payload__address,
    output [15:0] memory__request__payload__beats, input memory__data__valid, input [{high}:0] memory__data__payload"""


@dataclass(frozen=True, kw_only=True, eq=False)
class EngineRun:
    """What the engine, and golden between its runs, gave for N inputs to a program of L layers."""

    outputs: np.ndarray          # int8 (N, output_bytes)
    cycles: np.ndarray           # int64 (N,): the engine's CYCLES register, start to done, of all its runs together
    counters: np.ndarray         # int64 (N, L, 5): its layer log, in the order of hw.spec.commands.COUNTERS
    simulated_cycles: int        # all clock cycles, uploads and reads included; of inputs side by side once
    cpu_s: float                 # processor time of the simulation, without the process's start

    @property
    def layer_cycles(self) -> np.ndarray:
        """int64 (N, L): all clock cycles of each layer."""
        return self.counters.sum(axis=2)

    @property
    def inferences_per_s(self) -> float:
        """On one core that does nothing else, uploads included."""
        return len(self.cycles) / self.cpu_s

    @property
    def cycles_per_s(self) -> float:
        return self.simulated_cycles / self.cpu_s


def simulated_design(design: DesignPoint) -> DesignPoint:
    """The design that gives the same bits in the same cycles, and is simulated fastest.

    An exact multiplier kind equals the plain product for every pair of operands (tests/cosim/test_conformance.py), and
    nothing else in the engine depends on the kind, except where neighbouring columns share multipliers or weights are
    split: these are simulated as they are. A netlist of partial products takes half of the simulation.

    >>> simulated_design(DesignPoint(multiplier="lut")).multiplier
    'dsp'
    >>> simulated_design(DesignPoint(multiplier="trunc")).multiplier
    'trunc'
    """
    kind = MULTIPLIERS[design.multiplier]
    exact = kind.exact(design.weight_bits) and kind.ways == 1 and not kind.splits
    return replace(design, multiplier="dsp") if exact else design


def takes_lanes(design: DesignPoint) -> bool:
    """Whether its simulator can take several inputs side by side.

    A compact engine reads its commands from the memory that inputs are put into: there everything depends on the data.
    """
    return design.control_apart


def build_engine(design: DesignPoint, out: Path, *, trace: bool = False, lanes: Lanes = ONE) -> Path:
    """Generate and compile the simulator of ``design`` in folder ``out``; returns ``out``.

    With ``trace`` it can write waves: of the design itself, multipliers included, and several times slower. With
    ``lanes`` it takes so many inputs side by side (``cosim.lanes``): the same outputs, cycles and counters, sooner.
    """
    simulated = design if trace else simulated_design(design)
    return build_simulator(engine_verilog(simulated), out, trace=trace, stream_bytes=design.stream_bytes,
                           id_difference=simulated.fingerprint ^ design.fingerprint, lanes=lanes)


def build_simulator(verilog: str, out: Path, *, trace: bool = False, stream_bytes: int = 0,
                    id_difference: int = 0, lanes: Lanes = ONE) -> Path:
    """As :func:`build_engine`, from Verilog with the ports of ``hw.gateware.engine.Engine``.

    Parameters
    ----------
    stream_bytes : bytes per cycle of the memory outside; 0 if the engine has no port to it.
    id_difference : exclusive or of its ``ID`` and the fingerprint in the images that it runs.
    lanes : the inputs side by side; more than one if its activation memory is named as an engine's, and without waves.
    """
    out.mkdir(parents=True, exist_ok=True)
    source = out / "heddle_engine.v"
    source.write_text(verilog + _wrapper(stream_bytes), encoding="utf-8")
    values = {**{f"REG_{name}": offset for name, (offset, _) in REGISTERS.items()}, "ACT_WINDOW": ACT_WINDOW,
              "WEIGHT_WINDOW": WEIGHT_WINDOW, "LAYER_LOG": LAYER_LOG, "LOG_WORDS": LOG_WORDS,
              "COUNTERS": len(COUNTERS), "ID_DIFFERENCE": id_difference, "STREAM_BYTES": stream_bytes,
              "MEMORY_LATENCY_CYCLES": MEMORY_LATENCY_CYCLES, "LANES": lanes.count}
    harness = Path(__file__).with_name("engine.cpp")
    verilate([source], "heddle_engine_bench", [harness], out, optimize=3, trace=trace,
             rewrite=partial(widen, memories=INPUT_MEMORY) if lanes.count > 1 else None,
             options=(*lanes.options, f"-I{harness.parent}"),
             defines=[f"{name}={value:#x}" for name, value in values.items()])
    return out


def _wrapper(stream_bytes: int) -> str:
    memory = MEMORY_PORTS.format(high=8 * stream_bytes - 1) if stream_bytes else ""
    connected = ", ".join(f".{port}" for port in [*PORTS, *re.findall(r"memory__\w+", memory)])
    return WRAPPER.format(address=(WINDOW_BYTES // 4 - 1).bit_length() - 1, memory=memory, connected=connected)


def run_engine(directory: Path, image: bytes, inputs: np.ndarray, *, cycle_limit: int = CYCLE_LIMIT,
               limit_s: float = 3600, traffic: int = 0, stalls: int = 0, trace: Path | None = None,
               traced_input: int = 0, known: dict[bytes, EngineRun] | None = None, jobs: int = 1) -> EngineRun:
    """Upload a model image and run it for every input, without a reset between them.

    The golden functions do what the image leaves to the CPU. Where the engine runs several times in an inference, it
    makes each run for all inputs before the next one.

    Parameters
    ----------
    directory : what :func:`build_engine` returned.
    image : a model image (``hw.spec.image``); its header says where input and output are.
    inputs : int8 (N, ...), ``input_bytes`` each.
    cycle_limit : clock cycles that one run of the engine may take.
    limit_s : seconds that the simulation of a run may take.
    traffic : if not 0, the seed of bus accesses while the engine runs; the outputs are the same, the cycles are not.
    stalls : if not 0, the seed of pauses of the memory outside, where weights stream from there; likewise.
    trace : VCD file for the waves of input number ``traced_input``; needs a simulator built with ``trace``. The second
        run of the engine in an inference has a file of its own, ``NAME_2.vcd``, and so on.
    known : runs that were simulated before, in this simulator and without traffic and stalls; the same run on the same
        memory is taken from there, and a new one is added. An image and its beginnings share most of their runs.
    jobs : simulators at the same time, each for a part of the inputs; one where waves are written.

    Raises
    ------
    ValueError
        If the inputs do not fit the image.
    SimulationError
        If the simulator crashes, or a run does not end, ends with an error, or on another engine than the image's.
    SpecError
        If ``image`` is damaged.
    """
    header = unpack_header(image)
    size = int(np.prod(inputs.shape[1:]))
    if inputs.dtype != np.int8 or size != header["input_bytes"]:
        raise ValueError(f"inputs are {inputs.dtype} of {size} elements; the model image takes int8 of "
                         f"{header['input_bytes']}")
    runs: list[EngineRun] = []

    def run(call: Call, given: slice, data: np.ndarray, wanted: slice) -> np.ndarray:
        if known is None:
            runs.append(simulated(call, given, data, wanted))
        else:
            key = _run_key(image, call, given, data, wanted)
            if key not in known:
                known[key] = simulated(call, given, data, wanted)
            runs.append(known[key])
        return runs[-1].outputs

    def simulated(call: Call, given: slice, data: np.ndarray, wanted: slice) -> EngineRun:
        parts = 1 if trace else max(1, min(jobs, len(data)))
        starts = [len(data) * part // parts for part in range(parts + 1)]
        with ThreadPoolExecutor(parts) as pool:
            return _beside(list(pool.map(lambda first, end: part_of(call, given, data[first:end], wanted, first),
                                         starts, starts[1:])))

    def part_of(call: Call, given: slice, data: np.ndarray, wanted: slice, first: int) -> EngineRun:
        request = struct.pack(
            "<18I", len(data), len(image), header["fingerprint"], call.run["program"], given.start,
            given.stop - given.start, wanted.start, wanted.stop - wanted.start, call.run["layers"], cycle_limit,
            traced_input if trace else 0xFFFFFFFF, traffic, stalls, header["stream_offset"], header["stream_bytes"],
            header["stream_address"], call.run["stream_start"], 0)
        waves = [_waves(trace, len(runs)).resolve()] if trace else []
        return _read(exchange(directory / "sim", request + image + data.tobytes(), limit_s=limit_s, arguments=waves),
                     call.run["layers"], wanted.stop - wanted.start, cycle_limit, first)

    found = []
    for outputs in _follow(image, inputs.reshape(len(inputs), size), run):
        found.append(_together(outputs, runs))
        runs.clear()
    return _beside(found)


def _beside(parts: Sequence[EngineRun]) -> EngineRun:
    """All inputs of these."""
    return EngineRun(**{name: np.concatenate([getattr(part, name) for part in parts])
                        for name in ("outputs", "cycles", "counters")},
                     simulated_cycles=sum(part.simulated_cycles for part in parts),
                     cpu_s=sum(part.cpu_s for part in parts))


def _run_key(image: bytes, call: Call, given: slice, data: np.ndarray, wanted: slice) -> bytes:
    """Of everything that a run depends on: its commands, all weights behind them, what it finds, what is read.

    The commands of other runs, which differ between an image and its beginnings, are left out.
    """
    header = unpack_header(image)
    first = next(other for other in unpack_calls(image, header) if other.runner == ENGINE)
    word = HEADER_BYTES // first.run["program"]      # bytes; the first command follows the header
    at, commands, weights = call.run["program"] * word, b"", len(image)
    for _ in range(call.run["layers"] + 2):          # a STREAM, and an END
        command = image[at + len(commands):at + len(commands) + COMMAND_BITS // 8]
        commands += command
        fields = decode(int.from_bytes(command, "little"))
        if fields["opcode"] == OPCODES["END"]:
            break
        if fields["opcode"] == OPCODES["LAYER"] and not fields["stream"]:
            weights = min(weights, fields["weight_base"] * word)
    resident = image[weights:min(header["stream_offset"], header["calls_offset"])]
    streamed = image[header["stream_offset"]:header["calls_offset"]] if header["stream_bytes"] else b""
    digest = sha256(repr((call.words, given, wanted, header["fingerprint"], header["stream_address"], data.shape,
                          len(resident), len(streamed))).encode())
    for part in (commands, resident, streamed, np.ascontiguousarray(data).tobytes()):
        digest.update(part)
    return digest.digest()


def _together(outputs: np.ndarray, runs: Sequence[EngineRun]) -> EngineRun:
    """All runs of the engine in the same inferences."""
    none, nothing = np.zeros(len(outputs), np.int64), np.zeros((len(outputs), 0, len(COUNTERS)), np.int64)
    return EngineRun(outputs=outputs, cycles=np.sum([none, *(part.cycles for part in runs)], axis=0),
                     counters=np.concatenate([nothing, *(part.counters for part in runs)], axis=1),
                     simulated_cycles=sum(part.simulated_cycles for part in runs),
                     cpu_s=sum(part.cpu_s for part in runs))


def _waves(file: Path, run: int) -> Path:
    """Each run of the engine has a file of its own."""
    return file if run == 0 else file.with_stem(f"{file.stem}_{run + 1}")


def _follow(image: bytes, inputs: np.ndarray,
            run: Callable[[Call, slice, np.ndarray, slice], np.ndarray]) -> Iterator[np.ndarray]:
    """Make the calls of an image, those of the CPU with the golden functions; int8 ``(N, output_bytes)``.

    ``run`` makes a run of the engine: it puts int8 ``(N, ...)`` into a part of the activation scratchpad first, and
    gives another part back. What lives beside the tensors that these calls read and write is put there anew. All
    inferences make a call before any makes the next one; with states they follow each other, and come one by one.
    """
    header = unpack_header(image)
    calls, resets = unpack_calls(image, header), reset_calls(image, header)
    if not resets:
        memory = np.zeros((len(inputs), header["act_bytes"]), np.int8)
        yield _inferences(calls, header, inputs, memory, run, whole=False)
        return
    memory = np.zeros((1, header["act_bytes"]), np.int8)
    for call in resets:
        run_call(call, memory[0])
    for index in range(len(inputs)):
        yield _inferences(calls, header, inputs[index:index + 1], memory, run, whole=True)


def _inferences(calls: Sequence[Call], header: Mapping[str, int], inputs: np.ndarray, memory: np.ndarray,
                run: Callable[[Call, slice, np.ndarray, slice], np.ndarray], *, whole: bool) -> np.ndarray:
    """One for each input, on its own ``memory``, which changes; ``whole``: something in it matters beside the input."""
    given = slice(header["input_address"], header["input_address"] + header["input_bytes"])
    answer = slice(header["output_address"], header["output_address"] + header["output_bytes"])
    memory[:, given] = inputs
    everything = slice(0, memory.shape[1])
    given = everything if whole else given
    for index, call in enumerate(calls):
        if call.runner == ENGINE:
            wanted = everything if whole else _read_behind(calls[index + 1:], memory.shape[1], answer)
            memory[:, wanted] = run(call, given, memory[:, given], wanted)
        else:
            for one in memory:
                run_call(call, one)
        given = everything
    return memory[:, answer].copy()


def _read_behind(calls: Sequence[Call], act_bytes: int, answer: slice) -> slice:
    """What is needed of the activation scratchpad before these calls are made."""
    if not calls:
        return answer
    if any(call.runner == ENGINE for call in calls):
        return slice(0, act_bytes)
    starts, ends = zip((answer.start, answer.stop), *sources_of(calls), strict=True)
    return slice(min(starts), max(ends))


def _read(answer: bytes, layers: int, output_bytes: int, cycle_limit: int, first: int) -> EngineRun:
    """One run of the engine for each input, from the simulator's answer; the first one has the number ``first``."""
    failure, count, status, done, run_cycles, pc, outside, _, simulated, cpu_s = ANSWER.unpack_from(answer)
    if failure:
        what = FAILURES[failure] + (f", at {outside:#x}" if outside else "")
        raise SimulationError("engine simulation", f"input {first + count}: {what}",
                              detail=_registers(status, done, run_cycles, pc, cycle_limit), repeats=True)
    entries = 1 + layers * len(COUNTERS)
    logs = np.frombuffer(answer, "<u4", count * entries, ANSWER.size).reshape(count, entries).astype(np.int64)
    outputs = np.frombuffer(answer, np.int8, count * output_bytes, ANSWER.size + 4 * logs.size)
    return EngineRun(outputs=outputs.reshape(count, output_bytes), cycles=logs[:, 0],
                     counters=logs[:, 1:].reshape(count, layers, len(COUNTERS)),
                     simulated_cycles=simulated, cpu_s=cpu_s)


@dataclass(frozen=True, kw_only=True)
class EngineEnd:
    """How a program ended, or did not."""

    busy: bool           # it did not
    error: str           # of hw.spec.commands.ERRORS
    pc: int              # weight word of the last command that was fetched
    layer: int           # number of the layer that runs, or of the command it stopped at
    act: bytes | None    # the activation memory; None of a busy engine, which may keep it for itself


def run_to_any_end(directory: Path, image: bytes, act: bytes, *, cycle_limit: int) -> EngineEnd:
    """Run an image's one program, legal or not, on a whole activation memory; stop at ``cycle_limit`` cycles.

    Parameters are those of :func:`run_engine`; ``act`` holds what streams from there as well. Zeros at its end are not
    uploaded: the simulated memory begins with them.

    Raises
    ------
    SimulationError
        If the simulator crashes, or the bus of an idle engine does not answer.
    SpecError
        If ``image`` is damaged.
    """
    header, given = unpack_header(image), act.rstrip(b"\0")
    call, = unpack_calls(image, header)
    request = struct.pack("<18I", 1, len(image), header["fingerprint"], call.run["program"], 0, len(given), 0,
                          len(act), 0, cycle_limit, 0xFFFFFFFF, 0, 0, header["stream_offset"], header["stream_bytes"],
                          header["stream_address"], call.run["stream_start"], 1)
    answer = exchange(directory / "sim", request + image + given, limit_s=600)
    failure, _, status, _, _, pc, *_ = ANSWER.unpack_from(answer)
    busy = FAILURES[failure] == "the run did not end"
    if failure and not busy:
        raise SimulationError("engine simulation", FAILURES[failure], detail=f"STATUS {status:#010x}", repeats=True)
    names = {value: name for name, value in ERRORS.items()}
    return EngineEnd(busy=busy, error=names[status >> 8 & 255], pc=pc, layer=status >> 16,
                     act=None if busy else answer[ANSWER.size + 4:])


def _registers(status: int, done: int, run_cycles: int, pc: int, cycle_limit: int) -> str:
    names = {value: name for name, value in ERRORS.items()}
    return (f"STATUS {status:#010x} (busy {status & 1}, error {names.get(status >> 8 & 255, '?')}, "
            f"layer {status >> 16}), PC {pc:#x}, DONE {done}, CYCLES {run_cycles}, limit {cycle_limit} cycles")


def build_engine_bench(design: DesignPoint, out: Path) -> Path:
    """Compile the engine of ``design`` for cocotb in folder ``out``; returns ``out``."""
    return build_bench(engine_verilog(design), "heddle_engine", out)


def run_engine_bench(directory: Path, image: bytes, inputs: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Run a model image under cocotb, on a bus that stalls at random and meddles while the engine works.

    Parameters are those of :func:`run_engine`, ``directory`` is what :func:`build_engine_bench` returned; returns int8
    ``(N, output_bytes)``. It is thousands of times slower.

    Raises SimulationError if a run does not end, ends with an error, or ``irq`` did not come once for each run.
    """
    def run(call: Call, given: slice, data: np.ndarray, wanted: slice) -> np.ndarray:
        answer = run_bench(directory, "heddle_engine", "cosim.engine_bench", {
            "image": np.frombuffer(image, np.uint8), "inputs": data, "seed": np.array(seed),
            "program": np.array(call.run["program"]), "input": np.array(given.start),
            "output": np.array(wanted.start), "output_bytes": np.array(wanted.stop - wanted.start)})
        for index, (status, irqs) in enumerate(zip(answer["status"].tolist(), answer["irqs"].tolist(), strict=True)):
            if irqs != 1 or status & 0xFF01:
                raise SimulationError("engine bench", f"input {index}", detail=f"STATUS {status:#010x}, irq came "
                                      f"{irqs} times and should once", repeats=True)
        return answer["outputs"]

    return np.concatenate(list(_follow(image, inputs.reshape(len(inputs), -1), run)))
