"""``python -m flows.estimate.calibrate``: fits the resource model to synthesized and routed designs; an hour of a core.

Every design below is synthesized alone and packed; its LUTs and flip-flops are the samples. Those of ``ROUTED`` are
also routed as whole SoCs, which gives the cost of the rest of the SoC and the clock period. The weights minimize the
relative error, none is negative, and the error that is written down is of designs left out of the fit, one at a time.
Results come from the store, so a second run only fits. A multiplier kind that no sample has is as many times as large
as ``lut`` as its products are alone.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from boards import BOARDS, Board
from flows.estimate.resources import COEFFICIENTS, engine_bram, engine_dsp, features, period_terms
from flows.fpga.firmware import Firmware
from flows.fpga.implement import implement
from flows.fpga.netlist import PackedCount, Synthesis, count
from flows.fpga.soc import SocSources
from flows.run.files import write_whole
from flows.run.progress import listening, note, tell
from flows.run.store import Store, open_store
from hw.emit.verilog import engine_verilog, products_verilog
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.multipliers import MULTIPLIERS
from hw.spec.soc import memory_map
from hw.tools import versions

__all__ = ["SAMPLES", "calibrate", "count_engine", "count_products", "fit"]

COUNT_BOARD = BOARDS["ulx3s-85"]    # of the packer: larger than any sample
CLOCK_MHZ = 50.0
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
SDRAM_BOARDS = {"sdr": "ulx3s-25", "ddr3": "orangecrab-85"}           # of each kind one, with a chip of 16 bits
#: (index of the sample, board)
ROUTED = ((0, "ulx3s-25"), (4, "ulx3s-25"), (8, "ulx3s-25"), (16, "ulx3s-85"), (26, "ulx3s-25"))

Terms = Mapping[str, float]


def count_engine(store: Store, design: DesignPoint) -> dict[str, int]:
    """Resources of the engine alone, synthesized and packed."""
    return PackedCount(verilog=engine_verilog(design), top="heddle_engine", board=COUNT_BOARD).value(store)


def count_sdram(store: Store, board: Board) -> dict[str, int]:
    """What LiteDRAM and the pins of a board's chip add to a SoC, synthesized and packed."""
    used = []
    for streams in (False, True):
        memory = memory_map(STREAMING, streams=streams)
        firmware = Firmware(cpu=STREAMING.cpu, memory=memory).value(store)
        soc = SocSources(design=STREAMING, board=board, clock_mhz=CLOCK_MHZ, firmware=firmware,
                         memory=memory).value(store)
        netlist = Synthesis(verilog=soc.verilog, top=soc.top, data=(soc.rom,) if soc.rom else (),
                            family=board.family).value(store)
        with TemporaryDirectory(prefix="heddle-") as name:
            used.append(count(netlist, board, Path(name), pins=soc.pins))
    return {kind: used[1][kind] - used[0][kind] for kind in used[0]}


def count_products(store: Store) -> dict[str, float]:
    """LUTs of a product of each kind without blocks, alone: by the kind's name and the weights' width."""
    return {f"{kind.name}_{bits}": PackedCount(
        verilog=products_verilog(kind.name, weight_bits=bits, act_bits=8, lanes=PRODUCTS), top="heddle_products",
        board=COUNT_BOARD).value(store)["lut"] / PRODUCTS
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
    """The model as ``resources.json`` holds it. Raises ToolError; what was measured stays in the store."""
    used = []
    for number, design in enumerate(SAMPLES):
        tell(f"engine {number + 1} of {len(SAMPLES)}: {design.label}")
        used.append(count_engine(store, design))
        for kind, exact in (("dsp", engine_dsp(design)), ("bram", engine_bram(design))):
            if used[-1][kind] != exact:
                raise HeddleError(f"{design.label}: {used[-1][kind]} {kind} synthesized, {exact} by "
                                  f"flows.estimate.resources; correct the formula")
    routed = []
    for number, board in ROUTED:
        tell(f"SoC of {SAMPLES[number].label} on {board}")
        routed.append(implement(store, SAMPLES[number], BOARDS[board], CLOCK_MHZ, seeds=(1,)).routed)
    shapes = [features(design) for design in SAMPLES]
    soc = {kind: round(float(np.mean([made.resources[kind] - used[number][kind]
                                      for made, (number, _) in zip(routed, ROUTED, strict=True)])))
           for kind in ("lut", "ff", "dsp", "bram")}
    periods = [period_terms(SAMPLES[number]) for number, _ in ROUTED]
    return {
        "made_by": "python -m flows.estimate.calibrate", "tools": versions("yosys", "nextpnr-ecp5"),
        "products": count_products(store), "soc": soc, "sdram": {
            kind: count_sdram(store, BOARDS[board]) for kind, board in SDRAM_BOARDS.items()},
        **{kind: _modelled([shape[kind] for shape in shapes], [sample[kind] for sample in used])
           for kind in ("lut", "ff")},
        "period_ns": _modelled(periods, [1000 / made.fmax_mhz for made in routed]),
        "samples": [{"design": design.label, "act_bytes": design.act_bytes, "weight_bytes": design.weight_bytes,
                     **sample} for design, sample in zip(SAMPLES, used, strict=True)],
        "routed": [{"design": SAMPLES[number].label, "board": board, "fmax_mhz": round(made.fmax_mhz, 2),
                    **made.resources} for made, (number, board) in zip(routed, ROUTED, strict=True)],
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
        for kind in ("lut", "ff", "period_ns"):
            note(f"{kind}: median error {model[kind]['median_error']:.1%}, largest {model[kind]['max_error']:.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
