"""Single cells, set up as nextpnr writes them, on the models that a routed netlist is simulated with."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cosim.cells import MODELS, widths
from cosim.netlist import memory_file, simulable_of
from cosim.process import exchange
from cosim.verilate import verilate

__all__ = ["HARNESS", "Bench", "Single", "setting"]

HARNESS = Path(__file__).with_suffix(".cpp")
WORD = 32
CLOCK = 2                       # number of the clock's net
CLOCKS = ("CLK", "CLKA", "CLKB", "WCLK", "RCLK", "WCK", "CLOCK")
LEAST_BITS = 65                 # so that Verilator makes words of a port


def setting(value: int | str, bits: int = 32) -> str:
    """As nextpnr writes it."""
    return f"{value:0{bits}b}" if isinstance(value, int) else value + (" " if set(value) <= set("01") else "")


@dataclass(frozen=True, kw_only=True)
class Single:
    """A cell whose pins are a test's, but for the clocks; pins that are not named are open."""

    name: str
    type: str
    inputs: str                 # as of cosim.cells.Kind
    outputs: str
    params: dict = field(default_factory=dict)
    underscore: bool = False    # between a vector's name and a bit's number

    def bits(self, pin: str, width: int | None) -> list[str]:
        return [pin] if width is None else [f"{pin}{'_' * self.underscore}{n}" for n in range(width)]


class Bench:
    """Cells side by side in one simulator."""

    def __init__(self, cells: list[Single]) -> None:
        self.places: dict[tuple[str, str], tuple[str, int, int]] = {}    # cell and pin -> port, first bit, bits
        self.size = {"in": 0, "out": 0}
        self.nets = {"in": [], "out": []}
        self.netlist = {"ports": {}, "cells": {cell.name: self._cell(cell) for cell in cells}}
        for port, direction in (("in", "input"), ("out", "output")):
            spare = [self._net() for _ in range(max(0, LEAST_BITS - self.size[port]))]
            self.netlist["ports"][port] = {"direction": direction, "bits": self.nets[port] + spare * (port == "in")}
        self.netlist["ports"]["clk"] = {"direction": "input", "bits": [CLOCK]}

    def _net(self) -> int:
        self.last = getattr(self, "last", CLOCK) + 1
        return self.last

    def _cell(self, cell: Single) -> dict:
        nets, directions = {}, {}
        for port, pins, direction in (("in", cell.inputs, "input"), ("out", cell.outputs, "output")):
            for pin, width in widths(pins).items():
                names = cell.bits(pin, width)
                directions |= dict.fromkeys(names, direction)
                if pin in CLOCKS:
                    nets[pin] = [CLOCK]
                    continue
                self.places[cell.name, pin] = port, self.size[port], len(names)
                self.size[port] += len(names)
                for name in names:
                    nets[name] = [self._net()]
                    self.nets[port] += nets[name]
        return {"type": cell.type, "parameters": {name: setting(value) for name, value in cell.params.items()},
                "port_directions": directions, "connections": nets, "attributes": {}}

    def build(self, family: str, folder: Path, models: str | None = None) -> "Bench":
        """``models``: text in place of the family's."""
        made = simulable_of("top", self.netlist)
        folder.mkdir(parents=True, exist_ok=True)
        for file, words in made.memories.items():
            (folder / file).write_bytes(memory_file(words))
        (folder / "top.v").write_text(made.verilog, encoding="utf-8")
        (folder / "models.v").write_text(models or MODELS[family].read_text(encoding="utf-8"), encoding="utf-8")
        self.folder, self.made = folder, made
        self.words = {port: -(-max(self.size[port], LEAST_BITS) // WORD) for port in self.size}
        verilate([folder / "top.v", folder / "models.v"], "top", [HARNESS], folder,
                 defines=[f"IN_WORDS={self.words['in']}", f"OUT_WORDS={self.words['out']}"], optimize=1)
        return self

    def run(self, given: dict[tuple[str, str], np.ndarray]) -> dict[tuple[str, str], np.ndarray]:
        """Values of each cell's output pins before each clock edge, of those of its input pins; 0 for pins left out."""
        cycles = len(next(iter(given.values())))
        bits = np.zeros((cycles, WORD * self.words["in"]), np.uint8)
        for place, values in given.items():
            port, first, count = self.places[place]
            assert port == "in"
            bits[:, first:first + count] = values[:, None] >> np.arange(count) & 1
        answer = exchange(self.folder / "sim", np.packbits(bits, axis=1, bitorder="little").tobytes(), limit_s=60,
                          arguments=[self.folder.resolve()])
        got = np.unpackbits(np.frombuffer(answer, np.uint8).reshape(cycles, -1), axis=1, bitorder="little")
        return {place: (got[:, first:first + count].astype(np.uint64) << np.arange(count, dtype=np.uint64)).sum(axis=1)
                for place, (port, first, count) in self.places.items() if port == "out"}
