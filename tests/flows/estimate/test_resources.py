from dataclasses import replace

import pytest

from boards import BOARDS
from flows.estimate import resources
from flows.estimate.calibrate import SAMPLES, UP5K_SAMPLES
from flows.estimate.resources import STRUCTURES, estimate_resources, load_model, uncalibrated
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.multipliers import MULTIPLIERS
from hw.spec.presets import PRESETS

BOARD = BOARDS["ulx3s-85"]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_fit_their_boards(name):
    design = PRESETS[name]
    assert BOARDS[design.board].shortfalls(estimate_resources(design, BOARDS[design.board]).used) == []


@pytest.mark.parametrize("family", STRUCTURES)
def test_errors_of_the_model_are_small_and_said(family):
    model = load_model(family)
    assert model["tools"]["yosys"]
    for kind, median, largest in (("lut", 0.03, 0.1), ("ff", 0.03, 0.1), ("period_ns", 0.15, 0.5)):
        assert model[kind]["left_out"] >= 4
        assert 0 <= model[kind]["median_error"] <= median
        assert model[kind]["max_error"] <= largest


@pytest.mark.parametrize("multiplier, bits", [
    (kind.name, bits) for kind in MULTIPLIERS.values() if kind.family is None
    for bits in kind.weight_bits if bits > 1])
def test_every_multiplier_and_width_has_its_weight(multiplier, bits):
    used = estimate_resources(DesignPoint(multiplier=multiplier, weight_bits=bits), BOARD).used
    assert all(used[name] > 0 for name in ("lut", "ff", "dsp", "bram"))


@pytest.mark.parametrize("design", SAMPLES, ids=lambda design: f"{design.fingerprint:08x}")
def test_every_sample_has_its_weights(design):
    assert estimate_resources(design, BOARD).lut > load_model()["soc"]["lut"]


@pytest.mark.parametrize("change", [{"rows": 4}, {"cols": 8}, {"lanes": 8}, {"requantizers": 2}, {"acc_bits": 32},
                                    {"depthwise_taps": 4}, {"stream_bytes": 2}, {"dataflow": "weight"},
                                    {"table_unit": True}],
                         ids=lambda change: next(iter(change)))
def test_a_larger_design_takes_more(change):
    small = DesignPoint(multiplier="lut")
    few, many = (estimate_resources(design, BOARD) for design in (small, replace(small, **change)))
    assert many.lut > few.lut
    assert many.ff > few.ff
    assert many.fmax_mhz <= few.fmax_mhz


def test_larger_memories_take_more_block_rams():
    small = DesignPoint()
    assert estimate_resources(replace(small, weight_bytes=131072), BOARD).bram > estimate_resources(small, BOARD).bram


def test_the_same_design_gives_the_same_estimate():
    assert estimate_resources(DesignPoint(), BOARD) == estimate_resources(DesignPoint(), BOARD)


def test_a_wide_engine_on_an_ice40_is_refused():
    with pytest.raises(HeddleError, match=r"^engine='wide' on board 'icebreaker': what a SoC takes of an ice40 is "
                                          r"known for engine='compact' with cpu='serv' only$"):
        estimate_resources(DesignPoint(), BOARDS["icebreaker"])


@pytest.mark.parametrize("design", UP5K_SAMPLES, ids=lambda design: f"{design.fingerprint:08x}")
def test_a_soc_of_a_up5k_is_near_what_was_packed(design):
    row = next(row for row, each in zip(load_model("ice40")["samples"], UP5K_SAMPLES, strict=True) if each == design)
    used = estimate_resources(design, BOARDS["icebreaker"]).used
    for kind, rel in {"dsp": 0, "bram": 0, "spram": 0, "lut": 0.05, "ff": 0.05}.items():
        assert used[kind] == pytest.approx(row[kind], rel=rel)


def test_a_damaged_model_names_the_way_out(tmp_path, monkeypatch):
    (tmp_path / "resources.json").write_text("{")
    monkeypatch.setattr(resources, "COEFFICIENTS", tmp_path / "resources.json")
    load_model.cache_clear()
    with pytest.raises(HeddleError, match=r"resources.json: unreadable .* `python -m flows.estimate.calibrate`$"):
        estimate_resources(DesignPoint(), BOARD)
    load_model.cache_clear()


def test_another_cpu_is_refused():
    with pytest.raises(HeddleError, match=r"^cpu='serv' on board 'ulx3s-85': what a SoC takes of an ecp5 is known for "
                                          r"engine='wide' with cpu='vexriscv' only$"):
        estimate_resources(replace(DesignPoint(), cpu="serv"), BOARD)
    assert uncalibrated(DesignPoint(), BOARD) == ""


@pytest.mark.parametrize("kind, bits", [(kind, bits) for kind in MULTIPLIERS.values() if kind.family is None
                                        for bits in kind.weight_bits])
def test_every_kind_has_a_size(kind, bits):
    design = DesignPoint(multiplier=kind.name, weight_bits=bits, lanes=8)
    others = estimate_resources(replace(design, multiplier="lut"), BOARD).lut
    assert 0.5 * others < estimate_resources(design, BOARD).lut < 2 * others


@pytest.mark.parametrize("name", ["trunc_8", "trunc_4", "ternary_2"])
def test_a_size_from_products_alone_is_near_the_one_of_samples(name):
    """Kinds that samples have, as if they had none."""
    model, plain = load_model(), f"lut_{name[-1]}"
    weights, alone = model["lut"]["weights"], model["products"]
    found = weights[f"product_{plain}"] * alone[name] / alone[plain]
    assert found == pytest.approx(weights[f"product_{name}"], rel=0.15)


def test_a_memory_outside_takes_its_controller():
    """By its kind; none where a board has none."""
    design, model = PRESETS["ecp5-25"], load_model()["sdram"]
    for board, kind in (("ulx3s-25", "sdr"), ("orangecrab-25", "ddr3"), ("ecpix5-45", "ddr3")):
        without, with_it = (estimate_resources(design, BOARDS[board], streams=streams).used
                            for streams in (False, True))
        assert {kind: with_it[kind] - without[kind] for kind in without} == model[kind]
    assert model["ddr3"]["lut"] > model["sdr"]["lut"] > 0
    bare = replace(BOARD, sdram=None)
    assert estimate_resources(design, bare, streams=True) == estimate_resources(design, bare)
