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
from sw.golden.requantize import requantize_table, requantize_value
from sw.golden.softmax import exponentials, normalize, softmax, softmax_row
from sw.golden.words import ProgramError
from sw.graph.layer import Layer, TensorType

__all__ = ["FUNCTIONS", "OPERATORS", "CpuOperator", "Function", "make_call", "run_call", "sources_of"]

Layers = Callable[[Layer, Sequence[TensorType], Sequence[np.ndarray]], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function of the CPU, on the activations."""

    fields: tuple[str, ...]       # of its first words; "source" and "output" are addresses of tensors
    taken: Callable[[Mapping[str, int]], int]                            # bytes of its source
    run: Callable[[Mapping[str, int], np.ndarray, np.ndarray], np.ndarray]      # of fields, table, source: the output


@dataclass(frozen=True, kw_only=True)
class CpuOperator:
    """An operator of the graph that the CPU runs."""

    function: str
    batch: Layers                 # int8 (N, *shape) of each taken tensor to the layer's output
    plain: Layers                 # the definition, of one input: int8 (height, width, channels)
    words: Callable[[Layer, TensorType], tuple[Mapping[str, int], Sequence[int]]]   # fields but addresses, and table


def _table_run(fields: Mapping[str, int], table: np.ndarray, source: np.ndarray) -> np.ndarray:
    return table.view(np.int8)[source.astype(np.int64) + 128]


def _softmax_run(fields: Mapping[str, int], table: np.ndarray, source: np.ndarray) -> np.ndarray:
    powers = np.zeros(256, np.int64)
    powers[:fields["entries"]] = table[:fields["entries"]]
    return normalize(source.reshape(-1, fields["channels"]), powers)


#: The functions of the CPU, by the names of their C files; the first one has number 1 in the image.
FUNCTIONS: Mapping[str, Function] = {
    # each byte is looked up; the table has the outputs of -128, -127, ... 127
    "table": Function(fields=("source", "output", "bytes"), taken=lambda fields: fields["bytes"], run=_table_run),
    # the table has the exponentials of the first differences to a row's maximum; later ones are 0
    "softmax": Function(fields=("source", "output", "rows", "channels", "entries"),
                        taken=lambda fields: fields["rows"] * fields["channels"], run=_softmax_run),
}


def _softmax_words(layer: Layer, taken: TensorType) -> tuple[Mapping[str, int], Sequence[int]]:
    powers = exponentials(layer)[:taken.high - taken.low + 1]
    table = powers[:int(np.flatnonzero(powers)[-1]) + 1].tolist()
    return {"rows": taken.size // taken.shape[2], "channels": taken.shape[2], "entries": len(table)}, table


def _softmax_plain(layer: Layer, taken: Sequence[TensorType], data: Sequence[np.ndarray]) -> np.ndarray:
    rows = data[0].reshape(-1, data[0].shape[-1]).tolist()
    return np.array([softmax_row(layer, row) for row in rows], np.int8).reshape(data[0].shape)


def _by_table(table: Callable[[Layer, TensorType], np.ndarray],
              plain: Callable[[Layer, TensorType, int], int]) -> CpuOperator:
    """An operator on bytes alone, by its table of 256 and its definition for one value."""
    return CpuOperator(
        function="table",
        batch=lambda layer, taken, data: table(layer, taken[0])[data[0].astype(np.int64) + 128],
        plain=lambda layer, taken, data: np.array(
            [plain(layer, taken[0], value) for value in data[0].ravel().tolist()], np.int8).reshape(data[0].shape),
        words=lambda layer, taken: ({"bytes": taken.size}, _words(table(layer, taken).tobytes())))


def _words(content: bytes) -> list[int]:
    return np.frombuffer(content, "<u4").tolist()


#: The operators that the CPU runs, by their names in a graph.
OPERATORS: Mapping[str, CpuOperator] = {
    "softmax": CpuOperator(function="softmax", batch=lambda layer, taken, data: softmax(layer, data[0]),
                           plain=_softmax_plain, words=_softmax_words),
    "requantize": _by_table(requantize_table, requantize_value),
}


def make_call(layer: Layer, taken: TensorType, *, source: int, output: int) -> Call:
    """The call that computes ``layer`` from address ``source`` to address ``output``."""
    operator = OPERATORS[layer.op]
    given, table = operator.words(layer, taken)
    fields = {"source": source, "output": output, **given}
    return Call(runner=1 + list(FUNCTIONS).index(operator.function),
                words=(*(fields[name] for name in FUNCTIONS[operator.function].fields), *table))


def _function_of(call: Call) -> tuple[Function, dict[str, int]]:
    """Who runs a call of the CPU, and its fields; raises ProgramError where nobody does."""
    if not 1 <= call.runner <= len(FUNCTIONS):
        raise ProgramError(f"call of function {call.runner}: there are 1 to {len(FUNCTIONS)}; compile the model again")
    function = list(FUNCTIONS.values())[call.runner - 1]
    if len(call.words) < len(function.fields):
        raise ProgramError(f"call of function {call.runner}: {len(call.words)} words; it takes {len(function.fields)} "
                           f"and a table; compile the model again")
    return function, dict(zip(function.fields, call.words, strict=False))


def sources_of(calls: Iterable[Call]) -> Iterable[tuple[int, int]]:
    """Start and end in the activation scratchpad of what each call of the CPU reads."""
    for call in calls:
        function, fields = _function_of(call)
        yield fields["source"], fields["source"] + function.taken(fields)


def run_call(call: Call, memory: np.ndarray) -> None:
    """Run a call of the CPU on ``memory`` int8, the activation scratchpad, of one inference.

    Raises
    ------
    ProgramError
        If it is of no function, or reaches beyond the memory.
    """
    function, fields = _function_of(call)
    size = function.taken(fields)
    ends = fields["source"] + size, fields["output"] + size
    if max(ends) > len(memory):
        raise ProgramError(f"call of function {call.runner}: reaches byte {max(ends)} of {len(memory)} activations; "
                           f"compile the model again")
    table = np.array(call.words[len(function.fields):], "<u4")
    result = function.run(fields, table, memory[fields["source"]:ends[0]])
    memory[fields["output"]:ends[1]] = result.reshape(-1)
