"""Runs the stages of a memory plan on a scratchpad with the golden operators, and graphs whose adds branch wildly."""

from dataclasses import replace

import numpy as np

from sw.compiler.schedule import held_tensors
from sw.golden.ops import run_layer
from sw.graph.graph import Graph, TensorType
from tests.support.layers import KEEPING, random_add, random_kernel, random_layer, same_padding

__all__ = ["random_dag", "run_stages"]


def random_dag(rng: np.random.Generator, layers: int, *, cpu: bool = False) -> Graph:
    """Operators that keep the shape and adds of any two tensors, also of one with itself; what is unread is summed.

    With ``cpu`` some are the CPU's.
    """
    shape = tuple(int(n) for n in rng.integers(1, 6, 3))
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
            values = [taken, *(view(other, 0, None) for other in stage.others)]
            if rows:
                _, left, _, right = layer.padding
                layer = replace(layer, padding=(rows.top, left, rows.bottom, right), output=replace(
                    layer.output, shape=(rows.out_rows, *layer.output.shape[1:])))
                kinds = [replace(kinds[0], shape=taken.shape)]
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
