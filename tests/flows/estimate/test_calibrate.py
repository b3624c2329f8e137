import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from boards import BOARDS
from flows.estimate import calibrate as module
from flows.estimate.calibrate import (
    SAMPLES,
    UP5K_SAMPLES,
    calibrate,
    count_products,
    count_sdram,
    count_soc,
    fit,
    main,
)
from flows.estimate.resources import STRUCTURES, load_model
from flows.estimate.wide import engine_bram, engine_dsp, features
from flows.run.store import Store
from hw.spec.errors import HeddleError
from hw.spec.multipliers import MULTIPLIERS

ALL = {"ecp5": SAMPLES, "ice40": UP5K_SAMPLES}
TRUE = {family: {kind: {name: 1.0 + 3 * place for place, name in enumerate(sorted({
    name for design in samples for name in STRUCTURES[family].features(design)[kind]}))} for kind in ("lut", "ff")}
    for family, samples in ALL.items()}
SDRAM = {"sdr": {"lut": 1000, "ff": 500}, "ddr3": {"lut": 2000, "ff": 900}}
SOC = {"lut": 4000, "ff": 2000, "dsp": 4, "bram": 12}


def test_samples_are_those_that_were_fitted():
    model = load_model()
    assert [(row["design"], row["act_bytes"], row["weight_bytes"]) for row in model["samples"]] \
        == [(design.label, design.act_bytes, design.weight_bytes) for design in SAMPLES]
    for row, design in zip(model["samples"], SAMPLES, strict=True):
        assert row["dsp"] == engine_dsp(design)
        assert row["bram"] == engine_bram(design)


def test_what_only_some_designs_have_is_in_two_samples_or_more():
    shapes = [features(design)[kind] for design in SAMPLES for kind in ("lut", "ff")]
    for name in {name for shape in shapes for name in shape}:
        assert sum(name in shape for shape in shapes) >= 2, name


def test_fit_finds_the_weights_and_none_below_zero():
    terms = [{"a": 1.0, "b": float(n), "c": float(n % 3)} for n in range(8)]
    found = fit(terms, [3 * term["a"] + 2 * term["b"] for term in terms])
    assert found == pytest.approx({"a": 3, "b": 2, "c": 0}, abs=1e-6)
    found = fit(terms, [5 * term["a"] + 2 * term["b"] - 0.5 * term["c"] for term in terms])
    assert min(found.values()) >= 0


def counted(design, family="ecp5"):
    """As if the tools had found just what the terms say."""
    structure = STRUCTURES[family]
    found = {kind: round(sum(TRUE[family][kind][name] * size for name, size in terms.items()))
             for kind, terms in structure.features(design).items()}
    return found | {kind: exact(design) for kind, exact in structure.blocks.items()}


@pytest.fixture
def measured(monkeypatch):
    """Instead of an hour of synthesis and routing: what known weights say."""
    def implement(store, design, board, clock_mhz, *, seeds):
        assert clock_mhz == board.soc_mhz
        used, terms = counted(design, board.family), STRUCTURES[board.family].period_terms(design)
        return SimpleNamespace(design=design, board=board, routed=SimpleNamespace(
            resources={kind: used[kind] + SOC[kind] for kind in SOC},
            fmax_mhz=1000 / (8.0 + 2.0 * terms.get("log_macs", 0))))

    monkeypatch.setattr(module, "count_engine", lambda store, design: counted(design))
    monkeypatch.setattr(module, "implement", implement)
    monkeypatch.setattr(module, "count_soc", lambda store, design, board: counted(design, "ice40"))
    monkeypatch.setattr(module, "count_sdram", lambda store, board: SDRAM[board.sdram.kind])
    monkeypatch.setattr(module, "count_products", lambda store, board: {"lut_8": 160.0, "trunc_8": 120.0})


def test_calibration_finds_the_weights_that_made_its_samples(measured, tmp_path):
    models = calibrate(Store(tmp_path))
    for family, samples in ALL.items():
        model = models[family]
        for kind in ("lut", "ff"):
            assert model[kind]["median_error"] < 0.01
            assert model[kind]["left_out"] > len(samples) / 2
            weights = model[kind]["weights"]
            for design in samples:
                terms = STRUCTURES[family].features(design)[kind]
                guess = sum(weights[name] * size for name, size in terms.items())
                assert guess == pytest.approx(counted(design, family)[kind], rel=0.02)
        assert [row["design"] for row in model["samples"]] == [design.label for design in samples]
        assert model["products"] == {"lut_8": 160.0, "trunc_8": 120.0}
    assert (models["ecp5"]["soc"], models["ecp5"]["sdram"], models["ice40"]["soc"]) == (SOC, SDRAM, {})
    assert models["ecp5"]["period_ns"]["weights"] == pytest.approx({"constant": 8.0, "log_macs": 2.0}, rel=1e-4)
    assert models["ice40"]["period_ns"]["weights"] == pytest.approx(dict.fromkeys(("requantizer_2", "requantizer_4"),
                                                                                  8.0), rel=1e-4)
    assert [len(models[family]["routed"]) for family in ALL] == [len(module.ROUTED), len(module.UP5K_ROUTED)]


def test_a_formula_that_synthesis_contradicts_is_an_error(measured, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "count_engine", lambda store, design: counted(design) | {"dsp": 99})
    with pytest.raises(HeddleError, match=r": 99 dsp synthesized, \d+ by the formula in flows/estimate; correct it$"):
        calibrate(Store(tmp_path))


def test_the_command_writes_the_model_or_says_why_not(measured, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HEDDLE_CACHE", str(tmp_path / "store"))
    monkeypatch.setattr(module, "COEFFICIENTS", tmp_path / "resources.json")
    assert main() == 0
    assert json.loads((tmp_path / "resources.json").read_text())["ecp5"]["soc"] == SOC
    assert "ecp5, lut: median error 0." in capsys.readouterr().err
    monkeypatch.setattr(module, "SAMPLES", (replace(SAMPLES[0], lanes=8), *SAMPLES[1:]))
    monkeypatch.setattr(module, "count_engine", lambda store, design: counted(design) | {"bram": 99})
    assert main() == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.synth
def test_products_were_counted_by_the_tools_that_there_are(monkeypatch, tmp_path):
    kept = {"lut": MULTIPLIERS["lut"], "broken": MULTIPLIERS["broken"], "dsp": MULTIPLIERS["dsp"]}
    monkeypatch.setattr(module, "MULTIPLIERS", kept)
    found = count_products(Store(tmp_path), module.COUNT_BOARD)
    assert set(found) == {"lut_8", "lut_4", "lut_2", "lut_1", "broken_8", "broken_4"}
    assert found.items() <= load_model()["products"].items()


@pytest.mark.slow
@pytest.mark.synth
@pytest.mark.parametrize("kind", module.SDRAM_BOARDS)
def test_what_an_sdram_adds_is_what_was_measured(tmp_path, kind):
    assert count_sdram(Store(tmp_path), BOARDS[module.SDRAM_BOARDS[kind]]) == load_model()["sdram"][kind]


@pytest.mark.slow
@pytest.mark.synth
def test_a_soc_of_a_up5k_is_what_was_counted(tmp_path):
    row, design = load_model("ice40")["samples"][0], UP5K_SAMPLES[0]
    found = count_soc(Store(tmp_path), design, BOARDS[design.board])
    assert [found[kind] for kind in ("dsp", "bram", "spram")] == [row[kind] for kind in ("dsp", "bram", "spram")]
    assert [found[kind] for kind in ("lut", "ff")] == pytest.approx([row[kind] for kind in ("lut", "ff")], rel=0.01)
