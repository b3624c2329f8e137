import json
from functools import partial

import pytest

from flows.cli import main
from flows.fpga import fabric
from flows.fpga.fabric import FabricReport, fabric_rows, place_engine
from flows.fpga.netlist import Netlist
from flows.run.progress import listening
from flows.run.queue import Failure, Result
from flows.run.store import Store
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.tools import versions
from tests.support.listener import Heard

SMALL = DesignPoint(rows=1, cols=1, lanes=4, multiplier="lut", requantizers=1, act_bytes=1024, weight_bytes=1024)
REPORT = FabricReport(preset="p", device="d", lut=3200, ff=1600, dsp=4, bram=8, spram=0,
                      fmax_mhz=(80.0, 84.5, 79.25, 90.0, 81.0), macs_per_cycle=32,
                      floorplan=True, wire_length=(9, 8))


def test_a_report_for_machines():
    assert json.loads(json.dumps(REPORT.row)) == {
        "preset": "p", "device": "d", "lut": 3200, "ff": 1600, "dsp": 4, "bram": 8, "spram": 0,
        "fmax_mhz": [80.0, 84.5, 79.25, 90.0, 81.0], "fmax_median_mhz": 81.0, "lut_per_mac": 100.0, "ff_per_mac": 50.0,
        "floorplan": True, "wire_length": [9, 8]}


@pytest.fixture
def tiny(monkeypatch):
    """A counter in place of every engine, so that routing takes seconds."""
    text = """
module {name}(input clk, output q);
  reg [7:0] n = 0;
  always @(posedge clk) n <= n + 1;
  assign q = n[7];
endmodule
"""
    monkeypatch.setattr(fabric, "engine_verilog", lambda design: text.format(name="heddle_engine"))
    monkeypatch.setattr(fabric, "enclosed_verilog", lambda design: (text.format(name="heddle_enclosed"), 3))


@pytest.mark.synth
def test_each_seed_is_routed_once(tmp_path, tiny):
    store, heard = Store(tmp_path), Heard()
    with listening(heard):
        report = place_engine(SMALL, (1, 2), preset="small", store=store)
    assert (report.preset, report.device, report.ff) == ("small", "LFE5U-85F-6", 8)
    assert len(report.fmax_mhz) == 2 and min(report.fmax_mhz) > 100
    assert report.lut_per_mac == report.lut / 4
    assert (report.floorplan, report.wire_length) == (False, ())
    assert {("small", "synthesizing"), ("small seed 1", "routing"), ("small seed 2", "routing")} <= set(heard.told_)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("v1/entries/routed/*/*/route.json")}
    again, = fabric_rows(store, designs={"small": SMALL}, seeds=(2, 1))
    assert again["fmax_mhz"] == list(report.fmax_mhz[::-1])
    assert made == {path: path.stat().st_mtime_ns for path in tmp_path.glob("v1/entries/routed/*/*/route.json")}


@pytest.mark.synth
def test_the_section_of_the_benchmark(tmp_path, tiny, monkeypatch, capsys):
    monkeypatch.setenv("HEDDLE_CACHE", str(tmp_path))
    monkeypatch.setattr("flows.commands.bench.fabric_rows",
                        partial(fabric_rows, designs={"one": SMALL, "other": SMALL}, seeds=(1,)))
    with pytest.raises(SystemExit) as ended:
        main(["bench", "--section", "fabric", "--json"])
    assert not ended.value.code
    rows = json.loads(capsys.readouterr().out)["fabric"]
    assert [(row["preset"], row["ff"]) for row in rows] == [("one", 8), ("other", 8)]
    assert rows[0]["tools"] == versions("yosys", "nextpnr-ecp5")


@pytest.mark.synth
def test_what_encloses_an_up5k_engine_is_taken_off(tmp_path, tiny):
    design = DesignPoint(rows=1, multiplier="mac16", requantizers=1, requantizer_dsps=0, memory="spram",
                         act_bytes=131072, board="icebreaker")
    report = place_engine(design, (1,), preset="up5k", store=Store(tmp_path))
    assert (report.device, report.ff) == ("iCE40UP5K", 8 - 3)
    assert 8 <= report.lut + 3 <= 16


def test_a_seed_that_fails_is_named(tmp_path, monkeypatch):
    netlist = Netlist(folder=tmp_path, top="t", cells={})
    netlist.json.write_text("{}")
    monkeypatch.setattr(fabric, "_netlist", lambda store, design: (netlist, 0))
    tried = []

    def failing(function, tasks, **_):
        tried.extend(task.seed for task in tasks)
        return [Result(task=task, value=Failure(reason="nextpnr: exit status 1")) for task in tasks]

    monkeypatch.setattr(fabric, "run_queue", failing)
    used = {"lut": 100, "ff": 100, "dsp": 200, "bram": 300, "spram": 0}
    monkeypatch.setattr(fabric, "count", lambda netlist, board, out: used)
    with pytest.raises(HeddleError, match=r"^small, seed 3: does not fit the LFE5U-85F-6: dsp 200 of 156, bram 300 of "
                                          r"208; take a smaller design$"):
        place_engine(SMALL, (3,), preset="small", store=Store(tmp_path))
    used.update(dsp=1, bram=1)
    row, = fabric_rows(Store(tmp_path), designs={"small": SMALL}, seeds=(3,))      # and the others go on
    assert (row["preset"], row["lut"], row["error"]) == ("small", None, "small, seed 3: nextpnr: exit status 1")
    with pytest.raises(HeddleError, match=r"^small, seed 3: nextpnr: exit status 1$"):
        place_engine(SMALL, (3,), preset="small", store=Store(tmp_path))
    tried.clear()
    with pytest.raises(HeddleError, match=r"^small, seed 4: "):
        place_engine(SMALL, (4, 5, 6, 7), preset="small", store=Store(tmp_path), jobs=2)
    assert tried == [4, 5]
    with pytest.raises(HeddleError, match=r"^small: no seeds to route with; give at least one$"):
        place_engine(SMALL, (), preset="small", store=Store(tmp_path))
