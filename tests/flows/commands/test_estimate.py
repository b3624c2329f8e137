import re
from dataclasses import replace
from math import ceil

from boards import BOARDS
from flows.commands.estimate import estimate_model
from flows.estimate import kernels
from flows.estimate.program import estimate_program
from flows.fpga.buildable import obstacles
from flows.report.tables import show_estimate
from flows.report.terminal import Display
from hw.spec.presets import PRESETS, to_toml
from sw.compiler import compile_graph
from tests.support.dense import STREAMING, even_dense, wide_dense
from tests.support.mixed import mixed_net


def test_an_estimate_without_a_resource_model_has_cycles(tmp_path, capsys):
    even_dense().save(tmp_path / "model.npz")
    (tmp_path / "up5k.toml").write_text(to_toml(replace(PRESETS["up5k"], cpu="vexriscv")))
    document = estimate_model(str(tmp_path), str(tmp_path / "up5k.toml"))
    assert document["cycles"] == compile_graph(even_dense(), PRESETS["up5k"]).cycles
    assert document["latency_s"] == document["cycles"] / 24e6
    assert document["fmax_mhz"] is document["energy_j"] is None
    assert document["fits"] is None and document["reasons"] == []
    assert set(document["resources"].values()) == {None}
    show_estimate(document, Display())
    assert "no resource model for icebreaker" in capsys.readouterr().err


def test_a_whole_soc_of_a_up5k_is_estimated_at_its_own_clock(tmp_path):
    even_dense().save(tmp_path / "model.npz")
    document = estimate_model(str(tmp_path), "up5k")
    assert document["fits"] is True and document["clock_mhz"] == 24.0 < document["fmax_mhz"]
    assert (document["resources"]["dsp"], document["resources"]["bram"], document["resources"]["spram"]) == (8, 30, 4)


def test_the_document_keeps_the_contract_and_is_what_the_model_says(tmp_path):
    even_dense().save(tmp_path / "model.npz")
    document = estimate_model(str(tmp_path), "ecp5-25", "ulx3s-85")
    assert list(document) == ["model", "design", "board", "cycles", "macs", "utilization", "layers", "kernels",
                              "duties", "estimated_cpu_cycles", "resources", "fmax_mhz", "clock_mhz",
                              "engine_latency_s", "latency_s", "latency_of", "energy_j", "fits", "reasons"]
    program = compile_graph(even_dense(), PRESETS["ecp5-25"])
    found = estimate_program(program, BOARDS["ulx3s-85"], 50.0)
    assert (document["board"], document["cycles"], document["macs"]) == ("ulx3s-85", program.cycles, program.macs)
    assert document["resources"] == {"lut": found.lut, "ff": found.ff, "dsp": found.dsp, "bram": found.bram, "spram": 0}
    for name in ("fmax_mhz", "clock_mhz", "latency_s", "energy_j"):
        assert document[name] == getattr(found, name)
    assert document["layers"] == [{"name": layer.name, "op": "dense", "macs": layer.macs, "cycles": layer.cycles}
                                  for layer in program.layers]
    assert document["fits"] is True
    assert (document["latency_of"], document["kernels"]) == ("engine", [])
    assert document["engine_latency_s"] == document["latency_s"]


def test_the_latency_has_the_cpu_in_it_where_its_cycles_are_known(tmp_path, monkeypatch):
    mixed_net().save(tmp_path / "model.npz")
    program = compile_graph(mixed_net(), PRESETS["ecp5-25"])
    monkeypatch.setattr(kernels, "_call_cycles", lambda design, call: None)
    document = estimate_model(str(tmp_path), "ecp5-25")
    assert document["latency_s"] == document["engine_latency_s"] == program.cycles / 50e6
    assert (document["latency_of"], document["estimated_cpu_cycles"]) == ("engine", None)
    monkeypatch.setattr(kernels, "_call_cycles", lambda design, call: 100.5)
    document = estimate_model(str(tmp_path), "ecp5-25")
    calls = sum(len(plan.calls) for plan in program.kernels)
    assert document["estimated_cpu_cycles"] == ceil(100.5 * calls)
    assert document["engine_latency_s"] == program.cycles / 50e6
    assert document["latency_s"] == (program.cycles + document["estimated_cpu_cycles"]) / 50e6
    assert document["latency_of"] == "engine and CPU, as estimated"
    assert [kernel["name"] for kernel in document["kernels"]] == [plan.name for plan in program.kernels]
    assert [(duty["name"], duty["runner"]) for duty in document["duties"][3:5]] == [
        ("less", "CPU"), ("summed", "engine")]


def test_a_design_that_is_too_large_does_not_fit(tmp_path):
    even_dense().save(tmp_path / "model.npz")
    document = estimate_model(str(tmp_path), "ecp5-85", "ulx3s-12")
    assert document["fits"] is False
    assert any(re.fullmatch(r"board 'ulx3s-12': \w+ \d+ of \d+; choose a larger one or a smaller design", reason)
               for reason in document["reasons"])


def test_what_build_refuses_does_not_fit_and_is_said_in_the_same_words(tmp_path, capsys):
    wide_dense().save(tmp_path / "model.npz")
    (tmp_path / "design.toml").write_text(to_toml(replace(STREAMING, requantizer_dsps=0)))
    document = estimate_model(str(tmp_path), str(tmp_path / "design.toml"), "icebreaker")
    assert document["fits"] is False
    assert document["reasons"] == obstacles(compile_graph(wide_dense(), STREAMING), BOARDS["icebreaker"])
    show_estimate(document, Display())
    assert "cannot be built: wide: " in capsys.readouterr().err
    (tmp_path / "design.toml").write_text(to_toml(replace(STREAMING, weight_bytes=16384)))
    document = estimate_model(str(tmp_path), str(tmp_path / "design.toml"))
    assert (document["fits"], document["reasons"]) == (True, [])
