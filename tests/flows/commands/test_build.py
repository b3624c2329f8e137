import shutil
from dataclasses import replace

import numpy as np
import pytest

from boards import BOARDS
from flows.commands.build import build_to, memory_record
from flows.fpga.buildable import check_buildable
from flows.fpga.fit import DoesNotFitError
from flows.fpga.implement import Implementation
from flows.fpga.netlist import Netlist
from flows.fpga.placing import Placed
from flows.fpga.seeds import Seed, Seeds
from flows.report.tables import build_instead, show_build
from flows.report.terminal import Display
from flows.run.store import Store
from flows.verify.ladder import verify
from hw.soc.generate import SocFiles
from hw.soc.pll import legal_clocks
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.presets import to_toml
from hw.spec.soc import OUTSIDE, MemoryMap
from sw.compiler import compile_graph
from sw.firmware import build
from tests.support.dense import STREAMING, even_dense, wide_dense
from tests.support.mixed import mixed_net
from tests.support.routed import routed
from tests.sw.golden.nets import small_net

SMALL = DesignPoint(multiplier="lut")


@pytest.fixture
def model(tmp_path):
    small_net(1).save(tmp_path / "model.npz")
    return tmp_path


def test_a_program_that_streams_is_for_a_board_with_a_memory(tmp_path):
    wide_dense().save(tmp_path / "model.npz")
    (tmp_path / "design.toml").write_text(to_toml(replace(STREAMING, requantizer_dsps=0)))
    refused = r"^wide: \d+ bytes of its weights stream on this design; board 'icebreaker': has no memory that weights "
    with pytest.raises(HeddleError, match=refused):
        build_to(str(tmp_path), str(tmp_path / "design.toml"), "icebreaker", clock_mhz=50, out=tmp_path / "out")
    with pytest.raises(HeddleError, match=refused):
        verify(wide_dense(), STREAMING, level="soc", inputs=np.zeros((1, 1, 1, 256), np.int8),
               board=BOARDS["icebreaker"], store=Store(tmp_path / "store"))
    check_buildable(compile_graph(wide_dense(), STREAMING), BOARDS["ulx3s-25"])
    check_buildable(compile_graph(wide_dense(), replace(STREAMING, weight_bytes=16384)))


@pytest.mark.parametrize("design, refused", [
    ('cpu = "arm"', r"^cpu='arm': unknown; choose 'picorv32', 'serv', 'vexriscv'$"),
])
def test_what_has_no_soc_yet_is_one_line(tmp_path, monkeypatch, design, refused):
    monkeypatch.setenv("HEDDLE_CACHE", str(tmp_path / "store"))
    even_dense().save(tmp_path / "model.npz")
    if "=" in design:
        (tmp_path / "design.toml").write_text(design)
        design = str(tmp_path / "design.toml")
    with pytest.raises(HeddleError, match=refused):
        build_to(str(tmp_path), design, None, clock_mhz=20, out=tmp_path / "out")


def test_a_clock_out_of_reach_is_refused_before_anything_is_routed(model, monkeypatch):
    monkeypatch.setattr("flows.commands.build.implement", lambda *arguments, **options: pytest.fail("routed"))
    design = model / "design.toml"
    design.write_text(to_toml(DesignPoint(multiplier="lut")))
    with pytest.raises(HeddleError, match=r"^clock_mhz=200: this SoC is estimated to reach \d+ MHz, so no seed would "
                                          r"meet it; build with --clock-mhz auto, or \d+ or less$"):
        build_to(str(model), str(design), None, clock_mhz=200, out=model / "out")
    assert not (model / "out").exists()


@pytest.fixture(scope="module")
def firmware(tmp_path_factory):
    return build(tmp_path_factory.mktemp("firmware"))


@pytest.fixture
def implemented(monkeypatch, model, firmware):
    """Implementations that nothing made, of these Fmax by wanted clock; gives what was asked for."""
    def replace_by(fmax_mhz, design=SMALL):
        asked = []

        def implement(store, design, board, clock_mhz, *, functions, seeds, jobs, streams):
            asked.append((clock_mhz, tuple(seeds), jobs))
            reached = fmax_mhz(clock_mhz) if callable(fmax_mhz) else fmax_mhz
            made = routed(model / "routed", 1, reached, clock_mhz, dict.fromkeys(board.budget, 7))
            soc = SocFiles(folder=model, top="t", verilog=(), rom=model, pins=None, clock_mhz=clock_mhz,
                           memory=MemoryMap())
            netlist = Netlist(folder=model, top="t", cells={})
            return Implementation(design=design, board=board, firmware=firmware, soc=soc, netlist=netlist,
                                  placed=Placed(netlist=netlist, free=500, fixed=400), seeds=Seeds(tried=(
                                      Seed(seed=1, routed=made), Seed(seed=2, failure="cannot be placed"))))
        monkeypatch.setattr("flows.commands.build.implement", implement)
        return asked
    (model / "routed").mkdir()
    (model / "design.toml").write_text(to_toml(SMALL))
    (model / "heddle.bit").write_bytes(b"bits")
    monkeypatch.setattr(Implementation, "bitstream", lambda *arguments: model / "heddle.bit")
    monkeypatch.setenv("HEDDLE_CACHE", str(model / "store"))
    return replace_by


def built(model, clock_mhz, **options):
    return build_to(str(model), str(model / "design.toml"), None, clock_mhz=clock_mhz, out=model / "out", **options)


def test_what_was_written_is_what_is_listed(model, firmware, implemented, capsys):
    for fmax_mhz, files in ((70.0, {"build.json", "heddle.bit", "firmware.bin", "model.bin", "design.toml",
                                    "model.npz"}), (49.0, {"build.json"})):
        implemented(fmax_mhz)
        shutil.rmtree(model / "out", ignore_errors=True)
        document = built(model, 50)
        assert {path.name for path in (model / "out").iterdir()} == files
        listed = {document[name] for name in ("bitstream", "firmware")} - {None}
        assert listed == files & {"heddle.bit", "firmware.bin"}
        assert document["floorplan"] == {"used": True, "wire_length": {"free": 500, "fixed": 400}}
        assert document["memories"]["rom"] == {"used": firmware.stat().st_size, "available": 12288}
        show_build(document, Display())
        shown = " ".join(capsys.readouterr().err.split())
        assert ("wrote heddle.bit and firmware.bin" in shown) == (fmax_mhz > 50)
        assert ("no bitstream was written; build with --clock-mhz 48.95 or auto" in shown) == (fmax_mhz < 50)
        assert f"at 50.0 MHz: seed 1 {fmax_mhz}, seed 2 cannot be placed" in shown
        assert ("longest path: VexRiscv.execute_to_memory_BRANCH_CALC to heddle_engine.array.element_0_0.total, 5.0 "
                "ns, 80% of it on wires: VexRiscv 0.5, top 2.2, heddle_engine.sequencer 1.8") in shown


def test_a_clock_that_is_missed_has_a_way_out(model, implemented):
    """The highest clock that the PLL makes below the Fmax; a preset only where one is estimated to reach the clock."""
    implemented(51.3)
    document = built(model, 52, seeds=2, jobs=1)
    assert not document["timing_met"] and document["instead"] == {"clock_mhz": 51.25, "preset": "ecp5-25"}
    assert build_instead(document["instead"]) == ("--clock-mhz 51.25 or auto, or with --design ecp5-25, estimated to "
                                                  "reach this clock")
    assert built(model, 75)["instead"]["preset"] is None
    assert document["trials"] == [{"clock_mhz": 52.0, "timing_met": False, "seeds": [
        {"seed": 1, "fmax_mhz": 51.3, "timing_met": False}, {"seed": 2, "failure": "cannot be placed"}]}]
    implemented(53)
    assert built(model, 52)["instead"] is None


def test_the_highest_clock_is_looked_for(model, implemented):
    asked = implemented(lambda clock: 66.4)
    document = built(model, "auto", seeds=2, jobs=1)
    clocks, legal = [clock for clock, _, _ in asked], legal_clocks(BOARDS["ulx3s-25"])
    assert document["clock_mhz"] == clocks[-1] == max(clock for clock in legal if clock <= 66.4)
    assert document["timing_met"] and [trial["clock_mhz"] for trial in document["trials"]] == clocks
    assert {(seeds, jobs) for _, seeds, jobs in asked} == {((1, 2), 1)}


def test_of_trials_the_fastest_that_was_met_is_built(model, implemented):
    """Not the last one, nor one with a higher Fmax that its clock was still above."""
    fmax = {True: 63.0, False: 50.0}
    asked = implemented(lambda clock: fmax[clock < 63])
    document = built(model, "auto", jobs=1)
    met = [trial["clock_mhz"] for trial in document["trials"] if trial["timing_met"]]
    assert document["clock_mhz"] == max(met, default=None) and len(asked) == len(document["trials"]) > 1


def test_too_many_blocks_are_refused_before_anything_is_synthesized(model, monkeypatch):
    monkeypatch.setattr("flows.commands.build.implement", lambda *arguments, **options: pytest.fail("synthesized"))
    with pytest.raises(HeddleError, match=r"^2x4x4 w8 dsp r1 does not fit ULX3S with the LFE5U-25F: dsp 44 of 28; "
                                          r"--design ecp5-25 is estimated to fit$"):
        (model / "design.toml").write_text(to_toml(replace(DesignPoint(), act_bytes=2048, weight_bytes=8192)))
        built(model, 50)


def test_what_does_not_fit_names_a_preset_that_does(model, implemented, monkeypatch):
    implemented(50)

    def implement(*arguments, **options):
        raise DoesNotFitError("lut-2x4x4 does not fit ULX3S with the LFE5U-25F: lut 30000 of 24288")
    monkeypatch.setattr("flows.commands.build.implement", implement)
    with pytest.raises(HeddleError, match=r"lut 30000 of 24288; --design ecp5-25 is estimated to fit$"):
        built(model, 50)
    with pytest.raises(HeddleError, match=r"lut 30000 of 24288; no preset is known to fit$"):
        build_to(str(model), "ecp5-25", "ulx3s-25", clock_mhz=50, out=model / "out")


def test_bytes_of_the_memories_and_of_the_functions_that_are_called(firmware):
    """The rest of the ROM's is the runtime's and that of functions that nobody calls."""
    program = compile_graph(mixed_net(), replace(DesignPoint(), act_bytes=2048, weight_bytes=8192))
    record = memory_record(program, firmware)
    assert {name: entry["available"] for name, entry in record["memories"].items()} == {
        "weights": 8192, "activations": 2048, "rom": 12288}
    assert record["memories"]["weights"]["used"] == len(program.image)
    assert set(record["functions"]) == {"binary", "constant", "copy", "table"}
    assert 0 < sum(record["functions"].values()) < record["memories"]["rom"]["used"]


def test_what_streams_is_in_a_memory_of_its_own(firmware):
    program = compile_graph(wide_dense(), STREAMING)
    assert memory_record(program, firmware)["memories"]["sdram"] == {"used": program.streamed_bytes,
                                                                     "available": OUTSIDE.size}


@pytest.mark.slow
@pytest.mark.synth
def test_the_same_inputs_give_the_same_bytes(model, tmp_path, monkeypatch):
    """Nothing is shared: two stores, two folders, one seed at a time and two at once."""
    (model / "design.toml").write_text(to_toml(
        replace(SMALL, rows=2, cols=2, lanes=2, act_bytes=2048, weight_bytes=8192)))
    for name, jobs in (("one", 1), ("two", 2)):
        monkeypatch.setenv("HEDDLE_CACHE", str(tmp_path / name / "store"))
        build_to(str(model), str(model / "design.toml"), "ulx3s-25", clock_mhz=40, out=tmp_path / name / "out",
                 seeds=2, jobs=jobs)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name / "out").iterdir()}
                for name in ("one", "two"))
    assert one == two and len(one["heddle.bit"]) > 100_000
