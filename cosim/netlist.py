"""What nextpnr wrote after place and route, as Verilog on models of the device's cells.

Its ``--write`` has every cell with its settings and what each pin is connected to. That becomes one flat module with
the pads as ports and a model (``cosim.cells``) for each cell; contents of memories become files, so that they can be
others in each run. Where nextpnr leaves a pin open, the level there is the one that its bitstream sets.
"""

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cosim.cells import CELLS, VARIANTS, Content, widths
from hw.spec.errors import HeddleError

__all__ = ["NetlistError", "Simulable", "memory_file", "simulable", "simulable_of"]

PARTS = 16                                                      # of a parameter with a memory's content
LOW, HIGH = "1'b0", "1'b1"
CONSTANTS = {"$PACKER_GND": LOW, "$PACKER_VCC": HIGH}           # cells of nextpnr that drive a level


class NetlistError(HeddleError):
    """A cell has no model, or none for how it is set up."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Simulable:
    """A routed netlist for a simulator; its Verilog reads each memory from a file of its name."""

    top: str
    verilog: str
    memories: Mapping[str, np.ndarray]       # uint16 (words,): what each holds after configuration
    cells: Mapping[str, int]                 # number of each kind


def simulable(routed: Path) -> Simulable:
    """From what nextpnr wrote, gzipped.

    Raises
    ------
    NetlistError
        If a cell or a setting of it has no model, or a net that is read no driver.
    """
    with gzip.GzipFile(routed) as file:
        document = json.load(file)
    (top, module), = document["modules"].items()
    return simulable_of(top, module)


def simulable_of(top: str, module: Mapping[str, Any]) -> Simulable:
    """As :func:`simulable`, from a module of such a file: its ``ports`` and ``cells``."""
    cells = module["cells"]
    return _Writer(top, module["ports"], {**cells, **_linked(cells)}).written()


def _linked(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Cells of an iCE40 whose links are wires of their own: a pad to its PLL, the PLL to a global buffer. Now nets."""
    found: dict[str, Any] = {}
    for name, cell in cells.items():
        if cell["type"] == "SB_GB" and "FOR_PAD_IN" in cell["attributes"]:
            plls = [name for name, cell in cells.items() if cell["type"] == "ICESTORM_PLL"]
            if len(plls) != 1:
                raise NetlistError(f"cell {name}: a global buffer at a pad has no model but behind the one PLL")
            pll, link = cells[plls[0]], cell["connections"]["GLOBAL_BUFFER_OUTPUT"]
            pads = [pad["connections"]["PACKAGE_PIN"] for pad in cells.values()
                    if pad["attributes"].get("NEXTPNR_BEL") == pll["attributes"].get("BEL_PAD_INPUT", "none")]
            nets = {**pll["connections"], **({"REFERENCECLK": pads[0]} if pads else {})}
            nets["PLLOUT_A"] = [f"_of_{link[0]}"]
            found |= {plls[0]: {**pll, "connections": nets},
                      name: {**cell, "connections": {**cell["connections"], "USER_SIGNAL_TO_GLOBAL_BUFFER":
                                                     nets["PLLOUT_A"]}}}
    return found


def memory_file(words: np.ndarray) -> bytes:
    """For ``$readmemh``."""
    return "".join(f"{word:x}\n" for word in words.tolist()).encode()


def value_of(text: str) -> str | int:
    """A setting as nextpnr writes it: bits, or a text, which has a space behind it where it could be taken for bits.

    >>> value_of("0101"), value_of("1 "), value_of("NORMAL")
    (5, '1', 'NORMAL')
    """
    return int(text.replace("x", "0"), 2) if re.fullmatch("[01x]+", text) else text.rstrip(" ")


class _Instance:
    """A cell, and what its settings say."""

    def __init__(self, name: str, cell: Mapping[str, Any], constants: Mapping[int, str]) -> None:
        self.name, self.type, self.constants = name, cell["type"], constants
        self.nets, self.directions = cell["connections"], cell["port_directions"]
        self.given = {param: value_of(text) for param, text in cell["parameters"].items()}
        variant = VARIANTS.get(self.type)
        label = f"{self.type} {self.given.get(variant)}" if variant else self.type
        if label not in CELLS:
            raise self.error(label)
        self.kind = CELLS[label]
        self.known: set[str] = set()         # pins that the model has
        self._check_settings()

    def error(self, what: str) -> NetlistError:
        return NetlistError(f"cell {self.name}: {what} has no model, so what was routed cannot be simulated; verify at "
                            f"level soc")

    def _check_settings(self) -> None:
        kind = self.kind
        contents = kind.content.names if kind.content else ()
        pins = self.directions.keys() | widths(kind.inputs)
        for param, value in self.given.items():
            allowed = kind.params.get(param, (kind.fixed[param],) if param in kind.fixed else ())
            if not (allowed is None or value in allowed or param in contents or param.startswith(kind.ignored)
                    or param.endswith("MUX") and param.removesuffix("MUX") in pins):
                raise self.error(f"{self.type} with {param}={value}")

    def bit(self, pin: str, index: int) -> str:
        """The name of a vector's bit."""
        return f"{pin}_{index}" if f"{pin}_{index}" in self.nets else f"{pin}{index}"

    def input(self, pin: str) -> str:
        """The net at an input, or its level."""
        said = str(self.given.get(f"{pin}MUX", ""))
        if said in ("0", "1"):
            return f"1'b{said}"
        if nets := self.nets.get(pin):
            level = self.constants.get(nets[0], f"n{nets[0]}")
        else:
            level = HIGH if pin in self.kind.high or (said and self.kind.tied) else LOW
        if said == "INV":
            return {LOW: HIGH, HIGH: LOW}.get(level, f"~{level}")
        if said not in ("", pin):
            raise self.error(f"{self.type} with {pin}MUX={said}")
        return level

    def params(self, file: str) -> Iterator[str]:
        """Of the model; ``file`` has a memory's content."""
        for param in self.kind.params:
            if (value := self.given.get(param)) is not None:
                yield f'.{param}("{value}")' if isinstance(value, str) else f".{param}({value})"
        yield from (f".{param}(1)" for param, pin in self.kind.flags.items() if self.nets.get(pin))
        if self.kind.content:
            yield f'.FILE("{file}")'

    def content(self, content: Content) -> np.ndarray:
        """Of a memory, uint16 (words,)."""
        values = [self.given.get(name, 0) for name in content.names]
        if texts := [value for value in values if isinstance(value, str)]:
            raise self.error(f"{self.type} with a content {texts[0]!r}")
        mask, word_bits = (1 << content.word_bits) - 1, content.word_bits
        return np.array([int(value) >> content.part_bits * part + word_bits * word & mask
                         for value in values for part in range(PARTS) for word in range(content.words)], np.uint16)


class _Writer:
    """One module."""

    def __init__(self, top: str, ports: Mapping[str, Any], cells: Mapping[str, Any]) -> None:
        self.top, self.ports, self.cells = top, ports, cells
        self.constants = {nets[0]: CONSTANTS[name] for name, cell in self.cells.items() if name in CONSTANTS
                          for pin in ("F", "O") if (nets := cell["connections"].get(pin))}
        self.memories: dict[str, np.ndarray] = {}
        self.count: dict[str, int] = {}
        self.driven: set[str] = set()
        self.read: dict[str, str] = {}       # net -> who reads it
        self.spare = 0                       # bits of vectors that lead nowhere

    def written(self) -> Simulable:
        models = (self._model(name, cell) for name, cell in self.cells.items() if name not in CONSTANTS)
        lines = [*self._pads(), *models]
        for net, reader in self.read.items():
            if net not in self.driven:
                raise NetlistError(f"{reader} reads net {net}, which nothing with a model drives")
        wires = [*sorted(self.driven), *(f"nowhere{number}" for number in range(self.spare))]
        header = ",\n".join(f"    {port['direction']} [{len(port['bits']) - 1}:0] {name}"
                            for name, port in self.ports.items())
        text = "\n".join([f"module {self.top} (", header, ");", *(f"wire {wire};" for wire in wires), *lines,
                          "endmodule", ""])
        return Simulable(top=self.top, verilog=text, memories=self.memories, cells=self.count)

    def _pads(self) -> Iterator[str]:
        for name, port in self.ports.items():
            for index, net in enumerate(f"n{bit}" for bit in port["bits"]):
                if port["direction"] == "input":
                    self.driven.add(net)
                    yield f"assign {net} = {name}[{index}];"
                elif port["direction"] == "output":
                    self.read[net] = f"port {name}"
                    yield f"assign {name}[{index}] = {net};"
                else:
                    raise NetlistError(f"port {name}: has no model, since it goes both ways; verify at level soc")

    def _model(self, name: str, cell: Mapping[str, Any]) -> str:
        one = _Instance(name, cell, self.constants)
        kind = one.kind
        self.count[one.type] = self.count.get(one.type, 0) + 1
        file = f"memory{len(self.memories)}.hex"
        if kind.content:
            self.memories[file] = one.content(kind.content)
        pins = [*self._connections(one, kind.inputs, self._input), *self._connections(one, kind.outputs, self._output)]
        self._check_rest(one)
        params = ", ".join(one.params(file))
        return f"{kind.module}{f' #({params})' if params else ''} \\{name} ({', '.join(pins)});"

    def _connections(self, one: _Instance, pins: str, net_at: Callable[[_Instance, str], str]) -> Iterator[str]:
        for pin, bits in widths(pins).items():
            if bits is None:
                yield f".{pin}({net_at(one, pin)})"
            else:
                nets = [net_at(one, one.bit(pin, index)) for index in range(bits)]
                yield f".{pin}({{{', '.join(reversed(nets))}}})"

    def _input(self, one: _Instance, pin: str) -> str:
        one.known.add(pin)
        level = one.input(pin)
        if not level.startswith("1'b"):
            self.read.setdefault(level.lstrip("~"), f"cell {one.name}")
        return level

    def _output(self, one: _Instance, pin: str) -> str:
        one.known.add(pin)
        nets = one.nets.get(pin)
        net = f"n{nets[0]}" if nets else f"nowhere{self.spare}"
        if nets:
            self.driven.add(net)
        else:
            self.spare += 1
        return net

    def _check_rest(self, one: _Instance) -> None:
        """That inputs without a model are zero."""
        for pin, direction in one.directions.items():
            if direction == "input" and pin not in one.known and not pin.startswith(one.kind.free):
                if one.input(pin) != LOW:
                    raise one.error(f"{one.type}.{pin}")
