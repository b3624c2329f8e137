"""``python -m flows.estimate.calibrate``: fits the resource model to synthesized and routed designs; an hour of a core.

Every design below is synthesized alone and packed; its LUTs and flip-flops are the samples. Those of ``ROUTED`` are
also routed as whole SoCs, which gives the cost of the rest of the SoC and the clock period. The weights minimize the
relative error, none is negative, and the error that is written down is of designs left out of the fit, one at a time.
Results come from the store, so a second run only fits.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from boards import BOARDS
from flows.estimate.resources import COEFFICIENTS, engine_bram, engine_dsp, features, period_terms
from flows.fpga.implement import implement
from flows.fpga.synth import NETLIST_TOOLS, ROUTE_TOOLS, Netlist, count, synthesize
from flows.run.files import write_whole
from flows.run.store import Store, open_store, sources
from hw.emit.verilog import engine_verilog
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.tools import versions

__all__ = ["SAMPLES", "calibrate", "fit", "measure_engine"]

COUNT_BOARD = BOARDS["ulx3s-85"]    # of the packer: larger than any sample
CLOCK_MHZ = 50.0

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
)


def _sample(row: tuple[int, int, int, str, int, int, int, int], **others: Any) -> DesignPoint:
    rows, cols, lanes, multiplier, bits, units, act, weights = row
    return DesignPoint(rows=rows, cols=cols, lanes=lanes, multiplier=multiplier, weight_bits=bits,
                       requantizers=units, act_bytes=act << 10, weight_bytes=weights << 10, **others)


SAMPLES = (*(_sample(row) for row in _TABLE), *(_sample(row, **others) for row, others in _OTHERS))
#: (index of the sample, board)
ROUTED = ((0, "ulx3s-25"), (4, "ulx3s-25"), (8, "ulx3s-25"), (16, "ulx3s-85"), (26, "ulx3s-25"))

Terms = Mapping[str, float]


def measure_engine(store: Store, design: DesignPoint) -> dict[str, int]:
    """Resources of the engine alone, synthesized and packed."""
    verilog = engine_verilog(design)
    key = {"verilog": sha256(verilog.encode()).hexdigest(), "board": COUNT_BOARD.name,
           "sources": sources("flows.fpga.synth"), "tools": versions(*NETLIST_TOOLS, ROUTE_TOOLS[0])}

    def make(folder: Path) -> None:
        (folder / "engine.v").write_text(verilog)
        netlist: Netlist = synthesize([folder / "engine.v"], "heddle_engine", folder / "synth")
        used = count(netlist, COUNT_BOARD, folder / "pack")
        for path in (folder / "synth", folder / "pack"):
            for large in path.glob("*.json"):
                large.unlink()
        (folder / "used.json").write_text(json.dumps(used))

    return json.loads((store.get("engine-count", key, make) / "used.json").read_text())


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


def calibrate(store: Store, say: Callable[[str], None]) -> dict[str, Any]:
    """The model as ``resources.json`` holds it. Raises ToolError; what was measured stays in the store."""
    used = []
    for number, design in enumerate(SAMPLES):
        say(f"engine {number + 1} of {len(SAMPLES)}: {design.label}")
        used.append(measure_engine(store, design))
        for kind, exact in (("dsp", engine_dsp(design)), ("bram", engine_bram(design))):
            if used[-1][kind] != exact:
                raise HeddleError(f"{design.label}: {used[-1][kind]} {kind} synthesized, {exact} by "
                                  f"flows.estimate.resources; correct the formula")
    routed = []
    for number, board in ROUTED:
        say(f"SoC of {SAMPLES[number].label} on {board}")
        routed.append(implement(store, SAMPLES[number], BOARDS[board], CLOCK_MHZ, seeds=(1,), say=say).routed)
    shapes = [features(design) for design in SAMPLES]
    soc = {kind: round(float(np.mean([made.resources[kind] - used[number][kind]
                                      for made, (number, _) in zip(routed, ROUTED, strict=True)])))
           for kind in ("lut", "ff", "dsp", "bram")}
    periods = [period_terms(SAMPLES[number]) for number, _ in ROUTED]
    return {
        "made_by": "python -m flows.estimate.calibrate", "tools": versions(*NETLIST_TOOLS, ROUTE_TOOLS[0]),
        "soc": soc, **{kind: _modelled([shape[kind] for shape in shapes], [sample[kind] for sample in used])
                       for kind in ("lut", "ff")},
        "period_ns": _modelled(periods, [1000 / made.fmax_mhz for made in routed]),
        "samples": [{"design": design.label, "fingerprint": design.fingerprint, "act_bytes": design.act_bytes,
                     "weight_bytes": design.weight_bytes, **sample}
                    for design, sample in zip(SAMPLES, used, strict=True)],
        "routed": [{"design": SAMPLES[number].label, "board": board, "fmax_mhz": round(made.fmax_mhz, 2),
                    **made.resources} for made, (number, board) in zip(routed, ROUTED, strict=True)],
    }


def main() -> int:
    def say(text: str) -> None:
        print(text, file=sys.stderr)

    try:
        model = calibrate(open_store(), say)
        write_whole(COEFFICIENTS, json.dumps(model, indent=1) + "\n")
    except HeddleError as error:
        say(f"error: {error}")
        return 2
    for kind in ("lut", "ff", "period_ns"):
        say(f"{kind}: median error {model[kind]['median_error']:.1%}, largest {model[kind]['max_error']:.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
