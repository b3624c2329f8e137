"""``heddle emit``: the engine and a program for it, for use outside LiteX."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from flows.run.files import to_json, write_whole
from flows.train.model import TFLITE, correct_model, load_model, tflite_of
from flows.train.training import MODEL
from flows.verify.verification import IMAGE
from hw.emit.cfu import cfu_verilog
from hw.emit.verilog import engine_verilog
from hw.soc.cpus import find_cpu
from hw.soc.target import load_target
from hw.spec.presets import to_toml
from sw.compiler import Program, compile_graph
from sw.firmware import c_header

__all__ = ["emit_to", "image_listing"]

ENGINE_NOTES = {"ecp5": "the engine: Wishbone in, no vendor primitives",
                "ice40": "the engine: Wishbone in, with the iCE40's SB_... cells"}


def emit_to(model_name: str, design_name: str, out: Path, *, correct: str | None = None) -> dict[str, Any]:
    """Write what another project needs to use the engine; returns a list of the files.

    With ``correct`` the biases are corrected first, see ``flows.train.model.correct_model``.

    Raises
    ------
    HeddleError
        If the model or the design is wrong, or they do not fit each other.
    """
    design, board = load_target(design_name)
    model = load_model(model_name, weight_bits=design.weight_bits)
    if correct:
        model = correct_model(model, design, correct)
    program = compile_graph(model.graph, design)
    contents: dict[str, tuple[str | bytes, str]] = {
        "heddle_engine.v": (engine_verilog(design), ENGINE_NOTES[board.family]),
        **({"Cfu.v": (cfu_verilog(), "the custom instructions, for LiteX's CFU port")}
           if find_cpu(design.cpu).custom else {}),
        "heddle_config.h": (c_header(design=design), "C header: registers, windows, limits"),
        IMAGE: (program.image, "program and weights: " + (
            f"the first {program.resident_bytes} bytes for the start of the weight window, the "
            "rest for the memory that weights stream from" if program.streamed_bytes
            else "for the start of the weight window")),
        "program.json": (to_json(image_listing(program)), "the program for people: commands, tensors, cycles"),
        "design.toml": (to_toml(design), "the design point"),
        MODEL: (model.content(), "the integer graph"),
    }
    if tflite := tflite_of(model.graph):
        contents[TFLITE] = tflite, "the same network for other runtimes"
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
        "inputs": [asdict(place) for place in program.inputs],
        "outputs": [asdict(place) for place in program.outputs],
        "layers": [{"name": layer.name, "op": layer.op, "macs": layer.macs, "cycles": layer.cycles,
                    "output": asdict(layer.output), "command": dict(layer.command)}
                   for layer in program.layers],
        "kernels": [{"name": kernel.name, "op": kernel.op, "output": asdict(kernel.output),
                     "calls": [asdict(call) for call in kernel.calls]} for kernel in program.kernels]}
