"""``heddle emit``, ``heddle build`` and ``heddle flash``: files for use outside, bitstreams, boards."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from boards import Board, find_board
from flows.fpga.implement import BITSTREAM, FIRMWARE, Implementation, check_resident, implement, make_bitstream
from flows.fpga.synth import NETLIST_TOOLS, ROUTE_TOOLS
from flows.report.console import Display
from flows.run.files import to_json, write_json, write_whole
from flows.run.store import open_store
from flows.train.model import load_model
from hw.emit.cfu import cfu_verilog
from hw.emit.verilog import engine_verilog
from hw.soc.target import load_target
from hw.spec.errors import HeddleError
from hw.spec.presets import to_toml
from hw.tools import run, versions
from sw.compiler import Program, compile_graph
from sw.firmware import c_header

__all__ = ["RECORD", "build_to", "emit_to", "flash_from", "image_listing"]

RECORD = "build.json"
IMAGE = "model.bin"
ENGINE_NOTES = {"ecp5": "the engine: Wishbone in, no vendor primitives",
                "ice40": "the engine: Wishbone in, with the iCE40's SB_... cells"}
FLASH_TIMEOUT_S = 600


def emit_to(model_name: str, design_name: str, out: Path) -> dict[str, Any]:
    """Write what another project needs to use the engine; returns a list of the files.

    Raises
    ------
    HeddleError
        If the model or the design is wrong, or they do not fit each other.
    """
    design, board = load_target(design_name)
    model = load_model(model_name, weight_bits=design.weight_bits)
    program = compile_graph(model.graph, design)
    contents: dict[str, tuple[str | bytes, str]] = {
        "heddle_engine.v": (engine_verilog(design), ENGINE_NOTES[board.family]),
        "Cfu.v": (cfu_verilog(), "the custom instructions, for LiteX's CFU port"),
        "heddle_config.h": (c_header(design=design), "C header: registers, windows, limits"),
        IMAGE: (program.image, "program and weights: " + (
            f"the first {len(program.image) - program.streamed_bytes} bytes for the start of the weight window, the "
            "rest for the memory that weights stream from" if program.streamed_bytes
            else "for the start of the weight window")),
        "program.json": (to_json(image_listing(program)), "the program for people: commands, tensors, cycles"),
        "design.toml": (to_toml(design), "the design point"),
        "model.npz": (model.content(), "the integer graph"),
    }
    for name, (content, _) in contents.items():
        write_whole(out / name, content)
    return {"model": model_name, "design": design_name, "out": str(out),
            "files": [{"file": str(out / name), "what": what} for name, (_, what) in contents.items()]}


def image_listing(program: Program) -> dict[str, Any]:
    """The compiled program as plain data."""
    return {
        "network": program.graph.name, "design": program.design.label, "fingerprint": program.design.fingerprint,
        "image_bytes": len(program.image), "predicted_cycles": program.cycles,
        "streamed_bytes": program.streamed_bytes, "stream_address": program.stream_address,
        "input": asdict(program.input), "output": asdict(program.output),
        "layers": [{"name": layer.name, "op": layer.op, "macs": layer.macs, "cycles": layer.cycles,
                    "output": asdict(layer.output), "command": dict(layer.command)}
                   for layer in program.layers]}


def build_to(model_name: str, design_name: str, board_name: str | None, *, clock_mhz: float, out: Path,
             display: Display) -> dict[str, Any]:
    """Write bitstream, firmware, model image and ``build.json`` to ``out``; returns the content of the last.

    A bitstream that misses timing is not written over a good one: ``timing_met`` says so and only the record changes.

    Raises
    ------
    HeddleError
        If something is unknown, does not fit, streams weights, or a tool fails.
    """
    design, board = load_target(design_name, board_name)
    model = load_model(model_name, weight_bits=design.weight_bits)
    program = compile_graph(model.graph, design)
    check_resident(program)
    store = open_store()
    with display.bar(f"building for {board.name}") as bar:
        made = implement(store, design, board, clock_mhz, say=lambda text: bar.hear("", text))
        bar.hear("", "packing")
        stream = make_bitstream(store, made, program)
        bar.forget("")
        bar.set(1, 1)
    if made.routed.timing_met:
        for name, content in ((BITSTREAM, stream.read_bytes()), (FIRMWARE, made.firmware.read_bytes()),
                              (IMAGE, program.image), ("design.toml", to_toml(design)),
                              ("model.npz", model.content())):
            write_whole(out / name, content)
    document = build_record(made, board)
    write_json(out / RECORD, document)
    return document


def build_record(made: Implementation, board: Board) -> dict[str, Any]:
    """``build.json``; the files are relative to its folder."""
    used = made.routed.resources
    return {"board": board.name, "device": board.device, "bitstream": BITSTREAM, "firmware": FIRMWARE,
            "resources": {name: {"used": used[name], "available": have} for name, have in board.budget.items()},
            "fmax_mhz": made.routed.fmax_mhz, "clock_mhz": made.clock_mhz, "timing_met": made.routed.timing_met,
            "seed": made.routed.seed, "tools": versions(*NETLIST_TOOLS, *ROUTE_TOOLS, "riscv64-unknown-elf-gcc")}


def flash_from(folder: Path) -> str:
    """Program the board with the bitstream in ``folder``; returns a line that says what was done.

    Raises
    ------
    HeddleError
        If there is no bitstream that met timing, or the programmer is missing or fails.
    """
    try:
        record = json.loads((folder / RECORD).read_text())
        board, stream = find_board(record["board"]), (folder / record["bitstream"]).resolve()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HeddleError(f"{folder}: no readable {RECORD}; make one with `heddle build --out {folder}`") from error
    if not stream.is_file():
        raise HeddleError(f"{stream}: missing; build again with `heddle build --out {folder}`")
    if not record.get("timing_met"):
        raise HeddleError(f"{folder}: no bitstream that met timing; build again with a lower --clock-mhz")
    done = run(board.flash_command(str(stream)), cwd=folder, timeout_s=FLASH_TIMEOUT_S, log=folder / "flash.log")
    return f"{board.title}: programmed with {stream.name} in {done.seconds:.0f} s"
