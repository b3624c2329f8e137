import json
from dataclasses import replace

import pytest

from flows.report.figures import (
    FEW_BARS,
    curves_figure,
    front_figure,
    layers_figure,
    noise_figure,
    resources_figure,
)
from flows.search.point import MeasuredLayer
from hw.spec.feedback import NoiseProfile
from sw.quant.config import TrainConfig
from sw.quant.record import Look, TrainingRecord
from tests.support.points import metrics, point, without_data


def layer(name, cycles, roof):
    return MeasuredLayer(name=name, op="conv", macs=1000, cycles=cycles, predicted_cycles=cycles, roof=roof,
                         bound="weights")


def training(width, bits, network="mlp"):
    return TrainingRecord(
        metric="accuracy", stages=(), weights=10, macs=10, seconds=1.0, cpu_seconds=1.0,
        config=TrainConfig(network=network, width=width, weight_bits=bits),
                          fake_accuracy=0.9, valid_accuracy=0.9, test_accuracy=0.9,
                          curves=tuple(Look(stage="pretrain", done=n, loss=1 / n, accuracy=n / 10) for n in (1, 2, 3)))


def profile(bits):
    size = 1 << bits
    return NoiseProfile(multiplier="trunc", weight_bits=bits, mean=tuple(-float(n) for n in range(size)),
                        variance=(4.0,) * size, pairs=256 * size, simulator="s")


def test_the_front_is_over_the_others_and_measured_points_stand_out():
    points = [point("a", 0.9, 1e-5, 1000), point("b", 0.8, 2e-6, 3000, measured=True)]
    figure = front_figure(points, [point("c", 0.5, 1e-4, 500)])
    others, estimated, measured = figure["data"]
    assert (others["x"], others["y"]) == ([pytest.approx(100.0)], [0.5])
    assert (estimated["x"], measured["x"]) == ([pytest.approx(10.0)], [pytest.approx(2.0)])
    assert measured["marker"]["symbol"] != estimated["marker"]["symbol"]
    assert measured["marker"]["color"] == [3000] and "measured (1)" in measured["name"]
    assert (figure["layout"]["coloraxis"]["cmin"], figure["layout"]["coloraxis"]["cmax"]) == (1000, 3000)
    assert "<b>" in measured["text"][0] and "3,000 LUT" in measured["text"][0]


def test_a_front_of_nothing_is_a_figure_too():
    assert [trace["x"] for trace in front_figure([], [])["data"]] == [[], [], []]


def test_layers_stand_beside_their_roof():
    roof, engine = layers_figure([layer("one", 100, 60), layer("two", 50, 50)])["data"]
    assert (roof["y"], engine["y"]) == ([60, 50], [100, 50])
    assert roof["x"] == engine["x"] and len(set(roof["x"])) == 2


def test_resources_are_shares_of_the_board():
    one = point("a", 0.9, 1e-5, 12144, measured=True)
    measured = replace(one, measurement=replace(one.measurement, metrics=metrics(0.9, 1e-5, 24288, dsp=14)))
    estimated, routed = resources_figure([measured])["data"]
    kinds = [labels[1] for labels in zip(*routed["x"], strict=True)]
    assert kinds == ["LUT", "FF", "DSP", "BRAM"]
    assert (estimated["y"][0], routed["y"][0], routed["y"][2]) == (0.5, 1.0, 0.5)


def test_each_training_of_a_network_has_a_curve_of_its_own_look():
    figure = curves_figure([training(1.0, 8), training(1.0, 4), training(0.5, 8), training(1.0, 8, "dscnn")], "mlp")
    assert [trace["name"] for trace in figure["data"]] == ["width 1, 8 bits", "width 1, 4 bits", "width 0.5, 8 bits"]
    assert figure["data"][0]["x"] == [1, 2, 3] and figure["data"][0]["y"] == [0.1, 0.2, 0.3]
    looks = [(trace["line"]["color"], trace["line"]["dash"]) for trace in figure["data"]]
    assert len(set(looks)) == 3 and looks[0][0] == looks[2][0] and looks[0][1] == looks[1][1]


@pytest.mark.parametrize("bits", [2, 8])
def test_noise_is_by_weight_and_shows_its_spread_where_there_is_room(bits):
    bars, = noise_figure(profile(bits))["data"]
    assert bars["x"][0] == -(1 << bits - 1) and bars["x"][-1] == (1 << bits - 1) - 1
    assert bars["y"][:2] == [0.0, -1.0] and bars["customdata"][0] == 2.0
    assert ("error_y" in bars) == (1 << bits <= FEW_BARS)


def test_every_figure_is_plain_json_with_a_height():
    measured = point("a", 0.9, 1e-5, 1000, measured=True)
    for figure in (front_figure([measured], []), layers_figure([layer("one", 2, 1)]), resources_figure([measured]),
                   curves_figure([training(1.0, 8)], "mlp"), noise_figure(profile(4))):
        assert json.loads(json.dumps(figure, allow_nan=False)) == figure
        assert figure["layout"]["height"] >= 300


def test_without_data_the_front_is_drawn_by_logic():
    points = [without_data(point("a", 0.9, 1e-5, 9000, measured=True)), without_data(point("b", 0.9, 2e-5, 5000))]
    figure = front_figure(points, [without_data(point("c", 0.9, 3e-5, 9500))])
    assert [trace["y"] for trace in figure["data"]] == [[9500], [5000], [9000]]
    assert figure["layout"]["yaxis"]["title"]["text"] == "LUTs, SoC included"
    assert "accuracy" not in json.dumps(figure) and "None" not in json.dumps(figure)
