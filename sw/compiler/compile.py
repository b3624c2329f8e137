"""Compiles an integer graph for a design: checks limits, places tensors, packs the model image."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hw.spec.commands import COMMAND_BITS, LAYER_LOG_ENTRIES, OPCODES, encode
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.image import HEADER_BYTES, pack_header
from sw.compiler.cycles import LayerCycles, layer_cycles, program_cycles
from sw.compiler.errors import CompileError
from sw.compiler.lower import Lowered, lower_layer
from sw.compiler.pack import pack_layer
from sw.compiler.plan import Placement
from sw.graph.graph import Graph

__all__ = ["CompileError", "LayerPlan", "Placement", "Program", "compile_graph"]


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """One layer as the engine runs it."""

    name: str
    op: str
    macs: int
    command: Mapping[str, int]
    cycle_terms: LayerCycles
    weight_words: int

    @property
    def cycles(self) -> int:
        return self.cycle_terms.total


@dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """A compiled network: the model image for one design, and what it will do, exactly."""

    graph: Graph
    design: DesignPoint
    image: bytes                        # starts at byte 0 of the weight scratchpad
    tensors: tuple[Placement, ...]      # the input, then each layer's output
    layers: tuple[LayerPlan, ...]

    @property
    def input(self) -> Placement:
        return self.tensors[0]

    @property
    def output(self) -> Placement:
        return self.tensors[-1]

    @property
    def cycles(self) -> int:
        """Engine cycles of one inference, as its counter will show."""
        return program_cycles(self.design, (layer.cycle_terms for layer in self.layers))

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers)

    @property
    def utilization(self) -> float:
        """Multiply-accumulates per cycle over the array's peak, 0 to 1."""
        return self.macs / (self.cycles * self.design.macs_per_cycle)

    def prefix(self, layers: int) -> "Program":
        """The same program stopped after ``layers`` layers, so that their last tensor is the output."""
        return compile_graph(replace(self.graph, layers=self.graph.layers[:layers]), self.design)


def compile_graph(graph: Graph, design: DesignPoint) -> Program:
    """Compile ``graph`` for ``design``.

    Raises
    ------
    GraphError
        If the graph is inconsistent.
    CompileError
        If a layer exceeds a limit of the design, or the network its memories.
    """
    graph.check()
    count = graph.engine_layers
    if not 0 < count <= LAYER_LOG_ENTRIES:
        raise CompileError(f"{graph.name}: {count} layers for the engine; a program holds 1 to {LAYER_LOG_ENTRIES}")
    for index, layer in enumerate(graph.layers[:count]):
        if limit := _unsupported(graph, index):
            raise CompileError(f"layer {index} {layer.name} ({layer.op}): {limit}")
    tensors = _place(graph, design)
    lowered = []
    for index, layer in enumerate(graph.layers[:count]):
        try:
            lowered.append(lower_layer(layer, graph.types()[index], tensors[index].address,
                                       tensors[index + 1].address, design))
        except SpecError as error:
            raise CompileError(f"layer {index} {layer.name} ({layer.op}): {error}") from error
    image, commands = _image(graph, design, tensors, lowered)
    if len(image) > design.weight_bytes:
        raise CompileError(f"{graph.name}: program and weights take {len(image)} bytes, weight_bytes="
                           f"{design.weight_bytes}; raise weight_bytes, or narrow the weights or the network")
    layers = tuple(
        LayerPlan(name=layer.name, op=layer.op, macs=graph.macs(index), command=commands[index],
                  cycle_terms=layer_cycles(design, commands[index]), weight_words=len(lowered[index].words))
        for index, layer in enumerate(graph.layers[:count]))
    return Program(graph=graph, design=design, image=image, tensors=tensors, layers=layers)


def _unsupported(graph: Graph, index: int) -> str:
    """What of a layer no design runs; empty where nothing is."""
    layer, taken = graph.layers[index], graph.taken(index)[0]
    if layer.op in ("add", "maxpool"):
        return "the engine has no such operator yet; take a network without it"
    if graph.inputs_of(index) != (index,):
        return (f"reads tensor {graph.inputs_of(index)[0]}; the engine runs chains, so let each layer read the one "
                f"before")
    if layer.op == "depthwise" and layer.output.shape[2] != taken.shape[2]:
        return (f"{layer.output.shape[2] // taken.shape[2]} outputs per channel; the engine has one, so write it as a "
                f"convolution")
    if layer.weight_bits == 1 and layer.op != "avgpool":
        return "binary weights; the engine has 2 bits or more, so train with weight_bits=2"
    if (taken.bits, layer.output.bits) != (8, 8):
        return "activations of 4 bits; the engine has 8, so train with those"
    return ""


def _place(graph: Graph, design: DesignPoint) -> tuple[Placement, ...]:
    """Tensors alternate between the two ends of the scratchpad, so a layer never overwrites what it reads."""
    placements: list[Placement] = []
    for index, kind in enumerate(graph.types()[:graph.engine_layers + 1]):
        address = 0 if index % 2 == 0 else (design.act_bytes - kind.size) & ~3
        placements.append(Placement(address=address, size=kind.size))
        if kind.size > design.act_bytes or (index and placements[-1].overlaps(placements[-2])):
            layer = graph.layers[max(index - 1, 0)]
            need = kind.size + (placements[-2].size if index else 0)
            raise CompileError(f"layer {max(index - 1, 0)} {layer.name} ({layer.op}): input and output take {need} "
                               f"bytes, act_bytes={design.act_bytes}; raise act_bytes or narrow the network")
    return tuple(placements)


def _image(graph: Graph, design: DesignPoint, tensors: tuple[Placement, ...],
           lowered: list[Lowered]) -> tuple[bytes, list[dict[str, int]]]:
    """The model image, and the commands with their weight addresses filled in."""
    word_bits = design.weight_word_bits
    program = HEADER_BYTES * 8 // word_bits
    base = program + (len(lowered) + 1) * COMMAND_BITS // word_bits
    commands, words = [], b""
    for index, layer in enumerate(lowered):
        command = {**layer.command, "weight_base": base}
        packed = pack_layer(layer.words, design)
        try:
            encode(command)
        except SpecError as error:
            named = graph.layers[index]
            raise CompileError(f"layer {index} {named.name} ({named.op}): {error}") from error
        commands.append(command)
        words += packed
        base += len(layer.words)
    encoded = [encode(command) for command in commands] + [encode({"opcode": OPCODES["END"]})]
    body = b"".join(word.to_bytes(COMMAND_BITS // 8, "little") for word in encoded)
    body += words
    body += b"\0" * (-len(body) % 4)
    header = pack_header({
        "fingerprint": design.fingerprint, "program": program, "layers": len(lowered),
        "input_address": tensors[0].address, "input_bytes": tensors[0].size,
        "output_address": tensors[-1].address, "output_bytes": tensors[-1].size}, body)
    return header + body, commands
