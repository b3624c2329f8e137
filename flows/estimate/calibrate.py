"""``python -m flows.estimate.calibrate``: fits the resource models to synthesized and routed designs; hours of a core.

For the ECP5 every design below is synthesized alone and packed; its LUTs and flip-flops are the samples. Those of
``ROUTED`` are also routed as whole SoCs, which gives the cost of the rest of the SoC and the clock period. A UP5K is
too full for parts: its samples are whole SoCs. The weights minimize the relative error, none is negative, and the error
that is written down is of designs left out of the fit, one at a time. Results come from the store, so a second run only
fits. A multiplier kind that no sample has is as many times as large as ``lut`` as its products are alone.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from boards import BOARDS, Board
from flows.estimate.resources import COEFFICIENTS, STRUCTURES
from flows.fpga.firmware import Firmware
from flows.fpga.implement import Implementation, implement
from flows.fpga.netlist import PackedCount, Synthesis, count
from flows.fpga.soc import SocSources
from flows.run.files import write_whole
from flows.run.progress import listening, note, tell
from flows.run.store import Store, open_store
from hw.emit.verilog import engine_verilog, products_verilog
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.multipliers import MULTIPLIERS
from hw.spec.presets import PRESETS
from hw.spec.soc import memory_map
from hw.tools import versions

__all__ = ["SAMPLES", "UP5K_SAMPLES", "calibrate", "count_engine", "count_products", "count_sdram", "count_soc",
           "fit"]

COUNT_BOARD = BOARDS["ulx3s-85"]    # of the packer: larger than any sample
PRODUCTS = 4        # side by side, where their size is counted

# rows, cols, lanes, multiplier, weight bits, requantizers, activation KB, weight KB
_TABLE = (
    (1, 2, 4, "dsp", 8, 1, 2, 8), (1, 2, 4, "trunc", 4, 2, 1, 4), (1, 2, 4, "lut", 2, 1, 4, 2),
    (1, 4, 4, "lut", 8, 1, 2, 16), (1, 4, 4, "lut", 2, 4, 4, 4), (1, 4, 4, "dsp", 4, 2, 8, 8),
    (1, 4, 4, "trunc", 8, 2, 16, 32), (2, 4, 4, "dsp", 8, 1, 8, 32), (2, 4, 4, "lut", 8, 2, 16, 32),
    (2, 4, 4, "trunc", 8, 4, 4, 16), (2, 4, 4, "trunc", 4, 1, 2, 8), (2, 4, 4, "lut", 4, 2, 2, 8),
    (2, 4, 4, "dsp", 2, 4, 4, 8), (4, 2, 4, "dsp", 8, 2, 4, 16), (4, 2, 4, "trunc", 8, 1, 8, 32),
    (4, 2, 4, "lut", 2, 2, 2, 4), (1, 8, 4, "dsp", 8, 1, 4, 32), (1, 8, 4, "trunc", 4, 4, 2, 16),
    (1, 8, 4, "trunc", 2, 1, 2, 8), (4, 4, 4, "dsp", 8, 1, 64, 64), (4, 4, 4, "lut", 4, 4, 16, 32),
    (2, 2, 8, "lut", 8, 2, 8, 16), (8, 2, 2, "dsp", 4, 1, 2, 16), (4, 8, 4, "dsp", 8, 4, 64, 128),
)
#: What only some designs have; each of these at least twice, so that one can be left out.
_OTHERS: tuple[tuple[tuple[int, int, int, str, int, int, int, int], dict[str, Any]], ...] = (
    ((2, 4, 4, "lut", 8, 2, 32, 40), {"depthwise_taps": 4, "stream_bytes": 2}),
    ((4, 4, 4, "lut", 8, 4, 64, 112), {"depthwise_taps": 4, "stream_bytes": 2}),
    ((1, 4, 4, "dsp", 8, 1, 8, 16), {"depthwise_taps": 4}),
    ((2, 4, 4, "dsp", 8, 2, 8, 16), {"depthwise_taps": 2, "requantizer_dsps": 2}),
    ((4, 8, 4, "dsp", 8, 8, 64, 128), {"depthwise_taps": 4, "requantizer_dsps": 2, "stream_bytes": 2}),
    ((1, 4, 4, "lut", 4, 1, 4, 8), {"requantizer_dsps": 0}), ((2, 2, 4, "dsp", 8, 2, 4, 8), {"requantizer_dsps": 0}),
    ((1, 4, 4, "dsp", 8, 1, 4, 8), {"requantizer_cycles": 2, "requantizer_dsps": 2}),
    ((2, 4, 4, "lut", 4, 4, 8, 8), {"requantizer_cycles": 2, "requantizer_dsps": 2}),
    ((1, 4, 4, "lut", 8, 2, 4, 8), {"requantizer_cycles": 2, "requantizer_dsps": 0}),
    ((2, 4, 4, "dsp", 8, 1, 8, 8), {"requantizer_cycles": 2, "requantizer_dsps": 0}),
    ((1, 4, 4, "dsp", 8, 1, 4, 8), {"requantizer_cycles": 4, "requantizer_dsps": 2}),
    ((2, 4, 4, "lut", 4, 2, 8, 8), {"requantizer_cycles": 4, "requantizer_dsps": 2}),
    ((1, 2, 4, "dsp", 8, 1, 4, 8), {"requantizer_cycles": 4, "requantizer_dsps": 0}),
    ((2, 4, 4, "dsp", 8, 4, 8, 8), {"requantizer_cycles": 4, "requantizer_dsps": 0}),
    ((2, 4, 4, "packed", 4, 2, 8, 8), {}), ((1, 8, 4, "packed", 4, 1, 4, 8), {"stream_bytes": 4}),
    ((2, 4, 8, "lut", 1, 2, 8, 4), {}), ((1, 8, 8, "lut", 1, 1, 4, 4), {}),
    ((2, 4, 4, "ternary", 2, 2, 8, 4), {}), ((1, 8, 4, "ternary", 2, 1, 4, 4), {}),
    ((2, 4, 4, "lut", 4, 2, 8, 8), {"act_bits": 4}), ((2, 4, 4, "dsp", 8, 1, 8, 16), {"dataflow": "weight"}),
    # beside samples that differ in nothing else
    ((2, 4, 4, "dsp", 8, 1, 8, 32), {"table_unit": True}), ((2, 4, 4, "trunc", 8, 4, 4, 16), {"table_unit": True}),
    ((1, 4, 4, "lut", 2, 4, 4, 4), {"table_unit": True}),
    ((1, 4, 4, "scalable", 8, 1, 2, 16), {}), ((2, 2, 8, "scalable", 8, 2, 8, 16), {}),
    ((1, 8, 4, "scalable", 8, 4, 2, 16), {}), ((2, 4, 4, "scalable", 8, 8, 8, 16), {}),
    ((2, 4, 4, "scalable", 8, 2, 32, 40), {"depthwise_taps": 4, "stream_bytes": 2}),
    ((4, 4, 4, "scalable", 8, 4, 64, 112), {"depthwise_taps": 4, "stream_bytes": 2}),
    ((4, 4, 4, "scalable", 8, 8, 64, 112), {"depthwise_taps": 4, "stream_bytes": 2}),
    ((1, 8, 4, "scalable-dsp", 8, 4, 2, 16), {}),
    ((2, 4, 4, "scalable-dsp", 8, 2, 32, 40), {"depthwise_taps": 4, "stream_bytes": 2}),
    ((4, 4, 4, "scalable-dsp", 8, 4, 64, 112), {"depthwise_taps": 4, "stream_bytes": 2}),
)


def _sample(row: tuple[int, int, int, str, int, int, int, int], **others: Any) -> DesignPoint:
    rows, cols, lanes, multiplier, bits, units, act, weights = row
    return DesignPoint(rows=rows, cols=cols, lanes=lanes, multiplier=multiplier, weight_bits=bits,
                       requantizers=units, act_bytes=act << 10, weight_bytes=weights << 10, **others)


SAMPLES = (*(_sample(row) for row in _TABLE), *(_sample(row, **others) for row, others in _OTHERS))
STREAMING = _sample((1, 2, 4, "dsp", 8, 1, 2, 8), stream_bytes=2)     # with a memory outside, and without
#: SoCs whose clock period is measured, and of which the rest of a SoC is the difference, with their boards.
ROUTED = tuple((SAMPLES[number], board) for number, board in (
    (0, "ulx3s-25"), (4, "ulx3s-25"), (8, "ulx3s-25"), (16, "ulx3s-85"), (26, "ulx3s-25")))

UP5K = PRESETS["up5k"]
UP5K_SAMPLES = tuple(replace(UP5K, **change) for change in (    # whole SoCs, whether they fit or not
    {}, {"table_unit": True}, {"layer_log": True}, {"requantizer_cycles": 4}, {"weight_bytes": 8192},
    {"weight_bytes": 2048}, {"cols": 2, "lanes": 8}, {"lanes": 8, "weight_bits": 4}, {"multiplier": "lut"},
    {"lanes": 8, "weight_bits": 4, "requantizer_cycles": 4},
    {"cols": 2, "lanes": 8, "multiplier": "lut"}, {"lanes": 8, "weight_bits": 4, "multiplier": "lut"},
    {"lanes": 8, "weight_bits": 4, "multiplier": "lut", "requantizer_cycles": 4},
    {"cols": 2, "lanes": 8, "table_unit": True, "requantizer_cycles": 4},
    {"layer_log": True, "requantizer_cycles": 4, "weight_bytes": 3072}))
UP5K_ROUTED = tuple((UP5K_SAMPLES[number], UP5K.board) for number in (0, 3, 5, 13))

BLOCKS = ("lut", "ff", "dsp", "bram")
SDRAM_BOARDS = {"sdr": "ulx3s-25", "ddr3": "orangecrab-85"}           # of each kind one, with a chip of 16 bits

Terms = Mapping[str, float]


def count_engine(store: Store, design: DesignPoint) -> dict[str, int]:
    """Resources of the engine alone, synthesized and packed."""
    return PackedCount(verilog=engine_verilog(design), top="heddle_engine", board=COUNT_BOARD).value(store)


def count_sdram(store: Store, board: Board) -> dict[str, int]:
    """What LiteDRAM and the pins of a board's chip add to a SoC, synthesized and packed."""
    without, with_it = (count_soc(store, STREAMING, board, streams=streams) for streams in (False, True))
    return {kind: with_it[kind] - without[kind] for kind in without}


def count_soc(store: Store, design: DesignPoint, board: Board, *, streams: bool = False) -> dict[str, int]:
    """Resources of a whole SoC, synthesized and packed."""
    memory = memory_map(design, streams=streams)
    firmware = Firmware(cpu=design.cpu, memory=memory).value(store)
    soc = SocSources(design=design, board=board, clock_mhz=board.soc_mhz, firmware=firmware, memory=memory).value(store)
    netlist = Synthesis(verilog=soc.verilog, top=soc.top, data=(soc.rom,) if soc.rom else (),
                        family=board.family).value(store)
    with TemporaryDirectory(prefix="heddle-") as name:
        return count(netlist, board, Path(name), pins=soc.pins)


def count_products(store: Store, board: Board) -> dict[str, float]:
    """LUTs of a product of each kind without blocks, alone: by the kind's name and the weights' width."""
    return {f"{kind.name}_{bits}": PackedCount(
        verilog=products_verilog(kind.name, weight_bits=bits, act_bits=8, lanes=PRODUCTS), top="heddle_products",
        board=board).value(store)["lut"] / PRODUCTS
        for kind in MULTIPLIERS.values() if not kind.uses_dsp for bits in kind.weight_bits}


def fit(terms: Sequence[Terms], measured: Sequence[float]) -> dict[str, float]:
    """Weights, none negative, that minimize the sum of squared relative errors."""
    names = sorted({name for sample in terms for name in sample})
    matrix = np.array([[sample.get(name, 0.0) for name in names] for sample in terms]) / np.array(measured)[:, None]
    scale = np.linalg.norm(matrix, axis=0)
    kept = list(range(len(names)))
    while True:
        solution = np.linalg.lstsq(matrix[:, kept] / scale[kept], np.ones(len(measured)), rcond=None)[0]
        if solution.min() >= 0:
            break
        del kept[int(solution.argmin())]
    found = dict.fromkeys(names, 0.0)
    found.update((names[column], float(f"{value / scale[column]:.6g}"))
                 for column, value in zip(kept, solution, strict=True))
    return found


def _modelled(terms: Sequence[Terms], measured: Sequence[float]) -> dict[str, Any]:
    """Weights over all samples, and the errors of each sample under the weights of the others."""
    errors = []
    for left_out in range(len(terms)):
        others = [n for n in range(len(terms)) if n != left_out]
        weights = fit([terms[n] for n in others], [measured[n] for n in others])
        if set(terms[left_out]) <= set(weights):
            guess = sum(weights[name] * size for name, size in terms[left_out].items())
            errors.append(abs(guess / measured[left_out] - 1))
    return {"weights": fit(terms, measured), "median_error": round(float(np.median(errors)), 4),
            "max_error": round(max(errors), 4), "left_out": len(errors)}


def calibrate(store: Store) -> dict[str, Any]:
    """The models as ``resources.json`` holds them. Raises ToolError; what was measured stays in the store."""
    return {"made_by": "python -m flows.estimate.calibrate", "ecp5": _ecp5(store), "ice40": _ice40(store)}


def _ecp5(store: Store) -> dict[str, Any]:
    used = _counted("ecp5", SAMPLES, lambda design: count_engine(store, design))
    routed = _routed(store, ROUTED)
    rest = [{kind: made.routed.resources[kind] - used[SAMPLES.index(made.design)][kind] for kind in BLOCKS}
            for made in routed]
    return {"tools": versions("yosys", "nextpnr-ecp5"), "products": count_products(store, COUNT_BOARD),
            "soc": {kind: round(float(np.mean([each[kind] for each in rest]))) for kind in BLOCKS},
            "sdram": {kind: count_sdram(store, BOARDS[board]) for kind, board in SDRAM_BOARDS.items()},
            **_model("ecp5", SAMPLES, used, routed)}


def _ice40(store: Store) -> dict[str, Any]:
    used = _counted("ice40", UP5K_SAMPLES, lambda design: count_soc(store, design, BOARDS[UP5K.board]))
    return {"tools": versions("yosys", "nextpnr-ice40"), "products": count_products(store, BOARDS[UP5K.board]),
            "soc": {}, **_model("ice40", UP5K_SAMPLES, used, _routed(store, UP5K_ROUTED))}


def _counted(family: str, samples: Sequence[DesignPoint], used_by: Callable[[DesignPoint], dict[str, int]]
             ) -> list[dict[str, int]]:
    found = []
    for number, design in enumerate(samples):
        tell(f"{family}, sample {number + 1} of {len(samples)}: {design.label}")
        found.append(used_by(design))
        for kind, exact in STRUCTURES[family].blocks.items():
            if found[-1][kind] != exact(design):
                raise HeddleError(f"{design.label}: {found[-1][kind]} {kind} synthesized, {exact(design)} by the "
                                  f"formula in flows/estimate; correct it")
    return found


def _routed(store: Store, asked: Sequence[tuple[DesignPoint, str]]) -> list[Implementation]:
    found = []
    for design, board in asked:
        tell(f"SoC of {design.label} on {board}")
        found.append(implement(store, design, BOARDS[board], BOARDS[board].soc_mhz, seeds=(1,)))
    return found


def _model(family: str, samples: Sequence[DesignPoint], used: Sequence[dict[str, int]], routed: Sequence[Implementation]
           ) -> dict[str, Any]:
    """The weights of a family, and what they were fitted to."""
    structure = STRUCTURES[family]
    shapes = [structure.features(design) for design in samples]
    return {
        **{kind: _modelled([shape[kind] for shape in shapes], [sample[kind] for sample in used])
           for kind in ("lut", "ff")},
        "period_ns": _modelled([structure.period_terms(made.design) for made in routed],
                               [1000 / made.routed.fmax_mhz for made in routed]),
        "samples": [{"design": design.label, "act_bytes": design.act_bytes, "weight_bytes": design.weight_bytes,
                     **sample} for design, sample in zip(samples, used, strict=True)],
        "routed": [{"design": made.design.label, "board": made.board.name, "fmax_mhz": round(made.routed.fmax_mhz, 2),
                    **made.routed.resources} for made in routed],
    }


class _Lines:
    """Prints what is told."""

    def began(self, title: str, total: int | None) -> None:
        print(title, file=sys.stderr)

    def ended(self) -> None:
        pass

    def counted(self, done: int, total: int | None) -> None:
        pass

    def told(self, task: str, text: str) -> None:
        print(text, file=sys.stderr)

    def noted(self, text: str) -> None:
        print(text, file=sys.stderr)


def main() -> int:
    with listening(_Lines()):
        try:
            model = calibrate(open_store())
            write_whole(COEFFICIENTS, json.dumps(model, indent=1) + "\n")
        except HeddleError as error:
            note(f"error: {error}")
            return 2
        for family in STRUCTURES:
            for kind in ("lut", "ff", "period_ns"):
                fitted = model[family][kind]
                note(f"{family}, {kind}: median error {fitted['median_error']:.1%}, largest {fitted['max_error']:.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
