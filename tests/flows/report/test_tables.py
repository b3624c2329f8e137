"""What people see of each command's document."""

from dataclasses import asdict

import pytest

from flows.report.tables import (
    build_instead,
    number,
    show_bench,
    show_build,
    show_data,
    show_estimate,
    show_files,
    show_front,
    show_model,
    show_rivals,
    show_tools,
    show_training,
    show_verification,
)
from flows.report.terminal import Display
from flows.run.typed import to_plain
from hw.spec.commands import COUNTERS
from tests.support.points import ASSIGNMENT
from tests.support.rivals import rivals

COUNTED = {name: 10 * place for place, name in enumerate(COUNTERS, 1)}
LAYER = {"name": "fc", "op": "dense", "macs": 12345, "cycles": 150, "predicted_cycles": 150}
DUTIES = [asdict(duty) for duty in ASSIGNMENT.duties]


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
        {"name": "yosys", "version": "packaged 0.70", "purpose": "synthesis", "remedy": "make setup",
         "why": "no yosys on the PATH"},
        {"name": "icepack", "version": None, "purpose": "bitstreams", "remedy": "unset it", "why": "no icepack"},
        {"name": "g++", "version": None, "purpose": "compiles", "remedy": "sudo apt-get install -y g++", "why": ""}]})
    assert "packaged 0.70" in text and "make setup" not in text
    assert "yosys is packaged 0.70: no yosys on the PATH icepack is missing: no icepack" in text
    assert "g++ is" not in text
    assert "missing" in text and "sudo apt-get install -y g++" in text


def estimate(**changes):
    return {"model": "m", "design": "d", "board": "ulx3s-25", "cycles": 5000, "utilization": 0.5, "layers": [LAYER],
            "kernels": [{"name": "end", "op": "softmax", "estimated_cycles": 345}], "duties": DUTIES,
            "estimated_cpu_cycles": 345, "engine_latency_s": 1e-4, "latency_of": "engine and CPU, as estimated",
            "resources": {"lut": 9000, "ff": 4000, "dsp": 12, "bram": 20, "spram": 0}, "fmax_mhz": 59.6,
            "clock_mhz": 50.0, "latency_s": 1.07e-4, "energy_j": 2.5e-6, "fits": True, "reasons": [], **changes}


@pytest.mark.parametrize("change, says", [
    ({}, ("9,000", "5,000 engine cycles, 50%", "100.0 µs at 50 MHz (Fmax about 60 MHz)",
          "9,000 │ engine │ 990", "CPU: the engine has no softmax",
          "about 345 cycles of the CPU beside them (estimated); 107.0 µs in all",
          "about 9,000 lut, 4,000 ff, 12 dsp, 20 bram on ulx3s-25: fits", "about 2.50 µJ")),
    ({"fits": False, "reasons": ["board 'x': dsp 9 of 8"]},
     ("on ulx3s-25: does not fit", "cannot be built: board 'x': dsp 9 of 8")),
    ({"estimated_cpu_cycles": None},
     ("the CPU's cycles are unknown and in none of these figures: end (softmax)",)),
    ({"fits": None, "fmax_mhz": None}, ("no resource model for ulx3s-25", "(Fmax unknown)")),
])
def test_an_estimate(shown, change, says):
    text = shown(show_estimate, estimate(**change))
    assert [part for part in says if part not in text] == []


def test_an_estimate_of_the_engine_alone_says_nothing_of_the_cpu(shown):
    text = shown(show_estimate, estimate(kernels=[], duties=DUTIES[:1], estimated_cpu_cycles=0))
    assert "in all" not in text and "unknown" not in text


def model(**changes):
    end = {"shape": [1, 49, 10], "dtype": "int8", "scale": 0.58470, "zero_point": 83, "bytes": 490}
    fits = {"design": "d", "runs": True, "engine_cycles": 1000, "estimated_cpu_cycles": 345, "activation_bytes": 600,
            "resident_bytes": 700, "streamed_bytes": 0, "problems": []}
    return {"model": "m.tflite", "name": "m", "inputs": [end], "outputs": [{**end, "dtype": "float32"}],
            "states": [{**end, "name": "window"}], "operators": {"dense": 1, "softmax": 1}, "macs": 9000,
            "weight_bytes": 36, "constant_bytes": 0, "state_bytes": 490, "activation_bytes": 512, "design": "d",
            "runs": True, "problem": None, "remedy": None, "engine_cycles": 1000, "estimated_cpu_cycles": 345,
            "layers": DUTIES, "designs": [fits], "picture": None, **changes}


def test_a_model(shown):
    text = shown(show_model, model())
    for said in ("m.tflite: m", "input │ 1×49×10 │ int8 │ 0.5847 │ 83 │ 490",
                 "output │ 1×49×10 │ float32 │ – │ – │ 490", "window", "1 dense, 1 softmax",
                 "9,000 multiply-accumulates, 36 bytes of weights, 512 bytes of activations at once, 490 bytes of st",
                 "Who runs what on d", "fc │ dense │ 1×1×4 │ 9,000 │ engine │ 990 │ –",
                 "softmax │ 1×1×4 │ – │ CPU: the engine has no softmax │ – │ 345",
                 "d │ 1,000 │ 345 │ 600 │ 700 │ 0 │"):
        assert said in text, said
    assert "does not run" not in text and "constants" not in text and "picture" not in text


def test_a_model_that_does_not_run(shown):
    unknown = {"runner": None, "why": "", "engine_cycles": None, "estimated_cpu_cycles": None, "function": "logistic"}
    text = shown(show_model, model(
        runs=False, problem="too many weights", remedy="it runs on ecp5-85", picture="net.svg",
        layers=[{**DUTIES[0], **unknown}], activation_bytes=None, designs=[{
            "design": "d", "runs": False, "engine_cycles": None, "estimated_cpu_cycles": None,
            "activation_bytes": None, "resident_bytes": None, "streamed_bytes": None,
            "problems": ["too many weights"]}]))
    assert "does not run: too many weights; it runs on ecp5-85" in text and "picture: net.svg" in text
    assert "fc │ logistic" in text and "Who runs what" not in text
    assert "d │ – │ – │ – │ – │ – │ too many weights" in text


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
    stage = {"name": "pretrain", "did": "trained in floating point", "steps": 30, "step_s": 0.0123, "seconds": 1.5,
             "accuracy": 0.95}
    document = {
        "settings": {"network": "mlp", "width": 0.5, "weight_bits": 8}, "metric": "accuracy",
        "test_accuracy": 0.98765, "test_inputs": 360, "test_interval": [0.97, 0.99],
        "valid_accuracy": 0.98, "weights": 1000, "macs": 990, "model": "out/model.npz",
        "stages": [stage, {**stage, "name": "settle", "steps": 0}]}
    text = shown(show_training, document)
    assert "12.3" in text and "trained in floating point" in text and "–" in text
    assert " ".join(text.split()).endswith(
        "mlp width 0.5, 8 bits, 1,000 weights, 990 multiply-accumulates: integer accuracy 0.9877 (0.9700 to 0.9900) on "
        "360 test inputs, 0.9800 on valid; wrote out/model.npz")
    assert "integer area under the curve (AUC) 0.9877" in shown(show_training, {**document, "metric": "auc"})
    under = {"what": "bits flip", "devices": 5, "test_accuracy": 0.9, "worst_test_accuracy": 0.85,
             "valid_accuracy": 0.91}
    assert shown(show_training, {**document, "under_errors": under}).endswith(
        "on hardware that errs (bits flip): 0.9000, the mean of 5 devices, 0.8500 on the worst of them; "
        "0.9100 on valid")


def test_a_training_that_ran_in_the_rtl(shown):
    found = {"accuracy": 0.95, "score": {"right": 285, "count": 300}, "mismatches": 0, "cycles": 4321,
             "inferences_per_s": 123.4}
    document = {"settings": {"network": "mlp", "width": 0.5, "weight_bits": 8}, "metric": "accuracy",
                "test_accuracy": 0.95, "weights": 1, "test_inputs": 300, "test_interval": [0.9, 1.0],
                "valid_accuracy": 0.9, "macs": 1, "model": "m",
                "stages": []}
    assert shown(show_training, {**document, "rtl": found}).endswith(
        "in the RTL: 0.9500 of 300 test inputs, 0 outputs other than golden's, 4,321 cycles, 123.4 inferences a second")


def test_rivals_and_who_wins(shown):
    text = shown(show_rivals, to_plain(rivals()))
    for said in ("On hardware that errs: 1% of the bits", "settled, corrected", "0.5500", "0.6500"):
        assert said in text, said
    assert text.endswith("mlp width 0.5, 8 bits, 2 seeds on 5 devices; 0.9500 without errors. feedback over settled, "
                         "corrected, both chosen on valid: +10.0 points, 95% interval 2.0 to 18.0. Feedback. No effect "
                         "is shown.")


def test_the_front_is_ordered_by_what_chooses(shown):
    def entry(name, valid, test, fidelity):
        spread = {"mean": 0.96, "lowest": 0.951, "highest": 0.969} if fidelity == "measured" else None
        return {"id": name, "fidelity": fidelity, "over_seeds": spread, "metrics": {
            "valid_accuracy": valid, "accuracy": test, "test_interval": [test - 0.05, test + 0.01], "latency_s": 2e-5,
            "clock_mhz": 50.0, "lut": 9000, "dsp": 4, "bram": 20}}
    text = shown(show_front, {"points": [entry("low", 0.9, 0.98, "estimated"), entry("high", 0.95, 0.97, "measured")]})
    assert text.index("high") < text.index("low") and "0.9500" in text
    assert "0.920 to 0.980" in text and "0.960, 0.951 to 0.969" in text and "20.0" in text and "9,000" in text


def test_a_front_without_data_has_no_columns_for_it(shown):
    text = shown(show_front, {"points": [{"id": "kws", "fidelity": "estimated", "over_seeds": None, "metrics": {
        "valid_accuracy": None, "accuracy": None, "test_interval": None, "latency_s": 2e-5, "lut": 9000, "dsp": 4,
        "bram": 20}}]})
    assert "9,000" in text and "valid" not in text and "interval" not in text and "None" not in text


@pytest.mark.parametrize("met, says", [
    (True, "timing met with seed 3; wrote heddle.bit and firmware.bin"),
    (False, "timing NOT met with seed 3; no bitstream was written; build with --clock-mhz 44.37 or auto"),
])
def test_a_build(shown, met, says):
    text = shown(show_build, {
        "device": "LFE5U-25F", "board": "ulx3s-25", "resources": {"lut": {"used": 9000, "available": 24288}},
        "timing_met": met, "clock_mhz": 50.0, "fmax_mhz": 60.0 if met else 44.9, "seed": 3,
        "critical_path": None, "instead": None if met else {"clock_mhz": 44.375, "preset": None},
        "trials": [{"clock_mhz": 50.0, "timing_met": met, "seeds": [{"seed": 2, "failure": "killed"},
                                                                    {"seed": 3, "fmax_mhz": 44.9}]}],
        "bitstream": "heddle.bit" if met else None, "firmware": "firmware.bin" if met else None,
        "floorplan": {"used": met, "wire_length": {"free": 643308, "fixed": 297819}},
        "memories": {"rom": {"used": 12184, "available": 12288},
                     **({"sdram": {"used": 247664, "available": 8388608}} if met else {})},
        "functions": {"softmax": 412, "table": 168}})
    assert ("placed first: 297,819 tiles of wire in place of 643,308" in text) == met
    assert ("247,664" in text and "SDRAM holds is uploaded after each power-up" in text) == met
    assert says in text and "LUT" in text and "24,288" in text and "12,184" in text
    assert "of the ROM's bytes softmax has 412, table has 168" in text
    assert "at 50.0 MHz: seed 2 killed, seed 3 44.9" in text


@pytest.mark.parametrize("clock_mhz, preset, says", [
    (48.9583, "ecp5-25", "--clock-mhz 48.95 or auto, or with --design ecp5-25, estimated to reach this clock"),
    (None, "ecp5-25", "--design ecp5-25, estimated to reach this clock"),
    (25.0, None, "--clock-mhz 25 or auto"),
    (None, None, "a smaller design"),
])
def test_what_to_build_instead(clock_mhz, preset, says):
    assert build_instead({"clock_mhz": clock_mhz, "preset": preset}) == says


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


def test_a_data_set_with_what_is_wrong_with_it(shown):
    split = {"inputs": 1257, "low": 0.0, "high": 1.0, "mean": 0.305, "deviation": 0.376}
    text = shown(show_data, {
        "data": "wav:words", "kind": "recording", "shape": [1, 8000, 1], "dtype": "int16", "rate": 8000.0, "seed": 3,
        "splits": {"train": split, "test": {**split, "inputs": 2}}, "augment": [],
        "classes": [{"name": "yes", "train": 1257, "test": 0}],
        "duplicates": {"across_splits": 1, "within_splits": 0, "contradicting": 1, "listed": [
            {"split": "test", "input": "a.wav", "label": "no", "of_split": "train", "of_input": "b.wav",
             "of_label": "yes"}]},
        "broken": [{"file": "x.wav", "reason": "has no samples"}], "warnings": ["class 'no' has no input"],
        "picture": "p.svg"})
    for says in ("recordings of 1×8000×1 (height, width, channels), int16, 8000 samples a second", "1,257", "0.305",
                 "split by seed 3", "changed by nothing", "1 across splits, 0 within one, 1 with another class",
                 "test a.wav", "train b.wav", "x.wav", "has no samples", "warning: class 'no' has no input",
                 "picture: p.svg"):
        assert says in text, says
