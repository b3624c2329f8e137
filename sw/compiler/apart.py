"""Schedules in which channels are places: concatenations of them, and slices, that the engine writes and reads where
other channels lie between the pixels.

Every such place is tried. Where a stage cannot take it, or where all of its readers together lose more cycles than a
copy takes, the operand is copied to its place instead, or the slice out of its own.
"""

from collections.abc import Callable, Hashable, Iterator
from math import ceil

from hw.spec.design import DesignPoint
from sw.compiler.proof import Placement
from sw.compiler.schedule import Schedule, Stage, held_tensors
from sw.compiler.shared import NOWHERE, Groups, Operand
from sw.compiler.stages import stage_cycles
from sw.golden.movement import COPY, gather_tasks
from sw.graph.graph import Graph

__all__ = ["schedule_apart"]


def schedule_apart(scheduled: Callable[..., Schedule], graph: Graph, design: DesignPoint) -> Schedule:
    """The schedule of a checked graph with channels as places, where that is worth it.

    ``scheduled`` is :func:`sw.compiler.schedule.schedule` for this graph and design.
    """
    apart, known = frozenset[Operand](), dict[Hashable, int | None]()
    while True:
        plan = scheduled(channels=True, apart=apart)
        judge = _Judge(plan, graph, design, known)
        less = judge.refused()
        if not less:
            if slow := judge.slow():
                plan = scheduled(channels=True, apart=apart, by_cpu=slow)
                judge = _Judge(plan, graph, design, known)
            less = judge.idle() or judge.dear()
        if not less:
            return plan
        apart |= less


class _Judge:
    """What of one schedule does not work, or is not worth it."""

    def __init__(self, plan: Schedule, graph: Graph, design: DesignPoint, known: dict[Hashable, int | None]):
        self.plan, self.graph, self.design, self.known = plan, graph, design, known
        self.groups: Groups = plan.shared.groups
        self.held = held_tensors(plan.stages, graph)
        self.types = graph.types()

    def refused(self) -> frozenset[Operand]:
        """Places that somebody cannot take."""
        return frozenset(self._refused())

    def _refused(self) -> Iterator[Operand]:
        torn = [tensor for tensor in self.groups if self.groups.torn(tensor)]
        yield from map(self.groups.above, torn)
        if torn:
            return
        for tensor in self.plan.outputs:
            if self.groups.pitch(tensor):
                yield self.groups.operand(tensor)
        for stage in self.plan.stages:
            spread = [tensor for tensor in _touched(stage) if self.groups.pitch(tensor)]
            if not spread or stage.joins or stage.cpu and stage.layer is None:
                continue
            if not self._takes(stage):
                yield from map(self.groups.operand, spread)
            elif self._meets(stage):
                yield self.groups.operand(stage.output if stage.output in spread else stage.source)
            elif self.cycles(stage) is None:
                yield self._blamed(stage, spread)

    def _takes(self, stage: Stage) -> bool:
        """Whether the engine runs a stage from pixel to pixel, from one place to another."""
        layer = None if stage.layer is None else self.graph.layers[stage.layer]
        sums = stage.residual is not None and any(map(self.groups.pitch, (stage.residual, stage.output)))
        return not stage.cpu and not sums and (layer is None or layer.op != "dense" and not layer.views)

    def _meets(self, stage: Stage) -> bool:
        """Whether a fetch may hold what the stage itself writes beside what it reads."""
        places = [self.groups.spot(tensor) for tensor in (stage.source, stage.output)]
        if places[0].root != places[1].root:
            return False
        layer = None if stage.layer is None else self.graph.layers[stage.layer]
        exact = (layer is not None and layer.op == "conv" and layer.kernel[1] == 1
                 and self.types[self.held[stage.source]].shape[-1] % self.design.lanes == 0)
        return not exact

    def _blamed(self, stage: Stage, spread: list[int]) -> Operand:
        """Whose place keeps the engine from running a stage."""
        if stage.output in spread and self.cycles(stage, given=0) is not None:
            return self.groups.operand(stage.output)
        return self.groups.operand(spread[0])

    def slow(self) -> frozenset[Operand]:
        """Operands that the engine cannot copy to their places."""
        return frozenset(stage.joins for stage in self.plan.stages
                         if stage.joins and not stage.cpu and (self._meets(stage) or self.cycles(stage) is None))

    def idle(self) -> frozenset[Operand]:
        """Concatenations of which the CPU copies all: it does so at once where they are no places."""
        copied = [stage.joins[0] for stage in self.plan.stages if stage.joins and stage.cpu]
        return frozenset((index, NOWHERE) for index in copied
                         if copied.count(index) == len(self.graph.inputs_of(index)))

    def dear(self) -> frozenset[Operand]:
        """The place that costs most more than a copy, if one does."""
        lost: dict[Operand, int] = {}
        for stage in self.plan.stages:
            if stage.cpu or stage.joins:
                continue
            for tensor, plain in ((stage.source, {"taken": 0}), (stage.output, {"given": 0})):
                if self.groups.pitch(tensor):
                    more = (self.cycles(stage) or 0) - (self.cycles(stage, **plain) or 0)
                    operand = self.groups.operand(tensor)
                    lost[operand] = lost.get(operand, 0) + more
        gains = {operand: cycles - self.copied(operand) for operand, cycles in lost.items()}
        worst = max(gains, key=gains.__getitem__, default=None)
        return frozenset() if worst is None or gains[worst] <= 0 else frozenset([worst])

    def copied(self, operand: Operand) -> int:
        """Cycles of the copy instead: the CPU's of a slice, the engine's to the place in a concatenation."""
        index, place = operand
        layer, read = self.graph.layers[index], self.graph.inputs_of(index)
        if layer.op == "gather":
            return ceil(sum(COPY.cycles(task.fields) for task in gather_tasks(layer, self.graph.taken(index), [0], 0)))
        number = len(self.held) + max(self.held)
        kind = self.graph.taken(index)[place]
        whole = layer.output.shape[-1]
        places = {read[place]: Placement(address=0, size=kind.bytes),
                  number: Placement(address=0, size=layer.output.bytes, pitch=whole, channels=kind.shape[-1])}
        found = stage_cycles(Stage(layer=None, source=read[place], output=number),
                             {**self.held, number: read[place]}, places, self.graph, self.design)
        return 0 if found is None else found

    def cycles(self, stage: Stage, **pitches: int) -> int | None:
        """Of a stage of the engine, with other pitches of what it takes and gives perhaps."""
        places = {stage.source: self._placed(stage.source, pitches.get("taken")),
                  stage.output: self._placed(stage.output, pitches.get("given"))}
        kinds = [self.types[self.held[tensor]] for tensor in places]
        key = stage.layers, stage.residual is None, *places.values(), *(kind.shape for kind in kinds)
        if key not in self.known:
            self.known[key] = stage_cycles(stage, self.held, places, self.graph, self.design)
        return self.known[key]

    def _placed(self, tensor: int, pitch: int | None) -> Placement:
        kind, spot = self.types[self.held[tensor]], self.groups.spot(tensor)
        if pitch == 0 or not spot.pitch:
            return Placement(address=0, size=kind.bytes)
        return Placement(address=spot.offset, size=kind.size // kind.shape[-1] * spot.pitch, pitch=spot.pitch,
                         channels=kind.shape[-1], within=spot.within)


def _touched(stage: Stage) -> list[int]:
    read = (stage.source, *stage.others, stage.residual, stage.output)
    return [tensor for tensor in dict.fromkeys(read) if tensor is not None]
