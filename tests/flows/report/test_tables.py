"""What people see of each command's document."""

import pytest

from flows.report.tables import (
    number,
    show_bench,
    show_build,
    show_estimate,
    show_files,
    show_front,
    show_tools,
    show_training,
    show_verification,
)
from flows.report.terminal import Display
from hw.spec.commands import COUNTERS

COUNTED = {name: 10 * place for place, name in enumerate(COUNTERS, 1)}
LAYER = {"name": "fc", "op": "dense", "macs": 12345, "cycles": 150, "predicted_cycles": 150}


@pytest.fixture
def shown(capsys):
    """A function that shows a document and gives the words on standard error; standard output stays empty."""
    def show(table, document):
        table(document, Display())
        out, err = capsys.readouterr()
        assert out == ""
        return " ".join(err.split())
    return show


def test_what_is_unknown_is_a_dash():
    assert (number(None), number(1234567), number(0.5, ".0%")) == ("–", "1,234,567", "50%")


def test_a_missing_tool_has_the_command_that_gets_it(shown):
    text = shown(show_tools, {"tools": [
        {"name": "yosys", "version": "0.70", "purpose": "synthesis", "remedy": "make setup"},
        {"name": "g++", "version": None, "purpose": "compiles", "remedy": "sudo apt-get install -y g++"}]})
    assert "0.70" in text and "make setup" not in text
    assert "missing" in text and "sudo apt-get install -y g++" in text


def estimate(**changes):
    return {"model": "m", "design": "d", "board": "ulx3s-25", "cycles": 5000, "utilization": 0.5, "layers": [LAYER],
            "kernels": [{"name": "end", "op": "softmax"}],
            "resources": {"lut": 9000, "ff": 4000, "dsp": 12, "bram": 20, "spram": 0}, "fmax_mhz": 59.6,
            "clock_mhz": 50.0, "latency_s": 1e-4, "energy_j": 2.5e-6, "fits": True, "reasons": [], **changes}


@pytest.mark.parametrize("change, says", [
    ({}, ("12,345", "5,000 cycles, 50%", "end (softmax) runs on the CPU; its cycles are in none of these figures",
          "100.0 µs at 50 MHz (Fmax about 60 MHz)",
          "about 9,000 lut, 4,000 ff, 12 dsp, 20 bram on ulx3s-25: fits", "about 2.50 µJ")),
    ({"fits": False, "reasons": ["board 'x': dsp 9 of 8"]},
     ("on ulx3s-25: does not fit", "cannot be built: board 'x': dsp 9 of 8")),
    ({"fits": None, "fmax_mhz": None}, ("no resource model for ulx3s-25", "(Fmax unknown)")),
])
def test_an_estimate(shown, change, says):
    text = shown(show_estimate, estimate(**change))
    assert [part for part in says if part not in text] == []


def test_an_estimate_without_energy_says_nothing_of_it(shown):
    assert "µJ" not in shown(show_estimate, estimate(energy_j=None))


def verification(counters, **changes):
    return {"model": "m", "design": "d", "level": "engine", "inputs": 2, "mismatches": 0, "first_mismatch": None,
            "engine_cycles": [150, 150], "predicted_cycles": 150, "layers": [{**LAYER, "counters": counters}],
            "kernels": [], **changes}


def test_a_verification_shows_counters_where_there_are_some(shown):
    text = shown(show_verification, verification(COUNTED))
    assert all(name in text for name in COUNTERS)
    assert "2 inputs, 0 mismatches; engine cycles 150, predicted 150" in text
    text = shown(show_verification, verification(None, engine_cycles=[]))
    assert "drain" not in text and "engine cycles –, predicted 150" in text


def test_what_the_cpu_runs_has_a_line_each(shown):
    kernels = [{"name": "last", "op": "softmax", "cycles": 1885}, {"name": "again", "op": "requantize", "cycles": None}]
    text = shown(show_verification, verification(None, kernels=kernels))
    assert "last (softmax) on the CPU: 1,885 cycles again (requantize) on the CPU: – cycles" in text


def test_a_mismatch_is_shown_with_all_that_is_known(shown):
    first = {"input": 1, "layer": "fc", "what": "value", "channel": None, "position": None, "expected": 3, "got": 4}
    text = shown(show_verification, verification(None, mismatches=1, first_mismatch=first))
    assert "1 mismatches" in text and "first mismatch: input 1, layer fc, what value, expected 3, got 4" in text


def test_a_training(shown):
    text = shown(show_training, {"network": "mlp", "width": 0.5, "weight_bits": 8, "test_accuracy": 0.98765,
                                 "test_images": 360, "model": "out/model.npz"})
    assert text == ("mlp width 0.5, 8 bits: integer accuracy 0.9877 on 360 test images; wrote out/model.npz")


def test_the_front_is_ordered_by_accuracy(shown):
    def entry(name, accuracy, fidelity):
        return {"id": name, "fidelity": fidelity, "metrics": {
            "accuracy": accuracy, "latency_s": 2e-5, "clock_mhz": 50.0, "lut": 9000, "dsp": 4, "bram": 20}}
    text = shown(show_front, {"points": [entry("low", 0.9, "estimated"), entry("high", 0.95, "measured")]})
    assert text.index("high") < text.index("low") and "0.9500" in text and "20.0" in text and "9,000" in text


@pytest.mark.parametrize("met, says", [
    (True, "timing met with seed 3; wrote heddle.bit and firmware.bin"),
    (False, "timing NOT met with seed 3; no bitstream was written; build with --clock-mhz 44 or less"),
])
def test_a_build(shown, met, says):
    text = shown(show_build, {
        "device": "LFE5U-25F", "board": "ulx3s-25", "resources": {"lut": {"used": 9000, "available": 24288}},
        "timing_met": met, "clock_mhz": 50.0, "fmax_mhz": 60.0 if met else 44.9, "seed": 3,
        "bitstream": "heddle.bit" if met else None, "firmware": "firmware.bin" if met else None})
    assert says in text and "LUT" in text and "24,288" in text


def test_files_and_what_they_are(shown):
    assert "rtl/Cfu.v" in shown(show_files, {"files": [{"file": "rtl/Cfu.v", "what": "the custom instructions"}]})


def test_a_benchmark_shows_figures_and_what_failed(shown):
    row = {"preset": "ecp5-25", "network": "kws", "cycles": 150, "predicted_cycles": 150, "utilization": 0.25,
           "layers": [{**LAYER, "utilization": 0.25, "limit": "compute 90%"}]}
    text = shown(show_bench, {"engine": [row, {**row, "network": "vww", "error": "does not fit"}], "simulation": [
        {"preset": "ecp5-45", "network": "kws", "inferences_per_s": 25.5, "cycles_per_s": 1300000}]})
    assert "kws on ecp5-25: 150 cycles (predicted 150), 25% of the peak" in text and "██▌" in text
    assert "vww on ecp5-25: does not fit" in text
    assert "1,300,000" in text and "25.5" in text
