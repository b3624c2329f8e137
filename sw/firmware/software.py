"""A network on the CPU alone, or on the CPU with its custom instructions: the baselines of the engine."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from hw.soc.cpus import CPUS, find_cpu
from hw.spec.commands import LAYER_LOG_ENTRIES
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.image import HEADER_BYTES, HEADER_FIELDS, pack_header
from hw.spec.soc import MemoryMap, Region
from sw.firmware.build import SOURCES, compile_sources, kernel_files
from sw.golden.kernels import FUNCTIONS, OPERATORS, name_of
from sw.graph.graph import Graph, Layer, TensorType
from sw.graph.layer import POOLS, WEIGHTED

__all__ = ["SOFTWARE_MEMORY", "build_software", "model_source"]

#: Memories for networks of up to about 100 KB.
SOFTWARE_MEMORY = MemoryMap(rom=Region(origin=0, size=131072), sram=Region(origin=0x10000000, size=65536))


def build_software(graph: Graph, out: Path, *, simd: bool, cpu: str = DesignPoint.cpu,
                   memory: MemoryMap = SOFTWARE_MEMORY, main: Path | None = None, timeout_s: float = 120) -> Path:
    """Compile firmware that runs ``graph`` on the CPU into ``out`` and return ``out/firmware.bin``.

    It serves the same protocol, and offers the same functions to a user's ``main``, as the firmware for the engine;
    ``engine_cycles`` of its inferences are 0 and its layer cycles are the CPU's.

    Parameters
    ----------
    simd : bool
        Use the custom instructions of ``hw.spec.cfu``.
    cpu : str
        The SoC's, a name of ``hw.soc.cpus``.

    Raises
    ------
    HeddleError
        If the network has more layers than the layer log, or one that the software lacks, or the CPU has no custom
        instructions for ``simd``.
    ToolError
        If the compiler is missing, or network and activations do not fit ``memory``.
    """
    if simd and not find_cpu(cpu).custom:
        able = " or ".join(repr(name) for name, other in CPUS.items() if other.custom)
        raise HeddleError(f"cpu={cpu!r}: has no custom instructions; choose cpu={able}, or run without them")
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.c").write_text(model_source(graph), encoding="utf-8")
    files = [SOURCES / "software.c", *kernel_files(), out / "model.c", main or SOURCES / "main.c"]
    return compile_sources(files, out, cpu=cpu, memory=memory, defines=["HEDDLE_SIMD"] if simd else [],
                           timeout_s=timeout_s)


def model_source(graph: Graph) -> str:
    """The network as C text, for ``software.c``.

    Raises
    ------
    GraphError
        If the graph is inconsistent.
    HeddleError
        If it has more layers than the layer log, or one that the software lacks.
    """
    graph.check()
    if len(graph.layers) > LAYER_LOG_ENTRIES:
        raise HeddleError(f"{graph.name}: {len(graph.layers)} layers; the layer log holds {LAYER_LOG_ENTRIES}; "
                          f"take a smaller network")
    if graph.first != 1 or graph.answers != (len(graph.layers),):
        raise HeddleError(f"{graph.name}: the software runs networks of one input and one output, without states and "
                          f"constants; verify this network on the engine")
    for index, layer in enumerate(graph.layers):
        if limit := _unsupported(graph, index):
            raise HeddleError(f"layer {index} {layer.name} ({layer.op}): {limit}")
    layers = [(layer, graph.taken(index)[0]) for index, layer in enumerate(graph.layers)]
    header = pack_header({**dict.fromkeys(HEADER_FIELDS, 0), "input_bytes": graph.input.bytes,
                          "output_bytes": graph.output.bytes, "layers": len(layers)}, b"")
    patches = [_patch_bytes(layer, taken) for layer, taken in layers]
    sizes = [max(kind.bytes for kind in graph.types()[side::2]) for side in (0, 1)]
    lines = ['#include "model.h"',
             *(f"static uint32_t buffer{side}[{-(-size // 4)}];" for side, size in enumerate(sizes))]
    for index, (layer, taken) in enumerate(layers):
        lines += _calls(index, layer, taken) if _by_calls(layer, taken) else _arrays(index, layer, taken)
    lines += ["const heddle_layer heddle_layers[] = {", *(_record(index, *pair) for index, pair in enumerate(layers)),
              "};", f"const uint32_t heddle_layer_count = {len(layers)};",
              _array("const uint32_t heddle_header", _words(header.ljust(HEADER_BYTES, b"\0"))),
              f"uint32_t heddle_patch[{max(patches) // 4}];",
              "int8_t *const heddle_buffers[2] = {(int8_t *)buffer0, (int8_t *)buffer1};", ""]
    return "\n".join(lines)


def _unsupported(graph: Graph, index: int) -> str:
    """What of a layer the C code cannot do; empty where nothing is."""
    layer = graph.layers[index]
    if layer.op == "add":
        return "the software has no such operator; verify this network on the engine"
    if graph.inputs_of(index) != (index,):
        return f"reads tensor {graph.inputs_of(index)[0]}; the software runs chains, each layer reading the one before"
    return ""


def _by_calls(layer: Layer, taken: TensorType) -> bool:
    """Whether functions of the CPU run a layer: all but the weighted ones that ``software.c`` has faster."""
    if layer.op not in WEIGHTED:
        return layer.op in OPERATORS
    grouped = layer.op == "conv" and layer.weights.shape[-1] != taken.shape[-1]
    return grouped or layer.dilation != (1, 1) or layer.shift.min() < 0


def _patch_bytes(layer: Layer, taken: TensorType) -> int:
    """Operands of one output pixel of a convolution, in whole words; at least one."""
    if _by_calls(layer, taken):
        return 4
    if layer.op == "dense":
        return -(-taken.size // 4) * 4
    return -(-layer.kernel[0] * layer.kernel[1] * taken.shape[2] // 4) * 4 if layer.op == "conv" else 4


def _arrays(index: int, layer: Layer, taken: TensorType) -> Iterator[str]:
    """Weights, and the parameters of each output channel."""
    if layer.op in POOLS:
        return
    weights = layer.weights.astype(np.int64)
    per_channel = weights.sum(axis=(0, 1)) if layer.op == "depthwise" else weights.reshape(len(weights), -1).sum(axis=1)
    bias = layer.bias.astype(np.int64) - taken.zero_point * per_channel
    content = layer.weights.tobytes()
    if layer.op != "depthwise":
        rows = layer.weights.reshape(len(weights), -1)
        content = b"".join(row.tobytes().ljust(_patch_bytes(layer, taken), b"\0") for row in rows)
    yield _array(f"static const uint32_t weights{index}", _words(content))
    yield _array(f"static const int32_t bias{index}", (_wrapped(value) for value in bias.tolist()))
    yield _array(f"static const uint32_t multiplier{index}", layer.multiplier.tolist())
    yield _array(f"static const uint8_t shift{index}", layer.shift.tolist())


def _calls(index: int, layer: Layer, taken: TensorType) -> Iterator[str]:
    """The calls of a layer of the CPU, with the buffers' addresses added."""
    entries = []
    behind = taken.bytes       # where the output lies in the calls, so that its addresses differ from the source's
    for number, call in enumerate(OPERATORS[layer.op].calls(layer, [taken], sources=[0], output=behind)):
        name = name_of(call)
        function = FUNCTIONS[name]
        words = [str(word) for word in call.words]
        for place in (function.fields.index(field) for field in function.addresses):
            side, offset = (0, call.words[place]) if call.words[place] < behind else (
                1, call.words[place] - behind)
            words[place] = f"(uint32_t)buffer{(index + side) % 2} + {offset}"
        yield f"static const uint32_t words{index}_{number}[] = {{{', '.join(words)}}};"
        entries.append(f"{{heddle_kernel_{name}, words{index}_{number}}}")
    yield f"static const heddle_call calls{index}[] = {{{', '.join(entries)}}};"


def _record(index: int, layer: Layer, taken: TensorType) -> str:
    if _by_calls(layer, taken):
        return (f"    {{.op = HEDDLE_KERNEL, .calls = calls{index}, "
                f".call_count = sizeof calls{index} / sizeof *calls{index}}},")
    dense, pool = layer.op == "dense", layer.op in POOLS
    height, width, channels = (1, 1, taken.size) if dense else taken.shape
    fields = {
        "op": "HEDDLE_CONV" if dense else f"HEDDLE_{layer.op.upper()}",
        "kernel_y": layer.kernel[0], "kernel_x": layer.kernel[1], "stride_y": layer.stride[0],
        "stride_x": layer.stride[1], "pad_top": layer.padding[0], "pad_left": layer.padding[1], "in_height": height,
        "in_width": width, "in_channels": channels, "out_height": layer.output.shape[0],
        "out_width": layer.output.shape[1], "out_channels": layer.output.shape[2], "in_zero": taken.zero_point,
        "out_zero": layer.output.zero_point, "act_min": layer.act_min, "act_max": layer.act_max,
        "patch_words": _patch_bytes(layer, taken) // 4,
        **{name: 0 if pool else f"{name}{index}" for name in ("weights", "bias", "multiplier", "shift")}}
    return "    {" + ", ".join(f".{name} = {value}" for name, value in fields.items()) + "},"


def _words(content: bytes) -> Iterator[int]:
    padded = content + bytes(-len(content) % 4)
    return (int.from_bytes(padded[n:n + 4], "little") for n in range(0, len(padded), 4))


def _wrapped(value: int) -> int:
    """In int32; the sum wraps on the engine as well."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def _array(declaration: str, values: Iterable[int]) -> str:
    return f"{declaration}[] = {{{', '.join(map(_literal, values))}}};"


def _literal(value: int) -> str:
    return "-2147483647 - 1" if value == -(1 << 31) else str(value)
