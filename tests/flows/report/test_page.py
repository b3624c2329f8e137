import json
import re
from dataclasses import replace

import pytest

from flows.report.page import ReportError, page, save_record, write_report
from flows.run.typed import from_plain, to_plain
from flows.search.candidate import NetworkChoice
from flows.search.constraints import Constraint
from flows.search.job import DataFacts, Exploration
from flows.search.point import Failed, Repeat
from flows.search.samplers import Told
from flows.search.space import Family, Space, families
from flows.search.trainings import Comparison
from flows.search.ways import Way
from flows.search.worth import Requirement
from hw.spec.feedback import NoiseProfile
from sw.quant.config import TrainConfig
from sw.quant.record import Look, TrainingRecord
from tests.support.points import point, without_data
from tests.support.rivals import rivals

CHOICE = NetworkChoice(name="x.py:net", settings=(("width", 0.5), ("skip", True), ("act", "relu")), weight_bits=4,
                       layers=(("fc", 8),), data=(("size", "16x16"),), recipe=(("passes", 3),))
#: With what axes, conditions and fixed values may be.
SPACE = Space(networks=(Family(name="tried"), *families("x.py:net", width=(0.5, 1), skip=(True, False))),
              data=(("size", ("16x16", "8x8")),), constraints=(Constraint("width <= 1"),),
              recipe_axes=(("passes", (3, 5.5)), ("steps", (("pretrain", "quantize"), ("pretrain",)))))


def exploration():
    measured = point("mlp-<b>", 0.98, 2e-5, 5000, measured=True)
    measured = replace(measured, estimated=replace(measured.estimate, lut=4000), repeats=(
        Repeat(seed=1, accuracy=0.98), Repeat(seed=2, accuracy=0.96)))
    training = TrainingRecord(
        metric="accuracy", stages=(), weights=10, macs=10, seconds=1.0, cpu_seconds=1.0,
        config=TrainConfig(network="mlp"),
        fake_accuracy=0.9, valid_accuracy=0.9, test_accuracy=0.9,
        curves=(Look(stage="pretrain", done=1.0, loss=1.0, accuracy=0.5),))
    comparison = Comparison(
        rivals=rivals(verdict="tie"), profile=NoiseProfile(
            multiplier="trunc", weight_bits=2, mean=(0.0,) * 4, variance=(0.0,) * 4, pairs=1024, simulator="Verilator"))
    return Exploration(
        data=DataFacts(name="digits", counts={"train": 10, "valid": 5, "test": 5}, seed=0, digest="ab" * 32,
                       shape=(8, 8, 1), classes=10),
        space=SPACE, requirement=Requirement(max_latency_s=0.001), versions={"yosys": "0.70"},
        points=(measured, point("other", 0.97, 1e-5, 4000)),
        trials=(point("tried", 0.9, 1e-5, 5000), point("too-large", 0.9, 1e-5, 5000, violations={"dsp": 0.3})),
        ways=(Way(name="joint", fixed="nothing", points=(point("tried", 0.9, 1e-5, 5000),)),),
        looked=1234567, told=(Told(choice=NetworkChoice(name="tried", recipe=(("steps", ("pretrain", "quantize")),)),
                                   accuracy=0.9, cost=1e-2), Told(choice=CHOICE, accuracy=None, cost=None)),
        failures=(Failed(id="bad", doing="routing", reason="nextpnr: timed out <script>"),), trainings=(training,),
        comparison=comparison)


def test_an_exploration_survives_its_record():
    found = exploration()
    assert from_plain(Exploration, json.loads(json.dumps(to_plain(found))), where="x") == found


def text_of(html):
    return html[html.index("<body>"):]


def test_the_page_is_self_contained_and_says_it_all():
    html = page(exploration())
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", html[:html.index("<script>")] + text_of(html))
    assert "Plotly.newPlot" in html and len(html) > 1_000_000
    body = text_of(html)
    for said in ("98.00%", "measured", "+25.0%", "nextpnr: timed out &lt;script&gt;", "tie. No effect is shown.",
                 "yosys", "settled, corrected", "0.5500, 0.6500", "max_latency_s 0.001", "1,234",
                 "<td>2</td><td>0.9700</td><td>0.9600</td><td>0.9800</td><td>0.9800, 0.9600</td>",
                 "0.930 to 0.994", "1 candidates exceeded", "1,234,567"):
        assert said in body, said
    assert "mlp-<b>" not in body


def test_who_runs_what_is_a_table_and_a_picture():
    body = text_of(page(exploration()))
    section = body[body.index('<section id="networks">'):body.index('<section id="layers">')]
    for said in ("the engine has no softmax", "<td>990</td><td>–</td>", "<td>–</td><td>345</td>", "&lt;end&gt;",
                 "estimated and in no other figure of this page", "<svg ", "mlp-_b_-1-w8 on "):
        assert said in section, said
    assert section.count("<details open>") == section.count("<svg ") == 1      # of the measured points


def test_every_figure_has_its_place():
    body = text_of(page(exploration()))
    places = re.findall(r'<div id="(figure-\d+)"', body)
    assert places and places == re.findall(r'data-for="(figure-\d+)"', body)
    for text in re.findall(r'data-for="figure-\d+">(.*?)</script>', body, re.S):
        assert {"data", "layout"} == set(json.loads(text))


def test_the_same_record_gives_the_same_page():
    assert page(exploration()) == page(exploration())


def test_without_feedback_and_without_measured_points():
    plain = exploration()
    plain = replace(plain, comparison=None, failures=(), points=plain.points[1:])
    body = text_of(page(plain))
    for said in ("Every multiplier of this space is exact: there is no error to train with.", "No point failed."):
        assert said in body


def test_write_report(tmp_path):
    save_record(tmp_path / "run.json", exploration())
    path = write_report(tmp_path)
    assert path == tmp_path / "report.html" and path.read_text() == page(exploration())
    assert sorted(item.name for item in tmp_path.iterdir()) == ["report.html", "run.json"]


@pytest.mark.parametrize("content, says", [
    (None, r"no run.json; give the folder of a `heddle explore --out`"),
    ("{", r"run.json: cannot be read .*run `heddle explore` again"),
    ('{"format": 6}', r"run.json: not a Exploration of this version \(.*data.*\); run `heddle explore` again"),
    ('{"format": 0}', r"written by another version of Heddle"),
])
def test_a_wrong_folder_says_so(tmp_path, content, says):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(ReportError, match=says):
        write_report(tmp_path)


def test_a_page_of_a_model_that_was_given_speaks_of_no_accuracy_and_no_training():
    found = exploration()
    blind = replace(found, ways=(), data=None, model="kws<x>", trainings=(), comparison=None, failures=(),
                    points=tuple(replace(without_data(each), repeats=()) for each in found.points),
                    trials=tuple(map(without_data, found.trials)))
    assert from_plain(Exploration, json.loads(json.dumps(to_plain(blind))), where="x") == blind
    body = text_of(page(blind))
    assert f"<h1>kws&lt;x&gt; on {', '.join(found.space.hardware.boards)}</h1>" in body
    assert "nothing is known of its accuracy" in body
    for gone in ("test accuracy", "valid accuracy", "None", 'id="training"', 'id="feedback"', "#training",
                 "Wilson", "validation"):
        assert gone not in body, gone
    assert "LUTs, SoC included" in body and "<td>kws&lt;x&gt;</td>" in body.replace('<td class="wrap">', "<td>")
