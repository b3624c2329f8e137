"""Which parts an engine is made of: siblings of one signature, chosen once by the kind of engine."""

from dataclasses import dataclass, replace

from hw.gateware.addresses import HeldAddresses, TileAddresses
from hw.gateware.command import CommandWords, WholeTileCommandWords
from hw.gateware.counters import CounterMemory, CounterRegisters, NoCounters
from hw.gateware.element import ProcessingElement, RowElement
from hw.gateware.log import LayerLog, NoLog, RegisterLog
from hw.gateware.loop import LoopCounter, SmallLoopCounter
from hw.gateware.phases import Phases, SmallPhases
from hw.gateware.pieces import NibbleSums, PieceSums
from hw.gateware.registers import FewRegisters, LoggedRegisters, Registers
from hw.gateware.scalable import BlockElement, ScalableElement
from hw.gateware.store import Store, TileStore
from hw.spec.design import DesignPoint

__all__ = ["Parts", "parts"]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What kinds of engine differ in; what else differs is said by properties of the design."""

    command: type[CommandWords]       # gathers a command and takes its fields
    addresses: type[TileAddresses]    # of a layer's blocks and tiles
    loop: type[LoopCounter]           # over taps, tiles, groups, bands and blocks
    phases: type[Phases]              # of a segment
    counters: type[CounterRegisters] | type[CounterMemory] | type[NoCounters]    # of cycles
    element: type[ProcessingElement]
    pieces: type[PieceSums] = PieceSums     # of elements of scalable precision
    store: type[Store] | type[TileStore]     # of outputs
    log: type[LayerLog]
    registers: type[Registers]        # on the bus


_KINDS = {
    "wide": Parts(command=CommandWords, addresses=TileAddresses, loop=LoopCounter, phases=Phases,
                  counters=CounterRegisters, element=ProcessingElement, store=Store, log=LayerLog,
                  registers=Registers),
    "compact": Parts(command=WholeTileCommandWords, addresses=HeldAddresses, loop=SmallLoopCounter,
                     phases=SmallPhases, counters=CounterMemory, element=RowElement,
                     store=TileStore, log=RegisterLog, registers=LoggedRegisters),
}


def parts(design: DesignPoint) -> Parts:
    """Those of ``design.engine``, with the elements of the design's precision and the log that it has."""
    kind = _KINDS[design.engine]
    if design.splits:
        kind = replace(kind, element=ScalableElement)
    if design.digits == 2:
        kind = replace(kind, element=BlockElement, pieces=NibbleSums)
    if not design.layer_log:
        kind = replace(kind, counters=NoCounters, log=NoLog,
                       registers=FewRegisters if design.engine == "compact" else Registers)
    return kind
