from dataclasses import replace

import pytest

from boards import BOARDS, find_board
from flows.estimate import resources
from flows.estimate.calibrate import SAMPLES, count_engine
from flows.estimate.resources import engine_bram, engine_dsp, estimate_resources, features, load_model
from flows.run.store import Store
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.multipliers import MULTIPLIERS
from hw.spec.presets import PRESETS

BOARD = BOARDS["ulx3s-85"]


@pytest.mark.parametrize("name", [name for name, design in PRESETS.items()
                                  if find_board(design.board).family == "ecp5"])
def test_presets_fit_their_boards(name):
    design = PRESETS[name]
    assert BOARDS[design.board].shortfalls(estimate_resources(design, BOARDS[design.board]).used) == []


def test_errors_of_the_model_are_small_and_said():
    model = load_model()
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


def test_requantizers_of_fewer_multipliers_take_them():
    assert [engine_dsp(DesignPoint(multiplier="lut", requantizers=2, requantizer_dsps=dsps)) for dsps in (4, 2, 0)] \
        == [8, 4, 0]


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


def test_every_requantizer_has_a_table_in_a_block_ram():
    small = DesignPoint(requantizers=4)
    assert engine_bram(replace(small, table_unit=True)) == engine_bram(small) + 4


def test_larger_memories_take_more_block_rams():
    small = DesignPoint()
    assert estimate_resources(replace(small, weight_bytes=131072), BOARD).bram > estimate_resources(small, BOARD).bram


def test_the_same_design_gives_the_same_estimate():
    assert estimate_resources(DesignPoint(), BOARD) == estimate_resources(DesignPoint(), BOARD)


def test_another_family_is_refused():
    with pytest.raises(HeddleError, match=r"^board 'icebreaker': resources are calibrated for the ECP5 only$"):
        estimate_resources(DesignPoint(), BOARDS["icebreaker"])


def test_a_damaged_model_names_the_way_out(tmp_path, monkeypatch):
    (tmp_path / "resources.json").write_text("{")
    monkeypatch.setattr(resources, "COEFFICIENTS", tmp_path / "resources.json")
    load_model.cache_clear()
    with pytest.raises(HeddleError, match=r"resources.json: unreadable .* `python -m flows.estimate.calibrate`$"):
        estimate_resources(DesignPoint(), BOARD)
    load_model.cache_clear()


@pytest.mark.synth
@pytest.mark.parametrize("design", [
    DesignPoint(rows=1, cols=2, lanes=4, multiplier="dsp", act_bytes=4096, weight_bytes=4096),
    DesignPoint(rows=2, cols=2, lanes=2, multiplier="trunc", weight_bits=4, act_bytes=1024, weight_bytes=2048),
], ids=lambda design: design.label)
def test_estimate_is_close_to_synthesis(design, tmp_path):
    used = count_engine(Store(tmp_path), design)
    assert (used["dsp"], used["bram"]) == (engine_dsp(design), engine_bram(design))
    model, terms = load_model(), features(design)
    for kind in ("lut", "ff"):
        guess = sum(model[kind]["weights"][name] * size for name, size in terms[kind].items())
        assert guess == pytest.approx(used[kind], rel=0.15)


def test_another_cpu_is_refused():
    with pytest.raises(HeddleError, match=r"^cpu='serv': resources are calibrated for SoCs with vexriscv only$"):
        estimate_resources(replace(DesignPoint(), cpu="serv"), BOARD)


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
