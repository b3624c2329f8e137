"""Runs the stages of a memory plan on a scratchpad with the golden operators, and graphs whose adds branch wildly."""

from dataclasses import replace

import numpy as np

from sw.compiler.proof import of_rows
from sw.compiler.schedule import held_tensors
from sw.golden import run
from sw.golden.ops import run_layer
from sw.graph.graph import Graph, TensorType
from tests.support.layers import KEEPING, random_add, random_kernel, random_layer, same_padding

__all__ = ["agrees", "random_dag", "residual_block", "run_stages", "tall"]


def random_dag(rng: np.random.Generator, layers: int, *, cpu: bool = False,
               shape: tuple[int, int, int] | None = None) -> Graph:
    """Operators that keep the shape and adds of any two tensors, also of one with itself; what is unread is summed.

    With ``cpu`` some are the CPU's.
    """
    shape = shape or tuple(int(n) for n in rng.integers(1, 6, 3))
    types = [TensorType(shape=shape, scale=0.05, zero_point=3)]
    found = []
    while len(found) < layers or len(unread := set(range(len(types) - 1)) - {
            number for layer in found for number in layer.inputs}) > 0:
        last = len(types) - 1
        if len(found) >= layers:
            pair = (min(unread), last)
        else:
            pair = tuple(int(n) for n in np.maximum(last - rng.integers(0, 4, 2), 0))
        if len(found) >= layers or rng.random() < 0.4:
            found.append(random_add(rng, pair, [types[number] for number in pair], name=f"add{last}"))
        else:
            op = str(rng.choice(["conv", "depthwise", "maxpool", *KEEPING] if cpu else
                                ["conv", "depthwise", "maxpool"]))
            if op in KEEPING:
                found.append(random_kernel(rng, op, types[pair[0]], inputs=pair[:1], name=f"{op}{last}"))
                types.append(found[-1].output)
                continue
            found.append(random_layer(rng, op, types[pair[0]], outputs=shape[2], kernel=(3, 1), inputs=pair[:1],
                                      padding=same_padding(shape, (3, 1), (1, 1)), name=f"{op}{last}"))
        types.append(found[-1].output)
    return Graph(name="dag", inputs=(types[0],), layers=tuple(found)).check()


def run_stages(stages, placements, graph, *data):
    """The graph's last output for ``data``, one array an input, and every (tensor, first row, rows) that a stage wrote.

    States begin with their initial values.
    """
    types, held, trace = graph.types(), held_tensors(stages, graph), []
    end = max(place.address + place.size for place in placements.values())
    memory = np.random.default_rng(0).integers(-128, 128, end).astype(np.int8)

    def view(tensor, offset, rows):
        kind = types[held[tensor]]
        shape = kind.shape if rows is None else (rows, *kind.shape[1:])
        size = int(np.prod(shape)) * kind.element_bytes
        start = placements[tensor].address + offset
        return memory[start:start + size].view(kind.dtype).reshape(shape)

    for number, values in enumerate([*data, *(state.initial for state in graph.states)]):
        if number in placements:
            view(number, 0, None)[:] = values
    for stage in stages:
        rows = stage.rows
        target = view(stage.output, rows.out_offset if rows else 0, rows.out_rows if rows else None)
        if stage.loads:
            target[:] = graph.constant_of(stage.output).values
            continue
        taken = view(stage.source, rows.in_offset if rows else 0, rows.in_rows if rows else None)
        result = taken.copy()
        if stage.layer is not None:
            layer, kinds = graph.layers[stage.layer], graph.taken(stage.layer)
            offsets, counts = rows.others if rows else [0] * len(stage.others), [None] * len(stage.others)
            if rows:
                layer, kinds = of_rows(layer, kinds, rows)
                counts = [kind.shape[0] for kind in kinds[1:]]
            values = [taken, *(view(other, offset, count)
                               for other, offset, count in zip(stage.others, offsets, counts, strict=True))]
            result = run_layer(layer, kinds, [each.reshape(1, *kind.shape)
                                              for each, kind in zip(values, kinds, strict=True)])[0]
        if stage.add is not None:
            other = view(stage.residual, rows.out_offset if rows else 0, rows.out_rows if rows else None).copy()
            numbers = graph.inputs_of(stage.add)
            kinds = [replace(types[number], shape=target.shape) for number in numbers]
            pair = (other, result) if stage.swapped else (result, other)
            result = run_layer(graph.layers[stage.add], kinds, [each[None] for each in pair])[0]
        for index in stage.tables:
            result = run_layer(graph.layers[index], [replace(graph.taken(index)[0], shape=target.shape)],
                               [result[None]])[0]
        target[:] = result.reshape(target.shape)
        trace.append((held[stage.output], rows.out_first if rows else 0, result.copy()))
    return view(graph.answers[-1], 0, None).copy(), trace


def agrees(stages, placements, graph, data):
    """Every row that a stage writes, and the output, equal the golden model's."""
    tensors = run(graph, data[None])
    output, trace = run_stages(stages, placements, graph, data)
    for tensor, first, values in trace:
        assert np.array_equal(values, tensors[tensor][0][first:first + len(values)])
    assert np.array_equal(output, tensors[-1][0])


def tall(rng, layers, ops=("conv", "depthwise", "maxpool", "avgpool")):
    """A chain on a high, narrow input; kernels, strides and paddings of all kinds."""
    kind = TensorType(shape=(int(rng.integers(12, 30)), 2, 3), scale=0.05, zero_point=int(rng.integers(-128, 128)))
    start, found = kind, []
    for index in range(layers):
        op = str(rng.choice(ops))
        kernel = (int(rng.integers(1, 4)), 1)
        padding = (0, 0, 0, 0) if op == "avgpool" else (
            *(int(n) for n in rng.integers(0, kernel[0], 1)), 0, *(int(n) for n in rng.integers(0, kernel[0], 1)), 0)
        stride = (int(rng.integers(1, 3)), 1) if kind.shape[0] > 8 else (1, 1)
        found.append(random_layer(rng, op, kind, outputs=int(rng.integers(2, 9)), kernel=kernel, stride=stride,
                                  padding=padding, name=f"{op}{index}"))
        kind = found[-1].output
    return Graph(name="tall", inputs=(start,), layers=tuple(found)).check()


def residual_block(rng, kind, wide):
    """A residual block, its result read by a convolution and a pool: two outputs."""
    padding = same_padding(kind.shape, (3, 3), (1, 1))
    stem = random_layer(rng, "conv", kind, outputs=wide, kernel=(3, 3), padding=padding, name="stem")
    first = random_layer(rng, "conv", stem.output, outputs=wide, kernel=(3, 3), padding=padding, name="first",
                         inputs=(1,))
    second = random_layer(rng, "depthwise", first.output, kernel=(3, 3), padding=padding, name="second", inputs=(2,))
    add = random_add(rng, (3, 1), [second.output, stem.output])
    down = random_layer(rng, "conv", add.output, outputs=4, kernel=(3, 3), stride=(2, 2), name="down", inputs=(4,),
                        padding=same_padding(kind.shape, (3, 3), (2, 2)))
    pool = random_layer(rng, "maxpool", add.output, kernel=(2, 2), stride=(2, 2), name="pool", inputs=(4,))
    return Graph(name="block", inputs=(kind,), layers=(stem, first, second, add, down, pool), outputs=(5, 6)).check()
