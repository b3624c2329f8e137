"""What an engine alone takes and how fast it is: synthesized, placed and routed out of context, with several seeds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from boards import Board, check_design, find_board
from flows.fpga.families import FAMILIES
from flows.fpga.implement import SEEDS
from flows.fpga.netlist import Netlist, Synthesis, count
from flows.fpga.placing import Placing
from flows.fpga.routing import Routed, Routing
from flows.run.progress import tell
from flows.run.queue import Failure, run_queue
from flows.run.store import Store
from hw.emit.enclosed import enclosed_verilog
from hw.emit.verilog import engine_verilog
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.presets import PRESETS
from hw.tools import ToolError, versions

__all__ = ["FabricReport", "fabric_rows", "place_engine"]

#: Where engines are placed, by family: an ECP5 that all of them fit into, speed grade 6, and the UP5K.
DEVICES: dict[str, tuple[str, Board]] = {
    "ecp5": ("LFE5U-85F-6", replace(find_board("ulx3s-85"), part="LFE5U-85F-6BG756C")),
    "ice40": ("iCE40UP5K", find_board("icebreaker")),
}
WANTED_MHZ = {"ecp5": 100.0, "ice40": 40.0}   # what the placer aims at; out of reach, so that it does not stop early
JOBS = 2

@dataclass(frozen=True, kw_only=True)
class FabricReport:
    """An engine alone on ``device``. On an iCE40 ``lut`` counts logic cells, of a lookup table and a flip-flop each."""

    preset: str
    device: str
    lut: int
    ff: int
    dsp: int
    bram: int
    spram: int
    fmax_mhz: tuple[float, ...]    # by seed
    macs_per_cycle: int
    floorplan: bool                # its scarce blocks were placed first
    wire_length: tuple[int | None, ...] = ()   # without and with a floorplan, tiles, where that was tried

    @property
    def median_mhz(self) -> float:
        return median(self.fmax_mhz)

    @property
    def lut_per_mac(self) -> float:
        return self.lut / self.macs_per_cycle

    @property
    def ff_per_mac(self) -> float:
        return self.ff / self.macs_per_cycle

    @property
    def row(self) -> dict[str, Any]:
        """For JSON."""
        record = asdict(self)
        del record["macs_per_cycle"]
        return record | {"fmax_mhz": list(self.fmax_mhz), "fmax_median_mhz": self.median_mhz,
                         "lut_per_mac": round(self.lut_per_mac, 1), "ff_per_mac": round(self.ff_per_mac, 1),
                         "wire_length": list(self.wire_length)}


def place_engine(design: DesignPoint, seeds: Sequence[int] = SEEDS, *, preset: str, store: Store,
                 jobs: int = JOBS) -> FabricReport:
    """Synthesize the engine of ``design`` and route it once with every seed, each of them from the store if there.

    On the ECP5 nextpnr routes it out of context: ports lead nowhere and paths from or to them do not count. For the
    iCE40 its ports are at two shift registers behind five pins (``hw.emit.enclosed``), which are taken off the
    figures again.

    Parameters
    ----------
    preset
        Its name in the report.
    jobs
        Seeds at a time.

    Raises
    ------
    ToolError
        If synthesis fails.
    HeddleError
        If the engine does not fit, routing fails with a seed, or there is none.
    """
    if not seeds:
        raise HeddleError(f"{preset}: no seeds to route with; give at least one")
    family = _family(design)
    device, board = DEVICES[family]
    tell("synthesizing", task=preset)
    netlist, enclosing = _netlist(store, design)
    placed = Placing(netlist=netlist, board=board, freq_mhz=WANTED_MHZ[family]).value(store)
    tell("", task=preset)
    routings = [Routing(netlist=placed.netlist, board=board, freq_mhz=WANTED_MHZ[family], seed=seed,
                        router=placed.router) for seed in seeds]
    routed: list[Routed] = []
    for batch in (routings[:jobs], routings[jobs:]):     # where the first ones fail, the others need not be tried
        for result in run_queue(partial(_route, store), batch, jobs=jobs,
                                name=lambda routing: f"{preset} seed {routing.seed}"):
            if isinstance(result.value, Failure):
                reason = _too_large(netlist, family) or result.value.reason
                raise HeddleError(f"{preset}, seed {result.task.seed}: {reason}")
            routed.append(result.value)
    used = routed[0].resources
    return FabricReport(preset=preset, device=device, lut=used["lut"] - (enclosing if family == "ice40" else 0),
                        ff=used["ff"] - enclosing, dsp=used["dsp"], bram=used["bram"], spram=used["spram"],
                        fmax_mhz=tuple(round(one.fmax_mhz, 2) for one in routed),
                        macs_per_cycle=design.macs_per_cycle, floorplan=placed.used,
                        wire_length=(placed.free, placed.fixed) if placed.tried else ())


def fabric_rows(store: Store, *, designs: Mapping[str, DesignPoint] = PRESETS,
                seeds: Sequence[int] = SEEDS) -> Iterator[dict[str, Any]]:
    """For JSON, the report of every design by name, and which ``tools`` made it; of one that is not routed all are None
    but its ``error``.

    Raises ToolError if synthesis fails.
    """
    for preset, design in designs.items():
        try:
            row = place_engine(design, seeds, preset=preset, store=store).row
            yield row | {"tools": versions("yosys", FAMILIES[_family(design)].nextpnr)}
        except ToolError:
            raise
        except HeddleError as error:
            empty = dict.fromkeys(field.name for field in fields(FabricReport) if field.name != "macs_per_cycle")
            device = DEVICES[find_board(design.board).family][0]
            yield {**empty, "preset": preset, "device": device, "error": str(error)}


def _family(design: DesignPoint) -> str:
    """Device family of the design's board; raises SpecError where the design cannot be built for it."""
    board = find_board(design.board)
    check_design(design, board)
    return board.family


def _netlist(store: Store, design: DesignPoint) -> tuple[Netlist, int]:
    """The engine's netlist, and the registers that were put around it."""
    family = _family(design)
    if family == "ice40":
        top, (verilog, enclosing) = "heddle_enclosed", enclosed_verilog(design)
    else:
        top, verilog, enclosing = "heddle_engine", engine_verilog(design), 0
    with TemporaryDirectory(prefix="heddle-") as folder:
        source = Path(folder) / "engine.v"
        source.write_text(verilog, encoding="utf-8")
        netlist = Synthesis(verilog=(source,), top=top, family=family).value(store)
    return netlist, enclosing


def _too_large(netlist: Netlist, family: str) -> str:
    """What does not fit into the device; empty if all does."""
    device, board = DEVICES[family]
    with TemporaryDirectory() as folder:
        short = board.shortfalls(count(netlist, board, Path(folder)))
    return f"does not fit the {device}: {', '.join(short)}; take a smaller design" if short else ""


def _route(store: Store, routing: Routing) -> Routed:
    """In a worker."""
    tell("routing")
    return routing.value(store)
