"""Small networks and a design for the ladder's rungs, a rung without hardware, and faults to plant in programs."""

from dataclasses import replace

import numpy as np

from boards import BOARDS
from flows.verify.compare import VerifyReport
from flows.verify.images import ImageRung, Observed
from flows.verify.ladder import verify
from hw.spec.design import DesignPoint
from hw.spec.image import HEADER_BYTES, pack_header, unpack_calls, unpack_header
from sw.compiler import Program
from sw.golden import run
from sw.golden.softmax import prepare_softmax
from sw.graph.graph import Graph, TensorType
from sw.graph.layer import Layer
from tests.support.layers import random_add, random_kernel, random_layer

__all__ = ["ADDS", "BOARD", "DESIGN", "Plain", "check", "every_operator", "several_runs", "slower",
           "sum_and_softmax", "swapped_weight", "wrong_table"]

DESIGN = DesignPoint(rows=2, cols=2, lanes=2, act_bytes=4096, weight_bytes=8192)
ADDS = replace(DESIGN, cols=4)      # the least that can add
BOARD = BOARDS["ulx3s-25"]


def every_operator() -> Graph:
    """One layer of each operator; none of them hides what the one before does wrong."""
    rng, layers = np.random.default_rng(5), []
    kind = start = TensorType(shape=(5, 6, 3), scale=0.05, zero_point=9)
    for op, options in (("conv", {"outputs": 5, "stride": (2, 1), "padding": (1, 1, 0, 1)}),
                        ("depthwise", {"padding": (1, 1, 1, 1)}), ("avgpool", {"kernel": (2, 2)}),
                        ("dense", {"outputs": 3})):
        layers.append(replace(random_layer(rng, op, kind, name=f"{op}_layer", **options), act_min=-128))
        kind = layers[-1].output
    return Graph(name="all", inputs=(start,), layers=tuple(layers)).check()


def sum_and_softmax() -> Graph:
    """A sum, fused into the convolution before it, and a softmax, which the engine leaves out."""
    rng = np.random.default_rng(6)
    start = TensorType(shape=(3, 4, 5), scale=0.05, zero_point=-3)
    layers = [random_layer(rng, "conv", start, outputs=4, kernel=(1, 1), name="first")]
    layers.append(random_layer(rng, "conv", start, outputs=4, padding=(1, 1, 1, 1), name="second", inputs=(0,)))
    layers.append(random_add(rng, (1, 2), [layer.output for layer in layers], name="sum"))
    layers.append(random_layer(rng, "dense", layers[2].output, outputs=6, name="dense"))
    multiplier, shift = prepare_softmax(1.0, layers[3].output.scale)
    layers.append(Layer(name="answer", op="softmax", output=TensorType(shape=(1, 1, 6), scale=1 / 256, zero_point=-128),
                        weights=np.zeros(0, np.int8), bias=np.zeros(0, np.int32),
                        multiplier=np.array([multiplier], np.int32), shift=np.array([shift], np.int32)))
    return Graph(name="residual", inputs=(start,), layers=tuple(layers)).check()


def several_runs() -> Graph:
    """Two runs of the engine, and the CPU between and behind."""
    rng = np.random.default_rng(12)
    start = TensorType(shape=(5, 4, 4), scale=0.05, zero_point=-3)
    layers = [random_layer(rng, "conv", start, outputs=4, kernel=(1, 1), name="first")]
    layers.append(random_kernel(rng, "table", layers[-1].output, name="again"))
    layers.append(random_layer(rng, "dense", layers[-1].output, outputs=6, name="dense"))
    layers.append(random_kernel(rng, "softmax", layers[-1].output, name="answer"))
    return Graph(name="cut", inputs=(start,), layers=tuple(layers)).check()


class Plain(ImageRung):
    """A rung without hardware: the golden model, with the cycles that were predicted."""

    level = "engine"
    stops_anywhere = True

    def __init__(self, program, spoil=None):
        self.program, self.spoil = program, spoil or (lambda outputs, traffic: None)

    def run(self, image, inputs, *, cycle_limit, traffic=0):
        calls = unpack_calls(image, unpack_header(image))
        last = self.program.plans[sum(1 if call.runner else call.run["layers"] for call in calls) - 1]
        data = inputs.reshape(-1, *self.program.graph.input.shape)
        found = run(self.program.graph, data, DESIGN)[last.tensor].reshape(len(inputs), -1).copy()
        self.spoil(found, traffic)
        counters = np.array([[list(vars(plan.cycle_terms).values()) for plan in self.program.layers]] * len(inputs))
        return Observed(outputs=found, cycles=np.full(len(inputs), self.program.cycles),
                        engine_cycles=np.full(len(inputs), self.program.cycles),
                        layer_cycles=counters.sum(2), counters=counters)

    def waves(self, image, inputs, file):
        file.write_text(str(unpack_header(image)["layers"]))


def check(graph, inputs, store=None, design=DESIGN, **options) -> VerifyReport:
    """The report of the level engine, unless ``options`` say otherwise."""
    return verify(graph, design, **{"level": "engine", "inputs": inputs, "board": BOARD, "store": store, **options})


def swapped_weight(program: Program, layer: int) -> Program:
    """The program with two neighbouring weights of the layer's channel 1 exchanged, and its image mended."""
    image, plan = bytearray(program.image), program.layers[layer]
    sets = DESIGN.depthwise_rows if plan.command["depthwise"] else 1
    at = (plan.command["weight_base"] + sets * DESIGN.param_words) * DESIGN.weight_word_bits // 8 + DESIGN.lanes
    assert image[at] != image[at + 1]
    image[at], image[at + 1] = image[at + 1], image[at]
    body = bytes(image[HEADER_BYTES:])
    return replace(program, image=pack_header(unpack_header(program.image), body) + body)


def slower(program: Program, layer: int, counter: str = "compute", by: int = 1) -> Program:
    """The program whose prediction lacks a cycle of the layer."""
    plans = list(program.plans)
    terms = plans[layer].cycle_terms
    plans[layer] = replace(plans[layer], cycle_terms=replace(terms, **{counter: getattr(terms, counter) - by}))
    return replace(program, plans=tuple(plans))


def wrong_table(program: Program, kernel: int) -> Program:
    """The program with another value in every byte of a kernel's table, its first words aside, and its image mended."""
    image, table = bytearray(program.image), program.kernels[kernel].calls[0].words[8:]
    content = b"".join(word.to_bytes(4, "little") for word in table)
    at = image.rindex(content)
    image[at:at + len(content)] = bytes(byte ^ 1 for byte in content)
    body = bytes(image[HEADER_BYTES:])
    return replace(program, image=pack_header(unpack_header(program.image), body) + body)
