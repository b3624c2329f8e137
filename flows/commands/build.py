"""``heddle build``: bitstream, firmware and report of a model on a board."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from boards import Board
from flows.estimate.nearest import nearest_preset
from flows.estimate.resources import estimate_resources, uncalibrated
from flows.fpga.buildable import check_buildable
from flows.fpga.clock import highest_met
from flows.fpga.families import FAMILIES
from flows.fpga.firmware import FIRMWARE
from flows.fpga.fit import DoesNotFitError
from flows.fpga.implement import SEEDS, Implementation, implement
from flows.fpga.seeds import most_at_once
from flows.fpga.timing import critical_path
from flows.run.files import write_json, write_whole
from flows.run.progress import advance, work
from flows.run.store import open_store
from flows.train.model import correct_model, load_model
from flows.train.training import MODEL
from flows.verify.verification import IMAGE
from hw.soc.pll import legal_clocks
from hw.soc.target import load_target
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.image import unpack_header
from hw.spec.presets import to_toml
from hw.spec.soc import OUTSIDE, memory_map
from hw.tools import versions
from sw.compiler import Program, compile_graph
from sw.firmware.build import code_bytes, functions_of
from sw.golden.kernels import name_of

__all__ = ["AUTO", "RECORD", "build_record", "build_to", "memory_record", "trial_record", "way_out"]

RECORD = "build.json"
AUTO = "auto"           # of clocks: the highest that is met
COMPILERS = ("yosys", "riscv64-unknown-elf-gcc")
HOPELESS = 2 / 3        # of the clock: an estimated Fmax below it is not worth a quarter of an hour of routing


def build_to(model_name: str, design_name: str, board_name: str | None, *, clock_mhz: float | str | None,
             out: Path, correct: str | None = None, seeds: int = len(SEEDS), jobs: int | None = None) -> dict[str, Any]:
    """Write bitstream, firmware, model image and ``build.json`` to ``out``; returns the content of the last.

    Without a ``clock_mhz`` it is the board's usual one, with ``AUTO`` the highest that is met. Each clock is routed
    with so many ``seeds`` until one meets it, ``jobs`` at once; without a number, what the machine has room for.
    With ``correct`` the biases are corrected first, see ``flows.train.model.correct_model``.
    Where timing is missed only the record is written, and it names no file; a bitstream of before stays.

    Raises
    ------
    HeddleError
        If something is unknown, does not fit, streams weights on a board without a memory for them, could not reach
        the clock, or a tool fails. What does not fit is named with its numbers and the preset that would.
    """
    design, board = load_target(design_name, board_name)
    model = load_model(model_name, weight_bits=design.weight_bits)
    if correct:
        model = correct_model(model, design, correct)
    program = compile_graph(model.graph, design)
    check_buildable(program, board)
    store, jobs = open_store(), jobs or most_at_once()
    instead = partial(nearest_preset, model.graph, board, without=design)

    def trial(mhz: float) -> Implementation:
        return implement(store, design, board, mhz, functions=functions_of(program.image), jobs=jobs,
                         seeds=range(1, seeds + 1), streams=program.streams_outside)

    with work(f"building for {board.name}", 1):
        try:
            check_size(design, board)
            trials = _trials(trial, design, board, clock_mhz)
        except DoesNotFitError as error:
            preset = instead(board.soc_mhz)
            raise HeddleError(f"{error}; " + (f"--design {preset} is estimated to fit" if preset else
                                              "no preset is known to fit")) from error
        made = max(trials, key=lambda each: (each.routed.timing_met * each.clock_mhz, each.routed.fmax_mhz))
        stream = made.bitstream(store, program) if made.routed.timing_met else None
        advance()
    if stream:
        for name, content in ((stream.name, stream.read_bytes()), (FIRMWARE, made.firmware.read_bytes()),
                              (IMAGE, program.image), ("design.toml", to_toml(design)), (MODEL, model.content())):
            write_whole(out / name, content)
    document = (build_record(made, board, stream.name if stream else None) | memory_record(program, made.firmware)
                | {"trials": [trial_record(each) for each in trials],
                   "instead": None if stream else way_out(made, instead(made.clock_mhz))})
    write_json(out / RECORD, document)
    return document


def _trials(trial: Callable[[float], Implementation], design: DesignPoint, board: Board,
            clock_mhz: float | str | None) -> list[Implementation]:
    if clock_mhz == AUTO:
        estimated = board.soc_mhz if uncalibrated(design, board) else estimate_resources(design, board).fmax_mhz
        return highest_met(trial, legal_clocks(board), estimated)
    wanted = float(clock_mhz or board.soc_mhz)
    check_clock(design, board, wanted)
    return [trial(wanted)]


def trial_record(made: Implementation) -> dict[str, Any]:
    """A clock that was tried, and what each seed gave up to the first that met it."""
    return {"clock_mhz": made.clock_mhz, "timing_met": made.routed.timing_met,
            "seeds": [each.record for each in made.seeds.tried]}


def way_out(made: Implementation, preset: str | None) -> dict[str, Any]:
    """Where timing is missed: the highest clock below the Fmax, or None, and a preset that reaches the wanted one."""
    below = [clock for clock in legal_clocks(made.board) if clock <= made.routed.fmax_mhz]
    return {"clock_mhz": below[-1] if below else None, "preset": preset}


def check_size(design: DesignPoint, board: Board) -> None:
    """Raises DoesNotFitError, before anything is synthesized, for what is known exactly: multipliers and block RAMs."""
    if not uncalibrated(design, board):
        used = estimate_resources(design, board).used
        if short := board.shortfalls({name: used[name] for name in ("dsp", "bram")}):
            raise DoesNotFitError(f"{design.label} does not fit {board.title}: {', '.join(short)}")


def check_clock(design: DesignPoint, board: Board, clock_mhz: float) -> None:
    """Raises HeddleError, before anything is routed, for a clock that is out of reach by a third or more."""
    if uncalibrated(design, board):
        return
    fmax_mhz = estimate_resources(design, board).fmax_mhz
    if fmax_mhz < HOPELESS * clock_mhz:
        raise HeddleError(f"clock_mhz={clock_mhz:g}: this SoC is estimated to reach {fmax_mhz:.0f} MHz, so no seed "
                          f"would meet it; build with --clock-mhz auto, or {int(fmax_mhz)} or less")


def memory_record(program: Program, firmware: Path) -> dict[str, Any]:
    """Bytes of each memory, used and available, and of the ROM's those of the functions that the network calls."""
    design, code = program.design, code_bytes(firmware)
    called = {name_of(call) for plan in program.kernels for call in plan.calls}
    sizes = {"weights": (program.resident_bytes, design.weight_bytes),
             "activations": (unpack_header(program.image)["act_bytes"], design.act_bytes),
             "rom": (firmware.stat().st_size, memory_map(design).rom.size)}
    if program.streams_outside:
        sizes["sdram"] = program.streamed_bytes, OUTSIDE.size
    return {"memories": {name: {"used": used, "available": have} for name, (used, have) in sizes.items()},
            "functions": {name: size for name, size in code.items() if name in called}}


def build_record(made: Implementation, board: Board, stream: str | None) -> dict[str, Any]:
    """``build.json``; the files are relative to its folder, None where timing was missed and none was written.

    ``floorplan`` says whether scarce blocks were placed first, and both wire lengths (``flows.fpga.placing.Placed``).
    ``flash`` says what of them lies where in the board's flash, by the names of ``MemoryMap``, where the SoC boots from
    there; ``stream`` is all of it then.
    """
    routed, memory, family = made.routed, made.soc.memory, FAMILIES[board.family]
    path = critical_path(routed)
    return {"board": board.name, "device": board.device, "bitstream": stream,
            "firmware": FIRMWARE if stream else None,
            "flash": {"firmware": memory.rom.origin, "image": memory.image.origin} if memory.image else None,
            "resources": {name: {"used": routed.resources[name], "available": have}
                          for name, have in board.budget.items()},
            "fmax_mhz": routed.fmax_mhz, "clock_mhz": made.clock_mhz, "timing_met": routed.timing_met,
            "seed": routed.seed, "critical_path": asdict(path) if path else None, "floorplan": made.placed.record,
            "tools": versions(*COMPILERS, family.nextpnr, family.pack[0])}
