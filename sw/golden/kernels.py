"""What the CPU computes of a network: its functions, and the graph's operators that they serve.

A function is a C file of the firmware, ``sw/firmware/src/kernels/NAME.c``, and the same in numpy here. It is told
everything by the words of its call in the model image (``hw.spec.image``): ``fields`` name the first ones, a table
follows. ``FUNCTIONS`` and ``OPERATORS`` are the only lists of them: the compiler, the golden interpreter, the
generated C header and the firmware's build read these.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hw.spec.image import Call
from sw.golden import convert, costs, elementwise, log_softmax, movement, pooling, waveform
from sw.golden.function import Fields, Function, Place, Task, as_words, words_of
from sw.golden.requantize import requantize_table, requantize_value
from sw.golden.softmax import exponentials, normalize, softmax, softmax_row
from sw.golden.weighted import WEIGHTED_CALL, weighted, weighted_plain, weighted_tasks
from sw.golden.words import ProgramError
from sw.graph.layer import POOLS, WEIGHTED, Layer, TensorType

__all__ = ["FUNCTIONS", "OPERATORS", "TABLES", "CpuOperator", "Function", "call_cycles", "call_of", "constant_call",
           "copy_call", "make_call", "name_of", "places_of", "run_call", "sources_of"]

Layers = Callable[[Layer, Sequence[TensorType], Sequence[np.ndarray]], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class CpuOperator:
    """An operator of the graph that the CPU runs."""

    batch: Layers                 # (N, *shape) of each taken tensor to the layer's output
    plain: Layers                 # the definition, of one input
    #: Of layer, taken types, addresses of the taken tensors, address of the output.
    tasks: Callable[[Layer, Sequence[TensorType], Sequence[int], int], Sequence[Task]]

    def calls(self, layer: Layer, taken: Sequence[TensorType], *, sources: Sequence[int], output: int) -> list[Call]:
        """The calls that compute ``layer`` from the tensors at ``sources`` to the one at ``output``."""
        return [call_of(task) for task in self.tasks(layer, taken, sources, output)]


def _table_run(fields: Fields, table: np.ndarray, memory: np.ndarray) -> None:
    source, output, size = fields["source"], fields["output"], fields["bytes"]
    memory[output:output + size] = table.view(np.int8)[memory[source:source + size].astype(np.int64) + 128]


def _softmax_run(fields: Fields, table: np.ndarray, memory: np.ndarray) -> None:
    powers = np.zeros(256, np.int64)
    powers[:fields["entries"]] = table[:fields["entries"]]
    size = fields["rows"] * fields["channels"]
    rows = memory[fields["source"]:fields["source"] + size].reshape(-1, fields["channels"])
    memory[fields["output"]:fields["output"] + size] = normalize(rows, powers).reshape(-1)


def _one_to_one(size: Callable[[Fields], int]) -> dict[str, Callable[[Fields], Sequence[Place]]]:
    """What a function reads and writes that gives as many bytes as it takes."""
    return {"reads": lambda fields: [(fields["source"], size(fields))],
            "writes": lambda fields: [(fields["output"], size(fields))]}


#: The functions of the CPU, by the names of their C files; the first one has number 1 in the image.
FUNCTIONS: Mapping[str, Function] = {
    # each byte is looked up; the table has the outputs of -128, -127, ... 127
    "table": Function(fields=("source", "output", "bytes"), addresses=("source", "output"), run=_table_run,
                      cycles=costs.table,
                      **_one_to_one(lambda fields: fields["bytes"])),
    # the table has the exponentials of the first differences to a row's maximum; later ones are 0
    "softmax": Function(fields=("source", "output", "rows", "channels", "entries"), addresses=("source", "output"),
                        run=_softmax_run, cycles=costs.softmax,
                        **_one_to_one(lambda fields: fields["rows"] * fields["channels"])),
    "copy": movement.COPY, "fill": movement.FILL, "constant": movement.CONSTANT, "resize": movement.RESIZE,
    "binary": elementwise.BINARY, "mean": pooling.MEAN, "pool": pooling.POOL, "log_softmax": log_softmax.LOG_SOFTMAX,
    "quantize": convert.QUANTIZE, "dequantize": convert.DEQUANTIZE,
    "weighted": WEIGHTED_CALL, "features": waveform.FEATURES,
}


def _softmax_tasks(layer: Layer, taken: Sequence[TensorType], sources: Sequence[int], output: int) -> list[Task]:
    kind, = taken
    powers = exponentials(layer)[:kind.high - kind.low + 1]
    table = powers[:int(np.flatnonzero(powers)[-1]) + 1].tolist()
    return [Task(function="softmax", table=table, fields={
        "source": sources[0], "output": output, "rows": kind.size // kind.shape[-1], "channels": kind.shape[-1],
        "entries": len(table)})]


def _softmax_plain(layer: Layer, taken: Sequence[TensorType], data: Sequence[np.ndarray]) -> np.ndarray:
    rows = data[0].reshape(-1, data[0].shape[-1]).tolist()
    return np.array([softmax_row(layer, row) for row in rows], np.int8).reshape(data[0].shape)


def _by_table(table: Callable[[Layer, TensorType], np.ndarray],
              plain: Callable[[Layer, TensorType, int], int]) -> CpuOperator:
    """An operator on bytes alone, by its table of 256 and its definition for one value."""
    return CpuOperator(
        batch=lambda layer, taken, data: table(layer, taken[0])[data[0].view(np.int8).astype(np.int64) + 128].view(
            layer.output.dtype),
        plain=lambda layer, taken, data: np.array(
            [plain(layer, taken[0], value) for value in data[0].view(np.int8).ravel().tolist()], np.int8).reshape(
                data[0].shape).view(layer.output.dtype),
        tasks=lambda layer, taken, sources, output: [Task(
            function="table", table=as_words(table(layer, taken[0]).tobytes()),
            fields={"source": sources[0], "output": output, "bytes": taken[0].size})])


#: Operators on bytes alone: of layer and taken type, int8 (256,): what -128, -127, ... 127 become.
TABLES: Mapping[str, Callable[[Layer, TensorType], np.ndarray]] = {
    "requantize": requantize_table,
    "table": lambda layer, taken: layer.weights,
}

#: The operators that the CPU runs, by their names in a graph; some of them an engine may run as well.
OPERATORS: Mapping[str, CpuOperator] = {
    "softmax": CpuOperator(batch=lambda layer, taken, data: softmax(layer, data[0]), plain=_softmax_plain,
                           tasks=_softmax_tasks),
    "requantize": _by_table(TABLES["requantize"], requantize_value),
    "table": _by_table(TABLES["table"], lambda layer, taken, value: int(layer.weights[value + 128])),
    **{op: CpuOperator(batch=elementwise.binary, plain=elementwise.binary_plain, tasks=elementwise.binary_tasks)
       for op in elementwise.KINDS},
    **{op: CpuOperator(batch=pooling.pool, plain=pooling.pool_plain, tasks=pooling.pool_tasks) for op in POOLS},
    **{op: CpuOperator(batch=weighted, plain=weighted_plain, tasks=weighted_tasks) for op in WEIGHTED},
    "mean": CpuOperator(batch=pooling.mean, plain=pooling.mean_plain, tasks=pooling.mean_tasks),
    "log_softmax": CpuOperator(batch=log_softmax.log_softmax, plain=log_softmax.log_softmax_plain,
                               tasks=log_softmax.log_softmax_tasks),
    "concat": CpuOperator(batch=movement.concat, plain=movement.concat_plain, tasks=movement.concat_tasks),
    "gather": CpuOperator(batch=movement.gather, plain=movement.gather_plain, tasks=movement.gather_tasks),
    "pad": CpuOperator(batch=movement.pad, plain=movement.pad_plain, tasks=movement.pad_tasks),
    "resize": CpuOperator(batch=movement.resize, plain=movement.resize_plain, tasks=movement.resize_tasks),
    "quantize": CpuOperator(batch=convert.quantize, plain=convert.quantize_plain, tasks=convert.quantize_tasks),
    "dequantize": CpuOperator(batch=convert.dequantize, plain=convert.dequantize_plain,
                              tasks=convert.dequantize_tasks),
    "features": CpuOperator(batch=waveform.waveform_features, plain=waveform.waveform_features_plain,
                            tasks=waveform.waveform_features_tasks),
}


def make_call(function: str, fields: Fields, table: Sequence[int] = ()) -> Call:
    """The call of a function of the CPU.

    >>> make_call("table", {"source": 0, "output": 4, "bytes": 3}, [0] * 64).words[:3]
    (0, 4, 3)
    """
    return Call(runner=1 + list(FUNCTIONS).index(function), words=words_of(FUNCTIONS[function], fields, table))


def call_of(task: Task) -> Call:
    return make_call(task.function, task.fields, task.table)


def constant_call(values: np.ndarray, *, output: int) -> Call:
    """Writes a constant's or an initial state's bytes to ``output``."""
    return call_of(movement.constant(values, output))


def copy_call(*, source: int, output: int, size: int) -> Call:
    """Moves ``size`` bytes, from one place to another that has none of them."""
    task, = movement.copies((size,), (1,), (1,), source=source, output=output)
    return call_of(task)


def name_of(call: Call) -> str:
    """Of the function that runs a call of the CPU; raises ProgramError where none does."""
    if not 1 <= call.runner <= len(FUNCTIONS):
        raise ProgramError(f"call of function {call.runner}: there are 1 to {len(FUNCTIONS)}; compile the model again")
    return list(FUNCTIONS)[call.runner - 1]


def _function_of(call: Call) -> tuple[Function, dict[str, int]]:
    """Who runs a call of the CPU, and its fields; raises ProgramError where nobody does."""
    function = FUNCTIONS[name_of(call)]
    if len(call.words) < len(function.fields):
        raise ProgramError(f"call of function {call.runner}: {len(call.words)} words; it takes {len(function.fields)} "
                           f"and a table; compile the model again")
    signed = np.array(call.words[:len(function.fields)], np.uint32).view(np.int32).tolist()
    return function, dict(zip(function.fields, signed, strict=True))


def places_of(call: Call) -> tuple[list[Place], list[Place]]:
    """What a call of the CPU reads and what it writes: address and bytes of each place in the activation scratchpad."""
    function, fields = _function_of(call)
    return list(function.reads(fields)), list(function.writes(fields))


def sources_of(calls: Iterable[Call]) -> Iterable[tuple[int, int]]:
    """Start and end in the activation scratchpad of everything that the calls of the CPU read."""
    for call in calls:
        for address, size in places_of(call)[0]:
            yield address, address + size


def call_cycles(call: Call) -> float:
    """Estimated clock cycles of a call of the CPU, see :mod:`sw.golden.costs`."""
    function, fields = _function_of(call)
    return float(function.cycles(fields))


def run_call(call: Call, memory: np.ndarray) -> None:
    """Run a call of the CPU on ``memory`` int8, the activation scratchpad, of one inference.

    Raises
    ------
    ProgramError
        If it is of no function, or reaches beyond the memory.
    """
    function, fields = _function_of(call)
    for address, size in (*function.reads(fields), *function.writes(fields)):
        if address < 0 or address + size > len(memory):
            raise ProgramError(f"call of function {call.runner}: reaches byte {min(address, 0) or address + size} of "
                               f"{len(memory)} activations; compile the model again")
    function.run(fields, np.array(call.words[len(function.fields):], "<u4"), memory)
