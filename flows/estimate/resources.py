"""Logic, memories and Fmax of a design point, without synthesis.

Multipliers and block RAMs follow from the structure, exactly. LUTs, flip-flops and the clock period are sums of terms
that the gateware's structure names; their weights were fitted to synthesized and routed designs by
``python -m flows.estimate.calibrate``, which wrote them to ``resources.json`` with those designs and the errors that
remain.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from boards import Board
from flows.estimate import compact, wide
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError

__all__ = ["COEFFICIENTS", "STRUCTURES", "Resources", "Structure", "estimate_resources", "load_model", "uncalibrated"]

COEFFICIENTS = Path(__file__).with_name("resources.json")


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a design's whole SoC takes on a board, and the clock that it can run at."""

    lut: int
    ff: int
    dsp: int
    bram: int
    spram: int
    fmax_mhz: float

    @property
    def used(self) -> dict[str, int]:
        """By the names of ``Board.budget``."""
        return {"lut": self.lut, "ff": self.ff, "dsp": self.dsp, "bram": self.bram, "spram": self.spram}


@dataclass(frozen=True, kw_only=True)
class Structure:
    """Of the SoCs of a family of devices, or of the part of them that designs change: the rest is ``soc`` in the model.
    """

    engine: str                                                         # that they have
    cpu: str
    features: Callable[[DesignPoint], dict[str, dict[str, float]]]      # of "lut" and "ff"
    blocks: Mapping[str, Callable[[DesignPoint], int]]                  # exact, by the names of ``Board.budget``
    period_terms: Callable[[DesignPoint], dict[str, float]]


STRUCTURES = {
    "ecp5": Structure(engine="wide", cpu="vexriscv", features=wide.features, period_terms=wide.period_terms,
                      blocks={"dsp": wide.engine_dsp, "bram": wide.engine_bram, "spram": lambda design: 0}),
    "ice40": Structure(engine="compact", cpu="serv", features=compact.features, period_terms=compact.period_terms,
                       blocks={"dsp": compact.soc_dsp, "bram": compact.soc_bram, "spram": compact.soc_spram}),
}


def uncalibrated(design: DesignPoint, board: Board) -> str:
    """Why there is no model of such a SoC, of which its CPU is a large part; "" where there is one."""
    known = STRUCTURES[board.family]
    for name, value in (("engine", known.engine), ("cpu", known.cpu)):
        if getattr(design, name) != value:
            return (f"{name}={getattr(design, name)!r} on board {board.name!r}: what a SoC takes of an {board.family} "
                    f"is known for engine={known.engine!r} with cpu={known.cpu!r} only")
    return ""


def estimate_resources(design: DesignPoint, board: Board, *, streams: bool = False) -> Resources:
    """Estimate for ``design`` in its SoC on ``board``; ``streams``: with a memory outside.

    >>> from boards import BOARDS
    >>> estimate_resources(DesignPoint(multiplier="dsp"), BOARDS["ulx3s-85"]).dsp - wide.engine_dsp(DesignPoint())
    8
    """
    if why := uncalibrated(design, board):
        raise HeddleError(why)
    model, structure = load_model(board.family), STRUCTURES[board.family]
    used = {kind: _sum(model[kind]["weights"], terms) for kind, terms in structure.features(design).items()}
    used |= {kind: exact(design) for kind, exact in structure.blocks.items()}
    for beside in (model["soc"], model["sdram"][board.sdram.kind] if streams and board.sdram else {}):
        used = {kind: size + beside.get(kind, 0) for kind, size in used.items()}
    period_ns = _sum(model["period_ns"]["weights"], structure.period_terms(design))
    return Resources(**{kind: round(size) for kind, size in used.items()}, fmax_mhz=round(1000 / period_ns, 2))


@cache
def load_model(family: str = "ecp5") -> dict[str, Any]:
    """The model fitted to SoCs of a family, with weights for the multiplier kinds that no sample has, from their size
    beside ``lut``'s.

    Raises HeddleError if the file is missing or damaged.
    """
    try:
        model = json.loads(COEFFICIENTS.read_text(encoding="utf-8"))[family]
        weights, alone = model["lut"]["weights"], model["products"]
        for name, luts in alone.items():
            plain = f"lut_{name.rpartition('_')[2]}"
            if f"product_{plain}" in weights:       # else no such engine is built for the family
                weights.setdefault(f"product_{name}", weights[f"product_{plain}"] * luts / alone[plain])
        return model
    except (OSError, ValueError, KeyError) as error:
        raise HeddleError(f"{COEFFICIENTS}: unreadable ({error}); get it back with git, or make it with "
                          f"`python -m flows.estimate.calibrate`") from error


def _sum(weights: Mapping[str, float], terms: Mapping[str, float]) -> float:
    try:
        return sum(weights[name] * size for name, size in terms.items())
    except KeyError as error:
        raise HeddleError(f"{COEFFICIENTS}: no weight for {error}; run `python -m flows.estimate.calibrate`") from error
